"""Promises of the kinematics: exact Lorentz boosts, densities that integrate to one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from simmorph.data.toys.hgg import CONTINUUM, HIGGS, SIMULATED_CONTINUUM
from simmorph.data.toys.kinematics import Continuum, Photons, Resonance, Scatterings, photons_of


def _momenta(photons: Photons) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], ...]:
    return photons.pt * np.cos(photons.phi), photons.pt * np.sin(photons.phi), photons.pt * np.sinh(photons.eta)


@pytest.mark.parametrize("process", [CONTINUUM, SIMULATED_CONTINUUM, HIGGS])
def test_boosts_keep_mass_recoil_and_rapidity(process: Continuum | Resonance) -> None:
    scatterings = process.draw(5_000, np.random.default_rng(1))
    photons = photons_of(scatterings)
    px, py, pz = (component.sum(axis=1) for component in _momenta(photons))
    energy = photons.energy.sum(axis=1)
    np.testing.assert_allclose(np.sqrt(energy**2 - px**2 - py**2 - pz**2), scatterings.mass, rtol=1e-6)
    np.testing.assert_allclose(np.hypot(px, py), scatterings.recoil, atol=1e-8)
    np.testing.assert_allclose(np.arctan2(py, px), scatterings.recoil_azimuth, atol=1e-5)
    np.testing.assert_allclose(np.arctanh(pz / energy), scatterings.boost, atol=1e-6)


def test_photons_without_recoil_and_boost_are_back_to_back() -> None:
    nothing = np.zeros(1)
    still = Scatterings(np.array([40.0]), np.array([0.7]), nothing, np.array([1.0]), nothing, nothing)
    photons = photons_of(still)
    np.testing.assert_allclose(photons.pt, [[40, 40]])
    np.testing.assert_allclose(photons.eta, [[0.7, -0.7]])
    np.testing.assert_allclose(photons.phi, [[1.0, 1.0 - np.pi]])


def test_a_resonance_has_one_mass_and_no_preferred_direction() -> None:
    decays = HIGGS.draw(20_000, np.random.default_rng(2))
    np.testing.assert_allclose(decays.mass, 125.0)
    assert stats.kstest(np.tanh(decays.angle), stats.uniform(-1, 2).cdf).pvalue > 1e-3


@pytest.mark.parametrize("continuum", [CONTINUUM, SIMULATED_CONTINUUM])
def test_continuum_is_drawn_from_its_density(continuum: Continuum) -> None:
    drawn = continuum.draw(200_000, np.random.default_rng(3))
    other = SIMULATED_CONTINUUM if continuum is CONTINUUM else CONTINUUM
    ratio = other.density(drawn) / continuum.density(drawn)
    assert ratio.mean() == pytest.approx(1.0, abs=5 * ratio.std() / np.sqrt(len(ratio)))
    expected = other.draw(200_000, np.random.default_rng(4))
    for name in ("pt_hat", "angle", "boost", "recoil"):
        values, truth = getattr(drawn, name), getattr(expected, name)
        for quantile in (0.2, 0.5, 0.8):
            edge = np.quantile(truth, quantile)
            assert np.average(values < edge, weights=ratio) == pytest.approx(quantile, abs=0.01), name
