"""From scatterings to recorded events: generator filter, detector, skim; all as flat columns with the layout's names.

Photons come in three columns an event, ordered by measured pT; `photon_found` says which of them exist. Energies are in
GeV up to the detector, and in MeV in the columns, as in the layout. The thresholds of filter and skim are such that
what the filter cuts off could hardly pass the skim, whatever the resolution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simmorph.data.toys.detector import LARGEST_ETA, Candidates, Detector, reconstruct
from simmorph.data.toys.kinematics import Photons, Scatterings, photons_of
from simmorph.data.toys.layout import MEV_PER_GEV

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray, FloatArray

Columns = dict[str, NDArray[Any]]
Draw = Callable[[int, np.random.Generator], Scatterings]

BATCH = 20_000
FILTER_PT_GEV = (30.0, 20.0)
SKIM_PT_GEV = (33.0, 23.0)
LEAST_PT_GEV = 20.0
ONE_PHOTON_PRESCALE = 0.05
EXTRA_PHOTON_RATE = 0.02
TRIGGER_EFFICIENCY = 0.99
JET_PT_GEV = 20.0


@dataclass(frozen=True)
class Process:
    """What happens and what sees it.

    Attributes:
        draw: draws scatterings.
        detector: what records them.
        data_detector: the detector whose answer goes into `truth_photon_pt_as_data`.
        fake_fraction: probability that a photon is a jet.
    """

    draw: Draw
    detector: Detector
    data_detector: Detector
    fake_fraction: float


def collide(process: Process, n_events: int, rng: np.random.Generator) -> Columns:
    """Recorded events of one process.

    Args:
        process: what happens.
        n_events: how many to record; the first of them do not depend on it.
        rng: where the randomness comes from.
    """
    parts = [_recorded(process, rng)]
    while sum(len(part["photon_n"]) for part in parts) < n_events:
        parts.append(_recorded(process, rng))
    return {name: np.concatenate([part[name] for part in parts])[:n_events] for name in parts[0]}


def _filtered(scatterings: Scatterings) -> tuple[Scatterings, Photons]:
    """The generator's filter: both photons inside the detector, and hard enough to be of any use."""
    photons = photons_of(scatterings)
    (pt1, pt2), (eta1, eta2) = photons.pt.T, np.abs(photons.eta.T)
    hard = (np.maximum(pt1, pt2) > FILTER_PT_GEV[0]) & (np.minimum(pt1, pt2) > FILTER_PT_GEV[1])
    useful = hard & (np.maximum(eta1, eta2) < LARGEST_ETA)
    return scatterings[useful], photons[useful]


def _recorded(process: Process, rng: np.random.Generator) -> Columns:
    """Draw, detect, order and skim one batch."""
    scatterings, pair = _filtered(process.draw(BATCH, rng))
    truth = _with_extra_photon(pair, rng)
    is_fake = rng.random(truth.pt.shape) < process.fake_fraction
    is_fake[:, 2] = True
    candidates = reconstruct(truth, is_fake, process.detector, rng)
    as_data = process.data_detector.calorimeter.measured_pt(truth, candidates.noise)
    columns = _event_columns(scatterings, candidates, rng) | _ordered(_photon_columns(candidates, as_data))
    columns["photon_n"] = columns["photon_found"].sum(axis=1)
    kept = _skim(columns, rng)
    return {name: values[kept] for name, values in columns.items()}


def _with_extra_photon(pair: Photons, rng: np.random.Generator) -> Photons:
    """The two photons and a soft jet that may be taken for a third; where there is none, its pT is next to 0."""
    n_events = len(pair.pt)
    pt = np.where(rng.random(n_events) < EXTRA_PHOTON_RATE, LEAST_PT_GEV + rng.exponential(6.0, n_events), 1e-3)
    eta, phi = rng.uniform(-LARGEST_ETA, LARGEST_ETA, n_events), rng.uniform(-np.pi, np.pi, n_events)
    extra = Photons(pt, eta, phi)
    return Photons(*(np.column_stack([getattr(pair, name), getattr(extra, name)]) for name in ("pt", "eta", "phi")))


