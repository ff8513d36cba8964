"""Toy of HIGGS: a heavy Higgs boson and its background from top quarks, in 18 variables whose densities are known.

Three files, tree `events`: `background.root` and `signal.root` with N events each, and `data.root` with N background
events and a signal of 5 % beside them, all of them drawn anew. The 18 variables have the names of the UCI data set
HIGGS (without azimuths and b-tags) and look like it: transverse momenta, missing energy and masses are positive, have a
mean near 1 and long tails; pseudorapidities are bounded; the leptonic W boson gives `m_lv` a peak of 1 % width.

An event is one of two kinds. In a resolved event the jets are those of the decays: the hadronic W boson and top quark
of the background peak in `m_jj` and `m_jjj`, the light and the two heavy Higgs bosons of the signal in `m_bb`, `m_wbb`
and `m_wwbb`. In the others the jets are mixed up and the peaks are washed out. In each kind the variables are normal
numbers, correlated by four common causes (the hardness of the event, the hadronic top quark, the boost along the beam,
the b-jets), of which each is bent by a sinh-arcsinh transformation; signal and background have the same correlations.

Truth. `truth_is_resolved`, `truth_is_signal`, and `truth_log_ratio`: the logarithm of the density of signal over
background at the event, which is the best possible discriminant (AUC 0.79, as gradient boosting reaches on the real
data set).

Source of the real data set: Baldi, Sadowski, Whiteson, Nature Commun. 5 (2014) 4308; the shapes here are rounded from
it. Used as in Gavranovic, Kersevan, Eur. Phys. J. C 84 (2024) 911. The bent normal distribution: Jones, Pewsey,
Biometrika 96 (2009) 761.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simmorph.data.toys.samples import BLOCK, ToySample

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray, FloatArray

TREE = "events"
SIGNAL_OVER_BACKGROUND = 0.05
"""Of `data.root`, as in the paper."""


class Shape(NamedTuple):
    """How a normal number z becomes y = location + scale sinh((arcsinh(z) + skew) / tail).

    A variable without bound is exp(y); one that is bounded by b is b tanh(y).

    Attributes:
        location: of y.
        scale: of y.
        skew: positive for a longer tail above.
        tail: below 1 for longer tails than those of a normal distribution.
    """

    location: float
    scale: float
    skew: float = 0.0
    tail: float = 1.0


class Cause(NamedTuple):
    """How strongly a variable follows each of the common causes.

    Attributes:
        hardness: of the event.
        hadronic: the hadronic top quark.
        boost: along the beam.
        b_jets: the two jets from b quarks.
    """

    hardness: float = 0.0
    hadronic: float = 0.0
    boost: float = 0.0
    b_jets: float = 0.0


LEPTON_ETA, JET_ETA = Shape(0.0, 0.36, 0.0, 0.82), Shape(0.0, 0.22, 0.0, 0.70)
BOUNDS = {"lepton_eta": 2.5, "jet_1_eta": 3.0, "jet_2_eta": 3.0, "jet_3_eta": 2.8, "jet_4_eta": 2.5}
CAUSES = {
    "lepton_pT": Cause(0.10), "lepton_eta": Cause(boost=0.53), "missing_energy_magnitude": Cause(0.27, 0.10, 0, -0.25),
    "jet_1_pt": Cause(0.43, 0.10, 0, 0.25), "jet_1_eta": Cause(boost=0.52),
    "jet_2_pt": Cause(0.35, 0.20, 0, 0.31), "jet_2_eta": Cause(boost=0.49),
    "jet_3_pt": Cause(0.25, 0.28, 0, 0.24), "jet_3_eta": Cause(boost=0.42),
    "jet_4_pt": Cause(0.14, 0.28, 0, 0.16), "jet_4_eta": Cause(boost=0.33),
    "m_jj": Cause(0.19, 0.61, 0, -0.08), "m_jjj": Cause(0.32, 0.59), "m_lv": Cause(0.05), "m_jlv": Cause(0.64, -0.15),
    "m_bb": Cause(0.47, -0.09, 0, 0.54), "m_wbb": Cause(0.93, 0.06, 0, 0.16), "m_wwbb": Cause(0.93, 0.17, 0, -0.05),
}  # fmt: skip
NAMES = tuple(CAUSES)
MIXED_UP = {
    "lepton_pT": (Shape(-0.30, 0.92, 0.26, 1.48), Shape(-0.23, 0.76, 0.11, 1.38)),
    "lepton_eta": (LEPTON_ETA, LEPTON_ETA),
    "missing_energy_magnitude": (Shape(0.08, 0.48, -0.26, 0.85), Shape(0.03, 0.45, -0.33, 0.85)),
    "jet_1_pt": (Shape(-0.15, 0.38, 0.04, 0.92), Shape(-0.08, 0.32, 0.03, 0.85)),
    "jet_1_eta": (JET_ETA, JET_ETA),
    "jet_2_pt": (Shape(-0.13, 0.41, 0.02, 0.95), Shape(-0.10, 0.40, 0.0, 0.92)),
    "jet_2_eta": (JET_ETA, JET_ETA),
    "jet_3_pt": (Shape(-0.10, 0.52, -0.03, 1.09), Shape(-0.09, 0.52, -0.02, 1.07)),
    "jet_3_eta": (JET_ETA, JET_ETA),
    "jet_4_pt": (Shape(-0.28, 0.66, 0.29, 1.40), Shape(-0.34, 0.80, 0.41, 1.58)),
    "jet_4_eta": (JET_ETA, JET_ETA),
    "m_jj": (Shape(-0.07, 0.33, 0.11, 0.80), Shape(-0.10, 0.12, 0.10, 0.62)),
    "m_jjj": (Shape(-0.13, 0.29, 0.39, 0.95), Shape(-0.07, 0.14, 0.15, 0.70)),
    "m_lv": (Shape(-0.013, 0.002, 0.5, 0.34), Shape(-0.013, 0.002, 0.5, 0.34)),
    "m_jlv": (Shape(-0.15, 0.21, 0.33, 0.80), Shape(-0.28, 0.38, 0.49, 1.16)),
    "m_bb": (Shape(0.0, 0.50, -0.12, 0.88), Shape(0.0, 0.50, -0.10, 0.95)),
    "m_wbb": (Shape(-0.04, 0.34, 0.22, 1.0), Shape(-0.13, 0.20, 0.21, 0.80)),
    "m_wwbb": (Shape(-0.12, 0.33, 0.31, 1.05), Shape(-0.23, 0.15, 0.32, 0.75)),
}  # fmt: skip
"""Shapes in background and signal."""
RESOLVED = {
    "m_jj": (Shape(-0.10, 0.11, 0.0, 0.90), Shape(-0.12, 0.11, 0.05, 0.62)),
    "m_jjj": (Shape(-0.07, 0.10, 0.05, 0.90), Shape(-0.06, 0.14, 0.12, 0.72)),
    "m_jlv": (Shape(-0.16, 0.13, 0.19, 0.68), Shape(-0.13, 0.32, 0.21, 1.06)),
    "m_bb": (Shape(0.05, 0.55, -0.23, 1.0), Shape(-0.12, 0.15, 0.0, 0.80)),
    "m_wbb": (Shape(-0.19, 0.26, 0.36, 1.0), Shape(-0.10, 0.13, 0.2, 0.72)),
    "m_wwbb": (Shape(-0.24, 0.22, 0.49, 1.0), Shape(-0.22, 0.14, 0.32, 0.74)),
}  # fmt: skip
"""The shapes that differ in resolved events."""


@dataclass(frozen=True)
class Process:
    """A process with its two kinds of events.

    Attributes:
        column: which of the two shapes of each variable is its own.
        resolved_share: share of resolved events.
    """

    column: int
    resolved_share: float

    def draw(self, n_events: int, rng: np.random.Generator) -> tuple[FloatArray, BoolArray]:
        """Variables (n_events, 18), and which events are resolved."""
        is_resolved = rng.random(n_events) < self.resolved_share
        normal = rng.normal(size=(n_events, len(NAMES))) @ np.linalg.cholesky(_correlations()).T
        variables = np.empty_like(normal)
        for at, name in enumerate(NAMES):
            bent = [_bent(normal[:, at], shape) for shape in self._shapes(name)]
            variables[:, at] = _stretched(np.where(is_resolved, *bent), BOUNDS.get(name))
        return variables, is_resolved

    def log_density(self, variables: FloatArray) -> FloatArray:
        """(n_events,), the logarithm of the density of the variables."""
        kinds = [np.log(share) + self._log_density(variables, kind) for kind, share in enumerate(self._shares)]
        return np.asarray(np.logaddexp(*kinds))

    @property
    def _shares(self) -> tuple[float, float]:
        return self.resolved_share, 1 - self.resolved_share

    def _shapes(self, name: str) -> tuple[Shape, Shape]:
        """Of resolved events and of the others."""
        return RESOLVED.get(name, MIXED_UP[name])[self.column], MIXED_UP[name][self.column]

    def _log_density(self, variables: FloatArray, kind: int) -> FloatArray:
        """That of one kind of events."""
        normal, log_slopes = np.empty_like(variables), np.zeros(len(variables))
        for at, name in enumerate(NAMES):
            plain, log_slope = _plain(variables[:, at], BOUNDS.get(name))
            normal[:, at], log_slope_of_bend = _straightened(plain, self._shapes(name)[kind])
            log_slopes += log_slope + log_slope_of_bend
        correlations = _correlations()
        squares = np.sum(normal * np.linalg.solve(correlations, normal.T).T, axis=1)
        volume = len(NAMES) * np.log(2 * np.pi) + np.linalg.slogdet(correlations)[1]
        return np.asarray(log_slopes - 0.5 * (squares + volume))


BACKGROUND, SIGNAL = Process(0, 0.45), Process(1, 0.55)


def _correlations() -> FloatArray:
    """(18, 18), of the normal numbers: what the common causes leave is each variable's own."""
    loadings = np.array([CAUSES[name] for name in NAMES])
    shared = loadings @ loadings.T
    return np.asarray(shared + np.diag(1 - np.diag(shared)))


