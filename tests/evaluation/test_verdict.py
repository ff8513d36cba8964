"""The null, and the verdict that is made with it."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.data.events import Events
from simmorph.evaluation.metrics.estimates import Estimate, mean_estimate
from simmorph.evaluation.metrics.samples import N_SPLITS, NULL, Samples, equal_samples
from simmorph.evaluation.verdict import DIFFERS, IN_TENSION, WITHIN_NOISE, Verdict, chance_of_tension, verdict_on

NOTHING, SOURCE = Estimate(0.5, 0.0), Estimate(0.6, 0.01)


@pytest.mark.parametrize(
    ("auc", "conclusion"), [(0.45, WITHIN_NOISE), (0.519, WITHIN_NOISE), (0.521, IN_TENSION), (0.531, DIFFERS)]
)
def test_conclusion_follows_the_significance(auc: float, conclusion: str) -> None:
    compared = {"source_vs_target": SOURCE, "template_vs_target": Estimate(auc, 0.01), "target_vs_target": NOTHING}
    verdict = verdict_on({"auc": compared}, ())
    assert verdict.conclusion == conclusion
    assert verdict.limit == pytest.approx(max(auc - 0.5, 0) + 0.01645)
    assert f"{auc - 0.5:+.4f} ± 0.0100" in verdict.sentence()


def test_verdict_is_by_the_classifier_that_sees_derived_quantities_if_there_are_some() -> None:
    plain = dict.fromkeys(("source_vs_target", "template_vs_target", "target_vs_target"), SOURCE)
    verdict = verdict_on({"auc": plain, "auc_with_derived": plain | {"target_vs_target": NOTHING}}, ["m_yy"])
    assert (verdict.metric, verdict.words) == ("auc_with_derived", "AUC with m_yy")
    assert verdict.excess.value == pytest.approx(0.1)


def test_more_regions_make_a_false_alarm_likelier() -> None:
    assert chance_of_tension(1) == pytest.approx(0.02275, rel=1e-3)
    assert chance_of_tension(2) == pytest.approx(1 - (1 - 0.02275) ** 2, rel=1e-3)


def test_mean_takes_the_larger_of_scatter_and_stated_uncertainty() -> None:
    assert mean_estimate([Estimate(0.5, 0.1)]) == Estimate(0.5, 0.1)
    assert mean_estimate([Estimate(0.5, 0.1)] * 4) == pytest.approx((0.5, 0.05))
    assert mean_estimate([Estimate(0.0, 0.1), Estimate(2.0, 0.1)]) == pytest.approx((1.0, 1.0))


def test_splits_of_the_null_are_disjoint_and_differ() -> None:
    events = Events.of(np.arange(1000.0)[:, None])
    parts = equal_samples(Samples(("x",), 1, events, events, events, events, events[:0]), 300, [1])
    splits = parts.pairs[NULL]
    assert len(splits) == N_SPLITS
    assert len({tuple(sorted(first.features[:, 0])) for first, _ in splits}) == N_SPLITS
    assert all(len(np.union1d(first.features, second.features)) == 600 for first, second in splits)


def verdict_of(template: Estimate, source: Estimate | None = SOURCE, null: Estimate = NOTHING) -> Verdict:
    compared = {"template_vs_target": template, "target_vs_target": null}
    return verdict_on({"auc": compared | ({"source_vs_target": source} if source else {})}, ())


def test_the_excess_has_the_errors_of_both() -> None:
    verdict = verdict_of(Estimate(0.53, 0.004), null=Estimate(0.51, 0.003))
    assert verdict.excess == pytest.approx((0.02, 0.005))
    assert verdict.significance == pytest.approx(4)


@pytest.mark.parametrize(("template", "removed"), [(0.5, 1.0), (0.55, 0.5), (0.6, 0.0), (0.65, -0.5)])
def test_the_share_that_the_map_has_removed(template: float, removed: float) -> None:
    assert verdict_of(Estimate(template, 0.01)).removed == pytest.approx(removed)


def test_without_a_difference_to_remove_there_is_no_share() -> None:
    assert np.isnan(verdict_of(Estimate(0.5, 0.01), source=NOTHING).removed)
    assert np.isnan(verdict_of(Estimate(0.5, 0.01), source=None).removed)


@pytest.mark.parametrize(
    ("source", "is_visible"), [(None, False), (Estimate(0.52, 0.01), False), (Estimate(0.54, 0.01), True)]
)
def test_a_difference_is_visible_from_three_standard_deviations_on(source: Estimate | None, is_visible: bool) -> None:
    assert verdict_of(NOTHING._replace(uncertainty=0.01), source).is_visible == is_visible


def test_the_limit_covers_the_true_excess_in_95_of_100_cases() -> None:
    rng = np.random.default_rng(1)
    true, error, null_error = 0.02, 0.01, 0.005
    limits = [
        verdict_of(Estimate(0.5 + true + rng.normal(0, error), error), null=Estimate(0.5 + noise, null_error)).limit
        for noise in rng.normal(0, null_error, 3000)
    ]
    assert np.mean(np.array(limits) > true) == pytest.approx(0.95, abs=0.015)


def test_an_excess_below_zero_has_the_limit_of_none() -> None:
    assert verdict_of(Estimate(0.47, 0.01)).limit == pytest.approx(1.645 * 0.01, rel=1e-3)


def test_the_json_has_numbers_and_null_where_there_is_none() -> None:
    content = verdict_of(Estimate(0.51, 0.01), source=None).to_json()
    assert content["conclusion"] == WITHIN_NOISE
    assert content["excess"] == {"value": pytest.approx(0.01), "uncertainty": 0.01}
    assert content["removed"] is None
    assert content["judged_by"] == "auc"
    assert content["verdict"].startswith("the template agrees within noise with the target")
    assert "unmorphed source" not in content["verdict"]


def test_one_region_of_noise_is_in_tension_as_often_as_a_normal_distribution_says() -> None:
    rng = np.random.default_rng(2)
    found = [verdict_of(Estimate(0.5 + noise, 0.01)).conclusion for noise in rng.normal(0, 0.01, 20_000)]
    assert np.mean([it != WITHIN_NOISE for it in found]) == pytest.approx(chance_of_tension(1), abs=0.004)
