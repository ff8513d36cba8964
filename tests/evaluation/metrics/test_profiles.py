"""Profiles: known means, and a chi2 that is one where samples agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest

from simmorph.data.events import Events
from simmorph.evaluation.metrics.profiles import N_BINS, profiles
from simmorph.evaluation.metrics.samples import Samples


def linear(n_events: int, slope: float, seed: int, weights: np.ndarray | None = None) -> Events:
    """A variable whose mean is the slope times the condition, which is its context."""
    rng = np.random.default_rng(seed)
    condition = rng.uniform(0, 1, (n_events, 1))
    return Events.of(slope * condition + rng.normal(0, 0.5, (n_events, 1)), condition, weights)


def samples_of(source: Events, template: Events, target: Events) -> Samples:
    conditions = {
        "mass": {
            name: its.context[:, 0] for name, its in {"source": source, "template": template, "target": target}.items()
        }
    }
    return Samples(("x",), 1, source, template, template, target, target[:0], ("mass",), conditions)


def test_a_profile_is_the_mean_in_bins_of_equal_shares_of_the_target() -> None:
    (found,) = profiles(
        samples_of(linear(5000, 0, 1), linear(5000, 1, 2), linear(20_000, 1, 3)), np.random.default_rng(1)
    )
    assert (found.condition, found.variable, len(found.edges)) == ("mass", "x", N_BINS + 1)
    target = found.means["target"]
    assert target.values == pytest.approx(found.centres, abs=5 * target.uncertainty.max())
    assert target.uncertainty == pytest.approx(0.5 / np.sqrt(2000), rel=0.1)
    assert found.tests["template_vs_target"].p_value > 1e-3
    assert found.tests["source_vs_target"].p_value < 1e-6
    assert found.tests["target_vs_target"].reduced == pytest.approx(1, abs=0.6)
    assert found.tests["target_vs_target"].n_bins == N_BINS


def test_p_values_of_samples_that_agree_are_uniform_also_with_signed_weights() -> None:
    rng = np.random.default_rng(4)
    found = []
    for seed in range(60):
        weights = rng.choice([1.0, -0.3], 2000, p=[0.9, 0.1])
        template = linear(2000, 1, 2 * seed, weights)
        one = profiles(samples_of(template, template, linear(2000, 1, 2 * seed + 1)), rng)
        found.append(one[0].tests["template_vs_target"].p_value)
    assert kstest(found, "uniform").pvalue > 1e-3


def test_a_condition_of_few_values_has_a_bin_for_each() -> None:
    samples = samples_of(*(linear(600, 1, seed) for seed in (1, 2, 3)))
    jets = {name: np.floor(3 * values) for name, values in samples.conditions["mass"].items()}
    (found,) = profiles(replace(samples, conditions={"jets": jets}), np.random.default_rng(1))
    assert found.edges[:-1].tolist() == [0, 1, 2]
    assert found.centres == pytest.approx([0, 1, 2])


def test_events_beyond_the_targets_range_and_empty_bins_count_nowhere() -> None:
    source = linear(600, 1, 1)
    samples = samples_of(source.with_context(source.context + 5), linear(600, 1, 2), linear(600, 1, 3))
    (found,) = profiles(samples, np.random.default_rng(1))
    assert np.isnan(found.means["source"].values).all()
    assert found.tests["source_vs_target"].to_json() == {"chi2": 0.0, "ndf": 0, "chi2_per_ndf": None, "p_value": None}


def test_a_variable_is_not_shown_against_itself_and_a_constant_condition_is_one_bin() -> None:
    samples = samples_of(*(linear(600, 1, seed) for seed in (1, 2, 3)))
    sizes = {name: np.ones(len(its)) for name, its in samples.by_name().items()}
    by_itself = {name: its.features[:, 0] for name, its in samples.by_name().items()}
    found = profiles(replace(samples, conditions={"one": sizes, "x": by_itself}), np.random.default_rng(1))
    assert [(one.condition, len(one.edges) - 1) for one in found] == [("one", 1)]
