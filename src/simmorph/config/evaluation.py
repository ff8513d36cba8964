"""The recipe's `evaluate:` block."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from simmorph.config.documents import Section

TwoNames = Annotated[list[str], Field(min_length=2, max_length=2)]


class EvaluateSettings(Section):
    """What `simmorph evaluate` compares, and how."""

    report: Path | None = None
    """Folder to write the report to."""
    derived: dict[str, str] = Field(default_factory=dict)
    """Quantities recomputed from the features, as expressions: `m_yy: sqrt(...)`."""
    regions: dict[str, str] = Field(default_factory=dict)
    """Named cuts in which everything is compared separately, as expressions of branches."""
    pairs: list[TwoNames] = Field(default_factory=list)
    """Pairs named in the table of correlations, the others are averaged; without it those correlated in the target."""
    periodic: list[str] | None = None
    """Features that are angles in radians; without it what the model's preprocessing says, or names with `phi`."""
    max_events: Annotated[int, Field(ge=100)] = 30_000
    """Largest number of events of each sample that the metrics compare; plots and tables show all of them."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Start of every random number."""
    label: str = ""
    """The experiment's label on the plots, such as `ATLAS Open Data`."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Axis labels of variables, with their units: `pt1: "$p_{T,1}$ [GeV]"`."""
