"""Toy of a resonance search in pairs of jets: five features that drift with the mass of the pair, in two simulations.

Two files with N events each, `source.root` (the reference) and `target.root`, tree `events`. It is made after the study
of Mastandrea and Nachman (2022, arXiv 2212.06155): a resonant mass M around 3500 GeV, five features of the two jets, no
signal, a map that is learnt in sidebands of M, interpolated to the signal region between them and extrapolated to the
bands outside. The distributions are our own: smooth formulas in u = (M - 3500 GeV) / 500 GeV, with a drift that is
stronger than in real jets, so that a map has to know M.

    | branch                       | |
    |------------------------------|---------------------------------------------------------------------------|
    | `m_jj`                       | M in GeV, falling as exp(-M / 2000 GeV) from 3000 to 4000, in both files  |
    | `m_j1`, `delta_m`            | mass of the lighter jet, and by how much the other is heavier, in GeV     |
    | `tau21_j1`, `tau21_j2`       | ratio of N-subjettiness of each jet, in (0, 1)                            |
    | `delta_r`                    | distance between the jets                                                 |
    | `in_ob1` ... `in_ob2`        | the band that M is in, see BANDS                                          |
    | `in_sidebands`               | `in_sb1` or `in_sb2`, what is trained on                                  |
    | `truth_quark_jets`           | how many of the two jets come from a quark                                |
    | `truth_<feature>_as_target`  | where the exact map takes the event; in the target, where it is           |

An event of the source is drawn as follows. Each jet comes from a quark with a probability that rises with M, else from
a gluon, which makes it heavier and rounder. Five correlated normal variables are bent, spread and shifted, each by an
amount that depends on u, and linked to the features by a logarithm, a logit or a straight line.

An event of the target is an event like those of the source, taken by the known map `as_target`: the heavier jet's mass
and the first jet's substructure change most, and a little by M and by each other; the other features hardly change. So
this map is exact, close to the smallest possible, and depends on M far less than the features do: whoever learns the
difference between the samples can interpolate it, whoever learns both densities alone has to interpolate those.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from simmorph.data.toys.samples import BLOCK, ToySample

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray

TREE = "events"
FEATURES = ("m_j1", "delta_m", "tau21_j1", "tau21_j2", "delta_r")
CENTRE_GEV, HALF_WIDTH_GEV, FALL_GEV = 3500.0, 500.0, 2000.0
BANDS = {
    "ob1": (3000.0, 3200.0),
    "sb1": (3200.0, 3400.0),
    "sr": (3400.0, 3600.0),
    "sb2": (3600.0, 3800.0),
    "ob2": (3800.0, 4000.0),
}
"""Outer band, sideband, signal region, sideband, outer band: lower edge (in) and upper edge (out) in GeV."""

CORRELATION = np.array([
    [1.0, -0.35, 0.30, 0.10, 0.15],
    [-0.35, 1.0, -0.10, 0.25, 0.20],
    [0.30, -0.10, 1.0, 0.15, 0.0],
    [0.10, 0.25, 0.15, 1.0, 0.0],
    [0.15, 0.20, 0.0, 0.0, 1.0],
])  # fmt: skip
"""Of the normal variables under the features."""
MEAN = np.array([4.6, 4.5, -0.2, 0.1, 0.0])
"""Of the linked variables at the centre of the signal region: logarithms of GeV, logits, and a plain number."""
SPREAD = np.array([0.40, 0.70, 0.55, 0.55, 1.0])
SKEW = np.array([0.25, -0.25, 0.0, 0.0, 0.4])
DRIFT = np.array([0.55, -0.40, -0.45, 0.40, 0.50])
"""By how many spreads the linked variables move; see `_drift`."""
WIDENING = np.array([0.10, -0.10, 0.15, -0.15, 0.20])
"""Relative growth of the spread for each u."""
GLUON_SHIFT = np.array([[0.45, 0.0, 0.8, 0.0, 0.0], [0.0, 0.5, 0.0, 0.8, 0.0]])
"""What a gluon in place of a quark does, for the first and the second jet."""
DELTA_R_SCALE = 0.25


def samples(n_events: int, seed: int) -> list[ToySample]:
    """The two files, with `n_events` events each."""
    files = {"target.root": 0, "source.root": 1}
    metadata = {"toy": "dijet", "seed": seed, "signal_region_gev": BANDS["sr"]}
    units = dict.fromkeys(("m_jj", "m_j1", "delta_m", "truth_m_j1_as_target", "truth_delta_m_as_target"), "GeV")
    return [
        ToySample(file, TREE, n_events, metadata, partial(_block, stream, seed), units)
        for file, stream in files.items()
    ]


def as_target(linked: FloatArray, u: FloatArray) -> FloatArray:
    """Where linked variables of the source, (n_events, 5), are in the target.

    Args:
        linked: logarithms of the masses, logits of the N-subjettiness ratios, and the shifted distance.
        u: (n_events,), the mass of the pair, -1 to 1 across the range.
    """
    m_j1, delta_m, tau21_j1, tau21_j2, delta_r = ((linked - MEAN) / SPREAD).T
    moved = np.column_stack([
        m_j1 + 0.05,
        0.90 * delta_m + 0.25 + 0.04 * u + 0.10 * np.tanh(m_j1),
        tau21_j1 + 0.35 - 0.04 * u + 0.15 * np.tanh(tau21_j1 + delta_m),
        tau21_j2 + 0.03,
        1.03 * delta_r,
    ])  # fmt: skip
    return np.asarray(MEAN + SPREAD * moved)


def _block(stream: int, seed: int, index: int, n_events: int) -> dict[str, Any]:
    """All branches of one block; a shorter one holds the first events of the whole block."""
    rng = np.random.default_rng([seed, stream, index])
    m_jj = _masses(rng)[:n_events]
    is_gluon = rng.random((BLOCK, 2))[:n_events]
    normal = (rng.normal(size=(BLOCK, len(FEATURES))) @ np.linalg.cholesky(CORRELATION).T)[:n_events]
    u = (m_jj - CENTRE_GEV) / HALF_WIDTH_GEV
    gluons = is_gluon > expit(0.2 + 1.2 * u)[:, None]
    source = _linked(normal, gluons, u)
    target = as_target(source, u)
    features = _features(source if stream else target)
    truth = {f"truth_{name}_as_target": values for name, values in _features(target).items()}
    return {"m_jj": m_jj, **features, **_bands(m_jj), "truth_quark_jets": 2 - gluons.sum(axis=1), **truth}


def _masses(rng: np.random.Generator) -> FloatArray:
    """M of a whole block, by the inverse of its distribution function."""
    low, high = CENTRE_GEV - HALF_WIDTH_GEV, CENTRE_GEV + HALF_WIDTH_GEV
    share = rng.random(BLOCK) * -np.expm1(-(high - low) / FALL_GEV)
    return np.asarray(low - FALL_GEV * np.log1p(-share))


def _linked(normal: FloatArray, gluons: Any, u: FloatArray) -> FloatArray:
    """The linked variables of the source, (n_events, 5)."""
    bent = np.sinh(np.arcsinh(normal) + SKEW) - np.sinh(SKEW)
    pulls = bent * (1 + WIDENING * u[:, None]) + _drift(u)[:, None] * DRIFT + gluons @ GLUON_SHIFT
    return np.asarray(MEAN + SPREAD * pulls)


def _drift(u: FloatArray) -> FloatArray:
    """How far the linked variables have moved at u, before each is multiplied by its own DRIFT."""
    return np.sin(3.0 * u)


def _features(linked: FloatArray) -> dict[str, FloatArray]:
    """The features by name from (n_events, 5) linked variables: masses in GeV, ratios in (0, 1), a distance."""
    m_j1, delta_m, tau21_j1, tau21_j2, delta_r = linked.T
    columns = np.exp(m_j1), np.exp(delta_m), expit(tau21_j1), expit(tau21_j2), np.pi + DELTA_R_SCALE * delta_r
    return dict(zip(FEATURES, columns, strict=True))


def _bands(m_jj: FloatArray) -> dict[str, Any]:
    """Which band each event is in, by branch; see BANDS."""
    inside = {f"in_{name}": (m_jj >= low) & (m_jj < high) for name, (low, high) in BANDS.items()}
    return inside | {"in_sidebands": inside["in_sb1"] | inside["in_sb2"]}
