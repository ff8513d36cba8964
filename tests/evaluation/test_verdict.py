"""The null, and the verdict that is made with it."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.data.events import Events
from simmorph.evaluation.metrics.estimates import Estimate, mean_estimate
from simmorph.evaluation.metrics.samples import N_SPLITS, NULL, Samples, equal_samples
from simmorph.evaluation.verdict import DIFFERS, IN_TENSION, WITHIN_NOISE, chance_of_tension, verdict_on

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
