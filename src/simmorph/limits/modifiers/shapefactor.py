"""A free yield of every bin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simmorph.limits.modifiers.base import PerBin


@dataclass(frozen=True, eq=False)
class ShapeFactor(PerBin):
    """Multiplies each bin by a parameter without constraint, the same in all samples and channels of its name."""

    kind: ClassVar[str] = "shapefactor"
