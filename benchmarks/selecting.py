"""Selecting photon pairs end to end, from ROOT file to ROOT file: beside the bare read, awkward by hand, RDataFrame."""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import uproot

from benchmarks.measure import Row, compare
from simmorph.config.selection.files import read_selection
from simmorph.data.selection.selector import Selector
from simmorph.pipeline.select import select_events
from simmorph.pipeline.toy import write_toy

if TYPE_CHECKING:
    from collections.abc import Iterator

N_EVENTS = 200_000
SELECTION = "diphoton-demo"
SCALE_FACTORS = ("PILEUP", "PHOTON", "PhotonTRIGGER")
KINEMATICS = {name: f"photon_{name}" for name in ("pt", "eta", "phi", "ptcone30", "etcone20", "isTightID")}
BRANCHES = [
    *KINEMATICS.values(), "trigP", "runNumber", "eventNumber", "mcWeight", "XSection", "SumWeights",
    *(f"scaleFactor_{name}" for name in SCALE_FACTORS),
]  # fmt: skip
ETA = "(abs({0}) <= 1.37 || (1.52 <= abs({0}) && abs({0}) <= 2.37))"


def rows() -> Iterator[Row]:
    """What select takes, as a multiple of each peer's CPU time the other way round."""
    with tempfile.TemporaryDirectory() as folder:
        write_toy("hgg", Path(folder) / "toy", n_events=N_EVENTS, compression="zlib")
        source, output = str(Path(folder) / "toy" / "mc_gamgam.root"), Path(folder) / "out.root"
        assert sorted(BRANCHES) == Selector.of(*read_selection(SELECTION)).branches()

        def ours() -> int:
            return select_events([source], SELECTION, output, force=True).n_selected

        peers = {
            f"uproot {uproot.__version__}, bare read of the same branches": _bare_read,
            f"awkward {ak.__version__} by hand": _by_hand,
        }
        if importlib.util.find_spec("ROOT") is not None:
            peers["RDataFrame with Snapshot, one thread"] = _rdataframe
        for name, peer in peers.items():
            n_selected = peer(source, str(Path(folder) / "peer.root"))
            assert n_selected in (None, ours())

            def theirs(peer: Any = peer) -> object:
                return peer(source, str(Path(folder) / "peer.root"))

            yield compare(f"select {SELECTION}, {N_EVENTS:,} events of ZLIB", name, ours, theirs, turns=7)


def _bare_read(source: str, _output: str) -> None:
    with uproot.open(source) as file:
        file["mini"].arrays(filter_name=BRANCHES)


def _by_hand(source: str, output: str) -> int:
    """The selection as one would write it in a notebook, chunk by chunk; how many events it takes."""
    n_selected, written = 0, None
    with uproot.open(source) as file, uproot.recreate(output, compression=uproot.ZSTD(1)) as target:
        for chunk in file["mini"].iterate(filter_name=BRANCHES, step_size=200_000):
            columns = _selected(chunk)
            if written is None:
                written = target.mktree("events", {name: it.dtype for name, it in columns.items()})
            written.extend(columns)
            n_selected += len(columns["weight"])
    return n_selected


