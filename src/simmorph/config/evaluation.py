"""The recipe's `evaluate:` block."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from simmorph.config.documents import Name, Section
from simmorph.config.values.labels import Label


def _rising(edges: list[float]) -> list[float]:
    """Edges as they are, if they rise."""
    if any(low >= high for low, high in pairwise(edges)):
        raise ValueError("the edges of bands rise from one to the next")
    return edges


TwoNames = Annotated[list[str], Field(min_length=2, max_length=2)]
BandEdges = (
    Annotated[int, Field(ge=2, le=100)]
    | Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=2), AfterValidator(_rising)]
)
"""The number of bins of equal shares, or the edges of the bins."""
JudgeName = Literal["trees", "deep_trees", "network_2x32", "network_3x32"]
"""The classifiers of two-sample tests."""


def _trees() -> list[JudgeName]:
    """The judge that there always is."""
    return ["trees"]


class EvaluateSettings(Section):
    """What `simmorph evaluate` compares, and how."""

    report: Path | None = None
    """Folder to write the report to."""
    derived: dict[str, str] = Field(default_factory=dict)
    """Quantities recomputed from the features, as expressions: `m_yy: sqrt(...)`."""
    regions: dict[str, str] = Field(default_factory=dict)
    """Named cuts in which everything is compared separately, as expressions of branches."""
    bands: dict[str, BandEdges] = Field(default_factory=dict)
    """Variables in whose bins everything is compared separately: `m_jj: [0, 100, 200]`, or a number of equal shares."""
    conditions: list[Name] = Field(default_factory=list)
    """Variables that the means of all others are shown against, beside the context: features, derived, or branches."""
    acceptance: dict[str, str] = Field(default_factory=dict)
    """Named cuts that events should pass after the map, as expressions; without it the target's range and gaps."""
    pairs: list[TwoNames] = Field(default_factory=list)
    """Pairs named in the table of correlations, the others are averaged; without it those correlated in the target."""
    periodic: list[str] | None = None
    """Features that are angles; without it those that the model's preprocessing or their unit, rad, takes for such."""
    judges: list[JudgeName] = Field(default_factory=_trees)
    """Classifiers that try to tell template from target: trees, which always judge and which the verdict is by; deep
    trees; networks of 2 x 32 or 3 x 32 nodes. Each of the others takes a few times as long as all else."""
    max_events: Annotated[int, Field(ge=100)] = 200_000
    """Largest number of events of each sample that classifiers and distances compare, and ten times the smaller sample
    at most; plots and other tables show all of them. Projections take 30,000, kernels 1,500."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Start of every random number."""
    label: Label = ""
    """The experiment's label on the plots, such as `ATLAS Open Data`."""
    luminosity_fb: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Integrated luminosity of the target in 1/fb, written on the plots."""
    energy_tev: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Centre-of-mass energy of the collisions in TeV, written on the plots."""
