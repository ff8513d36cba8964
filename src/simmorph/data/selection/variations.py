"""Systematic variations of a selection: what differs in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simmorph.errors import ConfigError, one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.config.selection.selection import Selection

WEIGHT = ("weight", "weight.simulation")
"""Keys of a variation that stand for the weight of simulation."""


def is_of_weight(changes: Mapping[str, str]) -> bool:
    """Whether nothing but the weight differs, so that the same events are selected."""
    return changes.keys() <= set(WEIGHT)


def varied(selection: Selection, changes: Mapping[str, str], where: str) -> Selection:
    """The selection with other branches, expressions or weights, for simulation, and without variations of its own.

    Raises:
        ConfigError: a key is no property of an object, no name of an expression or branch, and not the weight.
    """
    found = selection.model_copy(update={"variations": {}, "certified_runs": None})
    for key, text in changes.items():
        found = _changed(found, key, text, where)
    return found


def _changed(selection: Selection, key: str, text: str, where: str) -> Selection:
    if key in WEIGHT:
        return selection.model_copy(update={"weight": selection.weight.model_copy(update={"simulation": text})})
    name, _, rest = key.partition(".")
    if name in selection.objects and rest:
        its = selection.objects[name]
        for block in ("branches", "properties"):
            if rest in getattr(its, block):
                changed = its.model_copy(update={block: {**getattr(its, block), rest: text}})
                return selection.model_copy(update={"objects": {**selection.objects, name: changed}})
    for block in ("variables", "define", "branches"):
        if key in getattr(selection, block):
            return selection.model_copy(update={block: {**getattr(selection, block), key: text}})
    of_objects = [f"{it}.{name}" for it, its in selection.objects.items() for name in (*its.branches, *its.properties)]
    known = [*of_objects, *selection.variables, *selection.define, *selection.branches, "weight"]
    raise ConfigError(where, f"{key!r} is nothing that can differ", one_of(key, known))
