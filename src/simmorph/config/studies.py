"""The recipe's `coverage:` and `scan:` blocks: studies of its limits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from simmorph.config.documents import Section

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class CoverageSettings(Section):
    """Pseudo-experiments: how often intervals and limits hold the true strength."""

    output: Path | None = None
    """Folder for the numbers and the table of pseudo-experiments."""
    toys: Annotated[int, Field(ge=2)] = 300
    """How many pseudo-experiments."""
    strength: NotNegative = 1.0
    """True strength of the signal."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Start of all random numbers."""


class ScanSettings(Section):
    """Limits over luminosity, generated events and the size of a systematic; the background needs `closure` events."""

    output: Path | None = None
    """Folder for the numbers and the figures."""
    luminosity: Annotated[tuple[Positive, ...], Field(min_length=1)] = (10.0, 30.0, 100.0, 300.0, 1000.0)
    """In 1/fb."""
    background_per_fb: Positive = 1000.0
    """Background events that 1/fb brings, in the range of the observable and after the cuts."""
    signal_fraction: Positive = 0.05
    """Signal events at a strength of 1, over background events."""
    generated: Annotated[tuple[Annotated[int, Field(gt=0)], ...], Field(min_length=1)] = (10_000, 100_000, 1_000_000)
    """Numbers of generated events, before the cuts, that the template is made from: the first ones of the input."""
    beta: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)] = (0.05, 0.1, 0.2)
    """Relative sizes of a systematic uncertainty of the background."""
    beta_type: Literal["shapesys", "normsys"] = "shapesys"
    """Whether it moves every bin on its own (shapesys) or all of them together (normsys): the physics differs."""
    injected: NotNegative = 1.0
    """Strength of the signal in the expected data."""
