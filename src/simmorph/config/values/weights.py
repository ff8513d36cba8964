"""Event weights in a recipe: one expression for all samples, or one for each."""

from __future__ import annotations

from typing import Literal

from simmorph.config.documents import Section
from simmorph.config.selection.names import Formula

SampleName = Literal["source", "target"]


class SampleWeights(Section):
    """Weights that differ between the samples, since data has none of the branches of simulation."""

    source: Formula = "1"
    """Weight of an event of the source, as an expression of its branches: `abs(w) * sf`."""
    target: Formula = "1"
    """The same of the target."""


Weight = Formula | SampleWeights


def weight_of(weight: Weight | None, sample: SampleName) -> str | None:
    """The expression of the weights of a sample; None where every event counts 1."""
    return getattr(weight, sample) if isinstance(weight, SampleWeights) else weight
