"""The recipe's `variables:` block: how variables are called, and in which unit they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from simmorph.config.documents import Name, Section
from simmorph.config.values.labels import Label

if TYPE_CHECKING:
    from collections.abc import Mapping


class VariableSettings(Section):
    """What is known of a variable; nothing that is trained depends on it."""

    label: Label = ""
    """Its name on plots, such as `$H_T$`; that of its branch by default."""
    unit: Name | None = None
    """Its unit, such as GeV; without it that which `simmorph select` wrote into the ntuples, if it did."""


class NamedVariables(Section):
    """The variables whose label or unit a recipe gives."""

    variables: dict[Name, VariableSettings] = Field(default_factory=dict)
    """Labels and units: `HT: {label: "$H_T$", unit: GeV}`."""

    @model_validator(mode="after")
    def _name_what_is_used(self) -> Self:
        used = self.model_dump_json(exclude={"variables"})
        stray = [name for name in self.variables if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", used)]
        if stray and used != "{}":
            raise ValueError(f"variables names {stray[0]!r}, which nothing else here does")
        return self

    @property
    def units(self) -> dict[str, str]:
        """The units that are given, by variable."""
        return {name: it.unit for name, it in self.variables.items() if it.unit}

    def axis_label(self, name: str, units: Mapping[str, str]) -> str:
        """What stands at the axis of a variable: its label or name, and its unit where one is known.

        >>> NamedVariables(variables={"m_jj": VariableSettings(label="dijet mass")}).axis_label("m_jj", {"m_jj": "GeV"})
        'dijet mass [GeV]'
        """
        given = self.variables.get(name, VariableSettings())
        unit = given.unit or units.get(name)
        return f"{given.label or name} [{unit}]" if unit else given.label or name