def _selected(chunk: ak.Array) -> dict[str, Any]:
    chunk = chunk[chunk["trigP"] & (ak.num(chunk["photon_pt"]) >= 2)]
    order = ak.argsort(chunk["photon_pt"], axis=1, ascending=False)
    columns: dict[str, Any] = {}
    for at in (0, 1):
        for name, branch in KINEMATICS.items():
            unit = 1e-3 if name in ("pt", "ptcone30", "etcone20") else 1
            values = ak.to_numpy(chunk[branch][order][:, at])
            columns[f"{name}{at + 1}"] = values if name == "isTightID" else values.astype(np.float64) * unit
    pt1, eta1, phi1, pt2, eta2, phi2 = (columns[f"{name}{at}"] for at in (1, 2) for name in ("pt", "eta", "phi"))
    relative = [columns[f"{name}{at}"] / columns[f"pt{at}"] for at in (1, 2) for name in ("ptcone30", "etcone20")]
    largest = np.maximum.reduce(relative)
    signal = columns["isTightID1"] & columns["isTightID2"] & (largest < 0.065)
    weight = np.prod([ak.to_numpy(chunk[f"scaleFactor_{it}"]).astype(np.float64) for it in SCALE_FACTORS], axis=0)
    for name, power in (("mcWeight", 1), ("XSection", 1), ("SumWeights", -1)):
        weight = weight * ak.to_numpy(chunk[name]).astype(np.float64) ** power
    passed = (pt1 >= 35) & (pt1 <= 250) & (pt2 >= 25) & (pt2 <= 250)
    for eta in (np.abs(eta1), np.abs(eta2)):
        passed &= (eta <= 1.37) | ((eta >= 1.52) & (eta <= 2.37))
    floats = {
        "pt1": pt1, "eta1": eta1, "phi1": phi1, "pt2": pt2, "eta2": eta2, "phi2": phi2, "largest_isolation": largest,
        "ptcone30_over_pt1": relative[0], "etcone20_over_pt1": relative[1],
        "ptcone30_over_pt2": relative[2], "etcone20_over_pt2": relative[3],
        "m_yy": np.sqrt(2 * pt1 * pt2 * (np.cosh(eta1 - eta2) - np.cos(phi1 - phi2))),
        "pt_yy": np.hypot(
            pt1 * np.cos(phi1) + pt2 * np.cos(phi2), pt1 * np.sin(phi1) + pt2 * np.sin(phi2)
        ),
    }  # fmt: skip
    made = {name: it.astype(np.float32) for name, it in floats.items()}
    made |= {"in_signal": signal, "in_control": ~signal, "weight": weight * 10064}
    made |= {name: ak.to_numpy(chunk[name]) for name in ("runNumber", "eventNumber")}
    return {name: it[passed] for name, it in made.items()}


def _rdataframe(source: str, output: str) -> int:
    """The same selection in ROOT's own loop, compiled; how many events it takes."""
    root: Any = importlib.import_module("ROOT")  # not there for everyone
    frame = root.RDataFrame("mini", source).Filter("trigP && photon_pt.size() >= 2")
    frame = frame.Define("order", "Reverse(Argsort(photon_pt))")
    for at in (0, 1):
        for name, branch in KINEMATICS.items():
            unit = " * 1e-3" if name in ("pt", "ptcone30", "etcone20") else ""
            frame = frame.Define(f"{name}{at + 1}", f"{branch}[order[{at}]]{unit}")
    for at in (1, 2):
        frame = frame.Filter(f"{35 if at == 1 else 25} <= pt{at} && pt{at} <= 250 && {ETA.format(f'eta{at}')}")
    made = {f"{name}_over_pt{at}": f"float({name}{at} / pt{at})" for at in (1, 2) for name in ("ptcone30", "etcone20")}
    made |= {
        "largest_isolation": f"std::max({{{', '.join(made)}}})",
        "m_yy": "float(sqrt(2 * pt1 * pt2 * (cosh(eta1 - eta2) - cos(phi1 - phi2))))",
        "pt_yy": "float(hypot(pt1 * cos(phi1) + pt2 * cos(phi2), pt1 * sin(phi1) + pt2 * sin(phi2)))",
        "in_signal": "isTightID1 && isTightID2 && largest_isolation < 0.065",
        "in_control": "!in_signal",
        "weight": " * ".join(
            ["mcWeight * XSection * 10064. / SumWeights", *(f"scaleFactor_{it}" for it in SCALE_FACTORS)]
        ),
    }
    for name, text in made.items():
        frame = frame.Define(name, text)
    options = root.RDF.RSnapshotOptions()
    options.fCompressionAlgorithm, options.fCompressionLevel = root.RCompressionSetting.EAlgorithm.kZSTD, 1
    options.fLazy = True
    kept = ["pt1", "eta1", "phi1", "pt2", "eta2", "phi2", "runNumber", "eventNumber", *made]
    count, _ = frame.Count(), frame.Snapshot("events", output, kept, options)
    return int(count.GetValue())
