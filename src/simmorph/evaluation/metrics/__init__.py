"""How far a template is from its target, one construction a file."""

from simmorph.evaluation.metrics.registry import DISTANCES, METRICS

__all__ = ["DISTANCES", "METRICS"]
