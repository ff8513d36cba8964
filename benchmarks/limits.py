"""Upper limits, scans and pseudo-experiments: ours against pyhf, and against ours with fewer bins or one by one."""

from __future__ import annotations

import importlib.util
import json
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyhf
from pyhf.infer.calculators import ToyCalculator
from pyhf.infer.intervals.upper_limits import linear_grid_scan, toms748_scan

from benchmarks.measure import Row, compare
from simmorph.limits.fits.inference import AsymptoticCls, upper_limits
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.studies.coverage import Toys, from_model, outcomes
from simmorph.limits.toys.draws import draws
from simmorph.limits.toys.statistic import profiles
from simmorph.pipeline.limits.workspace import limits_of_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

N_BINS = 20
PEERS = {("numpy", "scipy"): (2, 20), ("numpy", "minuit"): (2, 20), ("jax", "scipy"): (2, 20, 100, 500)}
"""Backends and optimizers of pyhf, and the bins with which one test of them takes seconds."""
STEPS = ((100, 500), (500, 2_000), (2_000, 10_000))
"""Fewer and more bins, whose times show that they are in proportion."""
SCAN = np.linspace(0.02, 0.8, 40)
N_TOYS = 50
"""Pseudo-experiments of pyhf for each hypothesis, of which each takes tenths of a second."""


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
    """Limits, scans and pseudo-experiments."""
    yield _root_search()
    for (backend, name), bins in PEERS.items():
        if backend != "numpy" and importlib.util.find_spec(backend) is None:
            print(f"{backend} is not installed: pyhf is not timed with it")
            continue
        for n_bins in bins:
            peer = f"pyhf {pyhf.__version__} on {backend}, one hypotest by {name}"
            yield compare(_limits_of(n_bins), peer, _ours(n_bins), _hypotest(n_bins, backend, name), turns=3)
    for fewer, more in STEPS:
        yield compare(_limits_of(more), f"simmorph, {fewer} bins", _ours(more), _ours(fewer), turns=3)
    yield _scan()
    yield _toys()
    yield _coverage()


def _limits_of(n_bins: int) -> str:
    return f"upper limit and bands ({n_bins} bins, staterror and normsys)"


def _root_search() -> Row:
    model, data = _of_pyhf(N_BINS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workspace.json"
        path.write_text(json.dumps(workspace(N_BINS)))
        return compare(
            _limits_of(N_BINS),
            f"pyhf {pyhf.__version__} toms748_scan",
            lambda: limits_of_workspace(str(path)),
            lambda: toms748_scan(data, model, 0.0, 2.0, rtol=1e-4),
            turns=1,
        )


def _of_pyhf(n_bins: int) -> tuple[Any, Any]:
    spec = pyhf.Workspace(workspace(n_bins))
    return (model := spec.model()), spec.data(model)


def _ours(n_bins: int) -> Callable[[], object]:
    ready = measurement_of(workspace(n_bins))
    return lambda: upper_limits(AsymptoticCls(ready.likelihood, ready.data))


def _by_pyhf(backend: str, optimizer: str, action: Callable[[], object]) -> None:
    """Do something with another backend of pyhf."""
    pyhf.set_backend(backend, getattr(pyhf.optimize, f"{optimizer}_optimizer")())
    try:
        action()
    finally:
        pyhf.set_backend("numpy")


def _hypotest(n_bins: int, backend: str, optimizer: str) -> Callable[[], object]:
    model, data = _of_pyhf(n_bins)
    test = partial(pyhf.infer.hypotest, 1.0, data, model, return_expected_set=True)
    return partial(_by_pyhf, backend, optimizer, test)


def _scan() -> Row:
    ready, (model, data) = measurement_of(workspace(N_BINS)), _of_pyhf(N_BINS)
    what = f"CLs and bands at {len(SCAN)} strengths ({N_BINS} bins, staterror and normsys)"
    theirs = partial(_by_pyhf, "numpy", "minuit", lambda: linear_grid_scan(data, model, SCAN))
    ours = partial(_scanned, ready)
    return compare(what, f"pyhf {pyhf.__version__} linear_grid_scan by minuit", ours, theirs, turns=1)


def _scanned(ready: Any) -> object:
    return AsymptoticCls(ready.likelihood, ready.data).scan(SCAN)


def _toys() -> Row:
    """The statistic of pseudo-experiments of both hypotheses; the seconds of as many are those of one toy each."""
    ready, (model, data) = measurement_of(workspace(N_BINS)), _of_pyhf(N_BINS)
    likelihood = ready.likelihood

    def ours() -> None:
        for strength in (0.0, 1.0):
            parameters = likelihood.at(strength)
            toys = draws(likelihood, parameters, (1, int(strength)), range(N_TOYS))
            profiles(likelihood, toys, parameters[None], np.array([0.0, 1.0])).at(1.0)

    calculator = ToyCalculator(data, model, ntoys=N_TOYS, track_progress=False)
    theirs = partial(_by_pyhf, "numpy", "minuit", lambda: calculator.distributions(1.0))
    what = f"statistic of {2 * N_TOYS} toys ({N_BINS} bins, staterror and normsys)"
    return compare(what, f"pyhf {pyhf.__version__} ToyCalculator by minuit", ours, theirs, turns=1)


def _coverage() -> Row:
    """Fitted strength, uncertainty and CLs of pseudo-experiments."""
    ready, toys, n_toys = measurement_of(workspace(N_BINS)), Toys(100), 100
    make = from_model(ready, toys.strength)

    def alone() -> None:
        for number in range(n_toys):
            data = make(np.random.default_rng([toys.seed, number])).data
            fitted_strength(ready.likelihood, data, sides=False)
            AsymptoticCls(ready.likelihood, data).cls(toys.strength)

    what = f"coverage of {n_toys} toys ({N_BINS} bins, staterror and normsys)"
    return compare(what, "simmorph, one by one", lambda: outcomes([make], toys, range(n_toys)), alone, turns=5)
