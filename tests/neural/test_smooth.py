"""Smooth functions of the context."""

from __future__ import annotations

import numpy as np

from simmorph.neural.smooth import SmoothBasis


def a_basis(context: np.ndarray, n_knots: int = 6) -> SmoothBasis:
    basis = SmoothBasis(context.shape[1], n_knots)
    basis.fit(context, np.ones(len(context)))
    return basis


def test_the_functions_are_standardised_beside_a_constant() -> None:
    context = np.random.default_rng(1).normal(size=(2000, 3))
    basis = a_basis(context)
    values = basis.values(context)
    assert values.shape == (2000, basis.n_functions) == (2000, 1 + 3 * 5 + 3 * 3 + 1)
    np.testing.assert_allclose(values[:, 0], 1)
    np.testing.assert_allclose(values[:, 1:].mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(values[:, 1:].std(axis=0), 1, rtol=1e-9)


def test_without_context_there_is_the_constant_alone() -> None:
    np.testing.assert_array_equal(a_basis(np.empty((5, 0))).values(np.empty((3, 0))), np.ones((3, 1)))


def test_a_smooth_curve_and_a_product_are_in_their_span() -> None:
    rng = np.random.default_rng(2)
    context = rng.uniform(-1, 1, (3000, 2))
    wanted = np.sin(2 * context[:, 0]) + context[:, 0] * context[:, 1]
    values = a_basis(context, 8).values(context)
    found = values @ np.linalg.lstsq(values, wanted, rcond=None)[0]
    assert np.abs(found - wanted).max() < 0.05


def test_beyond_the_knots_splines_go_on_as_straight_lines() -> None:
    context = np.random.default_rng(3).normal(size=(2000, 1))
    far = a_basis(context).values(np.linspace(6, 9, 7)[:, None])
    np.testing.assert_allclose(np.diff(far, n=2, axis=0), 0, atol=1e-8)


def test_constant_and_repeated_context_do_no_harm() -> None:
    context = np.stack([np.ones(200), np.arange(200) % 2], axis=1).astype(float)
    assert np.isfinite(a_basis(context).values(context)).all()