def _photon_columns(candidates: Candidates, pt_as_data: FloatArray) -> Columns:
    """The photons' branches, (n_events, 3) each, measured and true.

    Args:
        candidates: what the detector made of them.
        pt_as_data: (n_events, 3), in GeV, what the data's detector would have measured.
    """
    measured, truth = candidates.measured, candidates.truth
    return {
        "photon_pt": measured.pt * MEV_PER_GEV,
        "photon_eta": measured.eta,
        "photon_phi": measured.phi,
        "photon_E": measured.energy * MEV_PER_GEV,
        "photon_isTightID": candidates.is_tight,
        "photon_ptcone30": candidates.ptcone30 * MEV_PER_GEV,
        "photon_etcone20": candidates.etcone20 * MEV_PER_GEV,
        "photon_convType": candidates.conversion,
        "truth_photon_pt": truth.pt * MEV_PER_GEV,
        "truth_photon_eta": truth.eta,
        "truth_photon_phi": truth.phi,
        "truth_photon_is_fake": candidates.is_fake,
        "truth_photon_pt_as_data": pt_as_data * MEV_PER_GEV,
        "photon_found": candidates.found & (measured.pt > LEAST_PT_GEV),
    }


def _ordered(photons: Columns) -> Columns:
    """Photons in falling order of measured pT, those not found last."""
    order = np.argsort(-np.where(photons["photon_found"], photons["photon_pt"], -1.0), axis=1)
    return {name: np.take_along_axis(values, order, axis=1) for name, values in photons.items()}


def _skim(columns: Columns, rng: np.random.Generator) -> BoolArray:
    """Events with two hard photons, and a few of those with one."""
    pt = np.where(columns["photon_found"], columns["photon_pt"], 0.0) / MEV_PER_GEV
    leading, subleading = pt[:, 0] > SKIM_PT_GEV[0], pt[:, 1] > SKIM_PT_GEV[1]
    lucky = (rng.random(len(pt)) < ONE_PHOTON_PRESCALE) & (columns["photon_n"] == 1)
    return np.asarray(leading & (subleading | lucky))


def _event_columns(scatterings: Scatterings, candidates: Candidates, rng: np.random.Generator) -> Columns:
    """The branches with one value an event: trigger, missing energy, truth and the jet."""
    n_events = len(scatterings)
    met = rng.rayleigh(12.0, n_events)
    return {
        "trigP": rng.random(n_events) < TRIGGER_EFFICIENCY,
        "met_et": met * MEV_PER_GEV,
        "met_phi": rng.uniform(-np.pi, np.pi, n_events),
        "truth_m_yy": scatterings.mass * MEV_PER_GEV,
        "truth_pt_yy": scatterings.recoil * MEV_PER_GEV,
        "truth_n_fakes": candidates.is_fake[:, :2].sum(axis=1),
        **{f"truth_{name}": getattr(scatterings, name) for name in ("pt_hat", "angle", "boost")},
        **_jet_columns(scatterings, rng),
    }


def _jet_columns(scatterings: Scatterings, rng: np.random.Generator) -> Columns:
    """The jet that a hard recoil makes, opposite to the photon pair."""
    n_events = len(scatterings)
    pt = scatterings.recoil * np.maximum(rng.normal(1.0, 0.15, n_events), 0.2)
    eta = np.clip(rng.normal(scatterings.boost, 1.2), -4.4, 4.4)
    phi = scatterings.recoil_azimuth + np.pi + rng.normal(0.0, 0.1, n_events)
    return {
        "jet_pt": pt * MEV_PER_GEV,
        "jet_eta": eta,
        "jet_phi": (phi + np.pi) % (2 * np.pi) - np.pi,
        "jet_E": pt * np.cosh(eta) * 1.01 * MEV_PER_GEV,
        "jet_jvt": rng.beta(20.0, 1.0, n_events),
        "jet_MV2c10": rng.uniform(-0.98, -0.3, n_events),
        "jet_found": pt > JET_PT_GEV,
    }
