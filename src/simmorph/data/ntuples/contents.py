"""What is in a ROOT file: its trees, their branches, what simmorph has written down, histograms."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import uproot

from simmorph.data.formats.registry import format_of
from simmorph.data.morphed import FRIEND_TREE
from simmorph.data.ntuples.files import checksum_of, expand_inputs, friend_of, of_content, parts_of
from simmorph.data.ntuples.members import members_of
from simmorph.data.ntuples.opening import opened
from simmorph.data.ntuples.plausibility import check_claims
from simmorph.data.ntuples.servers import patiently, told
from simmorph.data.ntuples.writer import METADATA
from simmorph.errors import InputError, one_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from simmorph.data.events import FloatArray

TTREE_CLASSES = ("TTree", "TNtuple", "TNtupleD")
TREE_CLASSES = (*TTREE_CLASSES, "ROOT::RNTuple", "ROOT::Experimental::RNTuple")
RECORD = 2
"""The role of a structure among the fields of an RNTuple."""


@dataclass(frozen=True)
class TreeInfo:
    """What a tree holds.

    Attributes:
        path: the file.
        tree: the name of the tree, with its folders inside the file.
        n_entries: its number of entries.
        branches: the type of every branch as ROOT calls it.
        uuid: what ROOT called the file when it was made; a copy has the same.
    """

    path: str
    tree: str
    n_entries: int
    branches: dict[str, str]
    uuid: str = ""


def describe(path: str, tree: str | None = None) -> TreeInfo:
    """What the tree holds; without a name, the only tree in the file.

    Raises:
        InputError: the file cannot be read, or there is no such tree, or more than one to choose from.
    """
    path, *friends = parts_of(path)
    if friends:
        return _with_friends(describe(path, tree), find_friends(path, tree, friends))
    return _described(path, tree)


@of_content
def _described(path: str, tree: str | None) -> TreeInfo:
    if other := format_of(path):
        with other.open(path, tree) as table:
            return TreeInfo(path, table.tree or tree or "", table.n_entries, table.typenames)
    with opened(path) as file, told(path):
        name = tree_name(path, file, tree)
        found = tree_in(path, file, name)
        types = {branch: str(it.typename) for branch, it in branches_of(found).items()}
        return TreeInfo(path, name, int(found.num_entries), types, str(file.file.uuid))


def trees_in(path: str) -> dict[str, str]:
    """Every tree in the file with its class, of several cycles only the newest; of HDF5, what holds columns."""
    path = parts_of(path)[0]
    if other := format_of(path):
        return other.trees_in(path)
    return _trees(_overview(path).classes)


def objects_in(path: str) -> dict[str, str]:
    """The class of everything in a ROOT file but folders, of several cycles only the newest."""
    return {name: kind for name, kind in _overview(path).classes.items() if not kind.startswith("TDirectory")}


class _Overview(NamedTuple):
    """What is in a ROOT file.

    Attributes:
        classes: of everything in it.
        metadata: what simmorph has written down in it, as JSON.
        uuid: what ROOT called it when it was made.
    """

    classes: dict[str, str]
    metadata: str
    uuid: str


@of_content
def _overview(path: str) -> _Overview:
    with opened(path) as file, told(path):
        classes = file.classnames(recursive=True, cycle=False)
        if classes.get(METADATA) != "TObjString":
            return _Overview(classes, "{}", str(file.file.uuid))
        text = str(patiently(lambda: file[METADATA], path))
        return _Overview(classes, text if isinstance(json.loads(text), dict) else "{}", str(file.file.uuid))


def uuid_of(path: str) -> str:
    """What ROOT called a file when it was made, which a copy has too; empty for one of another format."""
    path = parts_of(path)[0]
    return "" if format_of(path) else _overview(path).uuid


def read_metadata(path: str | Path) -> dict[str, Any]:
    """What simmorph has written down in this file; nothing if it has not written it."""
    path, *friends = parts_of(str(path))
    if friends:
        said = [read_metadata(it) for it in (*(expand_inputs([friend_of(friend)[0]])[0] for friend in friends), path)]
        return said[-1] | {"units": {name: unit for its in said for name, unit in its.get("units", {}).items()}}
    content: dict[str, Any] = {} if format_of(path) else json.loads(_overview(path).metadata)
    return content


class Friend(NamedTuple):
    """A tree beside that of another file.

    Attributes:
        path: its file.
        tree: its name.
        first: the entry of it that stands beside the first of the other file.
    """

    path: str
    tree: str
    first: int


def find_friends(path: str, tree: str | None, parts: Sequence[str]) -> list[Friend]:
    """The friends of a file, in which its entries were found.

    Args:
        path: the file.
        tree: the tree in it.
        parts: what the user gave for each: files and perhaps the name of a tree, as in `out/*.root:morphed`.

    Raises:
        InputError: a friend was made of other files or of other entries of this one, or has another number of them.
    """
    return [_find_friend(describe(path, tree), *friend_of(part)) for part in parts]


def _find_friend(info: TreeInfo, files: str, tree: str | None) -> Friend:
    """The file in which the entries of another stand, by what it says that it was made of, or by their number."""
    candidates = expand_inputs([files])
    for path in candidates:
        its = _candidate(path, tree, info.tree)
        if not its.made_of and len(candidates) == 1:
            _refuse_other_length(info, path, its.n_entries, info.n_entries)
            return Friend(path, its.tree, 0)
        starts = np.cumsum([0, *(it["n_entries"] for it in its.made_of)])
        _refuse_other_length(info, path, its.n_entries, int(starts[-1]))
        for it, first in zip(its.made_of, starts, strict=False):
            if _is_made_of(it, info):
                _refuse_other_length(info, path, it["n_entries"], info.n_entries)
                return Friend(path, its.tree, int(first))
    what = f"was not made of {info.path}" if len(candidates) == 1 else f"none of these was made of {info.path}"
    raise InputError(files, what, "give the friend that `simmorph apply` wrote of this file")


class _Candidate(NamedTuple):
    """A file that may hold a friend.

    Attributes:
        tree: the name of the tree.
        n_entries: its number of entries.
        made_of: the records of the files that it was made of, in order.
    """

    tree: str
    n_entries: int
    made_of: list[dict[str, Any]]


@of_content
def _candidate(path: str, tree: str | None, of_tree: str) -> _Candidate:
    """What a file holds beside a tree; beside that of a variation of a selection, the tree that was made of it."""
    said, trees = read_metadata(path), trees_in(path)
    known = tree or (FRIEND_TREE if FRIEND_TREE in trees else None)
    made_of = [it for it in said.get("inputs", []) if isinstance(it, dict) and "n_entries" in it]
    varied = f"{known}{of_tree.removeprefix(str(said.get('tree')))}"
    if of_tree.startswith(f"{said.get('tree')}_") and varied in trees:
        known, made_of = varied, [{**it, "n_entries": it.get("varied", {}).get(of_tree, 0)} for it in made_of]
    info = describe(path, known)
    return _Candidate(info.tree, info.n_entries, made_of)


def _is_made_of(record: dict[str, Any], info: TreeInfo) -> bool:
    """Whether this is the record of a file: by the name that ROOT gave it, or by its content."""
    return record.get("uuid") == info.uuid if info.uuid else record.get("sha256") == checksum_of(info.path)


def _refuse_other_length(info: TreeInfo, friend: str, found: int, expected: int) -> None:
    if found != expected:
        what = f"has {found} entries, and {expected} stand beside it in {info.path}"
        raise InputError(friend, what, "write the friend anew by `simmorph apply`")


def _with_friends(info: TreeInfo, friends: Sequence[Friend]) -> TreeInfo:
    """With the branches of friends; of two that share a name, that of the file itself, as in ROOT."""
    branches = dict(info.branches)
    for friend in friends:
        branches = {**describe(friend.path, friend.tree).branches, **branches}
    return replace(info, branches={name: branches[name] for name in [*info.branches, *branches]})


class HistogramFile:
    """The one-dimensional histograms of an open file.

    Args:
        path: the file.
        file: the same, open.

    Attributes:
        names: of its histograms.
    """

    def __init__(self, path: str, file: Any) -> None:
        self.path, self.file = path, file
        with told(path, "the list of histograms"):
            classes = file.classnames(recursive=True, cycle=False)
        self.names = dict.fromkeys(key for key, kind in classes.items() if kind.startswith("TH1"))

    def read(self, name: str, *, flow: bool = False) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Values, variances and edges of the bins of a histogram; see `read_histogram`."""
        if name not in self.names:
            raise InputError(self.path, f"there is no histogram {name!r}", one_of(name, self.names))
        with told(self.path, f"histogram {name!r}"):
            found = patiently(lambda: self.file[name], self.path)
            columns = found.values(flow=flow), found.variances(flow=flow), found.axis().edges()
            values, variances, edges = (np.array(column, np.float64) for column in columns)
            return values, variances, edges


