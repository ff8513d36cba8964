"""A loop over events as one writes it by hand, with Python's floats: what selections are held to."""

from __future__ import annotations

import math
from typing import Any, NamedTuple


class Particle(NamedTuple):
    """One object of an event; energies in GeV."""

    pt: float
    eta: float
    phi: float
    mass: float
    charge: int = 0

    @property
    def momentum(self) -> tuple[float, float, float, float]:
        """px, py, pz and energy."""
        z = self.pt * math.sinh(self.eta)
        energy = math.sqrt(self.pt**2 + z**2 + self.mass * abs(self.mass))
        return self.pt * math.cos(self.phi), self.pt * math.sin(self.phi), z, energy


def of_event(row: dict[str, Any]) -> dict[str, Any]:
    """The objects of an event of NanoAOD, each kind ordered by pT, and the missing energy."""
    found: dict[str, Any] = {"met": row["MET_pt"], "row": row}
    for kind in ("Photon", "Electron", "Muon", "Jet"):
        names = [name for name in Particle._fields if f"{kind}_{name}" in row]
        lists = zip(*(row[f"{kind}_{name}"] for name in names), strict=True)
        found[kind] = sorted((Particle(**dict(zip(names, it, strict=True))) for it in lists), key=lambda it: -it.pt)
    return found


def delta_r(one: Particle, other: Particle) -> float:
    """The distance of two directions."""
    turn = abs(one.phi - other.phi)
    return math.hypot(one.eta - other.eta, min(turn, 2 * math.pi - turn))


def total(*particles: Particle) -> Particle:
    """The sum of four-momenta."""
    x, y, z, energy = (sum(parts) for parts in zip(*(it.momentum for it in particles), strict=True))
    pt = math.hypot(x, y)
    mass = math.sqrt(max(energy**2 - x**2 - y**2 - z**2, 0))
    return Particle(pt, math.asinh(z / pt), math.atan2(y, x), mass)
