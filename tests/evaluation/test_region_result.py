"""The result of a region: what `report.json` holds of it, and that its parts agree with each other."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simmorph.data.events import Events
from simmorph.evaluation.comparison import CONTEXT_DISTANCES, Judge, Plan, judges_of
from simmorph.evaluation.metrics import DISTANCES, METRICS
from simmorph.evaluation.metrics.samples import COMPARISONS, NULL, SOURCE, TEMPLATE, Samples
from simmorph.evaluation.region_result import RegionResult, compare
from simmorph.evaluation.significance import against_null, of_p_value
from simmorph.evaluation.verdict import NO_DIFFERENCE

N_EVENTS, SHIFT = 400, 1.0


def samples_of(seed: int = 1, shift: float = SHIFT) -> Samples:
    """A source shifted in x, a template that is not, the derived x^2 + y^2, and a context."""
    rng = np.random.default_rng(seed)

    def sample(offset: float) -> Events:
        x, y, m = rng.normal(offset, 1, N_EVENTS), rng.normal(size=N_EVENTS), rng.uniform(size=(N_EVENTS, 1))
        return Events.of(np.column_stack([x, y, x**2 + y**2]), m)

    source, target, template = sample(shift), sample(0.0), sample(0.0)
    moved = source.with_features(source.features - [shift, 0, 0])
    masses = {name: its.context[:, 0] for name, its in (("source", source), ("template", template), ("target", target))}
    return Samples(("x", "y", "size"), 2, source, template, moved, target, sample(0.0), ("m",), {"m": masses})


def compared(samples: Samples, seed: int) -> RegionResult:
    plan = Plan(judges_of(samples, []), N_EVENTS, [seed], n_splits=None)
    return compare("signal", "x > -9", samples, plan, is_trained_on=False)


@pytest.fixture(scope="module")
def result() -> RegionResult:
    samples = samples_of()
    return compare(
        "signal", "x > -9", samples, Plan(judges_of(samples, []), N_EVENTS, [5], n_splits=None), is_trained_on=False
    )


@pytest.fixture(scope="module")
def content(result: RegionResult) -> dict[str, Any]:
    """What is written, read again."""
    return dict(json.loads(json.dumps(result.to_json(), allow_nan=False)))


def test_trees_judge_features_and_derived_quantities_with_the_context() -> None:
    judges = judges_of(samples_of(), ["trees", "network_2x32", "trees"])
    assert judges == {
        "auc": Judge(("x", "y", "m")),
        "auc_with_derived": Judge(("x", "y", "size", "m")),
        "auc_network_2x32": Judge(("x", "y", "m"), "network_2x32"),
    }


def test_without_derived_quantities_there_is_one_judge() -> None:
    plain = replace(samples_of(), names=("x", "y"))
    assert judges_of(plain, []) == {"auc": Judge(("x", "y", "m"))}


def test_every_metric_has_every_comparison(content: dict[str, Any]) -> None:
    assert set(content["metrics"]) == set(METRICS) | {"auc_with_derived"}
    assert all(tuple(found) == COMPARISONS for found in content["metrics"].values())
    assert content["compared_events"] == N_EVENTS


def test_the_null_has_no_significance_and_the_others_have(content: dict[str, Any]) -> None:
    for table in (content["metrics"], *content["distances"].values(), *content["context"]["distances"].values()):
        for compared in table.values():
            assert set(compared[NULL]) == {"value", "uncertainty"}
            assert set(compared[TEMPLATE]) == {"value", "uncertainty", "significance", "p_value"}


def test_a_significance_is_that_of_the_p_value_and_an_auc_is_compared_to_a_half(result: RegionResult) -> None:
    assert result.significances["auc"][SOURCE] == against_null(result.metrics["auc"][SOURCE], NO_DIFFERENCE)
    for metric in set(METRICS) - {"auc"}:
        assert result.significances[metric][SOURCE] == of_p_value(result.p_values[metric][SOURCE])
        assert set(result.p_values[metric]) == {SOURCE, TEMPLATE}


def test_every_distance_sees_the_shift(result: RegionResult) -> None:
    for kind in DISTANCES:
        assert result.distance_significances["x"][kind][SOURCE].deviations > 3


def test_a_shift_is_found_in_the_source_and_not_in_the_template(result: RegionResult) -> None:
    significances = {metric: found[SOURCE].deviations for metric, found in result.significances.items()}
    blind = {"pearson_worst", "pearson_mean"}
    assert min(found for metric, found in significances.items() if metric not in blind) > 3
    assert result.verdict.code == "no_power", "400 events see no excess below 0.1"
    assert result.verdict.is_visible


def test_variables_are_found_by_their_chi2(content: dict[str, Any], result: RegionResult) -> None:
    found = content["variables"]
    assert sorted([*found["differs"], *found["tension"], *found["within"]]) == ["size", "x", "y"]
    assert found["judged_by"] == "chi_square"
    deviations = result.distance_significances["y"]["chi_square"][TEMPLATE].deviations
    assert ("y" in found["within"]) == (deviations < 2)


def test_the_context_is_compared_in_some_distances(content: dict[str, Any]) -> None:
    assert set(content["context"]["distances"]) == {"m"}
    assert tuple(content["context"]["distances"]["m"]) == CONTEXT_DISTANCES
    assert set(content["distances"]) == {"x", "y", "size"}


def test_the_area_under_each_roc_curve_is_the_auc_of_the_verdict(result: RegionResult) -> None:
    assert result.verdict.metric == "auc_with_derived"
    for comparison, (target_kept, other_kept) in result.rocs.items():
        area = np.trapezoid(other_kept, target_kept)
        assert area == pytest.approx(result.metrics["auc_with_derived"][comparison].value, abs=0.005)


def test_correlations_are_of_all_events_and_symmetric(content: dict[str, Any]) -> None:
    for kind in ("pearson", "spearman"):
        found = content[kind]
        assert found["names"] == ["x", "y", "size"]
        for sample in ("source", "template", "target"):
            matrix = np.array(found[sample]["matrix"])
            np.testing.assert_allclose(matrix, matrix.T)
            np.testing.assert_allclose(np.diag(matrix), 1)
        assert found["noise_floor"]["target"] == pytest.approx((2 / np.pi / N_EVENTS) ** 0.5)


def test_movement_is_of_the_source_row_by_row(content: dict[str, Any], result: RegionResult) -> None:
    spread = result.samples.target.features[:, 0].std()
    assert content["movement"]["features"]["x"]["mean"] == pytest.approx(SHIFT / spread)
    assert content["movement"]["features"]["y"]["mean"] == 0
    assert set(content["movement"]["features"]) == {"x", "y"}, "derived quantities are moved by nothing"


def test_without_a_source_there_is_no_movement_and_no_comparison_of_it() -> None:
    samples = samples_of()
    alone = replace(samples, source=samples.source[:0], conditions={})
    drawn = compare("all", "", alone, Plan(judges_of(alone, []), N_EVENTS, [5], n_splits=1), is_trained_on=True)
    assert drawn.comparisons == (TEMPLATE, NULL)
    assert drawn.to_json()["movement"] is None
    assert drawn.to_json()["cut"] is None
    assert drawn.verdict.source is None
    assert all(SOURCE not in found for found in drawn.metrics.values())


def test_the_events_are_counted_with_their_weights() -> None:
    samples = samples_of()
    weights = np.where(np.arange(N_EVENTS) % 4 == 0, -0.5, 1.0)
    signed = replace(samples, template=samples.template.with_weights(weights))
    found = compare("all", "", signed, Plan(judges_of(signed, []), N_EVENTS, [5], n_splits=1), is_trained_on=True)
    sizes = found.to_json()["events"]["template"]
    assert sizes["n"] == N_EVENTS
    assert sizes["sum_of_weights"] == pytest.approx(weights.sum())
    assert sizes["effective"] == pytest.approx(weights.sum() ** 2 / np.sum(weights**2))


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(content: dict[str, Any]) -> None:
    samples = samples_of()
    again, other = (
        compare(
            "signal",
            "x > -9",
            samples,
            Plan(judges_of(samples, []), N_EVENTS, [seed], n_splits=None),
            is_trained_on=False,
        )
        for seed in (5, 6)
    )
    assert json.loads(json.dumps(again.to_json())) == content
    assert other.metrics["auc"] != again.metrics["auc"]
