"""Upper limits: ours against pyhf's own root search, on the same workspace."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyhf
from pyhf.infer.intervals.upper_limits import toms748_scan

from benchmarks.measure import Row, compare
from simmorph.pipeline.limits.workspace import limits_of_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

N_BINS = 20


def workspace(n_bins: int) -> dict[str, Any]:
    """A falling background with a normalisation and a statistical uncertainty, and a rising signal."""
    centres = (np.arange(n_bins) + 0.5) / n_bins
    background = 1e4 * np.exp(-2.5 * centres) / np.exp(-2.5 * centres).sum()
    signal = 500 * np.exp(1.5 * centres) / np.exp(1.5 * centres).sum()
    modifiers = [
        {"name": "norm", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}},
        {"name": "statistics", "type": "staterror", "data": (np.sqrt(background) / 10).tolist()},
    ]
    samples = [
        {"name": "signal", "data": signal.tolist(), "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "background", "data": background.tolist(), "modifiers": modifiers},
    ]
    return {
        "channels": [{"name": "spectrum", "samples": samples}],
        "observations": [{"name": "spectrum", "data": np.round(background).tolist()}],
        "measurements": [{"name": "limit", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


def rows() -> Iterator[Row]:
    """Observed limit and the five expected ones."""
    spec = workspace(N_BINS)
    model = pyhf.Workspace(spec).model()
    data = pyhf.Workspace(spec).data(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workspace.json"
        path.write_text(json.dumps(spec))
        yield compare(
            f"upper limit and bands ({N_BINS} bins, staterror and normsys)",
            f"pyhf {pyhf.__version__} toms748_scan",
            lambda: limits_of_workspace(str(path)),
            lambda: toms748_scan(data, model, 0.0, 2.0, rtol=1e-4),
            turns=1,
        )
