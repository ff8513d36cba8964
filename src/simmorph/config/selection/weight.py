"""Event weights of simulation and data."""

from __future__ import annotations

from simmorph.config.documents import Section
from simmorph.config.selection.names import Formula


class WeightSettings(Section):
    """Event weights of simulation and data, and how they are recognised."""

    simulation: Formula = "1"
    """Weight of a simulated event."""
    data: Formula = "1"
    """Weight of an event of real data, where the branches for simulation hold placeholders such as 0."""
    data_if: Formula | None = None
    """Events for which this is true are data."""
    data_if_missing: str | None = None
    """A file without this branch is data."""
