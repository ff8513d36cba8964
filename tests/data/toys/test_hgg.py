"""Promises of the H->yy toy: it looks like the experiment, its simulation is wrong, and the truth is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from simmorph.data.toys.hgg import LUMINOSITY_FB, SIGNAL_FRACTION, negative_fraction, samples
from simmorph.data.toys.layout import SCALE_FACTORS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simmorph.data.toys.samples import ToySample

Pairs = dict[str, "NDArray[Any]"]
N_EVENTS = 360_000
N_SIMULATED = 200_000


def pairs_of(sample: ToySample) -> Pairs:
    """Two columns a photon branch in GeV, one an event branch, of the events with two photons."""
    parts = [_pairs(block) for block in sample.blocks()]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _pairs(block: dict[str, Any]) -> Pairs:
    two = block["photon_n"] == 2
    pairs = {}
    for name, values in block.items():
        if name.startswith(("photon_", "truth_photon_")) and name not in ("photon_n", "photon_truthMatched"):
            pairs[name] = ak.to_numpy(values[two]) / (1000 if "_pt" in name or "cone" in name else 1)
        elif isinstance(values, np.ndarray):
            pairs[name] = values[two]
    (pt1, pt2), (eta1, eta2), (phi1, phi2) = (pairs[f"photon_{name}"].T for name in ("pt", "eta", "phi"))
    pairs["m_yy"] = np.sqrt(2 * pt1 * pt2 * (np.cosh(eta1 - eta2) - np.cos(phi1 - phi2)))
    return pairs


def passes_loose(pairs: Pairs) -> NDArray[np.bool_]:
    """The loose selection: 60 <= m_yy <= 300, 35 <= pT1 <= 250, 25 <= pT2 <= 250 GeV, outside the crack."""
    (pt1, pt2), eta, mass = pairs["photon_pt"].T, np.abs(pairs["photon_eta"]), pairs["m_yy"]
    inside = ((eta <= 1.37) | ((eta >= 1.52) & (eta <= 2.37))).all(axis=1)
    return np.asarray(inside & (mass >= 60) & (mass <= 300) & (pt1 >= 35) & (pt1 <= 250) & (pt2 >= 25) & (pt2 <= 250))


def passes_relative(pairs: Pairs) -> NDArray[np.bool_]:
    """The kinematic part of the official selection of H->yy."""
    (pt1, pt2), mass = pairs["photon_pt"].T, pairs["m_yy"]
    window = (mass >= 105) & (mass <= 160)
    return np.asarray(passes_loose(pairs) & window & (pt1 > 0.35 * mass) & (pt2 > 0.25 * mass))


def is_isolated(pairs: Pairs) -> NDArray[np.bool_]:
    """Both photons isolated."""
    cones = (pairs["photon_ptcone30"] / pairs["photon_pt"], pairs["photon_etcone20"] / pairs["photon_pt"])
    return np.asarray((cones[0] < 0.065).all(axis=1) & (cones[1] < 0.065).all(axis=1))


def is_tight(pairs: Pairs) -> NDArray[np.bool_]:
    """Both photons tight, and the trigger fired."""
    return np.asarray(pairs["photon_isTightID"].all(axis=1) & pairs["trigP"])


def features(pairs: Pairs) -> NDArray[np.float64]:
    """pt1, eta1, phi1, pt2, eta2, phi2."""
    return np.stack([pairs[f"photon_{name}"][:, i] for i in (0, 1) for name in ("pt", "eta", "phi")], axis=1)


@pytest.fixture(scope="module")
def toy_samples() -> list[ToySample]:
    """The three samples, at a fixed seed."""
    return samples(N_EVENTS, 1)


@pytest.fixture(scope="module")
def data(toy_samples: list[ToySample]) -> Pairs:
    """The pairs in data."""
    return pairs_of(toy_samples[0])


@pytest.fixture(scope="module")
def simulation(toy_samples: list[ToySample]) -> Pairs:
    """The pairs in the simulation of the continuum."""
    return pairs_of(replace(toy_samples[1], n_events=N_SIMULATED))


@pytest.fixture(scope="module")
def signal(toy_samples: list[ToySample]) -> Pairs:
    """The pairs in the simulation of the signal."""
    return pairs_of(toy_samples[2])


FILES = Path(__file__).parents[1] / "files"
PUBLISHED = {
    ("pt1", "pt2"): 0.539,
    ("eta1", "eta2"): 0.192,
    ("phi1", "phi2"): -0.425,
    ("m", "pt1"): 0.566,
    ("m", "pt2"): 0.589,
}
NAMES = ("pt1", "eta1", "phi1", "pt2", "eta2", "phi2", "m")


def _correlations(pairs: Pairs) -> dict[tuple[str, str], float]:
    chosen = passes_loose(pairs)
    matrix = np.corrcoef(np.column_stack([features(pairs), pairs["m_yy"]])[chosen], rowvar=False)
    return {(a, b): float(matrix[NAMES.index(a), NAMES.index(b)]) for a, b in PUBLISHED}


def _auc(one: NDArray[Any], other: NDArray[Any], weights: NDArray[Any] | None = None) -> float:
    """Weighted AUC of a classifier that tells the samples apart, trained on even rows and tested on odd ones."""
    n_events = min(len(one), len(other), 30_000)
    rows = np.concatenate([one[:n_events], other[:n_events]])
    labels = np.repeat([0, 1], n_events)
    first = np.ones(n_events) if weights is None else weights[:n_events] / weights[:n_events].mean()
    both = np.concatenate([first, np.ones(n_events)])
    classifier = HistGradientBoostingClassifier(max_iter=80, random_state=1)
    classifier.fit(rows[::2], labels[::2], sample_weight=both[::2])
    return float(roc_auc_score(labels[1::2], classifier.predict_proba(rows[1::2])[:, 1], sample_weight=both[1::2]))


def _matched_marginals(source: NDArray[Any], target: NDArray[Any]) -> NDArray[Any]:
    """The source with each column mapped to the target's distribution on its own."""
    morphed = np.empty_like(source)
    for column in range(source.shape[1]):
        ranks = (source[:, column].argsort().argsort() + 0.5) / len(source)
        morphed[:, column] = np.quantile(target[:, column], ranks)
    return morphed


