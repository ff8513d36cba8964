"""Select on real events, on both ATLAS releases, on NanoAOD, and on what can go wrong."""

from __future__ import annotations

import importlib.resources
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from simmorph.config.selection.files import shipped_selections
from simmorph.data.ntuples.contents import describe, read_metadata
from simmorph.data.ntuples.reading import iterate
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.errors import EmptySelectionError, InputError, UsageError
from simmorph.pipeline.select import select_events
from tests.conftest import read_columns

FILES = Path(__file__).parents[1] / "data" / "files"
ATLAS = FILES / "data_A_10events.GamGam.root"
NANOAOD = FILES / "nanoaod_v5_photons.root"
MASSES = [170.2, 110.5, 79.6, 65.3, 74.3, 134.3, 156.5, 99.0, 78.4, 80.3]
"""m_yy of the ten genuine events [GeV]."""
EVENTS = [1540777, 1713779, 1761929, 1765304, 1651552, 1587401, 1614177, 1663098, 1745456, 2122737]


def chosen(path: Path, *names: str) -> dict[str, Any]:
    return {name: column.tolist() for name, column in read_columns([str(path)], "events", names).items()}


def changed(tmp_path: Path, name: str = "changed.root", **changes: Any) -> Path:
    """The ten ATLAS events with some branches changed."""
    names = [branch for branch in describe(str(ATLAS)).branches if branch.startswith(("photon_", "trig", "scaleF"))]
    names += ["runNumber", "eventNumber", "mcWeight", "XSection", "SumWeights"]
    ((_, columns),) = iterate(str(ATLAS), "mini", names)
    with create_ntuple(tmp_path / name, "mini") as ntuple:
        ntuple.extend({**columns, **changes})
    return tmp_path / name


def test_the_ten_genuine_events_have_their_masses_and_weight_one(tmp_path: Path) -> None:
    result = select_events([str(ATLAS)], "diphoton-unpaired", tmp_path / "out.root")
    columns = chosen(tmp_path / "out.root", "m_yy", "weight", "event", "source_entry", "source_file", "run")
    assert columns["m_yy"] == pytest.approx(MASSES, abs=0.05)
    assert columns["weight"] == [1.0] * 10
    assert columns["event"] == EVENTS
    assert columns["source_entry"] == list(range(10))
    assert (columns["source_file"], columns["run"]) == ([0] * 10, [297730] * 10)
    assert (result.n_data, result.n_selected) == (10, 10)


def test_the_official_selection_finds_one_isolated_tight_pair_outside_the_window(tmp_path: Path) -> None:
    with pytest.raises(EmptySelectionError) as caught:
        select_events([str(ATLAS)], "atlas-opendata-2020-hgg", tmp_path / "out.root")
    assert "all 10, trigger 10, two good photons 1, leading pt above 35 1, isolated tracks 1" in str(caught.value)
    assert str(caught.value).endswith("mass 0; nothing was written")
    assert list(tmp_path.iterdir()) == []


def test_the_official_selection_takes_isolated_tight_photons_in_the_window(tmp_path: Path) -> None:
    """All ten pairs made tight and isolated: three are at 105-160 GeV, and all of these have hard photons."""
    ((_, real),) = iterate(str(ATLAS), "mini", ["photon_pt"])
    path = changed(
        tmp_path,
        photon_isTightID=ak.ones_like(real["photon_pt"]) == 1,
        photon_ptcone30=ak.zeros_like(real["photon_pt"]),
        photon_etcone20=ak.zeros_like(real["photon_pt"]),
    )
    result = select_events([str(path)], "atlas-opendata-2020-hgg", tmp_path / "out.root")
    columns = chosen(tmp_path / "out.root", "m_yy", "in_signal", "in_sideband", "source_entry")
    assert columns["source_entry"] == [1, 5, 6]
    assert columns["m_yy"] == pytest.approx([110.46, 134.30, 156.45], abs=0.01)
    assert (columns["in_signal"], columns["in_sideband"]) == ([False] * 3, [True] * 3)
    assert result.n_selected == 3


