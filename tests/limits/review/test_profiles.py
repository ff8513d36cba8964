"""Profile likelihoods and contours, against Minuit on pyhf's likelihood and closed forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.stats import chi2

from simmorph.errors import InputError
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.report.profile_plots import draw_profiles
from simmorph.limits.review.profiles import LEVELS, Profiles, profiles
from tests.limits.conftest import minuit_of_pyhf, workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    Workspace = dict[str, Any]

FREE = {"name": "norm", "type": "normfactor", "data": None}
SCALE = {"name": "scale", "type": "normsys", "data": {"hi": 1.15, "lo": 0.9}}
BINS = {"name": "bins", "type": "shapesys", "data": [8, 3, 5]}
SPEC = workspace([5, 9, 14], [80, 60, 44], [90, 72, 60], FREE, SCALE, BINS)


def found_in(spec: Workspace, *names: str) -> Profiles:
    ready = measurement_of(spec)
    return profiles(ready.likelihood, ready.data, fitted_strength(ready.likelihood, ready.data), names)


@pytest.mark.parametrize("name", ["mu", "norm", "scale", "bins[1]"])
def test_a_curve_and_its_intervals_are_those_of_minuit_on_pyhfs_likelihood(name: str) -> None:
    (curve,) = found_in(SPEC, name).curves
    minuit = minuit_of_pyhf(SPEC)
    for level, (low, high) in zip(LEVELS, curve.intervals, strict=True):
        minuit.minos(name, cl=level)
        ends = minuit.merrors[name]
        size = ends.upper - ends.lower
        assert low == pytest.approx(minuit.values[name] + ends.lower, abs=5e-3 * size)
        assert high == pytest.approx(minuit.values[name] + ends.upper, abs=5e-3 * size)
    values, heights, valid = minuit.mnprofile(name, grid=curve.values[::8])
    assert valid.all()
    np.testing.assert_allclose(curve.values[::8], values)
    np.testing.assert_allclose(curve.rises[::8], heights - minuit.fval, atol=5e-3)


@pytest.mark.parametrize("names", [("mu", "norm"), ("scale", "bins[0]")])
def test_contours_are_those_of_minuit_on_pyhfs_likelihood(names: Sequence[str]) -> None:
    found = found_in(SPEC, *names)
    minuit = minuit_of_pyhf(SPEC)
    for level, contour in zip(LEVELS, found.contours, strict=True):
        np.testing.assert_array_equal(contour[0], contour[-1])
        for point in contour[:-1:6]:
            fixed = minuit_of_pyhf(SPEC)
            for name, value in zip(names, point.tolist(), strict=True):
                fixed.values[name], fixed.fixed[name] = value, True
            fixed.migrad()
            assert fixed.fval - minuit.fval == pytest.approx(chi2.ppf(level, 2), rel=1e-2)
    its = np.asarray(minuit.mncontour(*names, cl=LEVELS[0], size=20))
    size = np.ptp(found.contours[0], axis=0)
    np.testing.assert_allclose(np.max(its, axis=0), np.max(found.contours[0], axis=0), atol=0.03 * size.max())


def test_the_deviance_of_one_count_is_that_of_poisson() -> None:
    (curve,) = found_in(workspace([10.0], [100.0], [125.0]), "mu").curves
    expected = 100 + 10 * curve.values
    np.testing.assert_allclose(curve.rises, 2 * (expected - 125 + 125 * np.log(125 / expected)), atol=1e-5)
    assert curve.best == pytest.approx(2.5)


def test_a_curve_ends_at_the_bound_of_its_parameter_and_has_no_end_there() -> None:
    spec = workspace([0.0, 5.0], [20.0, 20.0], [2.0, 20.0], FREE)
    spec["measurements"][0]["config"]["parameters"] = [{"name": "norm", "bounds": [[0.3, 10.0]]}]
    found = found_in(spec, "norm", "mu")
    curve = found.curves[0]
    assert (curve.best, curve.values[0]) == (0.3, 0.3)
    assert [low for low, _ in curve.intervals] == [None, None]
    assert "no end to 0." in curve.to_text()
    assert found.contours[0][:, 0].min() == pytest.approx(0.3)


def test_two_minima_are_both_in_the_curve() -> None:
    # Both signs of a purely quadratic shift give the same yields.
    shape = {"name": "shape", "type": "histosys", "data": {"hi_data": [130.0, 100.0], "lo_data": [130.0, 100.0]}}
    spec = workspace([0.0, 10.0], [100.0, 100.0], [125.0, 100.0], shape)
    curve = found_in(spec, "shape").curves[0]
    both = np.interp([-abs(curve.best), abs(curve.best)], curve.values, curve.rises)
    np.testing.assert_allclose(both, 0, atol=0.05)
    assert curve.rises.max() > 1


def test_an_island_beside_a_contour_is_said() -> None:
    shape = {"name": "shape", "type": "histosys", "data": {"hi_data": [130.0, 100.0], "lo_data": [130.0, 100.0]}}
    spec = workspace([0.0, 10.0], [100.0, 100.0], [135.0, 110.0], shape)
    found = found_in(spec, "mu", "shape")
    best = found.curves[1].best
    for contour, [[_, other]] in zip(found.contours, found.islands, strict=True):
        assert other == pytest.approx(-best, abs=1e-3)
        assert np.all(np.sign(contour[:, 1]) == np.sign(best))
    assert list(found.to_json()["islands"]) == ["68.27 %", "95 %"]
    assert "another island about" in found.rows()[-1][1]


def test_a_whole_contour_has_no_islands() -> None:
    found = found_in(SPEC, "mu", "scale")
    assert "islands" not in found.to_json()
    assert not any(map(len, found.islands))


@pytest.mark.parametrize(("name", "what"), [("nom", "no parameter 'nom'; did you mean 'norm'"), ("scale", "is fixed")])
def test_a_parameter_without_a_profile_is_refused_by_name(name: str, what: str) -> None:
    spec = workspace([5, 9, 14], [80, 60, 44], [90, 72, 60], FREE, SCALE)
    spec["measurements"][0]["config"]["parameters"] = [{"name": "scale", "fixed": True}]
    with pytest.raises(InputError, match=what):
        found_in(spec, name)


def test_the_plot_and_the_table_hold_the_numbers() -> None:
    found = found_in(SPEC, "mu", "norm")
    figure = draw_profiles(found)
    assert [axes.get_xlabel() for axes in figure.axes] == [r"$\mu$", "norm", r"$\mu$"]
    np.testing.assert_array_equal(figure.axes[2].lines[1].get_xydata(), found.contours[1])
    header, rows = found.table()
    assert list(header) == ["mu", "norm", "rise", "contour"]
    its = [list(row) for row in rows]
    assert [row[2] for row in its if row[1] is None] == found.curves[0].rises.tolist()
    assert [row[:2] for row in its if row[3] == LEVELS[1]] == found.contours[1].tolist()
    json = found.to_json()
    assert json["curves"][1]["values"] == found.curves[1].values.tolist()
    assert json["contours"]["95 %"] == found.contours[1].tolist()
