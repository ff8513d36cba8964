"""Which files one run of apply writes."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from simmorph.data.formats.registry import format_of
from simmorph.data.morphed import replica_output
from simmorph.data.ntuples.files import expand_inputs, parts_of
from simmorph.errors import UsageError
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from simmorph.config.recipe import ApplySettings
    from simmorph.progress import Progress


class Part(NamedTuple):
    """One file to write.

    Attributes:
        inputs: what it is made of.
        model: what makes it.
        output: where it goes.
        replicas: what makes further branches of it.
    """

    inputs: list[str]
    model: Path
    output: Path
    replicas: Sequence[Path] = ()


def planned(settings: ApplySettings, model: Path, replicas: Sequence[Path] = (), note: Progress = silent) -> list[Part]:
    """The files to write, those of the model itself first.

    Args:
        settings: an entry of the recipe's `apply:`.
        model: the model folder.
        replicas: folders of its replicas.
        note: called with a line for each input that is named twice.

    Raises:
        InputError: an input matches no file.
        UsageError: two inputs have one name, and each is to have a file of its own.
    """
    given = expand_inputs(settings.input, note) if settings.input else []
    outputs = [(given, settings.output)]
    if settings.each:
        outputs = [([path], output) for path, output in _one_for_each(given, settings.output)]
    own = [Part(its, model, output, replicas if settings.in_branches else ()) for its, output in outputs]
    if settings.in_branches:
        return own
    others = [Part(its, each, replica_output(out, each.name)) for each in replicas for its, out in outputs]
    return own + others


def _one_for_each(paths: Sequence[str], folder: Path) -> list[tuple[str, Path]]:
    """Each input and the file of its name in a folder, which is a ROOT file whatever the input is.

    Raises:
        UsageError: two have one name.
    """
    named = [(path, folder / PurePosixPath(parts_of(path)[0]).name) for path in paths]
    pairs = [(path, output.with_suffix(".root") if format_of(path) else output) for path, output in named]
    names = [output.name for _, output in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError("--each", f"two outputs are called {twice[0]!r}", "write them into two folders")
    return pairs
