"""Which differences are called significant."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kstest, norm

from simmorph.data.estimates import Estimate
from simmorph.evaluation.significance import (
    DIFFERS,
    IN_TENSION,
    LOOKS,
    RARE,
    WITHIN_NOISE,
    Significance,
    against_null,
    differing,
    findings,
    of_p_value,
)


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
    assert found.p_value == p_value
    assert norm.sf(found.deviations) == pytest.approx(p_value, rel=1e-6)


@pytest.mark.parametrize("p_value", [0.0, 1.0])
def test_the_ends_of_probability_have_finite_deviations(p_value: float) -> None:
    assert math.isfinite(of_p_value(p_value).deviations)


def test_json_has_the_numbers() -> None:
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


def looks(**p_values: tuple[float, float]) -> dict[str, dict[str, Significance]]:
    """Variables with the probabilities of their chi2 and of their Kolmogorov-Smirnov distance."""
    return {name: dict(zip(LOOKS, map(of_p_value, both), strict=True)) for name, both in p_values.items()}


def test_a_variable_is_named_by_the_look_that_is_least_probable_after_all_looks() -> None:
    found = differing(looks(x=(0.5, 1e-4), y=(1e-6, 0.1), z=(0.004, 0.3)))
    assert [(it.name, it.kind) for it in found] == [("y", "chi_square"), ("x", "kolmogorov")]
    assert found[1].p_value == pytest.approx(1 - (1 - 1e-4) ** 6)
    assert found[0].to_text() == "y (chi2, p = 6e-06)"


def test_more_regions_are_more_looks() -> None:
    assert differing(looks(x=(0.002, 0.5)), n_regions=1)
    assert not differing(looks(x=(0.002, 0.5)), n_regions=4)


def test_variables_of_noise_are_named_as_rarely_as_is_said() -> None:
    rng = np.random.default_rng(3)
    named = [bool(differing(looks(x=tuple(pair[:2]), y=tuple(pair[2:])))) for pair in rng.uniform(size=(10_000, 4))]
    assert np.mean(named) == pytest.approx(RARE, abs=0.003)


def test_a_variable_without_a_probability_is_not_named() -> None:
    assert differing(looks(x=(math.nan, math.nan))) == ()
