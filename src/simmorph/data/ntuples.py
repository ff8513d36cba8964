"""Read and write ntuples in ROOT files; with `ntuple_writer`, the only module that knows uproot.

Branches are read one by one by their exact names, after checking that the tree has them, and never as expressions:
uproot evaluates expressions, and aliases stored in the file, with Python's eval.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import importlib.util
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import uproot

from simmorph.data.ntuple_writer import METADATA, NtupleWriter
from simmorph.data.outputs import OutputError, sha256_of, whole_file, write_provenance
from simmorph.data.plausibility import check_claims, check_length
from simmorph.errors import InputError, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from simmorph.data.events import FloatArray

Column = Any
"""One branch of a chunk: a numpy array if it is one number per entry, else an awkward array."""

TTREE_CLASSES = ("TTree", "TNtuple", "TNtupleD")
TREE_CLASSES = (*TTREE_CLASSES, "ROOT::RNTuple", "ROOT::Experimental::RNTuple")
STEP = 200_000

_XROOTD_DEFAULTS = {
    "XRD_CONNECTIONRETRY": "2",
    "XRD_CONNECTIONWINDOW": "5",
    "XRD_REQUESTTIMEOUT": "10",
    "XRD_STREAMERRORWINDOW": "5",
    "XRD_STREAMTIMEOUT": "5",
}
"""XRootD retries for minutes by default when a server vanishes; what the user has set stays."""


# --- which files ---------------------------------------------------------------------------------------------------


def expand_inputs(inputs: Sequence[str]) -> list[str]:
    """The files that globs, folders (their *.root), URLs and `-` (a list on stdin) stand for, each once.

    They keep the order given; those of a glob or folder are in natural order, `f2.root` before `f10.root`.

    Raises:
        InputError: an input matches nothing.
    """
    return list(dict.fromkeys(path for given in inputs for path in _expand(str(given))))


def _expand(given: str) -> list[str]:
    if given == "-":
        listed = [line.strip() for line in sys.stdin]
        files = [path for line in listed if line and not line.startswith("#") for path in _expand_path(line)]
    else:
        files = _expand_path(given)
    if not files:
        raise InputError(given, "no file there", "check the name; folders are searched for *.root")
    return files


def _expand_path(given: str) -> list[str]:
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


# --- what is in a file ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TreeInfo:
    """What a tree holds.

    Attributes:
        path: the file.
        tree: the name of the tree, with its folders inside the file.
        n_entries: its number of entries.
        branches: the type of every branch as ROOT calls it.
    """

    path: str
    tree: str
    n_entries: int
    branches: dict[str, str]


def describe(path: str, tree: str | None = None) -> TreeInfo:
    """What the tree holds; without a name, the only tree in the file.

    Raises:
        InputError: the file cannot be read, or there is no such tree, or more than one to choose from.
    """
    with _opened(path) as file, _told(path):
        name = _tree_name(path, file, tree)
        found = _tree(path, file, name)
        types = {branch: str(it.typename) for branch, it in _branches(found).items()}
        return TreeInfo(path, name, int(found.num_entries), types)


def trees_in(path: str) -> dict[str, str]:
    """Every tree in the file with its class, of several cycles only the newest."""
    with _opened(path) as file, _told(path):
        return _trees(file)


def read_metadata(path: str | Path) -> dict[str, Any]:
    """What simmorph has written down in this file; nothing if it has not written it."""
    with _opened(str(path)) as file, _told(str(path)):
        if file.classnames(recursive=False, cycle=False).get(METADATA) != "TObjString":
            return {}
        content = json.loads(str(file[METADATA]))
        return content if isinstance(content, dict) else {}


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Any]:
    """The file, open for reading."""
    with _told(path):
        file = uproot.open({_reachable(path): None}, handler=_handler(path), object_cache=None, array_cache=None)
    with file:
        yield file


def _reachable(path: str) -> str:
    """The path, once it is known that opening it makes sense; a pipe would wait for ever."""
    if path.startswith("root://"):
        for name, value in _XROOTD_DEFAULTS.items():
            os.environ.setdefault(name, value)
        if importlib.util.find_spec("fsspec_xrootd") is None:
            raise InputError(path, "XRootD is not installed", "pip install 'simmorph[xrootd]'")
    elif not is_url(path):
        if not Path(path).exists():
            raise InputError(path, "no such file")
        if not Path(path).is_file():
            raise InputError(path, "is not a file")
        with _told(path):
            check_length(path)
    return path


def _handler(path: str) -> Any:
    if path.startswith(("http://", "https://")):
        return uproot.MultithreadedHTTPSource
    return uproot.source.fsspec.FSSpecSource if is_url(path) else uproot.MultithreadedFileSource


@contextlib.contextmanager
def _told(*places: object) -> Iterator[None]:
    """Turn whatever uproot raises on a bad file, a dozen kinds of exception, into one that says where."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        where = ", ".join(str(place) for place in places)
        raise InputError(where, f"cannot be read: {type(error).__name__} {reason}".rstrip()) from error


def _trees(file: Any) -> dict[str, str]:
    classes = file.classnames(recursive=True, cycle=False)
    return {name: kind for name, kind in classes.items() if kind in TREE_CLASSES}


def _tree_name(path: str, file: Any, tree: str | None) -> str:
    trees = _trees(file)
    if tree is not None:
        if tree not in trees:
            raise InputError(path, f"there is no tree {tree!r}", one_of(tree, trees))
        return tree
    if len(trees) != 1:
        raise InputError(path, "there is not one tree", f"say which with --tree; {one_of('', trees)}")
    return next(iter(trees))


