"""What stands in an option as one text, and in a recipe as a list or a mapping too."""

from __future__ import annotations

from typing import Any

RESERVED = ("total", "statistical", "systematic")
"""Parts of every uncertainty, which no group can be called."""


def named_groups(groups: Any) -> Any:
    """Groups by name, of a list such as `[JES, jets=JES_*,JER]` too; what is no list of texts stays.

    >>> named_groups(["JES", "jets=JES_*,JER"])
    {'JES': ['JES*'], 'jets': ['JES_*', 'JER']}

    Raises:
        ValueError: a name is missing, stands twice, or means something else.
    """
    if isinstance(groups, list) and all(isinstance(it, str) for it in groups):
        parts = [group.partition("=") for group in groups]
        groups = {name: its.split(",") if sign else [f"{name}*"] for name, sign, its in parts}
        if len(groups) < len(parts) or not all(name and all(its) for name, its in groups.items()):
            raise ValueError("groups: give each a name of its own, and names of parameters such as jets=JES_*,JER")
    if isinstance(groups, dict) and (taken := [name for name in RESERVED if name in groups]):
        raise ValueError(f"groups: {taken[0]!r} is a part of every uncertainty; give the group another name")
    return groups


def listed_numbers(numbers: Any) -> Any:
    """Numbers in a text as a list; what is no text stays.

    >>> listed_numbers("0,1,2.5")
    [0.0, 1.0, 2.5]

    Raises:
        ValueError: one is no number.
    """
    return [float(it) for it in numbers.split(",")] if isinstance(numbers, str) else numbers
