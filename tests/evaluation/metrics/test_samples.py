"""Samples of a region: columns by name, parts of equal size, and random numbers that depend on nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simmorph.data.events import Events
from simmorph.evaluation.metrics.samples import COMPARISONS, N_SPLITS, NULL, SOURCE, TEMPLATE, Samples, equal_samples
from simmorph.evaluation.metrics.samples import random_of as generator


def numbered(n_events: int, first: int = 0) -> Events:
    """Events whose feature x is their number, y ten times that, and whose context is the negative."""
    x = np.arange(first, first + n_events, dtype=np.float64)[:, None]
    return Events.of(np.hstack([x, 10 * x]), np.hstack([-x, x + 0.5]))


def samples_of(
    n_source: int = 100, n_template: int = 100, n_target: int = 200, n_spare: int = 0, **more: Any
) -> Samples:
    source, template = numbered(n_source), numbered(n_template, 1000)
    target, spare = numbered(n_target, 2000), numbered(n_spare, 5000)
    return Samples(("x", "y"), 1, source, template, source, target, spare, ("m", "extra"), **more)


def test_columns_are_seen_by_name_whatever_they_are() -> None:
    samples = samples_of()
    seen = samples.seen(samples.target, ["extra", "x", "m"])
    np.testing.assert_array_equal(seen.features[3], [2003.5, 2003, -2003])
    assert seen.context.shape == (200, 0)
    assert seen.weights is samples.target.weights


def test_an_unknown_column_is_a_fault() -> None:
    with pytest.raises(ValueError, match="not in list"):
        samples_of().seen(numbered(3), ["z"])


def test_derived_quantities_are_the_names_behind_the_features() -> None:
    assert samples_of().derived == ("y",)


@pytest.mark.parametrize(("n_conditions", "names"), [(None, ("m", "extra")), (1, ("m",)), (0, ())])
def test_conditions_are_the_first_columns_of_the_context(n_conditions: int | None, names: tuple[str, ...]) -> None:
    samples = samples_of(n_conditions=n_conditions)
    assert samples.condition_names == names
    assert samples.conditioned(samples.target).context.shape == (200, len(names))


def test_rows_are_the_features_alone() -> None:
    source, moved, target = samples_of().rows()
    assert source.features.shape == moved.features.shape == (100, 1)
    assert target.features.shape == (200, 1)


def test_without_a_source_there_is_none_among_the_samples_and_comparisons() -> None:
    samples = samples_of(n_source=0)
    assert not samples.has_source
    assert list(samples.by_name()) == ["template", "target"]
    assert list(equal_samples(samples, 50, [1]).pairs) == [TEMPLATE, NULL]


@pytest.mark.parametrize(
    ("sizes", "size"),
    [
        ({"n_source": 40}, 40),
        ({"n_template": 30}, 30),
        ({"n_target": 90}, 45),
        ({"n_target": 70, "n_spare": 200}, 70),
        ({"n_source": 900, "n_template": 900, "n_target": 900, "n_spare": 900}, 80),
    ],
)
def test_all_parts_have_the_size_that_every_sample_and_the_null_allow(sizes: dict[str, int], size: int) -> None:
    compared = equal_samples(samples_of(**sizes), 80, [1])
    assert compared.size == size
    assert {len(it) for pairs in compared.pairs.values() for pair in pairs for it in pair} == {size}


def test_parts_are_events_of_their_samples_each_once_and_in_order() -> None:
    compared = equal_samples(samples_of(), 60, [1])
    for name, first in ((SOURCE, 0), (TEMPLATE, 1000)):
        part, target = compared.pairs[name][0]
        assert (np.diff(part.features[:, 0]) > 0).all()
        assert first <= part.features[0, 0] <= part.features[-1, 0] < first + 100
        assert target.features[0, 0] >= 2000


def test_source_and_template_meet_the_same_target() -> None:
    pairs = equal_samples(samples_of(), 60, [1]).pairs
    assert pairs[SOURCE][0][1].ids.tolist() == pairs[TEMPLATE][0][1].ids.tolist()


def test_the_null_takes_events_that_training_has_seen_and_says_so() -> None:
    compared = equal_samples(samples_of(n_spare=200), 90, [1])
    halves = [np.concatenate([one.features[:, 0], other.features[:, 0]]) for one, other in compared.pairs[NULL]]
    assert all(len(np.unique(both)) == 180 for both in halves)
    assert any((both >= 5000).any() for both in halves)
    assert compared.null.startswith(
        f"the mean of {N_SPLITS} random splits of 400 target events into two disjoint sets of 90"
    )
    assert "200 of them seen in training" in compared.null
    assert "seen" not in equal_samples(samples_of(), 90, [1]).null


def test_one_comparison_alone_has_the_pairs_that_it_has_among_all() -> None:
    every = equal_samples(samples_of(), 60, [1]).pairs
    for name in COMPARISONS:
        (alone,) = equal_samples(samples_of(), 60, [1], [name]).pairs.items()
        assert alone[0] == name
        for one, other in zip(every[name], alone[1], strict=True):
            assert [it.ids.tolist() for it in one] == [it.ids.tolist() for it in other]


def test_the_number_of_splits_is_as_asked() -> None:
    assert len(equal_samples(samples_of(), 60, [1], [NULL], 3).pairs[NULL]) == 3


def test_another_seed_takes_other_events() -> None:
    first, second = (equal_samples(samples_of(), 60, [seed]).pairs[TEMPLATE][0][0].ids.tolist() for seed in (1, 2))
    assert first != second


def test_a_view_is_taken_of_every_sample() -> None:
    compared = equal_samples(samples_of(), 60, [1])
    seen = compared.of(lambda events: events.with_features(events.context))
    assert seen.size == compared.size
    for name, pairs in compared.pairs.items():
        for before, after in zip(pairs, seen.pairs[name], strict=True):
            np.testing.assert_array_equal(after[0].features, before[0].context)
            np.testing.assert_array_equal(after[1].features, before[1].context)


def test_random_numbers_depend_on_seed_and_purpose_alone() -> None:
    drawn = {
        (seed, what): generator([seed], what).uniform() for seed in (1, 2) for what in ("mmd", "frechet", "mmd source")
    }
    assert len(set(drawn.values())) == 6
    assert generator([1], "mmd").uniform() == drawn[1, "mmd"]
