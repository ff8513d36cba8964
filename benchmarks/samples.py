"""Samples that are hard for maps: source (t = 0) and target (t = 1) as dicts of columns, n events each, by a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Columns = dict[str, NDArray[np.generic]]


class Problem(NamedTuple):
    """A pair of samples, and how it is asked about."""

    make: Callable[[int, int, int], Columns]
    """Takes the number of events, the seed and t."""
    context: tuple[str, ...] = ()
    """The columns that the map is conditioned on; all others are features."""
    reweight: bool = False
    """Whether the spectra of the context differ."""


def _rng(seed: int, t: int) -> np.random.Generator:
    return np.random.default_rng([seed, t])


def gaussians(n: int, seed: int, t: int) -> Columns:
    """Three correlated normal variables, with other covariances and another mean: the best map is linear."""
    of_target = [[1, 0.6, 0.2], [0.6, 1, -0.3], [0.2, -0.3, 1]]
    of_source = [[1.5, -0.2, 0], [-0.2, 0.8, 0.1], [0, 0.1, 1.2]]
    normal = _rng(seed, t).normal(size=(n, 3))
    x = normal @ np.linalg.cholesky(np.array(of_target if t else of_source)).T + (0 if t else 0.5)
    return {"x": x[:, 0], "y": x[:, 1], "z": x[:, 2]}


def bimodal(n: int, seed: int, t: int) -> Columns:
    """Two modes in each feature, whose shares depend on the context and on each other."""
    r = _rng(seed, t)
    c = r.uniform(-1, 1, n)
    upper, other = r.random(n) < (0.5 + 0.4 * c if t else 0.5 - 0.2 * c), r.random(n) < 0.5
    x = np.where(upper, 2, -2) * (1 + 0.2 * c) + 0.4 * r.normal(size=n) + (0 if t else 0.3)
    mode = np.where(upper ^ (other & (r.random(n) < (0.2 if t else 0.6))), 1.5, -1.5)
    return {"x": x, "y": mode + 0.4 * r.normal(size=n), "c": c}


def moons(n: int, seed: int, t: int) -> Columns:
    """Two moons; those of the source are rotated by 35 degrees and a tenth larger."""
    r = _rng(seed, t)
    upper, angle = r.integers(0, 2, n), r.uniform(0, np.pi, n)
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle)) - 0.5 + 0.06 * r.normal(size=n)
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle)) - 0.25 + 0.06 * r.normal(size=n)
    if t:
        return {"x": x, "y": y}
    cos, sin = 1.1 * np.cos(np.deg2rad(35)), 1.1 * np.sin(np.deg2rad(35))
    return {"x": cos * x + sin * y, "y": cos * y - sin * x}


def point_masses(n: int, seed: int, t: int) -> Columns:
    """Two correlated isolations with exact zeros, of other shares in the source, and a bounded third variable."""
    r = _rng(seed, t)
    rho, shares, scales = (0.7, (0.6, 0.1), (2.0, 1.0)) if t else (0.3, (0.2, 0.5), (2.5, 1.0))
    g = r.normal(size=(n, 3))
    g[:, 1] = rho * g[:, 0] + np.sqrt(1 - rho**2) * g[:, 1]
    ranks = np.argsort(np.argsort(g[:, :2], axis=0), axis=0).T / n
    isolations = [
        np.where(rank < share, 0, -scale * np.log(np.clip(1 - (rank - share) / (1 - share), 1e-12, 1)))
        for rank, share, scale in zip(ranks, shares, scales, strict=True)
    ]
    return {"iso1": isolations[0], "iso2": isolations[1], "r9": 0.95 + 0.03 * np.tanh(g[:, 2] + 0.5 * g[:, 0] * t)}


def counts(n: int, seed: int, t: int) -> Columns:
    """A number of jets and a category, and two variables that depend on them."""
    r = _rng(seed, t)
    n_jets = np.minimum(r.poisson(2.6 if t else 2.0, n), 9)
    category = r.choice(4, n, p=[0.5, 0.3, 0.15, 0.05] if t else [0.4, 0.4, 0.1, 0.1])
    ht = np.exp(4 + 0.25 * n_jets + 0.4 * r.normal(size=n) + (0.1 if t else 0))
    score = np.tanh(0.5 * category + r.normal(size=n) * (0.7 if t else 0.8) + 0.1 * n_jets * t)
    return {"n_jets": n_jets.astype("i4"), "category": category.astype("i4"), "ht": ht, "score": score}


def twenty(n: int, seed: int, t: int) -> Columns:
    """Twenty correlated features, ten of them with long tails."""
    r = _rng(seed, t)
    mixing, other = (np.random.default_rng(k).normal(size=(20, 20)) / np.sqrt(20) for k in (5, 6))
    z = r.normal(size=(n, 20))
    x = z @ (mixing + (0 if t else 0.25) * other) + 0.3 * z
    x[:, :6], x[:, 6:10] = np.exp(0.6 * x[:, :6]), np.sinh(x[:, 6:10] * (1 if t else 0.9))
    x[:, 10] += 0.3 * x[:, 11] ** 2 * (1 if t else 0.5)
    return {f"f{i:02d}": x[:, i] for i in range(20)}


def kinematics(n: int, seed: int, t: int) -> Columns:
    """Two shapes at a pt and an eta whose spectra differ much."""
    r = _rng(seed, t)
    pt = 20 + r.exponential(20 if t else 45, n)
    eta = np.clip(r.normal(size=n) * (0.7 if t else 1.5), -2.5, 2.5)
    a = np.log(pt) * (0.5 if t else 0.55) + 0.3 * eta**2 + r.normal(size=n) * 0.3 * (1 if t else 1.2)
    b = 0.5 * a + np.exp(0.3 * r.normal(size=n)) * (1 if t else 1.1)
    return {"a": a, "b": b, "pt": pt, "eta": eta}


def drift(n: int, seed: int, t: int) -> Columns:
    """Two features whose means and widths drift with a context."""
    r = _rng(seed, t)
    c = r.uniform(0, 1, n)
    x = np.sin(4 * c) + r.normal(size=n) * (0.5 if t else 0.6) + (0 if t else 0.3 * c)
    return {"x": x, "y": r.normal(size=n) * (1 + c) + (0.7 if t else 0.3) * x, "c": c}


def rings(n: int, seed: int, t: int) -> Columns:
    """A disc within a ring; the source's are wider, and hold other shares of the events."""
    r = _rng(seed, t)
    outer, angle = r.random(n) < (0.6 if t else 0.5), r.uniform(0, 2 * np.pi, n)
    radius = np.where(outer, (2.0 if t else 2.2) + (0.15 if t else 0.2) * r.normal(size=n), 0.6 * np.sqrt(r.random(n)))
    return {"x": radius * np.cos(angle), "y": radius * np.sin(angle) * (1 if t else 1.15)}


PROBLEMS = {
    "gaussians": Problem(gaussians),
    "bimodal": Problem(bimodal, ("c",)),
    "moons": Problem(moons),
    "point_masses": Problem(point_masses),
    "counts": Problem(counts),
    "twenty": Problem(twenty),
    "kinematics": Problem(kinematics, ("pt", "eta"), reweight=True),
    "drift": Problem(drift, ("c",)),
    "rings": Problem(rings),
}
"""Every pair of samples by its name."""
