"""Which files an input stands for, and the checksums of their content."""

from __future__ import annotations

import functools
import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING

from simmorph.data import stdin
from simmorph.data.outputs import sha256_of
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def expand_inputs(inputs: Sequence[str]) -> list[str]:
    """The files that globs, folders (their *.root), URLs and `-` (a list on stdin) stand for, each once.

    They keep the order given; those of a glob or folder are in natural order, `f2.root` before `f10.root`.

    Raises:
        InputError: an input matches nothing.
    """
    return list(dict.fromkeys(path for given in inputs for path in _expand(str(given))))


def _expand(given: str) -> list[str]:
    if given == stdin.NAME:
        files = [path for line in stdin.lines() if line and not line.startswith("#") for path in _expand_path(line)]
    else:
        files = _expand_path(given)
    if not files:
        raise InputError(given, "no file there", "check the name; folders are searched for *.root")
    return files


def _expand_path(given: str) -> list[str]:
    """The files of a path; none where there is nothing.

    Raises:
        InputError: it is something else than files or folders, or cannot be looked at.
    """
    try:
        return _found_at(given)
    except OSError as error:
        raise InputError(given, (error.strerror or str(error)).lower(), "name files that can be read") from error


def _found_at(given: str) -> list[str]:
    if is_url(given) or Path(given).is_file():
        return [given]
    if Path(given).is_dir():
        return _in_order(str(path) for path in Path(given).glob("*.root"))
    if Path(given).exists():
        raise InputError(given, "is neither a file nor a folder")
    found = glob.glob(given, recursive=True)  # noqa: PTH207 - absolute globs
    return _in_order(path for path in found if Path(path).is_file())


def _in_order(paths: Iterable[str]) -> list[str]:
    """In natural order: numbers in a name count as numbers."""
    return sorted(paths, key=lambda path: [int(it) if it.isdecimal() else it for it in re.split(r"([0-9]+)", path)])


def is_url(path: str) -> bool:
    """Whether this names a file on a server."""
    return "://" in path


def checksum_of(path: str) -> str:
    """The SHA-256 of a file's content, computed once for each time it is written; empty for one on a server."""
    if is_url(path):
        return ""
    status = Path(path).stat()
    return _checksum_of(path, status.st_ino, status.st_mtime_ns, status.st_size)


def checksums_of(paths: Iterable[str]) -> dict[str, str]:
    """The checksum of each file."""
    return {path: checksum_of(path) for path in paths}


@functools.lru_cache(maxsize=1024)
def _checksum_of(path: str, inode: int, written_ns: int, size: int) -> str:  # noqa: ARG001 - they distinguish one content from the next
    return sha256_of(path)
