"""What leaves a key without effect, stated once for entries of a recipe and for the options of a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable


class Rules(TypedDict, total=False):
    """When a key, or an option, has an effect.

    Attributes:
        needs: another one, without which it has none, and why.
        unless: those beside which it has none, and why.
        beside: those beside which it needs a third one, this, and why.
    """

    needs: tuple[str, str]
    unless: dict[str, str]
    beside: dict[str, tuple[str, str]]


class Refusal(NamedTuple):
    """Why something has no effect.

    Attributes:
        why: in words.
        other: what is to be given besides, or to be left out.
        is_needed: which of the two.
    """

    why: str
    other: str
    is_needed: bool


def refusal(rules: Rules, is_given: Callable[[str], bool]) -> Refusal | None:
    """Why something that is given has no effect; None if it has one.

    Args:
        rules: of it.
        is_given: whether another one is given too.
    """
    for other, why in rules.get("unless", {}).items():
        if is_given(other):
            return Refusal(why, other, is_needed=False)
    needed = [rules["needs"]] if "needs" in rules else []
    needed += [third for other, third in rules.get("beside", {}).items() if is_given(other)]
    return next((Refusal(why, other, is_needed=True) for other, why in needed if not is_given(other)), None)


_NEW = {"n_events": "new events come from no ntuple that it could be about"}
APPLY: dict[str, Rules] = {
    "selection": {"unless": _NEW},
    "friend": {"unless": {**_NEW, "selection": "a selection writes a friend tree in any case"}},
    "full_copy": {"needs": ("selection", "without one all branches are copied in any case")},
    "sample": {"needs": ("selection", "it is about how a selection takes events")},
    "overrides": {"needs": ("selection", "it is about how a selection takes events")},
    "on_bad_file": {"unless": _NEW},
    "allow_empty": {"unless": {**_NEW, "each": "files of single inputs may be empty in any case"}},
    "tree": {"needs": ("input", "no file is read")},
    "each": {"unless": _NEW},
    "missing_branches": {
        "unless": {**_NEW, "friend": "nothing is copied", "each": "each file is copied by itself"},
        "beside": {"selection": ("full_copy", "nothing is copied")},
    },
}
"""Of the keys of `apply:` and the options of `simmorph apply`."""
