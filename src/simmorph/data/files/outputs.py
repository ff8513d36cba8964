"""Outputs appear whole or not at all, and are never replaced by accident.

Everything is written under a temporary name beside its destination and moved there when it is complete; the
provenance file comes last, so that its presence means that the output is whole. The temporary name tells output,
machine and process, so that what a killed process left is removed when the same output is written again.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import platform
import re
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from simmorph.errors import SimmorphError, UsageError
from simmorph.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_PROVENANCE = ".provenance.json"
"""The longest of the endings that simmorph adds to the name of an output."""
_LONGEST_NAME = 220
"""Bytes of the name of an output, which leave room for two such endings in the 255 that file systems allow."""


class OutputError(SimmorphError):
    """An output could not be written."""

    @classmethod
    def of(cls, path: Path, error: OSError, mend: str = "choose another output") -> Self:
        """What the operating system says of this output."""
        return cls(path, (error.strerror or str(error)).lower(), mend)


def refuse_existing(path: Path | None, *, force: bool, marker: str | None = None) -> None:
    """Fail early if the output cannot be written or exists, before hours are spent on it.

    Args:
        path: the output; None for none, which cannot be replaced.
        force: an output of the same kind may be replaced.
        marker: what every output folder of this kind holds; a folder of something else is never replaced.

    Raises:
        UsageError: it exists and may not be replaced, there is none to replace, or it is nothing that can be written.
    """
    if path is None:
        if force:
            raise UsageError("--force", "nothing is written that it could replace", "give -o, or leave it out")
        return
    _refuse_impossible(path)
    if path.exists() and not force:
        raise UsageError(path, "already exists", "choose another output or add --force")
    if marker and path.is_dir() and any(path.iterdir()) and not (path / marker).exists():
        what = f"holds something else than what is to be written there: it lacks {marker!r}"
        raise UsageError(path, what, "choose another output")


def _refuse_impossible(path: Path) -> None:
    """Check that a path can become a file or a folder.

    Raises:
        UsageError: it names a server, a device or a pipe, or its name is too long.
    """
    if _URL.match(str(path)) and not path.parent.is_dir():
        raise UsageError(path, "is on a server", "write the output on this machine and copy it, as by xrdcp")
    n_bytes = len(os.fsencode(path.name.removesuffix(_PROVENANCE)))
    if n_bytes > _LONGEST_NAME:
        raise UsageError(path, f"a name of {n_bytes} bytes is too long", f"take {_LONGEST_NAME} at most")
    is_special = path.exists() and not (path.is_file() or path.is_dir())
    if is_special or str(path.absolute().parent) in {"/dev", "/dev/fd"}:
        raise UsageError(path, "is a device or pipe, which cannot be replaced", "name a file or folder to write")


def provenance_path(output: Path) -> Path:
    """Where the provenance of an output stands."""
    return output.with_name(output.name + _PROVENANCE)


@contextlib.contextmanager
def whole_file(path: Path, *, force: bool = False) -> Iterator[Path]:
    """A temporary path that becomes `path` when the block ends well, and vanishes when it does not.

    Raises:
        UsageError: the file exists (also if it came into being meanwhile) and `force` is not set.
        OutputError: the folder cannot be written.
    """
    path = Path(path)
    refuse_existing(path, force=force)
    if path.is_dir():
        raise UsageError(path, "is a folder", "name a file to write")
    destination = _behind_link(path)
    with _temporary(destination) as folder:
        temporary = folder / path.name
        yield temporary
        _sync(temporary)
        if force:
            provenance_path(path).unlink(missing_ok=True)
            temporary.replace(destination)
        else:
            try:
                os.link(temporary, destination)
            except FileExistsError as error:
                raise UsageError(path, "came into being meanwhile", "add --force to replace it") from error
            except OSError:  # no hard links here, as on EOS and some FUSE mounts
                refuse_existing(path, force=False)
                temporary.replace(destination)
        _sync(destination.parent)


@contextlib.contextmanager
def whole_folder(path: Path, *, force: bool = False, marker: str | None = None) -> Iterator[Path]:
    """A temporary folder that becomes `path` when the block ends well, and vanishes when it does not.

    Raises:
        UsageError: the folder exists and may not be replaced; see `refuse_existing`.
        OutputError: the folder cannot be written.
    """
    path = Path(path)
    refuse_existing(path, force=force, marker=marker)
    path = _behind_link(path)
    if path.exists() and not path.is_dir():
        raise UsageError(path, "is a file", "name a folder to write")
    with _temporary(path) as folder:
        temporary = folder / path.name
        temporary.mkdir()
        yield temporary
        for inner in temporary.rglob("*"):
            _sync(inner)
        if path.exists():
            refuse_existing(path, force=force)
            path.rename(folder / "replaced")
        try:
            temporary.rename(path)
        except OSError as error:
            if (folder / "replaced").exists():
                (folder / "replaced").rename(path)
            raise OutputError.of(path, error) from error
        _sync(path.parent)


def _behind_link(path: Path) -> Path:
    """Where a symbolic link points to, so that it stays one; any other path as it is."""
    return path.resolve() if path.is_symlink() else path


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """A folder beside the output, of a name that says whose it is; those of dead processes go."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(path)
        folder = Path(tempfile.mkdtemp(prefix=f"{_temporary_prefix(path)}{os.getpid()}.", dir=path.parent))
    except OSError as error:
        raise OutputError.of(path, error) from error
    try:
        yield folder
    except OSError as error:
        if error.filename is None or str(folder) in str(error.filename):
            raise OutputError.of(path, error, "nothing was written") from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _temporary_prefix(path: Path) -> str:
    """How temporary names for this output begin on this machine, in this namespace of process numbers."""
    output = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]
    try:
        namespace = "".join(filter(str.isdecimal, str(Path("/proc/self/ns/pid").readlink())))
    except OSError:
        namespace = "0"
    return f".{path.name[:20]}.{output}.{platform.node()[:60]}.{namespace}."


def _remove_stale(path: Path) -> None:
    """Remove what processes that were killed while they wrote this output have left."""
    prefix = _temporary_prefix(path)
    for name in os.listdir(path.parent):  # noqa: PTH208 - names alone
        process = name.removeprefix(prefix).partition(".")[0]
        if name.startswith(prefix) and process.isdecimal() and not _is_running(int(process)):
            shutil.rmtree(path.parent / name, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some file systems cannot sync a folder
        if path.is_file():
            raise
    finally:
        os.close(descriptor)


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, content: Any) -> None:
    """Write readable JSON; NaN and infinity are refused, since other readers refuse them."""
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_csv(path: Path, head: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table of comma-separated values."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *rows])


def write_provenance(output: Path, made_from: Mapping[str, Any]) -> None:
    """Write down what an output is and where it came from: its completion marker."""
    content = {
        "output": output.name,
        "sha256": sha256_of(output),
        "simmorph": __version__,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        **made_from,
    }
    with whole_file(provenance_path(output), force=True) as temporary:
        write_json(temporary, content)
