"""Every kind of modifier by its name, and how a recipe or a workspace becomes one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simmorph.config.documents import Document, Section, validate
from simmorph.errors import ConfigError, one_of
from simmorph.limits.modifiers.histosys import HistoSys
from simmorph.limits.modifiers.lumi import Lumi
from simmorph.limits.modifiers.normfactor import NormFactor
from simmorph.limits.modifiers.normsys import NormSys
from simmorph.limits.modifiers.shapefactor import ShapeFactor
from simmorph.limits.modifiers.shapesys import ShapeSys
from simmorph.limits.modifiers.staterror import StatError

if TYPE_CHECKING:
    from simmorph.config.limits import Variation
    from simmorph.data.events import FloatArray
    from simmorph.limits.modifiers.base import Modifier

MODIFIERS: dict[str, type[Modifier]] = {
    "normfactor": NormFactor,
    "lumi": Lumi,
    "normsys": NormSys,
    "shapesys": ShapeSys,
    "histosys": HistoSys,
    "shapefactor": ShapeFactor,
    "staterror": StatError,
}
"""What stands under `type` of a modifier in a workspace; those with Options, under `type` in `systematics:` too."""


def kind_of(variation: Variation) -> tuple[type[Modifier], Section]:
    """The kind of a systematic uncertainty of a recipe, and its keys.

    Raises:
        ConfigError: there is no such kind, or a key is unknown, missing or wrong.
    """
    where = f"limits.systematics: {variation.name}"
    options_of = options_of_kinds()
    if variation.type not in options_of:
        raise ConfigError(where, f"unknown type {variation.type!r}", one_of(variation.type, options_of))
    options = validate(Document(where, variation.options), options_of[variation.type])
    return MODIFIERS[variation.type], options


def options_of_kinds() -> dict[str, type[Section]]:
    """The keys of every kind that a recipe may name."""
    return {name: kind.Options for name, kind in MODIFIERS.items() if kind.Options is not None}


def modifier_of(spec: dict[str, Any], nominal: FloatArray) -> Modifier:
    """A modifier in the JSON of pyhf, of a sample with these yields."""
    return MODIFIERS[spec["type"]].of_pyhf(spec["name"], spec["data"], nominal)