def test_the_demo_selection_splits_by_isolation_and_identification(tmp_path: Path) -> None:
    select_events([str(ATLAS)], "diphoton-demo", tmp_path / "out.root")
    columns = chosen(tmp_path / "out.root", "in_signal", "in_control", "source_entry", "largest_isolation")
    assert columns["in_signal"] == [entry == 3 for entry in range(10)]
    assert columns["in_control"] == [entry != 3 for entry in range(10)]
    assert columns["largest_isolation"][3] == 0.0


def test_simulation_is_weighted_to_the_luminosity_sign_included(tmp_path: Path) -> None:
    ones = np.ones(10, np.float32)
    path = changed(
        tmp_path,
        mcWeight=np.where(np.arange(10) == 4, -2.0, 2.0).astype(np.float32),
        XSection=ones * 0.5,
        SumWeights=ones * 1000,
        scaleFactor_PILEUP=ones * 1.5,
        scaleFactor_PHOTON=ones,
        scaleFactor_PhotonTRIGGER=ones,
    )
    result = select_events([str(path)], "diphoton-unpaired", tmp_path / "out.root")
    expected = [2 * 1.5 * 0.5 * 10064 / 1000 * (-1 if entry == 4 else 1) for entry in range(10)]
    assert chosen(tmp_path / "out.root", "weight")["weight"] == pytest.approx(expected)
    assert result.cutflow[-1].weighted == pytest.approx(sum(expected))
    assert result.cutflow[-1].sum_squares == pytest.approx(sum(weight**2 for weight in expected))
    assert result.n_data == 0


def test_weights_that_are_all_zero_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="every event has weight 0; if this is real data, add --sample data"):
        select_events([str(ATLAS)], "diphoton-unpaired", tmp_path / "out.root", sample="simulation")
    assert list(tmp_path.iterdir()) == []


def test_nanoaod_events_are_selected_with_their_signed_generator_weights(tmp_path: Path) -> None:
    result = select_events([str(NANOAOD)], "cms-nanoaod-diphoton", tmp_path / "out.root")
    columns = chosen(tmp_path / "out.root", "m_yy", "pt1", "pt2", "weight", "event", "source_entry")
    ((_, raw),) = iterate(str(NANOAOD), "Events", ["event", "genWeight"])
    assert result.n_selected == len(columns["m_yy"]) > 10
    assert columns["weight"] == pytest.approx(raw["genWeight"][columns["source_entry"]].tolist())
    assert columns["event"] == raw["event"][columns["source_entry"]].tolist()
    assert all(60 < mass < 300 for mass in columns["m_yy"])
    assert all(np.array(columns["pt1"]) >= np.array(columns["pt2"]))


def test_nanoaod_without_generator_weights_is_data(tmp_path: Path) -> None:
    names = [name for name in describe(str(NANOAOD)).branches if name[:1].islower() and name != "genWeight"]
    names = [*names[:2], *(name for name in describe(str(NANOAOD)).branches if name.startswith("Photon_"))]
    ((_, columns),) = iterate(str(NANOAOD), "Events", sorted({*names, "run", "event"} - {"genWeight"}))
    columns = {name: column for name, column in columns.items() if not name.startswith("n")}
    with create_ntuple(tmp_path / "data.root", "Events") as ntuple:
        ntuple.extend(columns)
    select_events([str(tmp_path / "data.root")], "cms-nanoaod-diphoton", tmp_path / "out.root")
    assert set(chosen(tmp_path / "out.root", "weight")["weight"]) == {1.0}