def _simulated_weight(pairs: Pairs) -> NDArray[np.float64]:
    """The weight as the open data define it."""
    factors = np.prod([pairs[name] for name in SCALE_FACTORS], axis=0, dtype=np.float64)
    return np.asarray(pairs["XSection"] * 1000.0 * LUMINOSITY_FB * pairs["mcWeight"] * factors / pairs["SumWeights"])


@pytest.mark.parametrize("pair", PUBLISHED)
def test_data_are_correlated_as_in_the_experiment(data: Pairs, pair: tuple[str, str]) -> None:
    assert _correlations(data)[pair] == pytest.approx(PUBLISHED[pair], abs=0.10)


@pytest.mark.parametrize("official", [False, True], ids=["kinematics alone", "with identification and isolation"])
def test_data_have_the_mass_spectrum_of_the_experiment(data: Pairs, official: bool) -> None:
    reference = json.loads((FILES / "atlas_open_data_2020_m_yy.json").read_text())
    chosen = passes_relative(data) & ((is_isolated(data) & is_tight(data)) | (not official))
    counts = np.histogram(data["m_yy"][chosen], reference["edges_gev"])[0]
    expected = np.array(reference["events"])
    scale = expected.sum() / counts.sum()
    chi2 = ((counts * scale - expected) ** 2 / (counts * scale**2 + expected)).sum()
    assert counts.sum() > (18_000 if official else 50_000)
    assert chi2 / (len(counts) - 1) < 2


def test_most_events_survive_the_loose_selection(data: Pairs, simulation: Pairs) -> None:
    for pairs in (data, simulation):
        n_events = pairs["eventNumber"][-1]
        assert (passes_loose(pairs) & is_tight(pairs)).sum() > 0.5 * n_events


def test_control_and_signal_region_are_of_equal_size(data: Pairs, simulation: Pairs) -> None:
    for pairs in (data, simulation):
        assert 0.4 < is_isolated(pairs)[passes_loose(pairs) & is_tight(pairs)].mean() < 0.6