def _tree(path: str, file: Any, name: str) -> Any:
    """The tree, once it is known that what it claims to hold can be in the file."""
    found = file[name]
    if found.classname not in TTREE_CLASSES:
        check_claims(path, name, found)
    return found


def _branches(tree: Any) -> dict[str, Any]:
    """Every branch by its name, or by its path inside the tree where two share a name; of an RNTuple, the top fields.

    Descending into the fields of a wide RNTuple takes uproot half a minute, since it goes through all fields for each.
    """
    recursive = tree.classname in TTREE_CLASSES
    found: dict[str, list[tuple[str, Any]]] = {}
    for path, branch in tree.iteritems(recursive=recursive, full_paths=True):
        found.setdefault(branch.name, []).append((path, branch))
    named: dict[str, Any] = {}
    for name, candidates in found.items():
        single = {name: candidates[0][1]}
        named |= single if len(candidates) == 1 else dict(candidates)
    return named


# --- what is in the branches ---------------------------------------------------------------------------------------


def iterate(path: str, tree: str, branches: Sequence[str], step: int = STEP) -> Iterator[tuple[int, dict[str, Column]]]:
    """The number of the first entry and the branches of one chunk after the other.

    Args:
        path: the file.
        tree: the name of the tree in it.
        branches: the exact names of the branches to read.
        step: entries in a chunk.

    Raises:
        InputError: there is no such tree or branch, or one cannot be read.
    """
    with open_tree(path, tree) as found:
        yield from found.iterate(branches, step)


@dataclass(frozen=True)
class OpenTree:
    """A tree in an open file, for those who choose what to read by what there is.

    Attributes:
        path: the file.
        tree: the name of the tree.
        n_entries: its number of entries.
        branches: the branches by name.
    """

    path: str
    tree: str
    n_entries: int
    branches: Mapping[str, Any]

    def iterate(self, branches: Sequence[str], step: int = STEP) -> Iterator[tuple[int, dict[str, Column]]]:
        """As the function `iterate`."""
        for name in branches:
            if name not in self.branches:
                raise InputError(self.path, f"tree {self.tree!r} lacks {name!r}", one_of(name, self.branches))
        for start in range(0, self.n_entries, step):
            stop = min(start + step, self.n_entries)
            yield start, {name: self._read(name, start, stop) for name in branches}

    def _read(self, name: str, start: int, stop: int) -> Column:
        """One branch of one chunk, and a check that it came whole."""
        place = (self.path, f"tree {self.tree!r}", f"branch {name!r}", f"entries {start} to {stop}")
        with _told(*place):
            column = _plain(self.branches[name].array(entry_start=start, entry_stop=stop, library="ak"))
        if len(column) != stop - start:
            raise InputError(", ".join(place), f"only {len(column)} entries came back", "the file is damaged")
        return column


@contextlib.contextmanager
def open_tree(path: str, tree: str) -> Iterator[OpenTree]:
    """The tree, open for reading.

    Raises:
        InputError: the file cannot be read, or there is no such tree.
    """
    with _opened(path) as file:
        with _told(path, f"tree {tree!r}"):
            found = _tree(path, file, _tree_name(path, file, tree))
            opened = OpenTree(path, tree, int(found.num_entries), _branches(found))
        yield opened


def _plain(array: ak.Array) -> Column:
    """A numpy array where there is one number per entry."""
    is_flat = isinstance(array.type.content, ak.types.NumpyType)
    return ak.to_numpy(array) if is_flat else array


def read_histogram(path: str, name: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A one-dimensional histogram in a file: values, variances and edges of its bins, without under- and overflow.

    Raises:
        InputError: it cannot be read, or there is no such histogram.
    """
    with _opened(path) as file, _told(path, f"histogram {name!r}"):
        classes = file.classnames(recursive=True, cycle=False)
        known = [key for key, kind in classes.items() if kind.startswith("TH1")]
        if name not in known:
            raise InputError(path, f"there is no histogram {name!r}", one_of(name, known))
        found = file[name]
        columns = found.values(), found.variances(), found.axis().edges()
        values, variances, edges = (np.array(column, np.float64) for column in columns)
        return values, variances, edges


# --- writing -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def create_ntuple(
    path: Path,
    tree: str,
    *,
    force: bool = False,
    metadata: Mapping[str, Any] | None = None,
    made_from: Mapping[str, Any] | None = None,
) -> Iterator[NtupleWriter]:
    """Write a tree that appears whole or not at all: a TTree, since ROOT's newer RNTuple is not read everywhere.

    Args:
        path: the file to write.
        tree: the name of the tree.
        force: replace an existing file.
        metadata: what to write down beside the tree, readable by `read_metadata`.
        made_from: what to write into the provenance file, which comes last.

    Raises:
        UsageError: the file exists.
        OutputError: the file cannot be written, or did not come out as it should.
    """
    path = Path(path)
    with whole_file(path, force=force) as temporary:
        with uproot.recreate(temporary, compression=uproot.ZLIB(1)) as file:
            writer = NtupleWriter(file, tree, dict(metadata or {}))
            yield writer
            writer.finish()
        _verify(path, temporary, tree, writer.n_rows)
    write_provenance(path, {} if made_from is None else made_from)


def _verify(path: Path, temporary: Path, tree: str, n_rows: int) -> None:
    try:
        written, kind = describe(str(temporary), tree), trees_in(str(temporary))[tree]
    except InputError as error:
        raise OutputError(path, "could not be read back", "nothing was written; is the disk full?") from error
    if (written.n_entries, kind) != (n_rows, "TTree"):
        what = f"came out as a {kind} of {written.n_entries} entries, not a TTree of {n_rows}"
        raise OutputError(path, what, "nothing was written; is the disk full?")