def _bent(normal: FloatArray, shape: Shape) -> FloatArray:
    """(n_events,), normal numbers bent to a shape; see `Shape`."""
    return np.asarray(shape.location + shape.scale * np.sinh((np.arcsinh(normal) + shape.skew) / shape.tail))


def _straightened(bent: FloatArray, shape: Shape) -> tuple[FloatArray, FloatArray]:
    """The inverse of `_bent`, and the logarithm of its slope."""
    distance = (bent - shape.location) / shape.scale
    angle = shape.tail * np.arcsinh(distance) - shape.skew
    log_slope = np.log(shape.tail / shape.scale) + np.log(np.cosh(angle)) - 0.5 * np.log1p(distance**2)
    return np.sinh(angle), log_slope


def _stretched(plain: FloatArray, bound: float | None) -> FloatArray:
    """From y to the variable: exp(y), or bound tanh(y)."""
    return np.exp(plain) if bound is None else bound * np.tanh(plain)


def _plain(values: FloatArray, bound: float | None) -> tuple[FloatArray, FloatArray]:
    """The inverse of `_stretched`, and the logarithm of its slope."""
    if bound is None:
        return np.log(values), -np.log(values)
    inside = values / bound
    return np.arctanh(inside), -np.log1p(-(inside**2)) - np.log(bound)


