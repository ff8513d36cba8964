"""The luminosity: one parameter for all samples whose yields are proportional to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simmorph.limits.modifiers.normfactor import NormFactor


@dataclass(frozen=True, eq=False)
class Lumi(NormFactor):
    """Multiplies all bins by a parameter that a normal distribution constrains; a measurement says how well."""

    kind: ClassVar[str] = "lumi"
