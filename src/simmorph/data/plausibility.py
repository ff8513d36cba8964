"""Refuse a tree that claims more content than its bytes in the file can hold, before memory is set aside for it.

A flipped bit in the metadata of an RNTuple can make uproot set aside tens of gigabytes for a file of kilobytes.
"""

from __future__ import annotations

from typing import Any

from simmorph.errors import InputError

PLAUSIBLE_BYTES = 64 * 1024**2
"""A claim up to this does no harm."""
LARGEST_RATIO = 50_000
"""More than any compression that ROOT knows reaches, even of zeros alone."""


def check_claims(path: str, tree: str, found: Any) -> None:
    """Check the pages of an RNTuple, as they are listed in the file.

    Args:
        path: the file, for messages.
        tree: the name of the tree, for messages.
        found: the RNTuple.

    Raises:
        InputError: a column is said to hold more than it can.
    """
    columns = found.column_records
    for cluster in found.page_link_list:
        for column, listed in zip(columns, cluster, strict=False):
            n_elements = sum(page.num_elements for page in listed.pages)
            stored = sum(page.locator.num_bytes for page in listed.pages)
            if not is_plausible(n_elements * column.nbits // 8, stored):
                field = found.field_records[column.field_id].field_name
                what = f"tree {tree!r}, field {field!r} claims {n_elements:,} elements in {stored:,} bytes"
                raise InputError(path, what, "the file is damaged")


def is_plausible(claimed: int, stored: int) -> bool:
    """Whether so many bytes on disk can hold so many bytes of content."""
    return claimed <= max(PLAUSIBLE_BYTES, LARGEST_RATIO * stored)