@pytest.mark.parametrize("kind", ["TTree", "RNTuple"])
def test_the_2025_layout_is_selected(tmp_path: Path, kind: str) -> None:
    """The genuine events under the names of 2025; the sixth is given energies too small for its momenta."""
    ((_, old),) = iterate(str(ATLAS), "mini", ["photon_pt", "photon_eta", "photon_phi", "photon_E", "eventNumber"])
    pt = old["photon_pt"] / 1000
    energy = ak.where(ak.local_index(pt, axis=0) == 5, pt * 0.5, old["photon_E"] / 1000)
    true, zero, one = ak.ones_like(pt) == 1, ak.zeros_like(pt), np.ones(10, np.float32)
    columns = {
        "photon_pt": pt, "photon_eta": old["photon_eta"], "photon_phi": old["photon_phi"], "photon_e": energy,
        "photon_isTightID": true, "photon_isTightIso": true, "photon_ptcone20": zero, "photon_topoetcone40": zero,
        "trigP": np.ones(10, bool), "runNumber": np.full(10, 297730, np.uint32),
        "eventNumber": old["eventNumber"].astype(np.uint64), "channelNumber": np.full(10, 297730, np.uint32),
        "mcWeight": one, "ScaleFactor_PILEUP": one, "ScaleFactor_PHOTON": one, "xsec": 0 * one, "filteff": one,
        "kfac": one, "sum_of_weights": np.zeros(10), "category": ak.Array(["data"] * 10),
    }  # fmt: skip
    with uproot.recreate(tmp_path / "in.root") as file:
        if kind == "RNTuple":
            file.mkrntuple("analysis", columns)
        else:
            file.mktree("analysis", {name: ak.Array(it).type.content for name, it in columns.items()}).extend(columns)
    result = select_events([str(tmp_path / "in.root")], "atlas-opendata-2025-hgg", tmp_path / "out.root")
    assert {line.cut: line.events for line in result.cutflow}["valid kinematics"] == 9
    assert chosen(tmp_path / "out.root", "source_entry", "weight") == {"source_entry": [1, 6], "weight": [1.0, 1.0]}


def test_the_file_tells_how_it_was_made(tmp_path: Path) -> None:
    result = select_events([str(ATLAS)], "diphoton-demo", tmp_path / "out.root")
    metadata = read_metadata(tmp_path / "out.root")
    assert metadata["files"] == [str(ATLAS)]
    assert metadata["cutflow"] == result.to_json()["cutflow"]
    assert metadata["units"].items() >= {"pt1": "GeV", "phi1": "rad", "m_yy": "GeV"}.items()
    assert not metadata["units"].keys() & {"eta1", "ptcone30_over_pt1", "weight"}
    with uproot.open(tmp_path / "out.root") as file:
        assert file["cutflow"].values().tolist() == [line.weighted for line in result.cutflow]
        assert list(file["cutflow_events"].axis().labels())[:3] == ["all", "trigger", "two photons"]


def test_many_files_give_their_rows_in_order_with_their_source(tmp_path: Path) -> None:
    for name in ("b.root", "a.root"):
        shutil.copy(ATLAS, tmp_path / name)
    result = select_events([str(tmp_path)], "diphoton-unpaired", tmp_path / "out" / "out.root")
    columns = chosen(tmp_path / "out" / "out.root", "source_file", "source_entry")
    assert result.files == (str(tmp_path / "a.root"), str(tmp_path / "b.root"))
    assert columns == {"source_file": [0] * 10 + [1] * 10, "source_entry": [*range(10), *range(10)]}


def test_bad_files_end_the_run_or_are_skipped_and_named(tmp_path: Path) -> None:
    (tmp_path / "bad.root").write_bytes(ATLAS.read_bytes()[:9000])
    inputs, output = [str(ATLAS), str(tmp_path / "bad.root")], tmp_path / "out.root"
    with pytest.raises(InputError, match=r"bad\.root"):
        select_events(inputs, "diphoton-unpaired", output)
    assert not output.exists()
    result = select_events(inputs, "diphoton-unpaired", output, on_bad_file="skip")
    assert list(result.skipped) == [str(tmp_path / "bad.root")]
    assert "skipped" in result.to_text()
    assert describe(str(output)).n_entries == 10


