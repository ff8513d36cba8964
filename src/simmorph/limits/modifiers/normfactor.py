"""A free normalisation: the parameter of interest, or that of a background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from simmorph.limits.modifiers.base import Modifier

if TYPE_CHECKING:
    from simmorph.limits.modifiers.base import Cells

FREE_RANGE = (0.001, 1000.0)
"""Of a normalisation that is left free."""


@dataclass(frozen=True, eq=False)
class NormFactor(Modifier):
    """Multiplies all bins by a parameter without constraint.

    Attributes:
        bounds: of the parameter; pyhf's, 0 to 10, if None.
    """

    kind: ClassVar[str] = "normfactor"

    bounds: tuple[float, float] | None = None

    def parameter(self) -> dict[str, Any] | None:
        """Its range, for the measurement of the workspace; None where pyhf's default stands."""
        return None if self.bounds is None else {"name": self.name, "inits": [1.0], "bounds": [list(self.bounds)]}

    def enter(self, cells: Cells, here: slice, parameter: int) -> None:
        """Multiply all bins by the parameter."""
        cells.scale(here, parameter)
