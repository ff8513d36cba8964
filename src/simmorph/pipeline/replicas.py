"""Replicas of a model: how much of it depends on its training events and on its random start.

A replica is the same learning on a bootstrap sample of the events (weights times Poisson numbers of mean 1) from
another random start. The spread of what replicas make of the same events is the uncertainty that training leaves; see
`limits.templates.amplification`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simmorph.errors import InputError
from simmorph.model_folder import CARD, read_card
from simmorph.pipeline.train import replica_folder, train_model

if TYPE_CHECKING:
    from simmorph.config.recipe import Recipe


@dataclass(frozen=True)
class ReplicasResult:
    """What was trained.

    Attributes:
        folders: the model folder of each replica.
        n_kept: how many of them were there already.
    """

    folders: list[str]
    n_kept: int

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return {"replicas": self.folders, "kept": self.n_kept}

    def to_text(self) -> str:
        """One line."""
        kept = f", {self.n_kept} of them from before" if self.n_kept else ""
        return f"replicas {len(self.folders)} in {Path(self.folders[0]).parent}{kept}"


def train_replicas(recipe: Recipe, n_replicas: int, **how: Any) -> ReplicasResult:
    """Train bootstrap replicas of a model that is there, each into a folder of its own; those that are there stay.

    Args:
        recipe: of the model.
        n_replicas: how many there are to be in the end.
        **how: see `train_model`; with `force` all are trained anew.

    Raises:
        InputError: a folder holds a replica of another model.
        Checkpointed: training was stopped and saved; the replicas before are kept.
    """
    model = Path(str(recipe.model))
    folders = [replica_folder(model, number) for number in range(1, n_replicas + 1)]
    kept = [folder for folder in folders if not how.get("force") and _is_replica_of(folder, model)]
    for number, folder in enumerate(folders, 1):
        if folder not in kept:
            train_model(recipe, replica=number, **how)
    return ReplicasResult([str(folder) for folder in folders], len(kept))


def _is_replica_of(folder: Path, model: Path) -> bool:
    """Whether a folder holds a model of the same learning.

    Raises:
        InputError: it holds another one.
    """
    if not (folder / CARD).exists():
        return False
    if read_card(model).identity != read_card(folder).identity:
        raise InputError(folder, "is a replica of another model", "add --force to train the replicas anew")
    return True


def replicas_of(model: Path) -> list[Path]:
    """The folders of a model's replicas, in order.

    Raises:
        InputError: there are none, or one is of another model.
    """
    found = sorted(path.parent for path in replica_folder(model, 1).parent.glob(f"*/{CARD}"))
    if not found:
        raise InputError(model, "has no replicas", "train them: simmorph train --replicas 10 ...")
    return [folder for folder in found if _is_replica_of(folder, model)]
