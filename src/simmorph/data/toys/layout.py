"""The layout of ATLAS Open Data 2020, GamGam: every branch of the tree `mini` with its type.

The branches are those of the 13 TeV release for education (doi 10.7483/OPENDATA.ATLAS.B5BJ.3SGS); energies are in MeV.
A vector of the original becomes a counted array, which every reader sees as the same jagged numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.data.events import BoolArray

TREE = "mini"
MEV_PER_GEV = 1000.0

SCALE_FACTORS = tuple(
    f"scaleFactor_{kind}" for kind in ("PILEUP", "ELE", "MUON", "PHOTON", "TAU", "BTAG", "LepTRIGGER", "PhotonTRIGGER")
)

SCALARS: dict[str, type[np.generic]] = {
    **dict.fromkeys(("runNumber", "eventNumber", "channelNumber"), np.int32),
    **dict.fromkeys(("mcWeight", *SCALE_FACTORS, "met_et", "met_phi", "ditau_m", "met_et_syst"), np.float32),
    **dict.fromkeys(("XSection", "SumWeights"), np.float32),
    **dict.fromkeys(("trigE", "trigM", "trigP"), np.bool_),
    **dict.fromkeys(("lep_n", "jet_n", "photon_n", "tau_n", "largeRjet_n"), np.uint32),
}
"""Branches with one value an event."""


def _vectors(prefix: str, floats: str, bools: str = "", integers: str = "") -> dict[str, type[np.generic]]:
    """Branches of one kind of object with their types; the names of each type stand in one string."""
    kinds: tuple[tuple[str, type[np.generic]], ...] = ((floats, np.float32), (bools, np.bool_), (integers, np.int32))
    return {f"{prefix}_{name}": kind for names, kind in kinds for name in names.split()}


VECTORS: dict[str, type[np.generic]] = {
    **_vectors(
        "lep",
        "pt eta phi E z0 ptcone30 etcone20 trackd0pvunbiased tracksigd0pvunbiased pt_syst",
        "truthMatched trigMatched isTightID",
        "charge",
    ),
    "lep_type": np.uint32,
    **_vectors("jet", "pt eta phi E jvt MV2c10 pt_syst", "truthMatched", "trueflav"),
    **_vectors("photon", "pt eta phi E ptcone30 etcone20 pt_syst", "truthMatched trigMatched isTightID", "convType"),
    **_vectors("tau", "pt eta phi E BDTid pt_syst", "isTightID truthMatched trigMatched", "nTracks charge"),
    **_vectors("largeRjet", "pt eta phi E m truthMatched D2 tau32 pt_syst"),
}
"""Branches with any number of values an event."""

UNITS: dict[str, str] = {
    **dict.fromkeys(("met_et", "met_et_syst", "ditau_m"), "MeV"),
    **{name: "MeV" for name in VECTORS if name.endswith(("_pt", "_E", "_m", "_pt_syst", "cone20", "cone30"))},
    **{name: "rad" for name in (*SCALARS, *VECTORS) if name.endswith("_phi")},
}
"""The units of energies and angles."""


def jagged(values: Any, present: BoolArray, kind: type[np.generic]) -> Any:
    """The values that are present, as an awkward array of lists.

    Args:
        values: (n_events, n_slots).
        present: which of them to keep, of the same shape.
        kind: type of the numbers.
    """
    import awkward as ak  # noqa: PLC0415 - half a second that `simmorph --help` need not wait

    offsets = np.concatenate([[0], np.cumsum(np.add.reduce(present.T, axis=0, dtype=np.int64))])
    content = np.broadcast_to(values, present.shape)[present].astype(kind)
    return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), ak.contents.NumpyArray(content)))


def complete(columns: Mapping[str, Any], n_events: int) -> dict[str, Any]:
    """All branches of the layout in a fixed order, then those that are not in it.

    Scalars that are missing are 0 and vectors that are missing are empty, as the original does for what it has not.
    Scalars take the type of the layout.
    """
    known: dict[str, Any] = {}
    for name, kind in SCALARS.items():
        known[name] = np.broadcast_to(np.asarray(columns.get(name, 0)).astype(kind), (n_events,))
    nothing = np.zeros((n_events, 0), dtype=bool)
    for name, kind in VECTORS.items():
        known[name] = columns[name] if name in columns else jagged(np.zeros((n_events, 0)), nothing, kind)
    return known | {name: values for name, values in columns.items() if name not in known}
