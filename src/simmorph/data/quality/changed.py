"""Files that are not what was written: damaged since, or changed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from simmorph.data.files.outputs import provenance_path
from simmorph.data.ntuples.files import checksum_of, files_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def changes_in(paths: Iterable[str]) -> Iterator[str]:
    """A sentence for each file that has another content than its own provenance file says.

    A flipped bit in a basket that ZSTD, LZ4 or nothing compressed shows in no other way. The checksum of a file is
    computed once for each time the file is written, for provenance too.

    Args:
        paths: files, with those beside them as friends; none on a server is looked at.
    """
    for path in dict.fromkeys(file for given in paths for file in files_of(given)):
        said = _said_of(path)
        if said and said != checksum_of(path):
            by = provenance_path(Path(path)).name
            yield f"{path} has another content than {by} says: it is damaged, or was changed"


def _said_of(path: str) -> str:
    """The SHA-256 that a file had when it was written, as far as that is known."""
    try:
        said = json.loads(provenance_path(Path(path)).read_bytes())
    except (OSError, ValueError):
        return ""
    return str(said.get("sha256", "")) if isinstance(said, dict) and said.get("output") == Path(path).name else ""
