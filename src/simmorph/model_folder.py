"""The folder in which a model is kept: a card, its tensors, the log of its training; nothing in it can run.

JSON and safetensors hold numbers and text, never code, so that a model from elsewhere is safe to load. Card and tensors
carry checksums, since a flipped bit in either would be a wrong map without an error.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors import torch as safetensors_torch

from simmorph.card import FORMAT_VERSION, ModelCard, digest_of
from simmorph.data.files.json_files import parse_json
from simmorph.data.files.outputs import whole_folder, write_json
from simmorph.errors import InputError, one_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

CARD, TENSORS, LOG = "card.json", "tensors.safetensors", "training.jsonl"
_OF_DAMAGE = (
    ValidationError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, SafetensorError,
)  # fmt: skip
"""What a card or tensors with wrong values can raise, whatever their checksums say."""
TRAIN_IT = "name the folder that `simmorph train` wrote"


def serialised(module: nn.Module) -> bytes:
    """The tensors of a module in the safetensors format."""
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in module.state_dict().items()}
    return safetensors_torch.save(state)


def sha256_of_tensors(module: nn.Module) -> str:
    """The SHA-256 of `serialised`."""
    return hashlib.sha256(serialised(module)).hexdigest()


def write_folder(folder: Path, card: ModelCard, module: nn.Module, log: str, *, force: bool) -> None:
    """Write a model, whole or not at all.

    Args:
        folder: where to.
        card: everything but the tensors.
        module: the tensors.
        log: one JSON line for each epoch of training.
        force: replace an existing folder.
    """
    content = card.model_dump(mode="json")
    with whole_folder(folder, force=force, marker=CARD) as temporary:
        (temporary / TENSORS).write_bytes(serialised(module))
        (temporary / LOG).write_text(log, encoding="utf-8")
        write_json(temporary / CARD, {"card_sha256": digest_of(content), **content})


def read_card(folder: Path) -> ModelCard:
    """The card of a model, after a check of its own checksum.

    Raises:
        InputError: there is no model, or its card is damaged or of another version.
    """
    folder = Path(folder)
    if not folder.exists():
        raise InputError(folder, "there is no such model", "write it with `simmorph train`")
    if not folder.is_dir():
        raise InputError(folder, "is a file, and a model is a folder", TRAIN_IT)
    path = folder / CARD
    content = parse_json(_read(folder, CARD), path, "the model is damaged; copy it again")
    if content.get("format") != "simmorph-model":
        raise InputError(path, "is not the card of a model", TRAIN_IT)
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        what = f"is of format version {version!r}, and this simmorph reads {FORMAT_VERSION}"
        raise InputError(path, what, "train it anew, or use the simmorph that wrote it")
    with explained(path):
        if content.pop("card_sha256", None) != digest_of(content):
            raise ValueError("its content does not match its checksum")
        return ModelCard.model_validate(content)


def read_tensors(folder: Path, card: ModelCard) -> dict[str, Tensor]:
    """The tensors of a model, after a check of their checksum.

    Raises:
        InputError: they are missing or damaged.
    """
    content = _read(folder, TENSORS)
    if hashlib.sha256(content).hexdigest() != card.tensors_sha256:
        what = "the model is damaged: the checksum is not that of its card"
        raise InputError(folder / TENSORS, what, "copy it again, or train it anew")
    with explained(folder / TENSORS):
        return safetensors_torch.load(content)


def _read(folder: Path, name: str) -> bytes:
    """The content of a file of the folder.

    Raises:
        InputError: the folder lacks it.
    """
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        names = sorted(path.name for path in folder.iterdir())
        raise InputError(folder, f"is not a model: it lacks {name}", one_of(name, names)) from error


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a damaged model into one sentence."""
    try:
        yield
    except _OF_DAMAGE as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(path, f"the model is damaged: {reason}", "copy it again, or train it anew") from error
