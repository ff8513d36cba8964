"""Upper limits: ours against pyhf, on the same workspace, and against ours with fewer bins."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyhf
from pyhf.infer.intervals.upper_limits import toms748_scan

from benchmarks.measure import Row, compare
from simmorph.limits.fits.inference import AsymptoticCls, upper_limits
from simmorph.limits.model.workspace import measurement_of
from simmorph.pipeline.limits.workspace import limits_of_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

N_BINS = 20
WITH_PYHF = (2, 20)
"""Bins with which one test of pyhf takes seconds; its fits take the square of their number and more."""
STEPS = ((100, 500), (500, 2_000), (2_000, 10_000))
"""Fewer and more bins, whose times show that they are in proportion."""


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
    yield _root_search()
    optimizers = {"scipy": pyhf.optimize.scipy_optimizer(), "minuit": pyhf.optimize.minuit_optimizer()}
    for n_bins in WITH_PYHF:
        for name, optimizer in optimizers.items():
            what = f"upper limit and bands ({n_bins} bins, staterror and normsys)"
            peer = f"pyhf {pyhf.__version__}, one hypotest by {name}"
            yield compare(what, peer, _ours(n_bins), partial(_hypotest, n_bins, optimizer), turns=3)
    for fewer, more in STEPS:
        what = f"upper limit and bands ({more} bins, staterror and normsys)"
        yield compare(what, f"simmorph, {fewer} bins", _ours(more), _ours(fewer), turns=3)


def _root_search() -> Row:
    model = pyhf.Workspace(workspace(N_BINS)).model()
    data = pyhf.Workspace(workspace(N_BINS)).data(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workspace.json"
        path.write_text(json.dumps(workspace(N_BINS)))
        return compare(
            f"upper limit and bands ({N_BINS} bins, staterror and normsys)",
            f"pyhf {pyhf.__version__} toms748_scan",
            lambda: limits_of_workspace(str(path)),
            lambda: toms748_scan(data, model, 0.0, 2.0, rtol=1e-4),
            turns=1,
        )


def _ours(n_bins: int) -> Callable[[], object]:
    ready = measurement_of(workspace(n_bins))
    return lambda: upper_limits(AsymptoticCls(ready.likelihood, ready.data))


def _hypotest(n_bins: int, optimizer: Any) -> None:
    spec = pyhf.Workspace(workspace(n_bins))
    model = spec.model()
    pyhf.set_backend("numpy", optimizer)
    try:
        pyhf.infer.hypotest(1.0, spec.data(model), model, return_expected_set=True)
    finally:
        pyhf.set_backend("numpy")
