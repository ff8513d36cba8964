"""CLs from weighted pseudo-experiments against exact sums and pyhf's toys."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.limits.fits.inference import AsymptoticCls, Limits, upper_limits
from simmorph.limits.model.likelihood import Data
from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.toys.cls import N_GROUPS, DataSets, ToyCls, log_drawn, significance_of
from simmorph.limits.toys.counting import every_data_set
from simmorph.limits.toys.draws import draws, log_density, stacked
from simmorph.limits.toys.plan import first_stage, main_stage
from simmorph.limits.toys.statistic import Profiles, profiles
from tests.limits.conftest import workspace

if TYPE_CHECKING:
    from simmorph.limits.toys.plan import Stage

EXAMPLE = Path(__file__).parents[3] / "cli-examples" / "workspace" / "two-bins.json"
ZERO = Path(__file__).parents[1] / "data" / "zero_observed.json"


def sampled(test: AsymptoticCls, stage: Stage, seed: int) -> ToyCls:
    """CLs from the pseudo-experiments of a stage."""
    likelihood, parts, data = test.likelihood, [], []
    for place, origin in enumerate(stage.origins):
        data.append(draws(likelihood, origin.parameters, (seed, stage.number, place), range(origin.number)))
        parts.append(profiles(likelihood, data[-1], origin.starts, stage.knots))
    observed = profiles(likelihood, stacked([test.data]), test.best.parameters[None], stage.knots)
    statistic = Profiles(stage.knots, *(np.concatenate(its) for its in list(zip(observed, *parts, strict=True))[1:]))
    drawn = Data(*(np.concatenate(its) for its in zip(*data, strict=True)))
    groups = np.concatenate([np.arange(origin.number) % N_GROUPS for origin in stage.origins])
    return ToyCls(test, DataSets(drawn, statistic, log_drawn(likelihood, drawn, stage.origins), groups), stage.highest)


def asymptotic(spec: dict[str, Any]) -> tuple[AsymptoticCls, Limits]:
    """The fits to the observed data, and the limits by the asymptotic formulae."""
    ready = measurement_of(spec)
    test = AsymptoticCls(ready.likelihood, ready.data)
    return test, upper_limits(test)


def test_limits_agree_with_the_exact_sum_within_their_errors() -> None:
    test, about = asymptotic(workspace([12, 11], [50, 52], [51, 48]))
    sets = every_data_set(test.likelihood, test.data, 4 * max(about.expected))
    assert sets is not None
    exact = ToyCls(test, sets, 4 * max(about.expected)).limits(0.95)
    assert exact is not None
    pulls, sizes = [], []
    for seed in range(8):
        cls = sampled(test, main_stage(test, exact, 2000, 1), seed)
        found = cls.limits(0.95)
        assert found is not None
        errors = cls.errors(found)
        off = np.subtract([found.observed, *found.expected], [exact.observed, *exact.expected])
        pulls.append(off / [errors.observed, *errors.expected])
        sizes.append(errors.observed / exact.observed)
    assert np.abs(pulls).max() < 4.5
    assert 0.7 < np.sqrt(np.mean(np.square(pulls))) < 1.4
    assert np.mean(sizes) < 0.012


def test_p_values_are_those_of_the_toys_of_pyhf() -> None:
    """pyhf 0.7.6, ToyCalculator, 1,500 toys each, test statistic qtilde, mu from 0 to 20, numpy's seed 1."""
    test, about = asymptotic(json.loads(EXAMPLE.read_text()))
    tails = sampled(test, main_stage(test, about, 3000, 1), 1).tails(1.0)
    for found, share in ((tails.with_signal, 0.02467), (tails.without, 0.44133)):
        error = math.hypot(found.uncertainty, math.sqrt(share * (1 - share) / 1500))
        assert found.value == pytest.approx(share, abs=3.5 * error)


def test_first_pseudo_experiments_reach_far_beyond_limits_that_are_too_low() -> None:
    test, about = asymptotic(json.loads(ZERO.read_text()))
    found = sampled(test, first_stage(test, about, 1000), 2).limits(0.95)
    assert about.observed == pytest.approx(1.797, abs=1e-3)
    assert found is not None
    assert 2.3 < found.observed < 2.75
    assert found.observed == pytest.approx(found.expected[2], rel=1e-6)


def test_the_statistic_between_knots_is_that_of_a_fit() -> None:
    test, about = asymptotic(json.loads(EXAMPLE.read_text()))
    likelihood, stage = test.likelihood, main_stage(test, about, 200, 1)
    data = draws(likelihood, stage.origins[0].parameters, (1,), range(60))
    found = profiles(likelihood, data, stage.origins[0].starts, stage.knots)
    start = np.tile(stage.origins[0].parameters[likelihood.yields.shared], (60, 1))
    for value in (0.1, 0.9, 1.7, stage.highest):
        free, fixed = likelihood.fits(data, start), likelihood.fits(data, start, poi=value)
        right = np.where(free.shared[:, likelihood.poi_place] < value, fixed.deviance - free.deviance, 0.0)
        np.testing.assert_allclose(found.at(value), right, atol=2e-3)
    rows = Profiles.of_rows(stage.knots, found.rows())
    np.testing.assert_array_equal(rows.at(0.9), found.at(0.9))


def test_probability_densities_are_those_of_pyhf() -> None:
    test, _ = asymptotic(json.loads(EXAMPLE.read_text()))
    likelihood = test.likelihood
    data = draws(likelihood, likelihood.at(1.0), (4,), range(20))
    values = [likelihood.at(it) for it in (0.3, 1.5)]
    ours = np.subtract(*(log_density(likelihood, data, it) for it in values))
    rows = np.concatenate(data, axis=1)
    one, other = (np.array([float(likelihood.model.logpdf(it, row)[0]) for row in rows]) for it in values)
    np.testing.assert_allclose(ours, one - other, rtol=1e-9)


def test_pseudo_experiments_do_not_depend_on_how_many_there_are() -> None:
    likelihood = asymptotic(json.loads(EXAMPLE.read_text()))[0].likelihood
    few, many = (draws(likelihood, likelihood.at(1.0), (7, 1), range(n)) for n in (3, 9))
    np.testing.assert_array_equal(few.main, many.main[:3])
    np.testing.assert_array_equal(few.auxiliary, many.auxiliary[:3])
    other = draws(likelihood, likelihood.at(1.0), (8, 1), range(3))
    assert not np.array_equal(few.main, other.main)


def test_a_probability_has_its_significance() -> None:
    assert significance_of(0.0013498980316301) == pytest.approx(3.0)
    assert significance_of(0.9) == 0