def test_photons_are_in_order_and_rare_in_the_crack(data: Pairs) -> None:
    pt, eta = data["photon_pt"], np.abs(data["photon_eta"])
    assert (pt[:, 0] >= pt[:, 1]).all()
    crack = ((eta > 1.38) & (eta < 1.51)).mean() / 0.13
    barrel = ((eta > 1.2) & (eta < 1.35)).mean() / 0.15
    assert 0.1 < crack / barrel < 0.6
    assert not data["photon_isTightID"][(eta > 1.38) & (eta < 1.51)].any()


def test_modules_can_be_seen_in_eta(data: Pairs, simulation: Pairs) -> None:
    for pairs, distance in ((data, 0.4), (simulation, 0.2)):
        eta = np.abs(pairs["photon_eta"]).ravel()
        dip = (np.abs(eta - distance) < 0.04).sum()
        beside = (np.abs(eta - distance - 0.12) < 0.04).sum() + (np.abs(eta - distance + 0.12) < 0.04).sum()
        assert dip < 0.5 * beside - 3 * np.sqrt(beside)


def test_tracks_near_a_photon_are_often_exactly_none(data: Pairs, simulation: Pairs) -> None:
    zeros = [(pairs["photon_ptcone30"][passes_loose(pairs)] == 0).mean() for pairs in (data, simulation)]
    assert 0.3 < zeros[0] < 0.6
    assert 0.05 < zeros[1] - zeros[0] < 0.15
    ratio = data["photon_ptcone30"] / data["photon_pt"]
    assert not ((ratio > 0) & (ratio < 0.0149)).any()


def test_energy_scale_and_resolution_are_wrong_in_the_simulation_alone(simulation: Pairs, signal: Pairs) -> None:
    barrel = np.abs(simulation["photon_eta"]) < 1.3
    answer = simulation["photon_pt"] / simulation["truth_photon_pt_as_data"]
    assert np.median(answer[barrel]) == pytest.approx(1.008, abs=5e-4)
    assert np.median(answer[np.abs(simulation["photon_eta"]) > 1.6]) == pytest.approx(0.985, abs=5e-4)
    np.testing.assert_allclose(signal["photon_pt"], signal["truth_photon_pt_as_data"], rtol=1e-6)


def test_resonance_is_narrow_and_at_125(signal: Pairs) -> None:
    mass = signal["m_yy"][passes_loose(signal)]
    assert np.median(mass) == pytest.approx(125, abs=0.3)
    assert 1.2 < np.diff(np.quantile(mass, [0.159, 0.841]))[0] / 2 < 2.2


@pytest.mark.parametrize("isolated", [False, True], ids=["control region", "signal region"])
def test_simulation_is_wrong_and_marginals_alone_do_not_mend_it(data: Pairs, simulation: Pairs, isolated: bool) -> None:
    source, target = (
        features(pairs)[passes_loose(pairs) & is_tight(pairs) & (is_isolated(pairs) == isolated)][:30_000]
        for pairs in (simulation, data)
    )
    unmorphed = _auc(source, target)
    assert 0.56 < unmorphed < 0.64
    assert 0.52 < _auc(_matched_marginals(source, target), target) < unmorphed - 0.01


def test_isolation_says_nothing_of_the_kinematics(data: Pairs, simulation: Pairs) -> None:
    for pairs in (data, simulation):
        chosen, isolated = passes_loose(pairs) & is_tight(pairs), is_isolated(pairs)
        assert _auc(features(pairs)[chosen & isolated], features(pairs)[chosen & ~isolated]) == pytest.approx(
            0.5, abs=0.01
        )


def test_truth_turns_the_simulation_into_data(data: Pairs, simulation: Pairs) -> None:
    true_pt = simulation["truth_photon_pt_as_data"]
    order = np.argsort(-true_pt, axis=1)
    answer = simulation | {
        f"photon_{name}": np.take_along_axis(values, order, axis=1)
        for name, values in (("pt", true_pt), ("eta", simulation["photon_eta"]), ("phi", simulation["photon_phi"]))
    }
    chosen, weights = passes_loose(answer), simulation["truth_weight_as_data"]
    target = features(data)[passes_loose(data) & (data["truth_process"] == 0)]
    assert _auc(features(answer)[chosen], target, weights[chosen]) == pytest.approx(0.5, abs=0.01)


