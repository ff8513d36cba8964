"""Which differences are called significant."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import kstest, norm

from simmorph.data.events import Events
from simmorph.evaluation.metrics.divergences import chi_square
from simmorph.evaluation.metrics.estimates import Estimate, mean_estimate
from simmorph.evaluation.metrics.marginals import wasserstein
from simmorph.evaluation.metrics.samples import Samples, equal_samples
from simmorph.evaluation.significance import DIFFERS, IN_TENSION, WITHIN_NOISE, against_null, findings, of_p_value

if TYPE_CHECKING:
    from collections.abc import Callable


def test_significance_is_the_difference_over_both_uncertainties() -> None:
    found = against_null(Estimate(1.5, 0.3), Estimate(0.5, 0.4))
    assert found.deviations == pytest.approx(2)
    assert found.p_value == pytest.approx(norm.sf(2))
    assert found.conclusion == IN_TENSION
    assert against_null(Estimate(16.0, 1), Estimate(0, 0)).p_value == pytest.approx(norm.sf(16), rel=1e-6)


def test_what_has_no_uncertainty_has_no_significance() -> None:
    for found in (against_null(Estimate(1, 0), Estimate(0, 0)), against_null(Estimate(math.nan, 1), Estimate(0, 1))):
        assert math.isnan(found.deviations)
        assert found.conclusion == WITHIN_NOISE
        assert found.to_json() == {"significance": None, "p_value": None}


def test_a_probability_becomes_the_deviations_of_a_normal_distribution() -> None:
    assert of_p_value(norm.sf(3.1)).deviations == pytest.approx(3.1)
    assert of_p_value(1.0).deviations < -5


def test_findings_are_sorted_by_significance_and_told_with_what_noise_makes() -> None:
    values = {"a": 0.3, "b": 2.5, "c": 4.0, "d": -3.0}
    found = findings({name: against_null(Estimate(value, 1), Estimate(0, 0)) for name, value in values.items()})
    assert tuple(found) == (("c",), ("b",), ("a", "d"))
    told = "significantly different: c; in tension (2 to 3 standard deviations): b; within noise: a, d."
    assert found.sentence().startswith(told)
    assert "Of 4, noise alone puts 0.1 beyond" in found.sentence()


@pytest.mark.parametrize("measure", [wasserstein, chi_square])
def test_noise_is_called_noise(measure: Callable[[Events, Events, int], Estimate]) -> None:
    rng = np.random.default_rng(1)
    deviations = []
    for number in range(60):
        source, target = (Events.of(rng.exponential(size=(600, 1))) for _ in range(2))
        parts = equal_samples(Samples(("x",), 1, source, source, source, target, target[:0]), 300, [number])
        found = {name: mean_estimate([measure(*it, 0) for it in pairs]) for name, pairs in parts.pairs.items()}
        deviations.append(against_null(found["template_vs_target"], found["target_vs_target"]).deviations)
    assert abs(np.mean(deviations)) < 0.5
    assert np.std(deviations) < 1.1
    assert np.mean(np.array(deviations) > 2) < 0.06


@pytest.mark.parametrize(
    ("deviations", "conclusion"),
    [
        (-9.0, WITHIN_NOISE),
        (1.999, WITHIN_NOISE),
        (2.0, IN_TENSION),
        (2.999, IN_TENSION),
        (3.0, DIFFERS),
        (40.0, DIFFERS),
    ],
)
def test_conclusions_change_at_two_and_three_standard_deviations(deviations: float, conclusion: str) -> None:
    assert against_null(Estimate(deviations, 1), Estimate(0, 0)).conclusion == conclusion


def test_p_values_of_normal_noise_are_uniform() -> None:
    rng = np.random.default_rng(2)
    pairs = rng.normal(0, [0.3, 0.4], (4000, 2))
    found = [against_null(Estimate(one, 0.3), Estimate(null, 0.4)).p_value for one, null in pairs]
    assert kstest(found, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("p_value", [0.9, 0.3, 1e-3, 1e-12])
def test_a_p_value_becomes_deviations_and_back(p_value: float) -> None:
    found = of_p_value(p_value)
    assert found.is_permuted
    assert found.p_value == p_value
    assert norm.sf(found.deviations) == pytest.approx(p_value, rel=1e-6)


@pytest.mark.parametrize("p_value", [0.0, 1.0])
def test_the_ends_of_probability_have_finite_deviations(p_value: float) -> None:
    assert math.isfinite(of_p_value(p_value).deviations)


def test_json_has_numbers_and_no_flag() -> None:
    assert against_null(Estimate(1, 1), Estimate(0, 0)).to_json() == {
        "significance": 1.0, "p_value": pytest.approx(norm.sf(1)),
    }  # fmt: skip


def test_findings_without_differences_say_so_in_words_and_lists() -> None:
    found = findings({"x": against_null(Estimate(0, 1), Estimate(0, 0))})
    assert found.sentence() == "within noise: x. Of 1, noise alone puts 0.0 beyond 2 standard deviations."
    assert found.to_json() == {"differs": [], "tension": [], "within": ["x"], "sentence": found.sentence()}


def test_the_order_of_findings_is_that_of_the_numbers() -> None:
    loud = against_null(Estimate(9, 1), Estimate(0, 0))
    assert findings({"b": loud, "a": loud}).differs == ("b", "a")
