"""Make simulation look like data, on ROOT ntuples.

>>> import numpy as np, simmorph
>>> rng = np.random.default_rng(1)
>>> simulation, data = ({"pt": 30 + rng.exponential(scale, 5000)} for scale in (20, 25))
>>> model = simmorph.train({"features": ["pt"], "method": {"name": "quantile"}}, simulation, data)
>>> sorted(model.apply(simulation))
['morph_status', 'pt', 'pt_morphed', 'weight_morphed']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from simmorph.version import __version__

if TYPE_CHECKING:
    from simmorph.config.recipe import Recipe
    from simmorph.data.events import Events
    from simmorph.methods.registry import METHODS
    from simmorph.model import Model
    from simmorph.pipeline.api import apply, evaluate, train, upper_limits

__all__ = ["METHODS", "Events", "Model", "Recipe", "__version__", "apply", "evaluate", "train", "upper_limits"]

_HOMES = {
    "METHODS": "methods.registry", "Events": "data.events", "Model": "model", "Recipe": "config.recipe",
    "apply": "pipeline.api", "evaluate": "pipeline.api", "train": "pipeline.api", "upper_limits": "pipeline.api",
}  # fmt: skip
"""The module of each name, imported when it is first asked for: torch alone takes seconds."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
