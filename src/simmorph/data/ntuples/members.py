"""The members of a structure, such as a leaf list or an unsplit object, each as a branch of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import awkward as ak


@dataclass(frozen=True)
class Member:
    """A number, or an array of them, in a branch that holds a structure.

    Attributes:
        branch: of the structure.
        name: of the branch and the member, as ROOT draws it.
        path: the names of the member in the structure, from the outside.
        typename: its type, in words of numpy.
    """

    branch: Any
    name: str
    path: tuple[str, ...]
    typename: str

    def array(self, **how: Any) -> ak.Array:
        """The member's part of what is in the branch."""
        array = self.branch.array(**how)
        for name in self.path:
            array = array[name]
        return array


def members_of(branch: Any) -> dict[str, Member]:
    """Each member of a structure by its name; of what cannot be read, or is no structure, none."""
    try:
        kind = branch.array(entry_start=0, entry_stop=0, library="ak").type.content
        is_whole = _has_size(branch)
    except Exception:  # uproot raises a dozen kinds; reading the branch itself tells what is wrong
        return {}
    found: dict[str, Member] = {}
    if is_whole:
        _collect(branch, kind, (), found)
    return found


def _has_size(branch: Any) -> bool:
    """Whether an entry has the size that uproot takes it for.

    It does not know the header of a class without a version, and would take its bytes for numbers.
    """
    layout = getattr(branch.interpretation, "from_dtype", None) if hasattr(branch, "interpretation") else None
    if layout is None or not branch.num_baskets:
        return True
    basket = branch.basket(0)
    return len(basket.data) == int(basket.num_entries) * int(layout.itemsize)


def _collect(branch: Any, kind: Any, path: tuple[str, ...], found: dict[str, Member]) -> None:
    if isinstance(kind, ak.types.RecordType):
        for at, inner in enumerate(kind.contents):
            _collect(branch, inner, (*path, str(at) if kind.is_tuple else kind.fields[at]), found)
    elif path:
        name = ".".join([branch.name.rstrip("."), *(f"_{part}" if part.isdecimal() else part for part in path)])
        found[name] = Member(branch, name, path, str(kind))
