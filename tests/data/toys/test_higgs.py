"""Promises of the HIGGS toy: its densities are exact, and it looks like the data set that it stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simmorph.data.toys import TOYS
from simmorph.data.toys.higgs import (
    BOUNDS,
    MIXED_UP,
    NAMES,
    RESOLVED,
    _bent,
    _plain,
    _straightened,
    _stretched,
    log_ratio,
    samples,
)
from simmorph.evaluation.metrics.classifier.c2st import rank_auc

Branches = dict[str, Any]


@pytest.fixture(scope="module")
def files() -> dict[str, Branches]:
    return {sample.file: next(sample.blocks()) for sample in samples(50_000, 1)}


def variables(branches: Branches) -> np.ndarray:
    return np.column_stack([branches[name] for name in NAMES]).astype(np.float64)


def test_there_are_three_files_with_a_signal_of_five_per_cent_in_the_data() -> None:
    found = {sample.file: sample.n_events for sample in TOYS["higgs"](1000, 1)}
    assert found == {"background.root": 1000, "signal.root": 1000, "data.root": 1050}


def test_each_file_holds_its_process(files: dict[str, Branches]) -> None:
    shares = {name: branches["truth_is_signal"].mean() for name, branches in files.items()}
    assert shares["background.root"] == 0
    assert shares["signal.root"] == 1
    assert shares["data.root"] == pytest.approx(0.05 / 1.05, abs=0.005)


def test_a_shorter_file_has_the_first_events_of_a_longer_one(files: dict[str, Branches]) -> None:
    short = next(samples(100, 1)[0].blocks())
    for name, values in short.items():
        np.testing.assert_array_equal(values, files["background.root"][name][:100])


def test_files_and_seeds_differ(files: dict[str, Branches]) -> None:
    other = next(samples(100, 2)[0].blocks())
    for branches in (other, files["data.root"]):
        assert not np.array_equal(branches["m_bb"][:100], files["background.root"]["m_bb"][:100])


@pytest.mark.parametrize("name", NAMES)
def test_one_variable_alone_has_a_density_that_integrates_to_one(name: str) -> None:
    normal = np.linspace(-7, 7, 20_001)
    for shape in (*MIXED_UP[name], *RESOLVED.get(name, ())):
        values = _stretched(_bent(normal, shape), BOUNDS.get(name))
        plain, log_slope = _plain(values, BOUNDS.get(name))
        again, log_slope_of_bend = _straightened(plain, shape)
        np.testing.assert_allclose(again, normal, atol=1e-5)
        density = np.exp(log_slope + log_slope_of_bend - 0.5 * again**2) / np.sqrt(2 * np.pi)
        assert np.trapezoid(density, values) == pytest.approx(1, abs=1e-3)


def test_the_ratio_is_that_of_two_densities(files: dict[str, Branches]) -> None:
    # The mean of p_signal / p_background over the background is 1, and the other way round.
    assert np.exp(files["background.root"]["truth_log_ratio"]).mean() == pytest.approx(1, abs=0.05)
    assert np.exp(-files["signal.root"]["truth_log_ratio"]).mean() == pytest.approx(1, abs=0.05)


def test_truth_is_told_for_the_events_as_they_are_stored(files: dict[str, Branches]) -> None:
    branches = files["data.root"]
    np.testing.assert_array_equal(branches["truth_log_ratio"], log_ratio(variables(branches)))
    assert branches["m_bb"].dtype == np.float32


def test_the_best_discriminant_is_as_good_as_classifiers_are_on_the_real_data_set(files: dict[str, Branches]) -> None:
    scores = [files[f"{name}.root"]["truth_log_ratio"] for name in ("signal", "background")]
    ones = np.ones(50_000)
    assert rank_auc(scores[0], ones, scores[1], ones).value == pytest.approx(0.79, abs=0.01)


def test_masses_and_momenta_are_positive_and_pseudorapidities_bounded(files: dict[str, Branches]) -> None:
    for branches in files.values():
        for name in NAMES:
            bound = BOUNDS.get(name)
            assert (branches[name] > 0).all() if bound is None else (np.abs(branches[name]) < bound).all()


def test_the_light_higgs_boson_peaks_in_the_signal_only(files: dict[str, Branches]) -> None:
    in_peak = {name: np.mean(np.abs(branches["m_bb"] - 0.9) < 0.15) for name, branches in files.items()}
    assert in_peak["signal.root"] > 1.7 * in_peak["background.root"]


def test_variables_are_correlated_as_in_the_real_data_set(files: dict[str, Branches]) -> None:
    ranks = variables(files["background.root"]).argsort(axis=0).argsort(axis=0)
    matrix = np.asarray(np.corrcoef(ranks.T))
    assert matrix[NAMES.index("m_wbb"), NAMES.index("m_wwbb")] == pytest.approx(0.86, abs=0.06)
    assert matrix[NAMES.index("jet_1_eta"), NAMES.index("jet_2_eta")] == pytest.approx(0.25, abs=0.06)
