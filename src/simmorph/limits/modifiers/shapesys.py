"""An uncertainty of every bin on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from simmorph.limits.modifiers.base import PerBin, Size, Systematic

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray, FloatArray
    from simmorph.limits.modifiers.base import Nominal


@dataclass(frozen=True, eq=False)
class ShapeSys(Systematic, PerBin):
    """Multiplies each bin by a parameter near 1, which a Poisson distribution constrains.

    The constraint is a count of 1 / size^2 events in a control region of its own for each bin, so that bins move
    without regard to their neighbours: right for statistics of a sideband, wrong for a calibration that moves a whole
    shape.

    Attributes:
        sizes: (n_bins,), relative size of one standard deviation; it keeps when the yields change.
    """

    kind: ClassVar[str] = "shapesys"
    words: ClassVar[str] = "moves each bin on its own (shapesys)"
    Options: ClassVar[type[Size]] = Size

    sizes: FloatArray

    @classmethod
    def of_recipe(cls, name: str, options: Size, nominal: Nominal) -> ShapeSys:
        """The same relative size in all bins; every sample of every channel has parameters of its own."""
        histogram, suffix, _ = nominal
        return cls(f"{name}_{histogram.name}{suffix}", np.full(len(histogram.values), options.size))

    @classmethod
    def of_pyhf(cls, name: str, data: Any, nominal: FloatArray) -> ShapeSys:
        """From absolute uncertainties; pyhf has none in a bin that expects nothing."""
        return cls(name, np.divide(data, nominal, out=np.zeros(len(nominal)), where=nominal > 0))

    def data(self, nominal: FloatArray) -> list[float]:
        """Absolute uncertainties."""
        return [float(it) for it in self.sizes * nominal]

    def part(self, bins: BoolArray) -> ShapeSys:
        """The sizes in these bins."""
        return ShapeSys(self.name, self.sizes[bins])