def test_data_hold_the_signal_of_the_experiment(data: Pairs) -> None:
    official = passes_relative(data) & is_isolated(data) & is_tight(data)
    n_signal, n_events = (data["truth_process"][official] == 25).sum(), official.sum()
    assert n_signal == pytest.approx(n_events * 400 / 76_394, abs=3 * np.sqrt(n_signal))


def test_signal_is_hardly_in_the_control_region(signal: Pairs) -> None:
    assert is_isolated(signal)[passes_loose(signal)].mean() > 0.9


def test_signal_simulation_predicts_the_injected_signal(data: Pairs, signal: Pairs) -> None:
    expected = _simulated_weight(signal)[passes_loose(signal)].sum()
    injected = ((data["truth_process"] == 25) & passes_loose(data)).sum()
    assert injected == pytest.approx(expected, abs=3 * np.sqrt(expected))


def test_continuum_simulation_predicts_the_number_of_data(data: Pairs, simulation: Pairs) -> None:
    expected = _simulated_weight(simulation).sum() * N_EVENTS / N_SIMULATED
    assert expected == pytest.approx(len(data["m_yy"]), rel=0.01)


def test_weights_of_the_whole_file_sum_to_the_expected_yield() -> None:
    for sample in samples(20_000, 2)[1:]:
        blocks = list(sample.blocks())
        total = sum(float(_simulated_weight(block).sum()) for block in blocks)
        assert total == pytest.approx(sample.metadata["expected_events"], rel=5e-3)
        weights = sum(float(block["mcWeight"].sum(dtype=np.float64)) for block in blocks)
        assert weights == pytest.approx(sample.metadata["sum_weights"], rel=1e-6)
        assert sample.metadata["luminosity_fb"] == LUMINOSITY_FB


def test_eight_percent_of_the_signal_have_negative_weights(signal: Pairs) -> None:
    negative = signal["mcWeight"] < 0
    assert negative.mean() == pytest.approx(0.08, abs=0.01)
    np.testing.assert_allclose(
        negative.mean(), negative_fraction(signal["truth_pt_yy"] / 1000).mean(), atol=4 * np.sqrt(0.08 / len(negative))
    )


def test_only_signed_weights_give_the_signal_its_recoil(signal: Pairs, data: Pairs) -> None:
    recoil, weights = signal["truth_pt_yy"] / 1000, signal["mcWeight"].astype(np.float64)
    signed, absolute = (np.average(recoil, weights=it) for it in (weights, np.abs(weights)))
    true = data["truth_pt_yy"][data["truth_process"] == 25] / 1000
    error = true.std() / np.sqrt(len(true))
    assert absolute > signed + 0.5
    assert signed == pytest.approx(true.mean(), abs=3.5 * error)


def test_data_have_the_weights_of_real_data(data: Pairs) -> None:
    for name in ("mcWeight", *SCALE_FACTORS):
        assert (data[name] == 0).all()
    assert (data["XSection"] == 1).all()
    assert (data["SumWeights"] == 1).all()


def test_truth_says_which_events_are_signal(data: Pairs, signal: Pairs, simulation: Pairs) -> None:
    assert set(data["truth_process"]) == {0, 25}
    assert set(signal["truth_process"]) == {25}
    assert set(simulation["truth_process"]) == {0}
    assert (data["truth_process"] == 25).mean() == pytest.approx(SIGNAL_FRACTION, rel=0.5)


def test_a_longer_file_begins_with_the_shorter_one() -> None:
    for short, long in zip(samples(300, 5), samples(900, 5), strict=True):
        few, many = short.block(0, short.n_events), long.block(0, long.n_events)
        for name in set(few) - {"XSection", "SumWeights"}:
            assert few[name].tolist() == many[name][: short.n_events].tolist(), name


def test_blocks_and_seeds_and_files_have_random_numbers_of_their_own() -> None:
    data, simulation, signal = samples(100, 1)
    other = samples(100, 2)[0]
    drawn = [it.tolist() for it in (
        data.block(0, 50)["met_et"], data.block(1, 50)["met_et"], simulation.block(0, 50)["met_et"],
        signal.block(0, 50)["met_et"], other.block(0, 50)["met_et"],
    )]  # fmt: skip
    assert len({tuple(numbers) for numbers in drawn}) == len(drawn)
