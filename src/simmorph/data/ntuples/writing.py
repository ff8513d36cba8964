"""Write ntuples that appear whole or not at all."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uproot

from simmorph.data.files.outputs import OutputError, whole_file, write_provenance
from simmorph.data.formats.registry import format_of
from simmorph.data.ntuples.contents import describe, trees_in
from simmorph.data.ntuples.writer import NtupleWriter
from simmorph.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simmorph.config.values.compression import Compression

ALGORITHMS: dict[Compression, Any] = {
    "zstd": uproot.ZSTD(1),
    "zlib": uproot.ZLIB(1),
    "lz4": uproot.LZ4(1),
    "lzma": uproot.LZMA(1),
    "none": None,
}
"""Each at its fastest level; those above make files little smaller, and take far longer."""


@contextlib.contextmanager
def create_ntuple(  # noqa: PLR0913 - one keyword for each thing that a file has
    path: Path,
    tree: str,
    *,
    force: bool = False,
    compression: Compression = "zstd",
    metadata: Mapping[str, Any] | None = None,
    made_from: Mapping[str, Any] | None = None,
) -> Iterator[NtupleWriter]:
    """Write a tree that appears whole or not at all: a TTree, since ROOT's newer RNTuple is not read everywhere.

    Args:
        path: the file to write.
        tree: the name of the tree.
        force: replace an existing file.
        compression: of its baskets.
        metadata: what to write down beside the tree, readable by `read_metadata`.
        made_from: what to write into the provenance file, which comes last.

    Raises:
        UsageError: the file exists, or has the name of one of another format.
        OutputError: the file cannot be written, or did not come out as it should.
    """
    path = Path(path)
    if format_of(str(path)):
        raise UsageError(path, "would be a ROOT file, whatever its name", "let the name end in .root")
    with whole_file(path, force=force) as temporary:
        with uproot.recreate(temporary, compression=ALGORITHMS[compression]) as file:
            writer = NtupleWriter(file, tree, dict(metadata or {}))
            yield writer
            writer.finish()
        for it in (writer, *writer.others.values()):
            if it.n_columns:
                _verify(path, temporary, it.tree, it.n_rows)
    write_provenance(path, {} if made_from is None else made_from)


def _verify(path: Path, temporary: Path, tree: str, n_rows: int) -> None:
    try:
        written, kind = describe(str(temporary), tree), trees_in(str(temporary))[tree]
    except InputError as error:
        raise OutputError(path, "could not be read back", "nothing was written; is the disk full?") from error
    if (written.n_entries, kind) != (n_rows, "TTree"):
        what = f"came out as a {kind} of {written.n_entries} entries, not a TTree of {n_rows}"
        raise OutputError(path, what, "nothing was written; is the disk full?")
