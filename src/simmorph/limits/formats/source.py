"""What a reader of a format is given, and what it makes of it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from simmorph.data.histograms import Histogram
from simmorph.errors import InputError, UsageError
from simmorph.limits.model.workspace import AS_PYHF

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from simmorph.config.values.interpolation import Interpolation
    from simmorph.data.ntuples.contents import HistogramFile


class Source(NamedTuple):
    """A file that has been read.

    Attributes:
        raw: its content.
        name: for messages.
        folder: that paths in it may count from.
        measurement: which of its measurements is wanted; the first one if None.
    """

    raw: bytes
    name: str
    folder: Path
    measurement: str | None = None


class ModelFile(NamedTuple):
    """A model as pyhf knows it.

    Attributes:
        spec: a workspace in the JSON of pyhf.
        name: of its file, for messages.
        interpolation: how the sides of its modifiers are joined; None if the file does not say.
        remarks: what a reader of the limits should know of the translation.
    """

    spec: dict[str, Any]
    name: str
    interpolation: Interpolation | None = None
    remarks: tuple[str, ...] = ()

    def interpolated(self, asked: Interpolation | None) -> Interpolation:
        """How its modifiers are interpolated: as the file says, or as is asked for where it says nothing.

        Raises:
            UsageError: both are there.
        """
        if asked is not None and self.interpolation is not None:
            raise UsageError("--interpolation", f"{self.name} says itself how it interpolates", "leave it out")
        return asked or self.interpolation or AS_PYHF


class HistogramFiles:
    """Histograms in ROOT files, each of which is opened once.

    Args:
        folders: where relative paths may count from, the likeliest first.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = folders
        self._open: dict[Path, HistogramFile] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def path(self, name: str, where: str) -> Path:
        """The file of this name.

        Raises:
            InputError: there is none.
        """
        for folder in self.folders:
            if (folder / name).is_file():
                return folder / name
        tried = " or ".join(dict.fromkeys(str(folder) for folder in self.folders))
        raise InputError(where, f"there is no file {name!r} in {tried}", "paths count from there")

    def has(self, file: str, name: str, where: str) -> bool:
        """Whether the file has such a histogram."""
        return name in self._file(file, where).names

    def read(self, file: str, name: str, where: str) -> Histogram:
        """A histogram.

        Args:
            file: in which it is.
            name: of the histogram, with its folders in the file.
            where: it is asked for, for messages.

        Raises:
            InputError: there is no such file or histogram, or a number in it is not finite.
        """
        found = self._file(file, where)
        try:
            values, variances, edges = found.read(name)
        except InputError as error:
            raise InputError(where, f"{error.where}: {error.what}", error.mend) from error
        if not (np.all(np.isfinite(values)) and np.all(np.isfinite(variances))):
            raise InputError(where, f"histogram {name!r} of {found.path} has numbers that are not finite", "mend it")
        return Histogram(edges, values, variances, name)

    def _file(self, name: str, where: str) -> HistogramFile:
        from simmorph.data.ntuples.contents import opened_histograms  # noqa: PLC0415 - uproot takes a second

        path = self.path(name, where)
        if path not in self._open:
            try:
                self._open[path] = self._stack.enter_context(opened_histograms(str(path)))
            except InputError as error:
                raise InputError(where, f"{error.where}: {error.what}", error.mend) from error
        return self._open[path]