def test_a_file_that_breaks_half_way_adds_none_of_its_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weight of the seventh event is not finite, which is noticed in the second chunk of five."""
    path = changed(tmp_path, mcWeight=np.where(np.arange(10) == 6, np.nan, 1).astype(np.float32))
    monkeypatch.setattr("simmorph.data.formats.table.Table.iterate.__defaults__", (5,))
    result = select_events([str(ATLAS), str(path)], "diphoton-unpaired", tmp_path / "out.root", on_bad_file="skip")
    assert result.cutflow[0].events == 10
    assert describe(str(tmp_path / "out.root")).n_entries == 10


def test_when_no_file_can_be_used_it_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none of 1 files can be used"):
        select_events([str(NANOAOD)], "diphoton-demo", tmp_path / "out.root", on_bad_file="skip")
    assert list(tmp_path.iterdir()) == []


def test_an_output_is_neither_replaced_nor_read(tmp_path: Path) -> None:
    path = changed(tmp_path)
    with pytest.raises(UsageError, match="already exists"):
        select_events([str(ATLAS)], "diphoton-unpaired", path)
    with pytest.raises(UsageError, match="is also an input"):
        select_events([str(path)], "diphoton-unpaired", path, force=True)


def test_an_input_that_was_changed_since_it_was_written_is_told(tmp_path: Path) -> None:
    copy = tmp_path / "copy.root"
    copy.write_bytes(ATLAS.read_bytes())
    (tmp_path / "copy.root.provenance.json").write_text('{"output": "copy.root", "sha256": "0"}')
    result = select_events([str(copy)], "diphoton-unpaired", tmp_path / "out.root")
    says = f"{copy} has another content than copy.root.provenance.json says: it is damaged, or was changed"
    assert (list(result.changed), says in result.warnings()) == ([says], True)


def test_values_that_are_not_finite_are_told(tmp_path: Path) -> None:
    text = shipped_selections()["diphoton-unpaired"].read_text()
    text = text.replace("variables:\n", "variables:\n  nothing: photon_pt[4]\n")
    (tmp_path / "mine.yaml").write_text(text)
    result = select_events([str(ATLAS)], str(tmp_path / "mine.yaml"), tmp_path / "out.root")
    assert result.not_finite == {"nothing": 10}
    assert result.warnings() == ["10 selected events have no finite nothing"]


def test_a_planted_alias_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="lacks 'photon_pt'"):
        select_events([str(FILES / "planted-alias.root")], "diphoton-unpaired", tmp_path / "out.root")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_unit_is_refused(tmp_path: Path) -> None:
    text = shipped_selections()["diphoton-unpaired"].read_text().replace("energy: MeV", "energy: GeV")
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match=r"leading photon is 4.83e\+04 GeV; set `units: {energy: MeV}`"):
        select_events([str(ATLAS)], str(tmp_path / "mine.yaml"), tmp_path / "out.root")


@pytest.mark.parametrize("selection", sorted(shipped_selections()))
def test_every_odd_file_is_selected_or_refused_in_one_line(tmp_path: Path, selection: str) -> None:
    for path in sorted(FILES.glob("*.root")):
        output = tmp_path / f"{path.stem}.root"
        try:
            result = select_events([str(path)], selection, output)
        except (InputError, EmptySelectionError) as error:
            assert "\n" not in str(error)  # noqa: PT017 - both ways are right
            assert not output.exists()
        else:
            assert describe(str(output)).n_entries == result.n_selected > 0


def test_the_result_does_not_depend_on_the_size_of_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = select_events([str(NANOAOD)], "cms-nanoaod-diphoton", tmp_path / "whole.root")
    monkeypatch.setattr("simmorph.data.formats.table.Table.iterate.__defaults__", (77,))
    parts = select_events([str(NANOAOD)], "cms-nanoaod-diphoton", tmp_path / "parts.root")
    names = list(describe(str(tmp_path / "whole.root"), "events").branches)
    assert chosen(tmp_path / "whole.root", *names) == chosen(tmp_path / "parts.root", *names)
    assert [line.events for line in whole.cutflow] == [line.events for line in parts.cutflow]


FLAT = """# pairs
tree: pairs
units: {energy: GeV}
variables: {x: x, y: y, z: x * y}
cuts: {half: x > 0.5}
"""


def flat(tmp_path: Path, name: str, **columns: Any) -> str:
    """An ntuple for FLAT with three events, some branches added."""
    with create_ntuple(tmp_path / name, "pairs") as ntuple:
        ntuple.extend({"x": np.array([0.6, 0.4, 0.7]), "y": np.ones(3), **columns})
    return str(tmp_path / name)


def select_flat(tmp_path: Path, *inputs: str, variables: str = "{x: x}", more: str = "") -> dict[str, Any]:
    text = FLAT.replace("{x: x, y: y, z: x * y}", variables) + more
    (tmp_path / "flat.yaml").write_text(text)
    select_events(inputs, str(tmp_path / "flat.yaml"), tmp_path / "out.root", force=True)
    return read_columns([str(tmp_path / "out.root")], "events", list(describe(str(tmp_path / "out.root")).branches))


def test_types_that_differ_between_files_lose_no_digit(tmp_path: Path) -> None:
    first = flat(
        tmp_path,
        "a.root",
        event=np.arange(3, dtype=np.int32),
        kind=np.ones(3, np.int8),
        met=np.arange(3, dtype=np.int32),
    )
    later = flat(
        tmp_path,
        "b.root",
        event=np.full(3, 5000000499),
        kind=np.full(3, 300, np.int32),
        met=np.full(3, 30.7, np.float32),
    )
    how = {"variables": "{kind: kind, met: met, event_too: event}", "more": "event: event\n"}
    for inputs, at in (((first, later), slice(2, 4)), ((later, first), slice(0, 2))):
        columns = select_flat(tmp_path, *inputs, **how)
        assert columns["event"][at].tolist() == columns["event_too"][at].tolist() == [5000000499] * 2
        assert columns["kind"][at].tolist() == [300] * 2
        assert columns["met"][at].tolist() == pytest.approx([30.7] * 2, rel=1e-7)


def test_event_numbers_without_a_common_type_are_refused(tmp_path: Path) -> None:
    inputs = flat(tmp_path, "a.root", event=np.arange(3)), flat(tmp_path, "b.root", event=np.arange(3, dtype=np.uint64))
    with pytest.raises(InputError, match=r"'event' has types that none holds exactly: int64 in .*a\.root, uint64 in"):
        select_flat(tmp_path, *inputs, more="event: event\n")
    assert not (tmp_path / "out.root").exists()


def test_an_event_number_beyond_the_signed_range_is_kept(tmp_path: Path) -> None:
    path = flat(tmp_path, "a.root", event=np.array([2**63 + 1, 0, 2**64 - 1], np.uint64))
    assert select_flat(tmp_path, path, more="event: event\n")["event"].tolist() == [2**63 + 1, 2**64 - 1]


def test_an_event_number_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    path = flat(tmp_path, "a.root", event=np.array([1.0, 2.5, 3.0]))
    with pytest.raises(InputError, match="branch 'event': is not a whole number"):
        select_flat(tmp_path, path, more="event: event\n")


def test_variables_of_integers_keep_every_digit(tmp_path: Path) -> None:
    """Odd numbers above 2^24, which single precision does not hold; that of a list may be missing, and is then NaN."""
    path = flat(tmp_path, "a.root", seed=np.full(3, 2**24 + 1), seeds=ak.Array([[2**24 + 1], [1], []]))
    columns = select_flat(
        tmp_path, path, variables="{seed: seed, more: seed + 2, first: 'seeds[0]', again: first, ratio: x / seed}"
    )
    assert (columns["seed"].dtype, columns["more"].dtype) == (np.int64, np.int64)
    assert (columns["first"].dtype, columns["again"].dtype, columns["ratio"].dtype) == (
        np.float64,
        np.float64,
        np.float32,
    )
    assert columns["more"].tolist() == [2**24 + 3] * 2
    assert columns["first"][0] == columns["again"][0] == 2**24 + 1
    assert np.isnan(columns["first"][1])


def test_empty_trees_among_others_are_no_rows(tmp_path: Path) -> None:
    empty, full = tmp_path / "empty.root", flat(tmp_path, "full.root")
    with create_ntuple(empty, "pairs") as ntuple:
        ntuple.extend({"x": np.empty(0), "y": np.empty(0)})
    for inputs in ([str(empty), full], [full, str(empty)]):
        assert select_flat(tmp_path, *inputs)["x"].tolist() == pytest.approx([0.6, 0.7])


def test_memory_does_not_grow_with_the_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simmorph.data.ntuples.writer.ROWS_PER_BASKET", 20_000)
    (tmp_path / "flat.yaml").write_text(FLAT)

    def peak(n_events: int) -> int:
        path, values = tmp_path / f"{n_events}.root", np.linspace(0, 1, n_events)
        with create_ntuple(path, "pairs") as ntuple:
            for start in range(0, n_events, 20_000):
                ntuple.extend(dict.fromkeys("xy", values[start : start + 20000]))
        tracemalloc.start()
        select_events([str(path)], str(tmp_path / "flat.yaml"), tmp_path / "out.root", force=True, step=20_000)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(40_000)
    assert peak(400_000) < 1.5 * peak(80_000)


def test_shipped_selections_are_found_from_the_package_or_the_checkout() -> None:
    package = Path(str(importlib.resources.files("simmorph")))
    folders = {path.parent for path in shipped_selections().values()}
    assert folders <= {package / "selections", package.parents[1] / "selections"}


def test_a_copy_of_a_file_is_counted_and_said(tmp_path: Path) -> None:
    copy = tmp_path / "copy.root"
    shutil.copyfile(ATLAS, copy)
    result = select_events([str(ATLAS), str(copy)], "diphoton-unpaired", tmp_path / "out.root")
    assert result.to_json()["duplicates"] == read_metadata(tmp_path / "out.root")["duplicates"] == {str(copy): 10}
    assert f"10 events are there twice, by run and event number, in {copy}: is a file a copy?" in result.warnings()
    assert select_events([str(ATLAS)], "diphoton-unpaired", tmp_path / "once.root").duplicates == {}


@pytest.mark.parametrize("step", [1, 4, 200_000])
def test_data_are_known_by_their_numbers_and_simulation_by_its_values_too(tmp_path: Path, step: int) -> None:
    """In a file that mixes them: event 1 of data stands there again in the last row, event 2 of simulation not."""
    columns = {"run": np.ones(7, np.int32), "event": np.array([1, 2, 3, 4, 2, 5, 1]), "x": np.arange(7.0)}
    with create_ntuple(tmp_path / "mixed.root", "t") as ntuple:
        ntuple.extend({**columns, "mc": np.array([0.0, 1, 1, 0, 1, 1, 0])})
    (tmp_path / "mine.yaml").write_text("""# all
