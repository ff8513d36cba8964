"""The root search finds crossings wherever they are."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simmorph.limits.fits.crossing import NoCrossingError, bracket, crossing


@given(st.floats(-6, 6), st.floats(-2, 2), st.floats(0.2, 5))
def test_crossing_is_found_wherever_it_is(exponent: float, guess_exponent: float, power: float) -> None:
    root = 10**exponent
    found = crossing(lambda x: (x / root) ** power - 1, 10**guess_exponent)
    assert found == pytest.approx(root, rel=1e-5)


def test_bracket_holds_the_crossing_on_either_side_of_the_guess() -> None:
    for guess in (0.01, 3.0, 500.0):
        low, high = bracket(lambda x: x - 3, guess)
        assert low <= 3 <= high


def test_an_infinite_far_side_does_not_hide_the_crossing() -> None:
    assert crossing(lambda x: math.log(x) if x < 50 else math.inf, 0.2) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_function_that_never_crosses_has_no_crossing(sign: float) -> None:
    with pytest.raises(NoCrossingError, match="no change of sign"):
        crossing(lambda x: sign, 1.0)


def test_not_a_number_is_an_error_not_an_answer() -> None:
    with pytest.raises(NoCrossingError, match="not a number"):
        crossing(lambda x: math.nan if x > 4 else -1.0, 1.0)
