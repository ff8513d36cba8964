"""Isotonic calibration turns any rising score into the ratio of densities."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from simmorph.errors import InputError
from simmorph.methods.parts.calibration import KNOTS, Isotonic


def drawn(n_events: int, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(shift, 1, n_events), rng.uniform(0.5, 1.5, n_events)


@pytest.fixture(scope="module")
def calibrated() -> Isotonic:
    """For a score that is the cube of the variable: rising, and far from a ratio."""
    calibration = Isotonic()
    source, target = drawn(40_000, 0.0, 1), drawn(20_000, 0.5, 2)
    calibration.fit((source[0] ** 3, source[1]), (target[0] ** 3, target[1]))
    return calibration


def test_the_ratio_of_densities_is_found_whatever_the_scale_of_the_score(calibrated: Isotonic) -> None:
    grid = np.linspace(-1.5, 2, 15)
    np.testing.assert_allclose(calibrated.log_ratio(grid**3), 0.5 * grid - 0.125, atol=0.15)


def test_it_never_falls_and_stays_as_it_is_beyond_the_ends(calibrated: Isotonic) -> None:
    grid = np.linspace(-200, 200, 5001)
    ratios = calibrated.log_ratio(grid)
    assert (np.diff(ratios) >= 0).all()
    assert ratios[0] == calibrated.log_ratio(np.array([-1e9]))[0]
    assert ratios[-1] == calibrated.log_ratio(np.array([1e9]))[0]


def test_the_tensors_have_a_fixed_size_and_are_all_of_it(calibrated: Isotonic) -> None:
    loaded = Isotonic()
    loaded.load_state_dict(calibrated.state_dict())
    grid = np.linspace(-10, 10, 99)
    np.testing.assert_array_equal(loaded.log_ratio(grid), calibrated.log_ratio(grid))
    assert {values.shape for values in calibrated.state_dict().values()} == {torch.Size([KNOTS])}


def test_each_sample_counts_the_same() -> None:
    # Three levels of the score, with known shares.
    source, target = (np.repeat([0.0, 1.0, 2.0], counts) for counts in ([600, 300, 100], [50, 150, 300]))
    calibration = Isotonic()
    calibration.fit((source, np.full(1000, 7.0)), (target, np.ones(500)))
    expected = np.log([0.1 / 0.6, 0.3 / 0.3, 0.6 / 0.1])
    np.testing.assert_allclose(calibration.log_ratio(np.array([0.0, 1.0, 2.0])), expected, rtol=1e-12)


def test_a_score_that_falls_where_it_should_rise_is_levelled() -> None:
    source, target = (np.repeat([0.0, 1.0, 2.0], counts) for counts in ([100, 200, 700], [500, 100, 400]))
    calibration = Isotonic()
    calibration.fit((source, np.ones(1000)), (target, np.ones(1000)))
    np.testing.assert_allclose(calibration.log_ratio(np.array([0.0, 1.0, 2.0])), 0, atol=1e-12)


def test_a_score_that_one_sample_alone_has_gives_no_infinite_ratio() -> None:
    source, target = np.linspace(0, 1, 1000), np.linspace(0.5, 2, 1000)
    calibration = Isotonic()
    calibration.fit((source, np.ones(1000)), (target, np.ones(1000)))
    assert np.isfinite(calibration.log_ratio(np.linspace(-1, 3, 100))).all()


def test_an_empty_fold_is_told_with_its_mend() -> None:
    values = np.zeros(10)
    with pytest.raises(InputError, match=r"no events of a sample.*calibration: none"):
        Isotonic().fit((values, values), (values, values + 1))
