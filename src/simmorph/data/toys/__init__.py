"""Toys: samples with known truth. TOYS maps their names to functions of (events, seed) that describe the files."""

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
