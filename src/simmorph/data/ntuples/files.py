"""Which files an input stands for, and the checksums of their content."""

from __future__ import annotations

import functools
import glob
import hashlib
import posixpath
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from simmorph.data.files import stdin
from simmorph.data.files.outputs import sha256_of
from simmorph.data.ntuples.servers import is_http, is_url, patiently, require_protocol
from simmorph.errors import InputError, UsageError
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from simmorph.progress import Progress

Found = TypeVar("Found")

BESIDE = "++"
"""`mc.root++morphed.root:morphed` is a file with the tree of another one beside its own, as a friend."""


def parts_of(path: str) -> list[str]:
    """The file that a path stands for, and after it the friends beside it.

    >>> parts_of("mc.root++out/morphed.root:morphed")
    ['mc.root', 'out/morphed.root:morphed']
    """
    return [path] if BESIDE not in path or Path(path).exists() else path.split(BESIDE)


def friend_of(part: str) -> tuple[str, str | None]:
    """The files of a friend and the name of its tree, if that is said.

    >>> friend_of("out/*.root:morphed"), friend_of("root://eos/a.root")
    (('out/*.root', 'morphed'), ('root://eos/a.root', None))
    """
    files, _, tree = part.rpartition(":")
    return (part, None) if not files or "/" in tree or "." in tree else (files, tree)


def expand_inputs(inputs: Sequence[str], note: Progress = silent) -> list[str]:
    """The files that globs, folders (their *.root), URLs and `-` (a list on stdin) stand for, each once.

    They keep the order given; those of a glob or folder are in natural order, `f2.root` before `f10.root`.

    Args:
        inputs: what was given.
        note: called with a line for each file that was named more than once, also as a link or in another spelling.

    Raises:
        InputError: an input matches nothing.
        UnreachableError: a server that is to list a folder does not answer.
    """
    known: dict[object, str] = {}
    for path in (path for given in inputs for path in _expand(str(given))):
        file = identity(path)
        if file in known:
            note(f"{path}: is the same file as {known[file]}, and counts once")
        known.setdefault(file, path)
    return list(known.values())


def refuse_input(output: Path, paths: Iterable[str]) -> None:
    """Refuse an output that would replace what is read.

    Raises:
        UsageError: it is one of the files or of the friends beside them, by whatever path.
    """
    if not output.is_file():
        return
    read = (file for path in paths for file in files_of(path))
    if identity(str(output)) in map(identity, read):
        raise UsageError(output, "is also an input", "choose another output")


def files_of(path: str) -> list[str]:
    """The file that a path stands for, and those in which friends beside it may be."""
    path, *friends = parts_of(path)
    return [path, *(file for friend in friends for file in _expand_path(friend_of(friend)[0]))]


def identity(path: str) -> object:
    """What two paths share that lead to one file, as links and other spellings do; to be compared, and no more."""
    path, *friends = parts_of(path)
    if friends:
        return identity(path), *friends
    if is_url(path):
        server, _, name = path.partition("://")[2].partition("/")
        return server, posixpath.normpath(name)
    status = Path(path).stat()
    return status.st_dev, status.st_ino


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
    """As `_expand_path`, where the system has nothing against it."""
    given, *friends = parts_of(given)
    if friends:
        return [BESIDE.join([path, *friends]) for path in _found_at(given)]
    if is_url(given):
        return _on_server(given)
    if Path(given).is_file():
        return [given]
    if Path(given).is_dir():
        return _in_order(str(path) for path in Path(given).glob("*.root"))
    if Path(given).exists():
        raise InputError(given, "is neither a file nor a folder")
    found = glob.glob(given, recursive=True)  # noqa: PTH207 - absolute globs
    return _in_order(path for path in found if Path(path).is_file())


def _on_server(url: str) -> list[str]:
    """The files of a glob or folder on a server that can list; HTTP cannot, and of another URL it is the file."""
    wild = re.search(r"[^/]*[*\[]", url)
    if is_http(url) or not (wild or PurePosixPath(url).suffix == ""):
        return [url]
    require_protocol(url)
    import fsspec  # noqa: PLC0415 - takes a while, and only servers need it

    system, path = fsspec.core.url_to_fs(url)
    # fsspec takes a server that does not answer for an empty one; listing the folder does not.
    folder = path[: path.index(wild[0])] if wild else path
    listed = patiently(lambda: system.ls(folder, detail=True), url)
    if wild:
        found = [str(name) for name in patiently(lambda: system.glob(path), url)]
    elif [it["type"] for it in listed] == ["file"] and listed[0]["name"].rstrip("/") == path.rstrip("/"):
        return [url]
    else:
        found = [it["name"] for it in listed if it["type"] == "file" and it["name"].endswith(".root")]
    return _in_order(system.unstrip_protocol(name) for name in found)


def _in_order(paths: Iterable[str]) -> list[str]:
    """In natural order: numbers in a name count as numbers."""
    return sorted(paths, key=lambda path: [int(it) if it.isdecimal() else it for it in re.split(r"([0-9]+)", path)])


def of_content(function: Callable[..., Found]) -> Callable[..., Found]:
    """What a function says of a file, found once for each time the file is written; of one on a server every time.

    Args:
        function: of a path and of other arguments that can be hashed; what it returns is not to be changed.
    """

    @functools.lru_cache(maxsize=2048)
    def known(path: str, content: tuple[int, ...], *others: Any) -> Found:  # noqa: ARG001 - one content from the next
        return function(path, *others)

    def found(path: str, *others: Any) -> Found:
        try:
            status = Path(path).stat()
        except OSError:
            return function(path, *others)
        return known(path, (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size), *others)

    return found


def checksum_of(path: str) -> str:
    """The SHA-256 of a file's content, computed once for each time it is written; empty for one on a server.

    With friends beside it, it is that of the checksums of all files.
    """
    path, *friends = parts_of(path)
    if friends:
        paths = [path, *(found for friend in friends for found in expand_inputs([friend_of(friend)[0]]))]
        return hashlib.sha256(" ".join(checksum_of(it) for it in paths).encode()).hexdigest()
    return "" if is_url(path) else _checksum_of(path)


def checksums_of(paths: Iterable[str]) -> dict[str, str]:
    """The checksum of each file."""
    return {path: checksum_of(path) for path in paths}


_checksum_of = of_content(sha256_of)
