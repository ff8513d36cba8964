"""The measuring engine: equal numbers of events, known separations, a null that is one, and one list of metrics."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.data.estimates import Estimate
from simmorph.data.events import Events
from simmorph.errors import InputError
from simmorph.evaluation.comparison import Judge, Plan, judges_of, measure
from simmorph.evaluation.metrics import DISTANCES, METRICS
from simmorph.evaluation.metrics.samples import COMPARISONS, NULL, TEMPLATE, Samples, equal_samples, random_of
from simmorph.evaluation.region_result import compare
from simmorph.evaluation.scores import Moved, RegionScore

if TYPE_CHECKING:
    from simmorph.evaluation.scores import Value

NAMES = ("x", "y")
SHIFT = 0.8


def sample(n_events: int, seed: int, shift: float = 0.0, correlation: float = 0.0) -> Events:
    """Two features, of which x is shifted, and a context that nothing changes."""
    rng = np.random.default_rng(seed)
    covariance = np.array([[1, correlation, 0], [correlation, 1, 0], [0, 0, 1.0]])
    rows = rng.multivariate_normal(np.array([shift, 0, 0]), covariance, n_events)
    return Events.of(rows[:, :2], rows[:, 2:], ids=np.arange(n_events))


def samples_of(template: Events, source: Events | None = None, n_target: int = 4000, **more: Any) -> Samples:
    source = template if source is None else source
    target, spare = sample(n_target, 1), sample(n_target, 2)
    return Samples(NAMES, 2, source, template, template, target, spare, ("m",), **more)


def a_plan(**changes: Any) -> Plan:
    judges = {"all": Judge(("x", "y", "m")), "y": Judge(("y",))}
    return Plan(judges, 4000, [7], n_splits=2)._replace(**changes)


def score(samples: Samples, comparison: str = TEMPLATE, pairs: Any = (), **changes: Any) -> RegionScore:
    return RegionScore.of(measure("here", samples, a_plan(**changes), [comparison]), comparison, pairs)


def known(value: Value | None) -> Estimate:
    """A value that is one."""
    assert value is not None
    assert value.value is not None
    return Estimate(value.value, value.uncertainty or 0.0)


def test_a_shift_has_the_auc_of_two_gaussians_and_is_seen_only_by_inputs_that_have_it() -> None:
    found = score(samples_of(sample(4000, 3, SHIFT))).auc
    best, every, blind = NormalDist().cdf(SHIFT / 2**0.5), known(found["all"]), known(found["y"])
    assert best - 0.03 < every.value < best + 3 * every.uncertainty
    assert abs(blind.value - 0.5) < 4 * blind.uncertainty


def test_the_null_is_a_half_and_has_as_many_events_as_a_template() -> None:
    both = samples_of(sample(3000, 3))
    null, template = score(both, NULL, n_splits=3, max_events=2500), score(both, max_events=2500)
    assert null.events == template.events == 2500
    auc = known(null.auc["all"])
    assert abs(auc.value - 0.5) < 4 * auc.uncertainty


@pytest.mark.parametrize(("n_spare", "size"), [(0, 500), (4000, 1000)])
def test_the_number_of_events_leaves_room_for_two_disjoint_parts_of_the_target(n_spare: int, size: int) -> None:
    source, target = sample(3000, 3), sample(1000, 1)
    both = Samples(NAMES, 2, source, source, source, target, sample(n_spare, 2), ("m",))
    assert equal_samples(both, 5000, [1]).size == size


def test_every_template_meets_the_same_target() -> None:
    parts = [
        equal_samples(samples_of(sample(n_events, seed)), 500, [3], [TEMPLATE]).pairs[TEMPLATE][0]
        for n_events, seed in ((4000, 3), (3000, 4))
    ]
    np.testing.assert_array_equal(parts[0][1].features, parts[1][1].features)


def test_a_correlation_that_differs_is_the_worst_pair() -> None:
    found = score(samples_of(sample(4000, 3, correlation=0.4)), pairs=[("x", "m"), ("y", "x")]).pairs
    assert found is not None
    assert found.worst_pair == "x and y"
    assert known(found.worst).value == pytest.approx(0.4, abs=0.05)
    assert known(found.others).value < 4 * found.noise_floor


def test_pairs_that_the_target_correlates_are_named_if_the_recipe_names_none() -> None:
    target, template = sample(4000, 1, correlation=0.3), sample(4000, 3)
    both = Samples(NAMES, 2, template, template, template, target, target[:0], ("m",))
    found = score(both).pairs
    assert found is not None
    assert found.worst_pair == "x and y"
    assert known(found.worst).value == pytest.approx(0.3, abs=0.07)


def test_movement_and_retention_are_those_of_a_known_map() -> None:
    source = sample(4000, 3)
    moved = source.with_features(source.features * [-1, 1] + [0, 2])
    found = Moved.of(samples_of(moved, source, optimal=moved.features), [])
    assert found.retention == pytest.approx({"x": -1.0, "y": 1.0})
    assert found.lowest_retention == pytest.approx(-1)
    assert (found.optimal_distance, found.optimal_cost) == (0, 1)
    assert Moved.of(samples_of(moved, source), []).optimal_cost is None


def test_weights_that_undo_a_shift_close_it() -> None:
    source = sample(4000, 3, SHIFT)
    ratio = np.exp(-SHIFT * source.features[:, 0] + SHIFT**2 / 2)
    auc = known(score(samples_of(source.with_weights(ratio), source)).auc["all"])
    assert abs(auc.value - 0.5) < 4 * auc.uncertainty


def test_events_of_opposite_weights_count_for_nothing_in_any_number() -> None:
    template, stray = sample(3000, 3), sample(600, 4, 5.0)
    strays = [stray.with_weights(np.full(600, sign)) for sign in (1.0, -1.0)]
    plan = a_plan(max_events=10_000)
    mixed = Events.concatenate([template, *strays])
    found = measure("here", samples_of(mixed), plan, [TEMPLATE])
    null = measure("here", samples_of(mixed), plan, [NULL])
    for metric in set(METRICS) - {"auc"}:
        value, noise = found.metrics[metric][TEMPLATE], null.metrics[metric][NULL]
        assert value.value - noise.value < 5 * np.hypot(value.uncertainty, noise.uncertainty), metric


def test_too_few_events_are_refused() -> None:
    with pytest.raises(InputError, match=r"region 'here'.*only 99 events"):
        score(samples_of(sample(99, 3)))


def test_weights_without_a_positive_sum_are_refused() -> None:
    template = sample(1000, 3)
    with pytest.raises(InputError, match="do not sum to a positive number"):
        score(samples_of(template.with_weights(-template.weights), template))


def test_a_shift_shows_in_the_distances_of_its_own_variable_alone() -> None:
    both = samples_of(sample(4000, 3, SHIFT))
    found, null = score(both).distances, score(both, NULL).distances
    assert set(found) == {"x", "y"}, "a method changes no context"
    assert set(found["x"]) == set(DISTANCES)
    assert known(found["x"]["wasserstein"]).value == pytest.approx(SHIFT, abs=0.07)
    assert known(found["x"]["kullback_leibler"]).value == pytest.approx(SHIFT**2 / 2, abs=0.07)
    for kind in DISTANCES:
        near, noise = known(found["y"][kind]), known(null["y"][kind])
        assert near.value < 3 * noise.value + 3 * near.uncertainty, kind


def test_a_column_beside_the_context_is_seen_by_named_judges_alone() -> None:
    def with_copy_of_x(events: Events) -> Events:
        return events.with_context(np.hstack([events.context, events.features[:, :1]]))

    both = samples_of(sample(4000, 3, SHIFT))
    parts: dict[str, Any] = {
        name: with_copy_of_x(getattr(both, name)) for name in ("source", "template", "moved", "target", "spare")
    }
    wider = replace(both, **parts, context_names=("m", "copy"), n_conditions=1)
    judges = {"copy": Judge(("copy",)), "y": Judge(("y",))}
    found = measure("here", wider, a_plan(judges=judges), [TEMPLATE])
    plain = measure("here", both, a_plan(judges={}), [TEMPLATE])
    assert found.metrics["copy"][TEMPLATE].value > 0.65
    assert {name: found.metrics[name] for name in plain.metrics} == plain.metrics
    assert set(found.context_distances) == {"m"}


def spread_of_x(template: Events, target: Events, rng: np.random.Generator) -> Estimate:
    """A metric that a newcomer adds: the difference of the means of the first feature."""
    difference = template.features[:, 0].mean() - target.features[:, 0].mean()
    return Estimate(float(difference), float(np.sqrt(1 / len(template) + 1 / len(target))))


def test_one_metric_more_is_measured_everywhere_and_changes_no_other_number(monkeypatch: pytest.MonkeyPatch) -> None:
    both = samples_of(sample(400, 3, SHIFT), n_target=400)
    plan = Plan(judges_of(both, []), 400, [7], n_splits=2)
    before = compare("here", "", both, plan, is_trained_on=True)
    monkeypatch.setitem(METRICS, "spread_of_x", spread_of_x)
    after = compare("here", "", both, plan, is_trained_on=True)
    added = after.metrics["spread_of_x"]
    assert tuple(added) == COMPARISONS
    assert added[TEMPLATE].value == pytest.approx(SHIFT, abs=0.3)
    assert after.significances["spread_of_x"][TEMPLATE].deviations > 5
    assert {name: found for name, found in after.metrics.items() if name != "spread_of_x"} == before.metrics
    assert after.distances == before.distances
    assert after.density_ratio[TEMPLATE].mean == before.density_ratio[TEMPLATE].mean


def test_one_comparison_alone_has_the_numbers_that_it_has_among_all() -> None:
    both = samples_of(sample(400, 3, SHIFT), n_target=400)
    every = measure("here", both, a_plan())
    for comparison in COMPARISONS:
        alone = measure("here", both, a_plan(), [comparison])
        # Beside a template the null of all but the classifiers is what noise makes of it.
        shown = a_plan().judges if comparison == NULL else every.metrics
        for name in shown:
            assert every.metrics[name][comparison] == alone.metrics[name][comparison]
        assert tuple(alone.metrics["mmd"]) == (comparison,)


def test_random_numbers_of_different_things_differ_and_those_of_one_do_not() -> None:
    drawn = [random_of([1], what).uniform() for what in ("mmd", "mmd", "frechet")]
    assert drawn[0] == drawn[1] != drawn[2]
