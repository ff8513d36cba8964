"""Checkpoints: tensors and a record in one safetensors file, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from simmorph.data.files.outputs import whole_file
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

_RECORD = "simmorph"
_DIGEST = "sha256"


def digest(tensors: Mapping[str, Tensor], more: str = "") -> str:
    """The SHA-256 of tensors with their names, types and shapes, and of a text."""
    total = hashlib.sha256(more.encode())
    for name in sorted(tensors):
        values = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        total.update(values.numpy().tobytes())
    return total.hexdigest()


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Write a checkpoint over the one before it; a reader sees either the old or the new."""
    on_cpu = {name: values.detach().cpu().contiguous().clone() for name, values in tensors.items()}
    text = json.dumps(record)
    with whole_file(path, force=True) as temporary:
        temporary.write_bytes(save(on_cpu, metadata={_RECORD: text, _DIGEST: digest(on_cpu, text)}))


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the record of a checkpoint.

    Raises:
        InputError: the file is not a checkpoint, or damaged.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError) as error:
        raise InputError(path, "this checkpoint cannot be read", "remove it to start anew") from error
    text = metadata.get(_RECORD, "")
    if metadata.get(_DIGEST) != digest(tensors, text):
        raise InputError(path, "this checkpoint is damaged", "remove it to start anew")
    record: dict[str, Any] = json.loads(text)
    return tensors, record