tree: t
units: {energy: GeV}
run: run
event: event
variables: {x: x}
weight: {data_if: mc == 0}
""")
    path = str(tmp_path / "mixed.root")
    result = select_events([path], str(tmp_path / "mine.yaml"), tmp_path / "out.root", step=step)
    assert (result.n_data, result.duplicates) == (3, {path: 1})


def test_simulated_samples_may_number_their_events_alike(tmp_path: Path) -> None:
    ones = np.ones(10, np.float32)
    weights = {"mcWeight": ones, "XSection": ones, "SumWeights": 2 * ones}
    weights |= {f"scaleFactor_{name}": ones for name in ("PILEUP", "PHOTON", "PhotonTRIGGER")}
    ((_, real),) = iterate(str(ATLAS), "mini", ["photon_pt"])
    one = changed(tmp_path, "one.root", **weights)
    other = changed(tmp_path, "other.root", **weights, photon_pt=real["photon_pt"] * 1.01)
    result = select_events([str(one), str(other)], "diphoton-unpaired", tmp_path / "out.root")
    assert (result.n_data, result.duplicates) == (0, {})
    copy = tmp_path / "copy.root"
    shutil.copyfile(other, copy)
    result = select_events([str(it) for it in (one, other, copy)], "diphoton-unpaired", tmp_path / "two.root")
    assert result.duplicates == {str(copy): 10}
