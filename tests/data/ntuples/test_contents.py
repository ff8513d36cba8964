"""A file says what is in it, and is refused in one line where that is not what is asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import uproot

from simmorph.data.ntuples.contents import describe, trees_in
from simmorph.errors import InputError

FILES = Path(__file__).parents[1] / "files"
ATLAS = str(FILES / "data_A_10events.GamGam.root")


def test_a_file_with_one_tree_describes_itself() -> None:
    info = describe(ATLAS)
    assert (info.tree, info.n_entries, len(info.branches)) == ("mini", 10, 81)
    assert info.branches["photon_pt"] == "std::vector<float>"


def test_of_two_cycles_the_newest_is_read() -> None:
    path = str(FILES / "uproot-issue31.root")
    with uproot.open(path) as file:
        newest = file["T;2"].num_entries
    assert trees_in(path) == {"T": "TTree"}
    assert describe(path).n_entries == newest


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("uproot-nesteddirs.root", "it has 'one/two/tree', 'one/tree', 'three/tree'"),
        ("uproot-histograms.root", "there is not one tree"),
        ("uproot-issue70.root", "there is not one tree"),
        ("uproot-issue-586.root", "there is not one tree"),
        ("README.md", "not a ROOT file"),
        ("missing.root", "no such file"),
        (".", "is not a file"),
    ],
)
def test_a_file_without_one_tree_is_refused_in_one_line(name: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        describe(str(FILES / name))
    assert "\n" not in str(caught.value)


def test_a_tree_in_a_folder_is_read_by_its_path() -> None:
    path = str(FILES / "uproot-nesteddirs.root")
    assert describe(path, "one/two/tree").n_entries > 0
    with pytest.raises(InputError, match="there is no tree 'tree'"):
        describe(path, "tree")


def test_members_of_structures_are_branches_and_groups_are_none() -> None:
    branches = describe(str(FILES / "hits.root"), "t").branches
    assert {"x", "in.a", "small.id", "hits.in.a", "smalls.big"} <= branches.keys()
    assert not {"hit", "hits", "smalls", "small.", "in"} & branches.keys()
    branches = describe(str(FILES / "shapes.root"), "t").branches
    assert {"ph.pt", "ph.id", "cell.t"} <= branches.keys()
    branches = describe(str(FILES / "clones.root"), "t").branches
    assert {"Photon_", "Photon.fPx", "Photon.fMother", "lv.fP.fX", "lv.fE"} <= branches.keys()


def test_a_structure_with_a_header_that_uproot_takes_for_numbers_has_no_members() -> None:
    """An entry of `in` is 16 bytes, of which the first 10 are a header; uproot read a = 3.8e-37 for 0."""
    branches = describe(str(FILES / "hits_split1.root"), "t").branches
    assert "in" in branches
    assert not any(name.startswith("in.") for name in branches)
    assert "small.x" in branches
