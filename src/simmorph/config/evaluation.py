"""The recipe's `evaluate:` block."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from simmorph.config.documents import Section


class EvaluateSettings(Section):
    """What `simmorph evaluate` compares, and how."""

    report: Path | None = None
    """Folder to write the report to."""
    derived: dict[str, str] = Field(default_factory=dict)
    """Quantities recomputed from the features, as expressions: `m_yy: sqrt(...)`."""
    regions: dict[str, str] = Field(default_factory=dict)
    """Named cuts in which everything is compared separately, as expressions of branches."""
