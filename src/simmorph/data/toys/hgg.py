"""Toy of H->yy: data with a known signal, a simulation that is wrong on purpose, and a calibrated signal simulation.

Three files with N, N and N/5 events. `data.root` holds a diphoton continuum and a Higgs boson of 125 GeV at the
rate of the standard model (mu = 1). `mc_gamgam.root` simulates the continuum alone, with other parton momenta, another
recoil and another detector. `mc_ggH125_gamgam.root` simulates the signal with the detector that the data have, so that
a fit that gets the continuum right measures mu = 1.

Isolation and identification depend on whether a photon is real or a fake, and in no sample on its momentum or
direction. Photon pairs that fail isolation are therefore mis-modelled in the same way as isolated ones, but hold
hardly any Higgs boson: the place to learn a correction.

Weights. As in ATLAS Open Data, an event of simulation counts

    XSection [pb] * 1000 * luminosity [1/fb] * mcWeight * (product of the scaleFactor_*) / SumWeights

and an event of data counts 1 (its mcWeight and scale factors are 0). The luminosity is always that of the open data,
10.064/fb; the cross-sections are fiducial (for what is in the file), and chosen so that the simulations' yields are
those of N data events. SumWeights is the sum of mcWeight over the file.

Truth. `truth_process` is 0 for the continuum and 25 for Higgs bosons; `truth_photon_*` stand beside the photons. The
correct map is known: with `truth_photon_pt_as_data` (the pT that the data's detector would measure with the same noise)
for `photon_pt`, and weighted by `truth_weight_as_data`, the simulated continuum has the distribution of the data's.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.data.toys.collisions import Columns, Process, collide
from simmorph.data.toys.detector import Calorimeter, Detector, Identification, IsolationShape
from simmorph.data.toys.kinematics import HIGGS_MASS_GEV, Continuum, Recoil, Resonance, Scatterings
from simmorph.data.toys.layout import MEV_PER_GEV, SCALE_FACTORS, TREE, UNITS
from simmorph.data.toys.records import entries
from simmorph.data.toys.samples import BLOCK, ToySample, block_lengths

if TYPE_CHECKING:
    from simmorph.data.events import FloatArray

LUMINOSITY_FB = 10.064
SIGNAL_FRACTION = 0.000436
"""Share of Higgs bosons among the events of data.root: 400 of the 76,394 that pass the official selection."""

NEGATIVE_SOFT, NEGATIVE_HARD, NEGATIVE_TURN_GEV = 0.03, 0.13, 25.0
MC_WEIGHT = 28.3

SIMULATED_RUN = 284500
FAKE_FRACTION = 0.38
CONTINUUM = Continuum(5.3827, 4.5792, 0.9169, 1.1146, Recoil(2.3018, 23.2924, 0.5241, 0.8237))
SIMULATED_CONTINUUM = Continuum(5.3827, 4.1, 0.99, 0.89, Recoil(2.3018, 23.2924, 0.5241, 0.8237))
HIGGS = Resonance(HIGGS_MASS_GEV, 1.1, Recoil(7.0, 25.0, 0.35))

DETECTOR = Detector(
    Calorimeter(
        ripple=0.10, module_width=0.4, module_offset=0.0, endcap_efficiency=0.92,
        barrel_scale=1.0, endcap_scale=1.0, stochastic=0.10, constant=0.012,
    ),
    Identification(
        photon=IsolationShape(0.65, 0.018, -0.005, 0.006), fake=IsolationShape(0.20, 0.20, 0.01, 0.10),
        photon_tight=0.93, fake_tight=0.80,
    ),
)  # fmt: skip
SIMULATED_DETECTOR = Detector(
    Calorimeter(
        ripple=0.06, module_width=0.4, module_offset=0.2, endcap_efficiency=0.64,
        barrel_scale=1.008, endcap_scale=0.985, stochastic=0.09, constant=0.006,
    ),
    Identification(
        photon=IsolationShape(0.72, 0.016, -0.008, 0.005), fake=IsolationShape(0.26, 0.17, 0.005, 0.09),
        photon_tight=0.95, fake_tight=0.75,
    ),
)  # fmt: skip


def negative_fraction(recoil: FloatArray) -> FloatArray:
    """Probability that a simulated Higgs boson has a negative weight, given its transverse momentum in GeV."""
    return np.asarray(NEGATIVE_HARD - (NEGATIVE_HARD - NEGATIVE_SOFT) * np.exp(-recoil / NEGATIVE_TURN_GEV))


def _draw_signed(n_events: int, rng: np.random.Generator) -> Scatterings:
    """Higgs bosons as a next-to-leading-order generator gives them.

    Where weights are often negative there are more of them, so that the weighted distribution is that of `HIGGS`.
    """
    decays = HIGGS.draw(n_events, rng)
    surplus = (1 - 2 * NEGATIVE_HARD) / (1 - 2 * negative_fraction(decays.recoil))
    return decays[rng.random(n_events) < surplus]


@dataclass(frozen=True)
class SampleShape:
    """What makes the samples differ.

    Attributes:
        file: name of the file.
        stream: distinguishes its random numbers from those of the other samples.
        channel: number of the channel (of the run for data).
        truth_process: value of that branch.
        process: what is recorded.
    """

    file: str
    stream: int
    channel: int
    truth_process: int
    process: Process


DATA = SampleShape("data.root", 0, 297730, 0, Process(CONTINUUM.draw, DETECTOR, DETECTOR, FAKE_FRACTION))
INJECTED = SampleShape("data.root", 1, 297730, 25, Process(HIGGS.draw, DETECTOR, DETECTOR, 0.0))
MC = SampleShape("mc_gamgam.root", 2, 900001, 0, Process(SIMULATED_CONTINUUM.draw, SIMULATED_DETECTOR, DETECTOR, 0.36))
SIGNAL = SampleShape("mc_ggH125_gamgam.root", 3, 900002, 25, Process(_draw_signed, DETECTOR, DETECTOR, 0.0))
WEIGHTS_STREAM = 4


def samples(n_events: int, seed: int) -> list[ToySample]:
    """The three files, the first two with `n_events` events each and the signal with a fifth of them (one at least)."""
    n_signal, expected = max(1, n_events // 5), SIGNAL_FRACTION * n_events
    sum_weights = sum(
        float(_signed_weights(_simulated(SIGNAL, seed, index, n), seed, index).sum())
        for index, n in block_lengths(n_signal)
    )
    return [
        _sample(DATA, n_events, Normalisation(1.0, 1.0, float(n_events)), seed),
        _sample(MC, n_events, Normalisation.of(n_events - expected, float(n_events)), seed),
        _sample(SIGNAL, n_signal, Normalisation.of(expected, sum_weights), seed),
    ]


@dataclass(frozen=True)
class Normalisation:
    """What turns mcWeight into an expected yield.

    Attributes:
        cross_section_pb: fiducial.
        sum_weights: sum of mcWeight over the file.
        expected_events: events expected in the file's phase space at the luminosity of the toy.
    """

    cross_section_pb: float
    sum_weights: float
    expected_events: float

    @classmethod
    def of(cls, expected: float, sum_weights: float) -> Normalisation:
        """The cross-section that gives this yield."""
        return cls(expected / (LUMINOSITY_FB * 1000), sum_weights, expected)


def _sample(kind: SampleShape, n_events: int, normalisation: Normalisation, seed: int) -> ToySample:
    """One file: its metadata, and the function that makes its blocks."""
    metadata = {"toy": "hgg", "seed": seed, "luminosity_fb": LUMINOSITY_FB, **asdict(normalisation)}
    if kind is DATA:
        metadata |= {"signal_strength": 1.0, "signal_fraction": SIGNAL_FRACTION}
    return ToySample(kind.file, TREE, n_events, metadata, partial(_block, kind, normalisation, seed), UNITS)


def _block(kind: SampleShape, normalisation: Normalisation, seed: int, index: int, n_events: int) -> dict[str, Any]:
    """All branches of one block."""
    columns = _data(seed, index, n_events) if kind is DATA else _simulated(kind, seed, index, n_events)
    columns["eventNumber"] = index * BLOCK + np.arange(1, n_events + 1)
    columns["runNumber"] = np.full(n_events, DATA.channel if kind is DATA else SIMULATED_RUN)
    columns["channelNumber"] = np.full(n_events, kind.channel)
    columns["XSection"] = np.full(n_events, normalisation.cross_section_pb)
    columns["SumWeights"] = np.full(n_events, normalisation.sum_weights)
    columns["truth_weight_as_data"] = _weight_as_data(columns) if kind is MC else np.ones(n_events)
    if kind is not DATA:
        signed = kind is SIGNAL
        columns["mcWeight"] = _signed_weights(columns, seed, index) if signed else np.ones(n_events)
        columns |= _scale_factors(kind, seed, index, n_events)
    return entries(columns, is_data=kind is DATA)


def _simulated(kind: SampleShape, seed: int, index: int, n_events: int) -> Columns:
    """The recorded events of one block of one process."""
    columns = collide(kind.process, n_events, np.random.default_rng([seed, kind.stream, index]))
    columns["truth_process"] = np.full(n_events, kind.truth_process)
    return columns


def _data(seed: int, index: int, n_events: int) -> Columns:
    """The recorded events of one block of data: the continuum, with Higgs bosons in its place here and there."""
    columns = _simulated(DATA, seed, index, n_events)
    places = np.random.default_rng([seed, INJECTED.stream, index, 0]).random(BLOCK)[:n_events] < SIGNAL_FRACTION
    injected = _simulated(INJECTED, seed, index, int(places.sum()))
    for name, values in injected.items():
        columns[name][places] = values
    return columns


def _signed_weights(columns: Columns, seed: int, index: int) -> FloatArray:
    """Weights like those of a next-to-leading-order generator, as float32 numbers."""
    rng = np.random.default_rng([seed, WEIGHTS_STREAM, SIGNAL.stream, index])
    n_events = len(columns["truth_pt_yy"])
    chance, size = rng.random(BLOCK)[:n_events], rng.normal(1.0, 0.1, BLOCK)[:n_events]
    negative = chance < negative_fraction(columns["truth_pt_yy"] / MEV_PER_GEV)
    return np.where(negative, -1.0, 1.0) * (MC_WEIGHT * size).astype(np.float32)


def _scale_factors(kind: SampleShape, seed: int, index: int, n_events: int) -> Columns:
    """Corrections of pile-up and photon efficiency that average to 1; the others do not apply and are 1."""
    rng = np.random.default_rng([seed, WEIGHTS_STREAM, kind.stream, index, 1])
    factors = {name: np.ones(n_events) for name in SCALE_FACTORS}
    for name, spread in (("scaleFactor_PILEUP", 0.1), ("scaleFactor_PHOTON", 0.02)):
        factors[name] = rng.uniform(1 - spread, 1 + spread, BLOCK)[:n_events]
    return factors


def _weight_as_data(columns: Columns) -> FloatArray:
    """How much likelier each simulated event is in data: the ratio of the generators times that of the efficiencies."""
    scatterings = Scatterings(
        pt_hat=columns["truth_pt_hat"],
        angle=columns["truth_angle"],
        boost=columns["truth_boost"],
        azimuth=columns["truth_boost"],
        recoil=columns["truth_pt_yy"] / MEV_PER_GEV,
        recoil_azimuth=columns["truth_boost"],
    )
    ratio = CONTINUUM.density(scatterings) / SIMULATED_CONTINUUM.density(scatterings)
    efficiencies = [
        np.where(columns["photon_found"], efficiency, 1 - efficiency)
        for efficiency in (
            detector.calorimeter.efficiency(columns["truth_photon_eta"]) for detector in (DETECTOR, SIMULATED_DETECTOR)
        )
    ]
    return np.asarray(ratio * (efficiencies[0] / efficiencies[1]).prod(axis=1))
