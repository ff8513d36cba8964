"""Pieces that are needed only once the last of them is there wait on disk, so that memory does not grow with them."""

from __future__ import annotations

import pickle  # why: our own arrays, in a file without a name that nobody else can write
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from simmorph.data.files.outputs import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

Piece = TypeVar("Piece")

MEMORY_BYTES = 64 * 1024**2
"""What is less waits in memory."""


def spooled(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The pieces, the first of them after the last has come; they wait in the folder for temporary files (TMPDIR).

    Raises:
        OutputError: there is no room.
    """
    try:
        with tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES) as file:  # without a name, so that none else sees it
            n_pieces = 0
            for piece in pieces:
                pickle.dump(piece, file, protocol=pickle.HIGHEST_PROTOCOL)  # why: as above
                n_pieces += 1
            file.seek(0)
            for _ in range(n_pieces):
                yield pickle.load(file)  # noqa: S301 # why: written above, by this process
    except OSError as error:
        mend = "let TMPDIR name a folder with room for the rows of a file"
        raise OutputError.of(Path(tempfile.gettempdir()), error, mend) from error