def log_ratio(variables: FloatArray) -> FloatArray:
    """(n_events,), the logarithm of the density of signal over background."""
    return SIGNAL.log_density(variables) - BACKGROUND.log_density(variables)


def samples(n_events: int, seed: int) -> list[ToySample]:
    """The three files, with `n_events` events of background each, and as many or a twentieth of signal."""
    metadata = {"toy": "higgs", "seed": seed}
    n_data = n_events + round(SIGNAL_OVER_BACKGROUND * n_events)
    n_signal = n_data - n_events
    return [
        ToySample("background.root", TREE, n_events, metadata, partial(_block, (seed, 0), 0.0)),
        ToySample("signal.root", TREE, n_events, metadata, partial(_block, (seed, 1), 1.0)),
        ToySample("data.root", TREE, n_data, metadata, partial(_block, (seed, 2), n_signal / n_data)),
    ]


def _block(stream: tuple[int, int], signal_share: float, index: int, n_events: int) -> dict[str, Any]:
    """All branches of one block; a shorter one holds the first events of the whole block."""
    rng = np.random.default_rng([*stream, index])
    is_signal = rng.random(BLOCK) < signal_share
    of_background, of_signal = (process.draw(BLOCK, rng) for process in (BACKGROUND, SIGNAL))
    variables = np.where(is_signal[:, None], of_signal[0], of_background[0])[:n_events].astype(np.float32)
    is_resolved = np.where(is_signal, of_signal[1], of_background[1])[:n_events]
    return {
        **dict(zip(NAMES, variables.T, strict=True)),
        "truth_is_signal": is_signal[:n_events],
        "truth_is_resolved": is_resolved,
        "truth_log_ratio": log_ratio(variables.astype(np.float64)),
    }
