"""What a detector makes of photons: efficiency, energy, isolation, identification.

Two detectors differ by numbers alone, and the random number behind an energy is kept: so it is known what the other one
would have measured, which is the exact map between simulation and data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simmorph.data.toys.kinematics import Photons, wrapped

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray, FloatArray, IntArray

BARREL_END, ENDCAP_BEGIN, ENDCAP_END = 1.37, 1.52, 2.37
LARGEST_ETA = 2.45


@dataclass(frozen=True)
class Calorimeter:
    """Efficiency and energy response as functions of eta.

    Attributes:
        ripple: depth of the efficiency's dips between modules.
        module_width: distance in |eta| from one dip to the next.
        module_offset: where in |eta| the first dip is.
        endcap_efficiency: efficiency beyond the crack, relative to the barrel.
        barrel_scale: measured over true energy, below the crack.
        endcap_scale: the same beyond it.
        stochastic: energy resolution in sqrt(GeV): sigma/E = stochastic / sqrt(E) + (in quadrature) constant.
        constant: the constant term of the resolution.
        angular_resolution: of eta and phi.
    """

    ripple: float
    module_width: float
    module_offset: float
    endcap_efficiency: float
    barrel_scale: float
    endcap_scale: float
    stochastic: float
    constant: float
    angular_resolution: float = 0.002

    def efficiency(self, eta: FloatArray) -> FloatArray:
        """Probability that a photon is reconstructed; in the crack most are lost."""
        distance = np.abs(eta)
        phase = np.pi * (distance - self.module_offset) / self.module_width
        modules = 1 - self.ripple * np.cos(phase) ** 4
        region = np.where(distance < BARREL_END, 1.0, np.where(distance < ENDCAP_BEGIN, 0.3, self.endcap_efficiency))
        return np.asarray(np.where(distance < LARGEST_ETA, 0.97 * region * modules, 0.0))

    def measured_pt(self, photons: Photons, noise: FloatArray) -> FloatArray:
        """Measured pT in GeV, given one standard normal number a photon: equal noise shows how calorimeters differ."""
        scale = np.where(np.abs(photons.eta) < BARREL_END, self.barrel_scale, self.endcap_scale)
        resolution = np.hypot(self.stochastic / np.sqrt(photons.energy), self.constant)
        return np.asarray(photons.pt * scale * np.maximum(1 + resolution * noise, 0.1))


@dataclass(frozen=True)
class IsolationShape:
    """Activity around a photon, relative to its pT and independent of its direction and momentum.

    Attributes:
        no_track: probability that no track is near, where ptcone30 is exactly 0.
        track_scale: mean of ptcone30 / pT above the gap that the softest track leaves.
        calorimeter_mean: centre of etcone20 / pT, pile-up subtracted.
        calorimeter_scale: mean of the exponential tail on top of it.
    """

    no_track: float
    track_scale: float
    calorimeter_mean: float
    calorimeter_scale: float

    GAP = 0.015
    CALORIMETER_NOISE = 0.018

    def draw(self, n_photons: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """ptcone30 / pT and etcone20 / pT of each photon."""
        tail = self.GAP + rng.exponential(self.track_scale, n_photons)
        tracks = np.where(rng.random(n_photons) < self.no_track, 0.0, tail)
        noise = rng.normal(self.calorimeter_mean, self.CALORIMETER_NOISE, n_photons)
        return tracks, noise + rng.exponential(self.calorimeter_scale, n_photons)


@dataclass(frozen=True)
class Identification:
    """How real photons and jets that fake one look.

    Attributes:
        photon: isolation of real photons.
        fake: isolation of fakes.
        photon_tight: probability that a real photon is identified as tight.
        fake_tight: probability that a fake is.
    """

    photon: IsolationShape
    fake: IsolationShape
    photon_tight: float
    fake_tight: float


@dataclass(frozen=True)
class Detector:
    """A calorimeter and the identification behind it.

    Attributes:
        calorimeter: efficiency and energy response.
        identification: isolation of photons and fakes, and how many of them are tight.
    """

    calorimeter: Calorimeter
    identification: Identification


@dataclass(frozen=True, eq=False)
class Candidates:
    """Reconstructed photons, arrays of shape (n_events, n_photons) in GeV; `found` says which of them exist.

    Attributes:
        measured: what the detector reports.
        truth: the photon (or jet) behind it.
        noise: the standard normal number behind its energy.
        found: whether it is reconstructed.
        is_fake: whether it is a jet.
        is_tight: whether it is identified as tight.
        ptcone30: in GeV.
        etcone20: in GeV.
        conversion: 0 for an unconverted photon, 1 to 5 for the kinds of conversion.
    """

    measured: Photons
    truth: Photons
    noise: FloatArray
    found: BoolArray
    is_fake: BoolArray
    is_tight: BoolArray
    ptcone30: FloatArray
    etcone20: FloatArray
    conversion: IntArray


def reconstruct(truth: Photons, is_fake: BoolArray, detector: Detector, rng: np.random.Generator) -> Candidates:
    """The photons as the detector sees them, in the order they came.

    Args:
        truth: (n_events, n_photons), momenta before the detector.
        is_fake: (n_events, n_photons), which of them are jets.
        detector: what sees them.
        rng: where the randomness comes from.
    """
    shape, calorimeter = truth.pt.shape, detector.calorimeter
    noise = rng.standard_normal(shape)
    smearing = calorimeter.angular_resolution * rng.standard_normal((2, *shape))
    measured = Photons(calorimeter.measured_pt(truth, noise), truth.eta + smearing[0], wrapped(truth.phi + smearing[1]))
    tracks, activity = _isolation(is_fake, detector.identification, rng)
    return Candidates(
        measured=measured,
        truth=truth,
        noise=noise,
        found=rng.random(shape) < calorimeter.efficiency(truth.eta),
        is_fake=is_fake,
        is_tight=_tight(measured.eta, is_fake, detector.identification, rng),
        ptcone30=tracks * measured.pt,
        etcone20=activity * measured.pt,
        conversion=_conversions(truth.eta, rng),
    )


def _isolation(
    is_fake: BoolArray, identification: Identification, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """ptcone30 / pT and etcone20 / pT, (n_events, n_photons) each; those of fakes have another shape."""
    real = identification.photon.draw(is_fake.size, rng)
    fake = identification.fake.draw(is_fake.size, rng)
    tracks, activity = (
        np.where(is_fake, b.reshape(is_fake.shape), a.reshape(is_fake.shape)) for a, b in zip(real, fake, strict=True)
    )
    return tracks, activity


def _tight(eta: FloatArray, is_fake: BoolArray, identification: Identification, rng: np.random.Generator) -> BoolArray:
    """Tight photons; none in the crack, where the shower cannot be measured."""
    distance = np.abs(eta)
    probability = np.where(is_fake, identification.fake_tight, identification.photon_tight)
    in_crack = (distance > BARREL_END) & (distance < ENDCAP_BEGIN)
    return np.asarray((rng.random(eta.shape) < probability) & ~in_crack & (distance < ENDCAP_END))


def _conversions(eta: FloatArray, rng: np.random.Generator) -> IntArray:
    """Kinds of conversion; the more material in front of the calorimeter, the more of them."""
    converted = rng.random(eta.shape) < 0.2 + 0.12 * np.abs(eta)
    return np.asarray(np.where(converted, rng.integers(1, 6, eta.shape), 0))
