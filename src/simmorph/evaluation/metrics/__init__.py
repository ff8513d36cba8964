"""How far a template is from its target, one construction a file.

`classifier` has those that learn, `maps` what a map does to events, row by row.
"""

from simmorph.evaluation.metrics.registry import DISTANCES, METRICS

__all__ = ["DISTANCES", "METRICS"]
