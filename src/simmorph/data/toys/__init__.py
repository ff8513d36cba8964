"""Toys: samples with known truth. TOYS maps their names to functions of (events, seed) that describe the files.

A toy is written in blocks of 100,000 events, each with a random generator of its own: the same seed gives the same
events in a file of any length. Branches named `truth_...` or `..._optimal` hold what real data do not tell: where an
exact map takes an event, or how much likelier it is in the target. `gaussian` is the simplest, `hgg` a whole analysis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simmorph.data.toys import dijet, gaussian, hgg, higgs, one_flow, reweighting

if TYPE_CHECKING:
    from collections.abc import Callable

    from simmorph.data.toys.samples import ToySample

TOYS: dict[str, Callable[[int, int], list[ToySample]]] = {
    "dijet": dijet.samples,
    "gaussian": gaussian.samples,
    "hgg": hgg.samples,
    "higgs": higgs.samples,
    "one-flow": one_flow.samples,
    "reweighting": reweighting.samples,
}
