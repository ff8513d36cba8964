"""What is kept of a comparison: JSON without NaN, repeats with their spread, rows in order."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from simmorph.data.estimates import Estimate
from simmorph.data.events import Events
from simmorph.evaluation.comparison import Judge, Plan, measure
from simmorph.evaluation.metrics import DISTANCES, METRICS
from simmorph.evaluation.metrics.samples import NULL, TEMPLATE, Samples
from simmorph.evaluation.scores import (
    ChosenPairs,
    Cost,
    Moved,
    RegionScore,
    Repeated,
    Score,
    Value,
    largest_distance,
    mean_distance,
    ranked,
    repeated,
)

NAN = float("nan")
NO_PAIRS = ChosenPairs(worst=None, worst_pair=None, others=None, noise_floor=0.01)
COST = Cost(train_seconds=10.0, train_cpu_seconds=9.0, apply_rate=1e4, peak_memory_mb=500.0)


def value(number: float | None, uncertainty: float | None = 0.1, p_value: float | None = None) -> Value:
    return Value(value=number, uncertainty=uncertainty, p_value=p_value)


def score(title: str, auc: float = 0.6, repeat: int = 0, **changes: Any) -> Score:
    region = RegionScore(events=100, auc={"all": value(auc)}, metrics={}, distances={}, pairs=NO_PAIRS)
    settings: dict[str, Any] = {"regions": {"all": region}, "cost": COST}
    return Score(title=title, method=title, kind="morph", repeat=repeat, **settings | changes)


def samples_of(shift: float = 0.5, n_events: int = 300) -> Samples:
    """A source that is shifted in x, moved onto the target by half of that, in a context."""
    rng = np.random.default_rng(1)
    source, target = (
        Events.of(rng.normal([mean, 0], 1, (n_events, 2)), rng.uniform(size=(n_events, 1))) for mean in (shift, 0.0)
    )
    moved = source.with_features(source.features - [shift / 2, 0])
    return Samples(("x", "y"), 2, source, moved, moved, target, target[:0], ("m",))


@pytest.fixture(scope="module")
def found() -> RegionScore:
    plan = Plan({"all": Judge(("x", "y", "m")), "y": Judge(("y",))}, 300, [1], n_splits=1)
    return RegionScore.of(measure("all", samples_of(), plan, [TEMPLATE]), TEMPLATE, [("x", "m")], ess_fraction=0.5)


def test_a_score_has_every_auc_metric_and_distance(found: RegionScore) -> None:
    assert set(found.auc) == {"all", "y"}
    assert set(found.metrics) == set(METRICS) - {"auc"}
    assert {name: set(kinds) for name, kinds in found.distances.items()} == {"x": set(DISTANCES), "y": set(DISTANCES)}
    assert found.ess_fraction == 0.5


def test_every_metric_and_distance_has_its_p_value(found: RegionScore) -> None:
    assert all(it.p_value is not None for name, it in found.metrics.items() if not name.startswith("pearson"))
    assert all(it.p_value is not None for kinds in found.distances.values() for it in kinds.values())


def test_a_score_is_the_same_after_json(found: RegionScore) -> None:
    whole = score("map", regions={"all": found})
    assert Score.model_validate_json(whole.model_dump_json()) == whole
    assert json.loads(whole.model_dump_json())["regions"]["all"]["metrics"]["mmd"]["p_value"] is not None


def test_the_null_of_a_score_is_the_mean_over_its_splits() -> None:
    samples = samples_of(0.0, 600)
    both = [measure("all", samples, Plan({}, 300, [1], n_splits=n), [NULL]) for n in (1, 5)]
    one, five = (RegionScore.of(it, NULL, []) for it in both)
    first, mean = one.metrics["wasserstein_worst"], five.metrics["wasserstein_worst"]
    assert first.uncertainty is not None
    assert mean.uncertainty is not None
    assert mean.uncertainty < first.uncertainty
    assert mean.p_value is None


def test_pairs_are_named_in_words_and_the_others_averaged(found: RegionScore) -> None:
    assert found.pairs.worst_pair == "x and m"
    assert found.pairs.others is not None
    assert found.pairs.noise_floor == pytest.approx((2 / np.pi / 150) ** 0.5), "half of the target"


def test_what_is_not_finite_is_none() -> None:
    assert Value.of(Estimate(NAN, np.inf)) == value(None, None)
    assert Value.of(Estimate(0.5, 0.1), 0.03) == value(0.5, 0.1, 0.03)


def test_movement_is_in_standard_deviations_of_the_target_and_the_short_way_round() -> None:
    rng = np.random.default_rng(2)
    angles = Events.of(rng.uniform(-np.pi, np.pi, (500, 1)))
    turned = angles.with_features(np.mod(angles.features + 0.2 + np.pi, 2 * np.pi) - np.pi)
    samples = Samples(("phi",), 1, angles, turned, turned, angles, angles[:0])
    spread = float(angles.features.std())
    assert Moved.of(samples, [0]).largest == pytest.approx(0.2 / spread)
    assert Moved.of(samples, []).largest == pytest.approx((2 * np.pi - 0.2) / spread)


def test_the_lowest_retention_leaves_out_constants() -> None:
    moved = Moved(mean=0.1, quantile_95=0.2, largest=0.3, trimmed_mean=0.1, retention={"x": 0.9, "one": None, "y": 0.8})
    assert moved.lowest_retention == 0.8
    assert np.isnan(Moved(mean=0, quantile_95=0, largest=0, trimmed_mean=0, retention={"one": None}).lowest_retention)


def test_repeats_without_a_number_are_left_out() -> None:
    found = repeated([value(0.4, 0.03), None, value(None), 0.6, NAN])
    assert found is not None
    assert found.values == (0.4, 0.6)
    assert found.spread == pytest.approx(np.std([0.4, 0.6], ddof=1))
    assert repeated([None, value(None), NAN]) is None
    assert repeated([]) is None


def test_the_p_value_of_repeats_is_their_median() -> None:
    found = repeated([value(0.1, p_value=0.9), value(0.1, p_value=0.01), value(0.1, p_value=0.2), value(0.1)])
    assert found is not None
    assert found.p_value == pytest.approx(0.2)
    assert found.against(None).deviations == pytest.approx(norm.isf(0.2))


def test_a_number_is_compared_to_its_null_by_the_larger_of_spread_and_uncertainty() -> None:
    numbers, null = Repeated(0.6, 0.05, 0.03, (0.6,)), Repeated(0.5, NAN, 0.12, (0.5,))
    assert numbers.against(null).deviations == pytest.approx(0.1 / 0.13)
    assert np.isnan(numbers.against(None).deviations)
    assert Repeated(0.5, NAN, NAN, (0.5,)).width == 0


def test_repeats_are_json_without_what_is_not_finite() -> None:
    assert Repeated(0.5, NAN, 0.1, (0.5,)).to_json() == {
        "mean": 0.5, "spread": None, "uncertainty": 0.1, "values": [0.5],
    }  # fmt: skip


def test_rows_are_in_the_order_of_their_first_score_and_keep_each_failure_once() -> None:
    failed: dict[str, Any] = {"regions": {}, "cost": None, "failure": "no events"}
    rows = ranked([score("b"), score("a"), score("b", 0.7, 1), score("a", 0, 1, **failed), score("a", 0, 2, **failed)])
    assert [row.title for row in rows] == ["b", "a"]
    assert [len(row.scores) for row in rows] == [2, 1]
    assert rows[1].failures == ("no events",)
    auc = rows[0].auc("all", "all")
    assert auc is not None
    assert auc.mean == pytest.approx(0.65)
    assert rows[0].moved("all", lambda moved: moved.mean) is None
    seconds = rows[0].number(lambda it: it.cost.train_seconds if it.cost else None)
    assert seconds is not None
    assert seconds.values == (10.0, 10.0)


def test_a_distance_over_the_variables_is_its_mean_and_its_largest() -> None:
    known = {"x": value(0.1, 0.03), "y": value(0.3, 0.04), "constant": value(None)}
    kinds = {name: {"hellinger": it} for name, it in known.items()}
    mean = mean_distance(kinds, "hellinger")
    assert mean is not None
    assert (mean.value, mean.uncertainty) == pytest.approx((0.2, 0.025))
    assert largest_distance(kinds, "hellinger") == value(0.3, 0.04)
    assert mean_distance({"constant": {"hellinger": value(None)}}, "hellinger") is None
    assert largest_distance({}, "hellinger") is None
