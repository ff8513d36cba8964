"""The finite number of simulated events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from simmorph.limits.modifiers.base import PerBin

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray, FloatArray
    from simmorph.data.histograms import Histogram


@dataclass(frozen=True, eq=False)
class StatError(PerBin):
    """Multiplies each bin by a parameter near 1, which a normal distribution constrains (Barlow-Beeston).

    Its width is the uncertainty over the yield of the bin. Every sample has parameters of its own here, as in R. Barlow
    and C. Beeston, Comput. Phys. Commun. 77 (1993) 219, where each count is a Poisson one; a workspace made elsewhere
    may have one parameter for all samples of a bin. Not valid for a bin with a handful of simulated events.

    Attributes:
        uncertainties: (n_bins,), absolute, one standard deviation.
    """

    kind: ClassVar[str] = "staterror"
    spans_channels: ClassVar[bool] = True

    uncertainties: FloatArray

    @classmethod
    def of(cls, histogram: Histogram, suffix: str = "") -> StatError:
        """That of a sample, from its sum of squared weights."""
        return cls(f"{histogram.name}_statistics{suffix}", histogram.uncertainties)

    @classmethod
    def of_pyhf(cls, name: str, data: Any, nominal: FloatArray) -> StatError:  # noqa: ARG003
        """From absolute uncertainties."""
        return cls(name, np.array(data, np.float64))

    def data(self, nominal: FloatArray) -> list[float]:  # noqa: ARG002
        """Absolute uncertainties."""
        return [float(it) for it in self.uncertainties]

    def part(self, bins: BoolArray) -> StatError:
        """The uncertainties in these bins."""
        return StatError(self.name, self.uncertainties[bins])

    def scaled(self, factor: float) -> StatError:
        """The uncertainties times the factor."""
        return StatError(self.name, self.uncertainties * factor)

    def moved(self, before: Histogram, after: Histogram) -> StatError:  # noqa: ARG002
        """The uncertainties of the other yields."""
        return StatError(self.name, after.uncertainties)
