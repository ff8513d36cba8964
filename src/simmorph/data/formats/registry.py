"""Which format a file has, by the end of its name; any other is a ROOT file."""

from __future__ import annotations

from pathlib import PurePosixPath

from simmorph.data.formats.csv import Csv
from simmorph.data.formats.hdf5 import Hdf5
from simmorph.data.formats.parquet import Parquet

Format = type[Parquet] | type[Csv] | type[Hdf5]

FORMATS: dict[str, Format] = {".parquet": Parquet, ".csv": Csv, ".h5": Hdf5, ".hdf5": Hdf5}


def format_of(path: str) -> Format | None:
    """The format that is not ROOT's, if a file has one.

    >>> format_of("zee.parquet").__name__, format_of("zee.root")
    ('Parquet', None)
    """
    return FORMATS.get(PurePosixPath(path).suffix)
