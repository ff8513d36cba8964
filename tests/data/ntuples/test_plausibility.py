"""Files that claim more than they can hold are refused before memory is set aside for the claim."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
import uproot
import xxhash

from simmorph.data.ntuples.contents import describe
from simmorph.data.ntuples.plausibility import LARGEST_RATIO, PLAUSIBLE_BYTES, check_length, is_plausible
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.errors import InputError
from tests.conftest import read_columns

if TYPE_CHECKING:
    from pathlib import Path

N_ENTRIES = 4321
HUGE = 2_000_000_000


@pytest.fixture
def ntuple(tmp_path: Path) -> Path:
    path = tmp_path / "new.root"
    with uproot.recreate(path, compression=None) as file:
        file.mkrntuple("mini", {"pt": np.float32}).extend({"pt": np.ones(N_ENTRIES, np.float32)})
    return path


def test_an_honest_rntuple_is_read(ntuple: Path) -> None:
    assert describe(str(ntuple)).n_entries == N_ENTRIES
    assert read_columns([str(ntuple)], "mini", ["pt"])["pt"].sum() == N_ENTRIES


def test_a_page_that_claims_gigabytes_is_refused_before_they_are_set_aside(ntuple: Path) -> None:
    content = ntuple.read_bytes()
    # The list of pages gives the elements and then the bytes of the only page.
    honest, claim = (struct.pack("<ii", n, 4 * N_ENTRIES) for n in (N_ENTRIES, HUGE))
    assert content.count(honest) == 1
    with uproot.open(ntuple) as file:
        (group,) = file["mini"].footer.cluster_group_records
        start, size = group.page_list_link.locator.offset, group.page_list_link.env_uncomp_size
    content = content.replace(honest, claim)
    ntuple.write_bytes(content)
    with pytest.raises(InputError, match="the list of its pages has another checksum; the file is damaged"):
        describe(str(ntuple))
    checksum = struct.pack("<Q", xxhash.xxh3_64_intdigest(content[start : start + size - 8]))
    ntuple.write_bytes(content[: start + size - 8] + checksum + content[start + size :])
    with pytest.raises(InputError, match="'pt' claims 2,000,000,000 elements in 17,284 bytes; the file is damaged"):
        describe(str(ntuple))


def test_small_claims_and_good_compression_are_plausible() -> None:
    assert is_plausible(PLAUSIBLE_BYTES, 0)
    assert is_plausible(LARGEST_RATIO * 10_000, 10_000)
    assert not is_plausible(LARGEST_RATIO * 10_000 + 1, 10_000)


@pytest.mark.parametrize(
    ("n_bytes", "message"),
    [
        (0, "is empty"),
        (3, "is not a ROOT file"),
        (10, "is cut short: it has 10 of 20 bytes"),
        (-1, "is cut short: it has"),
    ],
)
def test_a_file_that_was_cut_short_is_refused_although_what_is_read_is_there(
    tmp_path: Path, n_bytes: int, message: str
) -> None:
    whole, part = tmp_path / "whole.root", tmp_path / "part.root"
    with create_ntuple(whole, "events") as ntuple:
        ntuple.extend({"pt": np.ones(10)})
    part.write_bytes(whole.read_bytes()[:n_bytes])
    with pytest.raises(InputError, match=message):
        read_columns([str(part)], "events", ["pt"])


def test_a_file_of_any_length_knows_it(tmp_path: Path) -> None:
    path = tmp_path / "large.root"
    path.write_bytes(b"root" + struct.pack(">iiq", 1_062_400, 100, 3_000_000_000) + bytes(100))
    with pytest.raises(InputError, match="120 of 3,000,000,000 bytes; copy or write it again"):
        check_length(str(path))
