"""Variations smoothed, normalised and left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simmorph.config.limits import Pruning
from simmorph.limits.modifiers.histosys import HistoSys, Sides
from simmorph.limits.modifiers.normsys import NormSys
from simmorph.limits.templates.smoothing import pruned, smoothed, smoothed_variation, treated

NOMINAL = np.array([100.0, 200.0, 300.0, 400.0])
SIDES = {"up": {"weight": "a"}, "down": {"weight": "b"}}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 1.2, 0.9, 1.4, 1.1, 1.1, 1.1, 0.7, 1, 1.3], [1, 1.025, 1.075, 1.1, 1.1, 1.1, 1.075, 1.025, 1, 1]),
        ([2, 5, 5, 5, 1, 3, 3, 3, 9], [5, 5, 5, 4.5, 3.5, 3, 3, 3, 3]),
        ([-1, 0.5, 2, 0, 1], [0.5, 0.5, 0.625, 0.875, 1]),
        (
            [5, 1, 7, 7, 6, 1, 3, 2, 1, 3, 7, 2, 5, 1],
            [5, 5.520833, 6.645833, 7.020833, 5.729167, 3.666667, 2.333333, 2, 2.333333, 3, 3.333333, 2.958333,
             2.041667, 1],
        ),
    ],
)  # fmt: skip
def test_the_algorithm_gives_what_cabinetry_gives(values: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(smoothed(np.array(values, np.float64)), expected, atol=1e-6)


def test_straight_lines_and_short_lists_stay() -> None:
    for values in (np.linspace(1, 3, 9), np.array([4.0, 1.0]), np.array([])):
        np.testing.assert_allclose(smoothed(values), values)


def test_a_variation_is_smoothed_in_its_ratio_and_keeps_its_sum() -> None:
    rng, nominal = np.random.default_rng(1), 1000 * np.exp(-np.linspace(0, 4, 30))
    truth = nominal * np.linspace(0.9, 1.1, 30)
    noisy = truth * rng.normal(1, 0.03, 30)
    found = smoothed_variation(noisy, nominal)
    assert found.sum() == pytest.approx(noisy.sum())
    before, after = (np.std((it - truth) / nominal) for it in (noisy, found))
    assert after < 0.6 * before
    empty = smoothed_variation(np.array([1.0, 2.0, 0.5, 3.0]), np.array([1.0, 2.0, 0.0, 3.0]))
    np.testing.assert_allclose(empty, [1.0, 2.0, 0.5, 3.0])


def test_a_recipe_smooths_and_normalises_what_it_names_and_nothing_else() -> None:
    modifier = HistoSys("m", NOMINAL * [1.1, 1.3, 1.0, 1.2], NOMINAL * [0.9, 0.8, 1.0, 0.7])

    def found(**keys: Any) -> HistoSys:
        made = treated(modifier, Sides.model_validate(SIDES | keys), NOMINAL)
        assert isinstance(made, HistoSys)
        return made

    assert found() is modifier
    shape = found(normalise=True)
    assert shape.up.sum() == pytest.approx(1000)
    np.testing.assert_allclose(shape.up / modifier.up, 1000 / modifier.up.sum())
    np.testing.assert_allclose(found(smooth="353qh").down, smoothed_variation(modifier.down, NOMINAL))
    scale = NormSys("n", 1.1, 0.9)
    assert treated(scale, Sides.model_validate(SIDES | {"normalise": True}), NOMINAL) is scale
    options = Sides.model_validate(SIDES | {"smooth": "353qh", "normalise": True})
    assert HistoSys.described(options).endswith("smoothed by 353QH, normalised to the nominal template")


TILT = np.array([1.04, 1.02, 1.0, 0.98])
LIMITS = Pruning(normalisation=0.01, shape=0.005)


def test_what_is_small_is_left_out_part_by_part() -> None:
    tilt = TILT * NOMINAL.sum() / (TILT * NOMINAL).sum()
    both = HistoSys("m", 1.1 * tilt * NOMINAL, 0.9 / tilt * NOMINAL)
    assert pruned(both, NOMINAL, LIMITS) == (both, "")
    found, words = pruned(HistoSys("m", 1.001 * tilt * NOMINAL, 0.999 * tilt * NOMINAL), NOMINAL, LIMITS)
    assert isinstance(found, HistoSys)
    np.testing.assert_allclose(found.up, tilt * NOMINAL)
    assert words == "normalisation left out (0.001)"
    ripple = np.array([1.001, 0.9995, 1.0, 1.0])
    found, words = pruned(HistoSys("m", 1.1 * ripple * NOMINAL, 0.9 * NOMINAL), NOMINAL, LIMITS)
    assert isinstance(found, HistoSys)
    np.testing.assert_allclose(found.up / NOMINAL, 1.1)
    assert words == "shape left out (0.001)"
    found, words = pruned(HistoSys("m", ripple * NOMINAL, NOMINAL), NOMINAL, LIMITS)
    assert (found, words) == (None, "normalisation left out (0); shape left out (0.001)")


def test_a_scale_is_left_out_whole_and_by_default_nothing_is() -> None:
    small = NormSys("n", 1.004, 0.997)
    assert pruned(small, NOMINAL, LIMITS) == (None, "left out: 0.004 of the sum")
    assert pruned(small, NOMINAL, Pruning()) == (small, "")
    nothing = HistoSys("m", NOMINAL, NOMINAL)
    assert pruned(nothing, NOMINAL, Pruning()) == (nothing, "")
