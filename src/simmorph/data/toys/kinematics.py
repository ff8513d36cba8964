"""Two photons from one collision: a 2 -> 2 scattering, kicked by recoil and boosted along the beam.

A continuum can be drawn from and has its density in closed form, so that the ratio of two of them at an event, which is
the exact weight between them, is known.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray, FloatArray

HIGGS_MASS_GEV = 125.0
LARGEST_BOOST = 3.5


@dataclass(frozen=True, eq=False)
class Scatterings:
    """The generator's truth, one entry an event.

    Attributes:
        pt_hat: transverse momentum of either photon in the frame where they are back to back, in GeV.
        angle: rapidity of the first photon in that frame; the second has the opposite one.
        boost: rapidity of that frame along the beam.
        azimuth: of the first photon, in rad.
        recoil: transverse momentum of the photon pair, in GeV.
        recoil_azimuth: its direction, in rad.
    """

    pt_hat: FloatArray
    angle: FloatArray
    boost: FloatArray
    azimuth: FloatArray
    recoil: FloatArray
    recoil_azimuth: FloatArray

    def __len__(self) -> int:
        return len(self.pt_hat)

    def __getitem__(self, chosen: BoolArray) -> Self:
        return type(self)(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    @property
    def mass(self) -> FloatArray:
        """Invariant mass of the pair, in GeV."""
        return 2 * self.pt_hat * np.cosh(self.angle)


@dataclass(frozen=True, eq=False)
class Photons:
    """Momenta of photons, arrays of shape (n_events, n_photons); pt in GeV."""

    pt: FloatArray
    eta: FloatArray
    phi: FloatArray

    def __getitem__(self, chosen: BoolArray) -> Self:
        return type(self)(self.pt[chosen], self.eta[chosen], self.phi[chosen])

    @property
    def energy(self) -> FloatArray:
        """Energy, in GeV."""
        return self.pt * np.cosh(self.eta)


def photons_of(scatterings: Scatterings) -> Photons:
    """The two photons of each scattering in the laboratory, (n_events, 2).

    The pair is first boosted transversely, which gives it its recoil, and then along the beam; both are exact Lorentz
    boosts, so that mass and pair pT are those of the scattering.
    """
    signs = np.array([1.0, -1.0])
    relative = (scatterings.azimuth - scatterings.recoil_azimuth)[:, None]
    along, across = scatterings.pt_hat[:, None] * signs * np.cos(relative), scatterings.pt_hat[:, None] * signs
    across = across * np.sin(relative)
    momentum = (scatterings.recoil / scatterings.mass)[:, None]
    along = np.sqrt(1 + momentum**2) * along + momentum * (scatterings.mass / 2)[:, None]
    pt = np.hypot(along, across)
    longitudinal = signs * (scatterings.pt_hat * np.sinh(scatterings.angle))[:, None]
    return Photons(
        pt=pt,
        eta=np.arcsinh(longitudinal / pt) + scatterings.boost[:, None],
        phi=wrapped(np.arctan2(across, along) + scatterings.recoil_azimuth[:, None]),
    )


def wrapped(phi: FloatArray) -> FloatArray:
    """The same angle between -pi and pi.

    >>> round(float(wrapped(np.array(3.5))), 3)
    -2.783
    """
    return np.asarray((phi + np.pi) % (2 * np.pi) - np.pi)


@dataclass(frozen=True)
class Recoil:
    """Transverse momentum of the pair: a soft and a hard component, each a gamma distribution of shape 2.

    Attributes:
        soft: scale of the soft component, in GeV at a pt_hat of 40 GeV.
        hard: scale of the hard component, likewise.
        hard_fraction: share of the hard component.
        growth: power with which both scales grow with pt_hat.
    """

    soft: float
    hard: float
    hard_fraction: float
    growth: float = 0.0

    def draw(self, pt_hat: FloatArray, rng: np.random.Generator) -> FloatArray:
        """One recoil an event, in GeV."""
        scale = np.where(rng.random(len(pt_hat)) < self.hard_fraction, self.hard, self.soft)
        return scale * self._unit(pt_hat) * rng.standard_gamma(2.0, len(pt_hat))

    def density(self, recoil: FloatArray, pt_hat: FloatArray) -> FloatArray:
        """Probability density in 1/GeV."""
        unit = self._unit(pt_hat)
        soft, hard = (
            recoil / (scale * unit) ** 2 * np.exp(-recoil / (scale * unit)) for scale in (self.soft, self.hard)
        )
        return (1 - self.hard_fraction) * soft + self.hard_fraction * hard

    def _unit(self, pt_hat: FloatArray) -> FloatArray:
        """By how much the scales have grown at this pt_hat, 1 at 40 GeV."""
        return np.asarray((pt_hat / 40.0) ** self.growth)


@dataclass(frozen=True)
class Continuum:
    """Photon pairs without a resonance.

    Attributes:
        pt_scale: where the spectrum of pt_hat bends, in GeV.
        pt_power: its falling power; the density is proportional to (pt_hat + pt_scale)^-pt_power.
        angle_width: width of the rapidity in the pair's frame; the density falls as sech^2, peaked forward in angle.
        boost_width: width of the boost along the beam, likewise.
        recoil: the recoil.
        pt_least: where the spectrum starts, in GeV.
    """

    pt_scale: float
    pt_power: float
    angle_width: float
    boost_width: float
    recoil: Recoil
    pt_least: float = 20.0

    def draw(self, n_events: int, rng: np.random.Generator) -> Scatterings:
        """Scatterings of the whole phase space, before any cut but pt_least."""
        least = self.pt_least + self.pt_scale
        pt_hat = least * rng.random(n_events) ** (-1 / (self.pt_power - 1)) - self.pt_scale
        angle = _draw_sech2(self.angle_width, n_events, rng)
        return _scattered(pt_hat, angle, self.boost_width, self.recoil, rng)

    def density(self, scatterings: Scatterings) -> FloatArray:
        """Probability density of the scatterings; the two azimuths are uniform in every continuum and left out."""
        least = self.pt_least + self.pt_scale
        falling = (self.pt_power - 1) / least * (least / (scatterings.pt_hat + self.pt_scale)) ** self.pt_power
        angle = _sech2_density(scatterings.angle, self.angle_width)
        boost = _sech2_density(scatterings.boost, self.boost_width)
        return np.asarray(falling * angle * boost * self.recoil.density(scatterings.recoil, scatterings.pt_hat))


@dataclass(frozen=True)
class Resonance:
    """A scalar that decays to two photons, isotropically and with no natural width.

    Attributes:
        mass: in GeV.
        boost_width: width of its rapidity.
        recoil: its transverse momentum.
    """

    mass: float
    boost_width: float
    recoil: Recoil

    def draw(self, n_events: int, rng: np.random.Generator) -> Scatterings:
        """Decays in the whole phase space."""
        cosine = rng.uniform(-1.0, 1.0, n_events)
        pt_hat = self.mass / 2 * np.sqrt(1 - cosine**2)
        return _scattered(pt_hat, np.arctanh(cosine), self.boost_width, self.recoil, rng)


def _scattered(
    pt_hat: FloatArray, angle: FloatArray, boost_width: float, recoil: Recoil, rng: np.random.Generator
) -> Scatterings:
    """Boosted and kicked in all directions."""
    boost = _draw_sech2(boost_width, len(pt_hat), rng)
    azimuth = rng.uniform(-np.pi, np.pi, len(pt_hat))
    kick = recoil.draw(pt_hat, rng)
    return Scatterings(pt_hat, angle, boost, azimuth, kick, rng.uniform(-np.pi, np.pi, len(pt_hat)))


def _draw_sech2(width: float, n_events: int, rng: np.random.Generator) -> FloatArray:
    """Rapidities with a density proportional to sech^2(y / width), cut off where the beam energy ends."""
    edge = np.tanh(LARGEST_BOOST / width)
    return np.asarray(width * np.arctanh(rng.uniform(-edge, edge, n_events)))


def _sech2_density(rapidity: FloatArray, width: float) -> FloatArray:
    """(n_events,), the density of what `_draw_sech2` draws, per unit of rapidity."""
    return np.asarray(1 / (2 * width * np.tanh(LARGEST_BOOST / width) * np.cosh(rapidity / width) ** 2))
