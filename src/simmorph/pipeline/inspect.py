"""Show what is in a model.

Loading it checks the hash of its tensors and sends the events of its probe through it: a model that does something else
than when it was written, because a file or a library changed, does not pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simmorph.data.ntuples.contents import TreeInfo, describe, trees_in
from simmorph.errors import InputError
from simmorph.model import Model

if TYPE_CHECKING:
    from pathlib import Path

    from simmorph.card import ModelCard


@dataclass(frozen=True)
class InspectResult:
    """What is in a model.

    Attributes:
        card: everything but its tensors.
        probe_is_exact: whether its stored events come out the same to the last bit on this machine.
    """

    card: ModelCard
    probe_is_exact: bool

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return {**self.card.model_dump(mode="json"), "probe_is_exact": self.probe_is_exact}

    def to_text(self) -> str:
        """A screen for people."""
        how = "to the last bit" if self.probe_is_exact else "within rounding"
        return f"{self.card.to_text()}\nprobe: {len(self.card.probe.ids)} events come out as stored, {how}"


@dataclass(frozen=True)
class FileResult:
    """What is in a file of events.

    Attributes:
        trees: what holds columns in it: of a format without names, a single one.
    """

    trees: list[TreeInfo]

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        trees = [{"tree": it.tree, "entries": it.n_entries, "branches": it.branches} for it in self.trees]
        return {"path": self.trees[0].path if self.trees else "", "trees": trees}

    def to_text(self) -> str:
        """A line for each column."""
        lines = []
        for it in self.trees:
            width = max(map(len, it.branches), default=0)
            lines.append(f"{it.path}{f', tree {it.tree!r}' if it.tree else ''}: {it.n_entries:,} entries")
            lines += [f"  {name:<{width}}  {kind}" for name, kind in it.branches.items()]
        return "\n".join(lines)


def inspect_file(path: str) -> FileResult:
    """What is in a file of events.

    Raises:
        InputError: it cannot be read, or holds nothing of the kind.
    """
    names = trees_in(path)
    if not names:
        raise InputError(path, "there is no tree", "give a file of events, or a model folder")
    return FileResult([describe(path, name or None) for name in names])


def inspect_model(folder: Path) -> InspectResult:
    """What is in a model, after checking that it is whole and does what it did.

    Raises:
        InputError: there is no model, or it is damaged.
    """
    model = Model.load(folder)
    return InspectResult(model.card, model.probe_is_exact)
