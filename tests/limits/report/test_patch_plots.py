"""Limits against what patches differ in."""

from __future__ import annotations

import numpy as np

from simmorph.limits.fits.inference import Limits
from simmorph.limits.report.patch_plots import PatchPoint, figures_of


def point(observed: float, **values: float) -> PatchPoint:
    expected = tuple(observed * factor for factor in (0.5, 0.7, 1.0, 1.4, 2.0))
    return PatchPoint(values, Limits("mu", 0.95, observed, expected))


def test_one_coordinate_is_a_line_with_bands_in_its_order() -> None:
    points = [point(1.5, mass=300, spin=0), point(0.2, mass=100, spin=0), point(0.7, mass=200, spin=0)]
    ((name, figure),) = figures_of(points)
    axes = figure.axes[0]
    assert (name, axes.get_xlabel(), axes.get_ylabel()) == ("limits", "mass", r"95 % CL limit on $\mu$")
    (observed,) = (line for line in axes.lines if line.get_label() == "Observed")
    np.testing.assert_array_equal(observed.get_xydata(), [[100, 0.2], [200, 0.7], [300, 1.5]])
    assert axes.get_yscale() == "log"


def test_two_coordinates_are_a_plane_with_the_excluded_points_marked() -> None:
    points = [point(0.5, a=1, b=1), point(2.0, a=1, b=2), point(0.9, a=2, b=1)]
    ((_, figure),) = figures_of(points)
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("a", "b")
    excluded = axes.collections[1].get_offsets()
    np.testing.assert_array_equal(excluded, [[1, 1], [2, 1]])


def test_points_that_would_lie_upon_each_other_have_no_plot() -> None:
    assert list(figures_of([point(1.0, a=1), point(2.0, a=1)])) == []
    assert list(figures_of([point(1.0, a=1, b=1, c=1), point(2.0, a=1, b=1, c=2), point(1.0, a=2, b=2, c=1)])) == []
