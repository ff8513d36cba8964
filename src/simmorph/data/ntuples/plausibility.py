"""Refuse files that were cut short, and trees that claim more content than their bytes in the file can hold.

A file that was copied half can look whole, if what it lacks is not read; ROOT itself calls it "recovered". A flipped
bit in the metadata of an RNTuple can make uproot set aside tens of gigabytes for a file of kilobytes.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import xxhash

from simmorph.errors import InputError

PLAUSIBLE_BYTES = 64 * 1024**2
"""A claim up to this does no harm."""
LARGEST_RATIO = 50_000
"""More than any compression that ROOT knows reaches, even of zeros alone."""


_MAGIC = b"root"
_LARGE_FILE = 1_000_000
"""Added to the version of a file whose length needs 64 bits."""


def check_length(path: str) -> None:
    """Check that a file is as long as its header says.

    Args:
        path: a file on this machine.

    Raises:
        InputError: it is no ROOT file, or a part of one.
    """
    with Path(path).open("rb") as file:
        header = file.read(20)
    if header[:4] != _MAGIC:
        raise InputError(path, "is not a ROOT file" if header else "is empty", "name a ROOT file")
    refuse_cut_short(path, Path(path).stat().st_size, _length(header))


def refuse_cut_short(path: str, there: int, needed: int) -> None:
    """Compare the bytes of a file with those that it should have.

    Raises:
        InputError: there are fewer.
    """
    if there < needed:
        raise InputError(path, f"is cut short: it has {there:,} of {needed:,} bytes", "copy or write it again")


def _length(header: bytes) -> int:
    """The length that a ROOT file gives itself (fEND), which follows its version and the place of its first record."""
    if len(header) < 20:
        return 20
    version: int = struct.unpack_from(">i", header, 4)[0]
    length: int = struct.unpack_from(">q" if version >= _LARGE_FILE else ">i", header, 12)[0]
    return length


def check_claims(path: str, tree: str, found: Any) -> None:
    """Check the pages of an RNTuple, as they are listed in the file, after the checksums of the lists.

    Args:
        path: the file, for messages.
        tree: the name of the tree, for messages.
        found: the RNTuple.

    Raises:
        InputError: a list is damaged, or a column is said to hold more than it can.
    """
    for group in found.footer.cluster_group_records:
        if not _is_whole(found, group.page_list_link):
            raise InputError(path, f"tree {tree!r}, the list of its pages has another checksum", "the file is damaged")
    columns = found.column_records
    for cluster in found.page_link_list:
        for column, listed in zip(columns, cluster, strict=False):
            n_elements = sum(page.num_elements for page in listed.pages)
            stored = sum(page.locator.num_bytes for page in listed.pages)
            if not is_plausible(n_elements * column.nbits // 8, stored):
                field = found.field_records[column.field_id].field_name
                what = f"tree {tree!r}, field {field!r} claims {n_elements:,} elements in {stored:,} bytes"
                raise InputError(path, what, "the file is damaged")


def _is_whole(found: Any, link: Any) -> bool:
    """Whether a list of pages has the checksum (XXH3) that follows it, at which uproot does not look."""
    chunk, cursor = found.read_locator(link.locator, link.env_uncomp_size)
    content = bytes(chunk.get(cursor.index, cursor.index + link.env_uncomp_size, cursor, {}))
    checksum: int = struct.unpack("<Q", content[-8:])[0]
    return checksum == xxhash.xxh3_64_intdigest(content[:-8])


def is_plausible(claimed: int, stored: int) -> bool:
    """Whether so many bytes on disk can hold so many bytes of content."""
    return claimed <= max(PLAUSIBLE_BYTES, LARGEST_RATIO * stored)
