"""Spectra: the fit in the bins that it used, the templates elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.data.histograms import Histogram
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.model.building import workspace_of_channels
from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.report.spectra import spectra_of, spectra_of_bins
from simmorph.limits.templates.sample import Sample, Templates

if TYPE_CHECKING:
    from simmorph.limits.report.plots import Spectrum

EDGES = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
SIGNAL, BACKGROUND = np.array([1.0, 20.0, 10.0, 2.0]), np.array([100.0, 80.0, 60.0, 40.0])
OTHER = np.array([8.0, 4.0, 2.0, 1.0])
STRENGTH = 1.5


def templates(used: list[bool], *, is_asimov: bool = False) -> Templates:
    """Three samples without uncertainty, and data with the signal at a strength of 1.5."""
    observed = BACKGROUND + OTHER + STRENGTH * SIGNAL
    samples = [("signal", SIGNAL), ("background", BACKGROUND), ("other", OTHER)]
    return Templates(
        tuple(Sample(Histogram(EDGES, values, values, name), name == "signal") for name, values in samples),
        Histogram(EDGES, observed, observed, "data"),
        is_asimov,
        np.array(used),
    )


def spectra(**channels: Templates) -> list[Spectrum]:
    ready = measurement_of(workspace_of_channels(channels, "mu"))
    strength = fitted_strength(ready.likelihood, ready.data)
    assert strength.value == pytest.approx(STRENGTH, abs=1e-4)
    return spectra_of(channels, ready, strength, {name: f"x of {name}" for name in channels})


def test_all_bins_have_yields_whether_the_fit_used_them_or_not() -> None:
    (found,) = spectra(near=templates([False, True, True, False]))
    assert (found.label, found.channel, found.data_label) == ("x of near", "near", "Data")
    np.testing.assert_allclose(found.fitted.background, BACKGROUND + OTHER, rtol=1e-12)
    np.testing.assert_allclose(found.fitted.signal, STRENGTH * SIGNAL, rtol=1e-4)
    assert found.data.values.tolist() == (BACKGROUND + OTHER + STRENGTH * SIGNAL).tolist()
    for name, values in (("background", BACKGROUND), ("other", OTHER)):
        assert found.fitted.samples[name].tolist() == values.tolist()
    np.testing.assert_allclose(found.pulls, 0, atol=1e-3)


def test_bins_out_of_the_fit_have_the_statistics_of_their_templates() -> None:
    (found,) = spectra(near=templates([False, True, True, False]))
    expected = np.sqrt(BACKGROUND + OTHER) * [1, 0, 0, 1]  # in the fit nothing is uncertain of the background
    np.testing.assert_allclose(found.fitted.uncertainty, expected)


def test_each_channel_has_its_own_spectrum() -> None:
    near, far = spectra(near=templates([True] * 4), far=templates([True, True, False, False], is_asimov=True))
    assert (near.channel, far.channel) == ("near", "far")
    assert (near.data_label, far.data_label) == ("Data", "Asimov data")
    assert far.used is not None
    assert far.used.tolist() == [True, True, False, False]
    np.testing.assert_allclose(near.fitted.background, far.fitted.background, rtol=1e-12)


def test_a_workspace_has_bins_counted_from_1(reference: dict[str, Any]) -> None:
    ready = measurement_of(reference)
    (found,) = spectra_of_bins(ready, fitted_strength(ready.likelihood, ready.data))
    assert found.data.centres.tolist() == [1.0, 2.0]
    assert found.data.values.tolist() == found.data.variances.tolist() == [51.0, 48.0]
    expected = ready.likelihood.model.expected_actualdata(fitted_strength(ready.likelihood, ready.data).fit.parameters)
    np.testing.assert_allclose(found.fitted.background + found.fitted.signal, expected)
