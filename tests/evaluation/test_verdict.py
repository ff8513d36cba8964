"""The null, and the verdict that is made with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simmorph.data.estimates import Estimate, mean_estimate
from simmorph.data.events import Events
from simmorph.evaluation.metrics.samples import (
    MOST_TIMES,
    N_SPLITS,
    NULL,
    TEMPLATE,
    Samples,
    equal_samples,
    largest_samples,
)
from simmorph.evaluation.metrics.samples import SOURCE as OF_SOURCE
from simmorph.evaluation.significance import Differing
from simmorph.evaluation.verdict import LARGEST_UNSEEN, Verdict, chance_of_tension, verdict_on

NOTHING, SOURCE = Estimate(0.5, 0.0), Estimate(0.6, 0.01)
ALONE = Differing("eta2", "chi_square", 0.004)


@pytest.mark.parametrize(
    ("auc", "code"), [(0.44, "invalid"), (0.46, "agrees"), (0.519, "agrees"), (0.521, "tension"), (0.531, "differs")]
)
def test_the_verdict_follows_the_significance(auc: float, code: str) -> None:
    compared = {"source_vs_target": SOURCE, "template_vs_target": Estimate(auc, 0.01), "target_vs_target": NOTHING}
    verdict = verdict_on({"auc": compared}, ())
    assert verdict.code == code
    assert verdict.limit == pytest.approx(max(auc - 0.5, 0) + 0.01645)
    assert f"{auc:.4f} ± 0.0100" in verdict.sentence()


def test_what_is_wrong_with_the_samples_leaves_no_answer_whatever_the_numbers_are() -> None:
    verdict = verdict_of(Estimate(0.5, 0.001), doubts=("both are the same file",))
    assert (verdict.code, verdict.removed) == ("invalid", None)
    assert verdict.sentence().startswith("no answer: both are the same file; AUC of the classifier 0.5000 ± 0.0010")
    assert "95 of 100 cases" not in verdict.sentence()
    assert verdict.badness > verdict_of(Estimate(0.9, 0.001)).badness > verdict_of(Estimate(0.53, 0.009)).badness


def test_verdict_is_by_the_classifier_that_sees_derived_quantities_if_there_are_some() -> None:
    plain = dict.fromkeys(("source_vs_target", "template_vs_target", "target_vs_target"), SOURCE)
    verdict = verdict_on({"auc": plain, "auc_with_derived": plain | {"target_vs_target": NOTHING}}, ["m_yy"])
    assert (verdict.metric, verdict.words) == ("auc_with_derived", "AUC with m_yy")
    assert verdict.excess.value == pytest.approx(0.1)


def test_more_regions_make_a_false_alarm_likelier() -> None:
    assert chance_of_tension(1) == pytest.approx(1 - 0.97725 * 0.99, rel=1e-3)
    assert chance_of_tension(2) == pytest.approx(1 - 0.97725**2 * 0.99, rel=1e-3)


def test_mean_takes_the_larger_of_scatter_and_stated_uncertainty() -> None:
    assert mean_estimate([Estimate(0.5, 0.1)]) == Estimate(0.5, 0.1)
    assert mean_estimate([Estimate(0.5, 0.1)] * 4) == pytest.approx((0.5, 0.05))
    assert mean_estimate([Estimate(0.0, 0.1), Estimate(2.0, 0.1)]) == pytest.approx((1.0, 1.0))


def test_splits_of_the_null_are_disjoint_and_differ() -> None:
    events = Events.of(np.arange(1000.0)[:, None])
    compared = equal_samples(Samples(("x",), 1, events, events, events, events, events[:0]), 300, [1])
    splits = compared.pairs[NULL]
    assert len(splits) == N_SPLITS
    assert len({tuple(sorted(first.features[:, 0])) for first, _ in splits}) == N_SPLITS
    assert all(len(np.union1d(first.features, second.features)) == 600 for first, second in splits)


@pytest.mark.parametrize("n_template", [300, 900, 90_000])
def test_samples_are_taken_whole_but_for_what_sharpens_nothing(n_template: int) -> None:
    template, target = (Events.of(np.arange(float(size))[:, None]) for size in (n_template, 800))
    compared = largest_samples(Samples(("x",), 1, template, template, template, target, target), 200_000, [1])
    assert compared.sizes[TEMPLATE] == compared.sizes[OF_SOURCE] == (min(n_template, MOST_TIMES * 800), 800)
    first, second = compared.pairs[NULL][0]
    noise = 1 / compared.sizes[TEMPLATE][0] + 1 / 800
    assert 1 / len(first) + 1 / len(second) == pytest.approx(noise, rel=0.02) or len(first) == len(target)


def verdict_of(template: Estimate, source: Estimate | None = SOURCE, null: Estimate = NOTHING, **more: Any) -> Verdict:
    compared = {"template_vs_target": template, "target_vs_target": null}
    return verdict_on({"auc": compared | ({"source_vs_target": source} if source else {})}, (), **more)


def test_the_excess_is_over_a_half_whatever_the_null_came_to() -> None:
    verdict = verdict_of(Estimate(0.53, 0.004), null=Estimate(0.51, 0.003))
    assert verdict.excess == pytest.approx((0.03, 0.004))
    assert verdict.significance == pytest.approx(7.5)
    assert "0.5100 ± 0.0030" in verdict.sentence()


@pytest.mark.parametrize(("template", "removed"), [(0.5, 1.0), (0.55, 0.5), (0.6, 0.0)])
def test_the_share_that_the_map_has_removed_has_the_errors_of_both(template: float, removed: float) -> None:
    found = verdict_of(Estimate(template, 0.01)).removed
    assert found is not None
    rng = np.random.default_rng(1)
    drawn = 1 - rng.normal(template - 0.5, 0.01, 4000) / rng.normal(0.1, 0.01, 4000)
    assert found.value == pytest.approx(removed)
    assert found.uncertainty == pytest.approx(drawn.std(), rel=0.15)


@pytest.mark.parametrize("source", [None, NOTHING, Estimate(0.52, 0.01)])
def test_without_a_difference_to_remove_there_is_no_share(source: Estimate | None) -> None:
    assert verdict_of(Estimate(0.5, 0.01), source=source).removed is None


def test_a_share_that_is_hardly_known_is_not_told() -> None:
    # 143 events, of which a map was said to remove 114 %.
    verdict = verdict_of(Estimate(0.48, 0.048), source=Estimate(0.65, 0.047))
    assert verdict.removed is None
    assert verdict.code == "no_power"


@pytest.mark.parametrize(
    ("error", "source", "code"),
    [
        (0.01, None, "agrees"),
        (0.02, None, "no_power"),
        (0.002, Estimate(0.52, 0.002), "agrees"),
        (0.004, Estimate(0.52, 0.002), "no_power"),
    ],
)
def test_silence_is_agreement_only_where_the_test_would_have_seen_half_of_the_sources_excess(
    error: float, source: Estimate | None, code: str
) -> None:
    verdict = verdict_of(Estimate(0.5, error), source)
    assert verdict.code == code
    assert verdict.needed <= LARGEST_UNSEEN
    assert f"{verdict.sensitivity:.4f}" in verdict.sentence()


def test_an_excess_of_the_sensitivity_is_seen_in_95_of_100_cases() -> None:
    rng, error = np.random.default_rng(4), 0.01
    excess = verdict_of(Estimate(0.5, error)).sensitivity
    seen = [verdict_of(Estimate(0.5 + found, error)).code != "agrees" for found in rng.normal(excess, error, 4000)]
    assert np.mean(seen) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(("p_value", "code"), [(0.004, "tension"), (1e-3, "differs")])
def test_a_variable_that_differs_by_itself_is_no_agreement(p_value: float, code: str) -> None:
    verdict = verdict_of(Estimate(0.5, 0.001), variables=(ALONE._replace(p_value=p_value),))
    assert verdict.code == code
    assert "by itself differs eta2 (chi2, p = " in verdict.sentence()
    assert verdict.to_json()["variables_that_differ"][0]["name"] == "eta2"


@pytest.mark.parametrize(
    ("source", "is_visible"), [(None, False), (Estimate(0.52, 0.01), False), (Estimate(0.54, 0.01), True)]
)
def test_a_difference_is_visible_from_three_standard_deviations_on(source: Estimate | None, is_visible: bool) -> None:
    assert verdict_of(NOTHING._replace(uncertainty=0.01), source).is_visible == is_visible


def test_the_limit_covers_the_true_excess_in_95_of_100_cases() -> None:
    rng = np.random.default_rng(1)
    true, error = 0.02, 0.01
    limits = [verdict_of(Estimate(0.5 + true + noise, error)).limit for noise in rng.normal(0, error, 3000)]
    assert np.mean(np.array(limits) > true) == pytest.approx(0.95, abs=0.015)


def test_an_excess_below_zero_has_the_limit_of_none() -> None:
    assert verdict_of(Estimate(0.47, 0.01)).limit == pytest.approx(1.645 * 0.01, rel=1e-3)


def test_the_json_has_numbers_and_null_where_there_is_none() -> None:
    content = verdict_of(Estimate(0.51, 0.01), source=None).to_json()
    assert content["verdict"] == "agrees"
    assert content["conclusion"] == "agrees within noise"
    assert content["excess"] == {"value": pytest.approx(0.01), "uncertainty": 0.01}
    assert content["removed"] is None
    assert content["judged_by"] == "auc"
    assert content["sentence"].startswith("the template agrees within noise with the target")
    assert "unmorphed source" not in content["sentence"]


def test_one_region_of_noise_is_in_tension_as_often_as_a_normal_distribution_says() -> None:
    rng = np.random.default_rng(2)
    found = [verdict_of(Estimate(0.5 + noise, 0.01)).code for noise in rng.normal(0, 0.01, 20_000)]
    assert np.mean([it != "agrees" for it in found]) == pytest.approx(0.02275, abs=0.004)
