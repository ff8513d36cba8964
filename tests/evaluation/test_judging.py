"""The judge: equal numbers of events, known separations, and a null that is one."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from simmorph.data.events import Events
from simmorph.errors import InputError
from simmorph.evaluation.judging import Judge, largest_size
from simmorph.evaluation.metrics.samples import Samples

NAMES = ("x", "y", "m")
SHIFT = 0.8


def sample(n_events: int, seed: int, shift: float = 0.0, correlation: float = 0.0) -> Events:
    rng = np.random.default_rng(seed)
    covariance = np.array([[1, correlation, 0], [correlation, 1, 0], [0, 0, 1.0]])
    return Events.of(rng.multivariate_normal(np.array([shift, 0, 0]), covariance, n_events), ids=np.arange(n_events))


def samples(template: Events, source: Events | None = None, n_target: int = 4000) -> Samples:
    source = template if source is None else source
    return Samples(NAMES, 2, source, template, template, sample(n_target, 1), sample(n_target, 2))


def a_judge(**changes: Any) -> Judge:
    settings: dict[str, Any] = {
        "names": NAMES, "changeable": 2, "correlated": 3, "inputs": {"all": [0, 1, 2], "y": [1]},
        "pairs": [(0, 1)], "periodic": [], "max_events": 4000,
    }  # fmt: skip
    return Judge(**settings | changes)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_a_shift_has_the_auc_of_two_gaussians_and_is_seen_only_by_inputs_that_have_it() -> None:
    found = a_judge().score(samples(sample(4000, 3, SHIFT)), rng(), is_moved=True)
    best = NormalDist().cdf(SHIFT / 2**0.5)
    every, blind = found.auc["all"], found.auc["y"]
    assert every.value is not None
    assert every.uncertainty is not None
    assert blind.value is not None
    assert blind.uncertainty is not None
    assert best - 0.03 < every.value < best + 3 * every.uncertainty
    assert abs(blind.value - 0.5) < 4 * blind.uncertainty


def test_the_null_is_a_half_and_has_as_many_events_as_a_template() -> None:
    both = samples(sample(3000, 3))
    judge = a_judge(n_splits=3, max_events=2500)
    null, score = judge.null(both, rng()), judge.score(both, rng(), is_moved=True)
    assert (null.events, null.correlated_events) == (score.events, score.correlated_events) == (2500, 3000)
    auc = null.auc["all"]
    assert auc.value is not None
    assert auc.uncertainty is not None
    assert abs(auc.value - 0.5) < 4 * auc.uncertainty


def test_the_number_of_events_leaves_room_for_two_disjoint_parts_of_the_target() -> None:
    source, target = sample(3000, 3), sample(1000, 1)
    assert largest_size(Samples(NAMES, 2, source, source, source, target, target[:0])) == 500
    assert largest_size(Samples(NAMES, 2, source, source, source, target, sample(4000, 2))) == 1000


def test_a_correlation_that_differs_is_the_worst_pair_and_context_alone_is_none() -> None:
    found = a_judge(pairs=[(0, 2), (0, 1)]).score(samples(sample(4000, 3, correlation=0.4)), rng(), is_moved=True)
    assert found.pearson_pair == "x and y"
    assert found.pearson_worst is not None
    assert found.pearson_worst.value == pytest.approx(0.4, abs=0.05)
    assert found.pearson_others is not None
    assert found.pearson_others.value is not None
    assert found.pearson_others.value < 4 * found.noise_floor


def test_pairs_that_the_target_correlates_are_named_if_the_recipe_names_none() -> None:
    target = sample(4000, 1, correlation=0.3)
    template = sample(4000, 3)
    both = Samples(NAMES, 2, template, template, template, target, target[:0])
    found = a_judge(pairs=[]).score(both, rng(), is_moved=True)
    assert found.pearson_pair == "x and y"
    assert found.pearson_worst is not None
    assert found.pearson_worst.value == pytest.approx(0.3, abs=0.06)


def test_movement_and_retention_are_those_of_a_known_map_and_only_of_what_moves() -> None:
    source = sample(4000, 3)
    moved = source.with_features(source.features * [-1, 1, 1] + [0, 2, 0])
    found = a_judge().score(samples(moved, source), rng(), is_moved=True)
    assert found.moved is not None
    assert found.moved.retention == pytest.approx({"x": -1.0, "y": 1.0})
    assert found.moved.lowest_retention == pytest.approx(-1)
    assert a_judge().score(samples(moved, source), rng(), is_moved=False).moved is None


def test_weights_that_undo_a_shift_close_it_and_cost_events() -> None:
    source = sample(4000, 3, SHIFT)
    weighted = source.with_weights(np.exp(-SHIFT * source.features[:, 0] + SHIFT**2 / 2))
    found = a_judge().score(samples(weighted, source), rng(), is_moved=False)
    auc = found.auc["all"]
    assert auc.value is not None
    assert auc.uncertainty is not None
    assert abs(auc.value - 0.5) < 4 * auc.uncertainty
    assert found.ess_fraction == pytest.approx(np.exp(-(SHIFT**2)), rel=0.15)


def test_equal_generators_give_equal_scores() -> None:
    both = samples(sample(2000, 3, SHIFT))
    assert a_judge().score(both, rng(), is_moved=True) == a_judge().score(both, rng(), is_moved=True)


def test_too_few_events_are_refused() -> None:
    with pytest.raises(InputError, match="only 99 events"):
        a_judge().score(samples(sample(99, 3)), rng(), is_moved=True)


def test_a_shift_shows_in_the_distances_of_its_own_variable_alone() -> None:
    found = a_judge().score(samples(sample(4000, 3, SHIFT)), rng(), is_moved=True).distances
    assert set(found["wasserstein"]) == {"x", "y"}, "a method changes no context"
    assert found["wasserstein"]["x"] == pytest.approx(SHIFT, abs=0.07)
    assert found["kullback_leibler"]["x"] == pytest.approx(SHIFT**2 / 2, abs=0.07)
    null = a_judge().null(samples(sample(4000, 3, SHIFT)), rng()).distances
    for kind, of_variable in found.items():
        near, noise = of_variable["y"], null[kind]["y"]
        assert near is not None
        assert noise is not None
        assert near < 3 * noise, kind
