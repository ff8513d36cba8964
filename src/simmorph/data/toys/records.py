"""From columns with a fixed number of photons an event to entries with lists, as they stand in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.data.toys.layout import VECTORS, complete, jagged

if TYPE_CHECKING:
    from simmorph.data.events import BoolArray
    from simmorph.data.toys.collisions import Columns

TRUTH_SCALARS: dict[str, type[np.generic]] = {
    "truth_process": np.int32,
    "truth_n_fakes": np.int32,
    "truth_m_yy": np.float32,
    "truth_pt_yy": np.float32,
    "truth_pt_hat": np.float32,
    "truth_angle": np.float32,
    "truth_boost": np.float32,
    "truth_weight_as_data": np.float64,
}
"""What is known of an event because it was made up; energies in MeV."""

TRUTH_VECTORS: dict[str, type[np.generic]] = {
    "truth_photon_pt": np.float32,
    "truth_photon_eta": np.float32,
    "truth_photon_phi": np.float32,
    "truth_photon_is_fake": np.bool_,
    "truth_photon_pt_as_data": np.float32,
}
"""What is known of each photon."""


def entries(columns: Columns, *, is_data: bool) -> dict[str, Any]:
    """All branches of these events: those of the layout, then the truth.

    Args:
        columns: the events with `photon_found` and `jet_found`, which say what exists.
        is_data: whether to leave the simulation's knowledge empty, as in real data.
    """
    found = {"photon": columns["photon_found"], "jet": columns["jet_found"][:, None]}
    branches = {name: columns[name].astype(kind) for name, kind in TRUTH_SCALARS.items()}
    for name, kind in (VECTORS | TRUTH_VECTORS).items():
        if name in columns:
            owner = name.removeprefix("truth_").split("_")[0]
            branches[name] = jagged(columns[name].reshape(len(found[owner]), -1), found[owner], kind)
    scalars = {name: values for name, values in columns.items() if values.ndim == 1 and not name.startswith("truth_")}
    scalars = {name: values for name, values in scalars.items() if name not in VECTORS and name != "jet_found"}
    scalars["jet_n"] = columns["jet_found"]
    return complete(scalars | branches | _flags(found, is_data=is_data), len(found["jet"]))


def _flags(found: dict[str, BoolArray], *, is_data: bool) -> dict[str, Any]:
    """Branches that say the same of every object; data have no truth to match and no systematic uncertainty."""
    photons, jets = found["photon"], found["jet"]
    flags = {
        "photon_trigMatched": jagged(True, photons, np.bool_),
        "photon_pt_syst": jagged(0.0 if is_data else 0.01, photons, np.float32),
        "jet_pt_syst": jagged(0.0 if is_data else 0.03, jets, np.float32),
    }
    if is_data:
        return flags
    return flags | {
        "photon_truthMatched": jagged(True, photons, np.bool_),
        "jet_truthMatched": jagged(True, jets, np.bool_),
        "jet_trueflav": jagged(21, jets, np.int32),
    }