@contextlib.contextmanager
def opened_histograms(path: str) -> Iterator[HistogramFile]:
    """The histograms of a ROOT file.

    Raises:
        InputError: it cannot be read, or is of another format.
    """
    path = parts_of(path)[0]
    if format_of(path):
        raise InputError(path, "there are no histograms", "histograms are read from ROOT files")
    with opened(path) as file:
        yield HistogramFile(path, file)


def read_histogram(path: str, name: str, *, flow: bool = False) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A one-dimensional histogram in a file: values, variances and edges of its bins.

    Args:
        path: the file.
        name: of the histogram.
        flow: with the underflow before the first bin, and the overflow after the last one.

    Raises:
        InputError: it cannot be read, or there is no such histogram.
    """
    with opened_histograms(path) as file:
        return file.read(name, flow=flow)


def _trees(classes: Mapping[str, str]) -> dict[str, str]:
    return {name: kind for name, kind in classes.items() if kind in TREE_CLASSES}


def tree_name(path: str, file: Any, tree: str | None) -> str:
    """The name of the tree, or of the only one in the file.

    Raises:
        InputError: there is no such tree, or more than one to choose from.
    """
    trees = _trees(file.classnames(recursive=True, cycle=False))
    if tree is not None:
        if tree not in trees:
            raise InputError(path, f"there is no tree {tree!r}", one_of(tree, trees))
        return tree
    if len(trees) != 1:
        raise InputError(path, "there is not one tree", f"say which with --tree; {one_of('', trees)}")
    return next(iter(trees))


def tree_in(path: str, file: Any, name: str) -> Any:
    """The tree, once it is known that what it claims to hold can be in the file."""
    found = patiently(lambda: file[name], path, f"tree {name!r}")
    if found.classname not in TTREE_CLASSES:
        check_claims(path, name, found)
    return found


def branches_of(tree: Any) -> dict[str, Any]:
    """Every branch by its name, or by its path inside the tree where two share a name; of an RNTuple, the top fields.

    Names are those by which ROOT draws: each member of a structure by itself, as `ph.pt`; the number of entries of a
    split collection as `Photon_`, since `Photon` is the collection; an array in a class without its size. A group of
    branches that holds nothing itself is none.

    Descending into the fields of a wide RNTuple takes uproot half a minute, since it goes through all fields for each.
    """
    recursive = tree.classname in TTREE_CLASSES
    found: dict[str, list[tuple[str, Any]]] = {}
    for path, branch in tree.iteritems(recursive=recursive, full_paths=True):
        for name, part in _parts(branch, tree):
            found.setdefault(name, []).append((path if part is branch else f"{path}.{name}", part))
    named: dict[str, Any] = {}
    for name, candidates in found.items():
        single = {name: candidates[0][1]}
        named |= single if len(candidates) == 1 else dict(candidates)
    return named


def _parts(branch: Any, tree: Any) -> list[tuple[str, Any]]:
    """A branch by its name, or the members of its structure by theirs; nothing of a group of branches."""
    if tree.classname not in TTREE_CLASSES:
        is_structure = tree.field_records[branch.field_id].struct_role == RECORD
    elif branch.branches and not counts_entries(branch):
        return []
    else:
        is_structure = _has_members(branch.interpretation)
    members = members_of(branch) if is_structure else {}
    return list(members.items()) or [(_drawn_name(branch), branch)]


def _has_members(interpretation: Any) -> bool:
    is_numbers = isinstance(interpretation, uproot.AsDtype)
    return isinstance(interpretation, uproot.AsStridedObjects) or (
        is_numbers and interpretation.to_dtype.names is not None
    )


def _drawn_name(branch: Any) -> str:
    """The name by which ROOT draws what is in a branch."""
    name: str = branch.name
    if getattr(branch, "classname", "") != "TBranchElement":
        return name
    return f"{name}_" if counts_entries(branch) else re.sub(r"(\[\d+\])+$", "", name)


def counts_entries(branch: Any) -> bool:
    """Whether this is the number of entries of a collection that ROOT split into branches."""
    inner = getattr(branch, "branches", ())
    return branch.typename == "int32_t" and any(it.name.startswith(f"{branch.name}.") for it in inner)
