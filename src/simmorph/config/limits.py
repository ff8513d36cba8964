"""The recipe's `limits:` block."""

from __future__ import annotations

from simmorph.config.documents import Section


class LimitsSettings(Section):
    """From ntuples or histograms to an upper limit."""
