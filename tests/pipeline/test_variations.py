"""Systematic variations of a selection, against YAMLs and files written by hand, up to the limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest

from simmorph.config.limits import LimitsRecipe
from simmorph.config.recipe import Recipe
from simmorph.data.ntuples.contents import read_metadata, trees_in
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.errors import ConfigError, InputError
from simmorph.pipeline.check import check_recipe
from simmorph.pipeline.limits.run import limits_of_recipe
from simmorph.pipeline.select import select_events
from simmorph.pipeline.train import train_model
from tests.conftest import read_columns
from tests.pipeline.applying import apply_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SELECTION = """# one photon
tree: mini
units: {energy: MeV}
objects:
  photon: {branches: {pt: ph_pt, eta: ph_eta}, energies: [pt], cuts: [pt > 25], order_by: pt}
variables: {pt1: "photon_pt[0]", ht: sum(photon_pt), met: met_et / 1000}
cuts: {one photon: count(photon_pt) >= 1, met: met < 80}
weight: {simulation: mc * pu, data: 1, data_if: mc == 0}
"""
VARIED = """variations:
  scale_up: {photon.pt: ph_pt_up}
  scale_down: {photon.pt: ph_pt_down}
  met_up: {met: met_et / 900, weight: mc * pu * 1.01}
  pileup_up: {weight: mc * pu_up}
  pileup_down: {weight.simulation: mc * pu_down}
"""
BY_HAND = {
    "scale_up": ("{pt: ph_pt,", "{pt: ph_pt_up,"),
    "scale_down": ("{pt: ph_pt,", "{pt: ph_pt_down,"),
    "pileup_up": ("mc * pu,", "mc * pu_up,"),
    "pileup_down": ("mc * pu,", "mc * pu_down,"),
}


def original(path: Path, seed: int, scale: float, n_events: int = 3000, *, of_data: bool = False) -> str:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, n_events)
    pt = ak.unflatten(1000 * (15 + rng.exponential(scale, counts.sum())), counts)
    mc = np.zeros(n_events) if of_data else rng.normal(1, 0.3, n_events)
    columns = {
        "ph_pt": pt, "ph_pt_up": pt * 1.03, "ph_pt_down": pt * 0.98, "ph_eta": pt * 0,
        "met_et": rng.exponential(30000, n_events), "mc": mc, "pu": rng.uniform(0.5, 1.5, n_events),
        "pu_up": rng.uniform(0.6, 1.7, n_events), "pu_down": rng.uniform(0.4, 1.4, n_events),
    }  # fmt: skip
    with create_ntuple(path, "mini") as ntuple:
        ntuple.extend(columns)
    return str(path)


@pytest.fixture
def made(tmp_path: Path) -> dict[str, str]:
    """Signal, background and data; what `variations:` gives of them, and what YAMLs written by hand do."""
    (tmp_path / "varied.yaml").write_text(SELECTION + VARIED)
    files = {
        "signal": original(tmp_path / "s.root", 1, 60),
        "background": original(tmp_path / "b.root", 2, 25),
        "data": original(tmp_path / "d.root", 3, 25, of_data=True),
    }
    for name, path in files.items():
        select_events([path], str(tmp_path / "varied.yaml"), tmp_path / f"{name}.root")
        for variation, change in BY_HAND.items():
            (tmp_path / f"{variation}.yaml").write_text(SELECTION.replace(*change))
            select_events([path], str(tmp_path / f"{variation}.yaml"), tmp_path / f"{name}_{variation}.root")
    return {"folder": str(tmp_path), **{name: str(tmp_path / f"{name}.root") for name in files}, "raw": files["signal"]}


def test_each_variation_selects_what_a_yaml_by_hand_selects(made: dict[str, str]) -> None:
    names = ["pt1", "ht", "met", "weight", "source_entry"]
    for variation in ("scale_up", "scale_down"):
        ours = read_columns([made["signal"]], f"events_{variation}", names)
        theirs = read_columns([f"{made['folder']}/signal_{variation}.root"], "events", names)
        for name in names:
            np.testing.assert_array_equal(ours[name], theirs[name])
    nominal = read_columns(
        [made["signal"]], "events", ["weight", "weight_pileup_up", "weight_pileup_down", "source_entry"]
    )
    for variation in ("pileup_up", "pileup_down"):
        theirs = read_columns([f"{made['folder']}/signal_{variation}.root"], "events", ["weight", "source_entry"])
        np.testing.assert_array_equal(nominal[f"weight_{variation}"], theirs["weight"])
        np.testing.assert_array_equal(nominal["source_entry"], theirs["source_entry"])
    assert len(read_columns([made["signal"]], "events_scale_up", ["pt1"])["pt1"]) > len(nominal["weight"])
    metadata = read_metadata(made["signal"])["variations"]
    assert metadata["scale_up"]["in"] == "events_scale_up"
    assert metadata["pileup_up"]["weighted"] == pytest.approx(nominal["weight_pileup_up"].sum())


def test_a_variation_may_change_a_variable_and_the_weight_at_once(made: dict[str, str]) -> None:
    up = read_columns([made["signal"]], "events_met_up", ["met", "weight", "source_entry"])
    raw = read_columns([made["raw"]], "mini", ["met_et", "mc", "pu"])
    np.testing.assert_allclose(up["met"], (raw["met_et"] / 900)[up["source_entry"]], rtol=1e-6)
    np.testing.assert_allclose(up["weight"], (raw["mc"] * raw["pu"] * 1.01)[up["source_entry"]], rtol=1e-14)
    assert up["met"].max() < 80


def test_data_is_not_varied(made: dict[str, str]) -> None:
    assert list(trees_in(made["data"])) == ["events"]
    columns = read_columns([made["data"]], "events", ["weight", "weight_pileup_up"])
    assert set(columns["weight"]) == set(columns["weight_pileup_up"]) == {1.0}


@pytest.mark.parametrize("step", [7, 64, 200_000])
def test_data_beside_simulation_is_not_varied_however_events_are_read(tmp_path: Path, step: int) -> None:
    """By numpy: of a file with simulation, then a mixture, then data, whose varied branches are empty."""
    rng, n = np.random.default_rng(5), 300
    mc = np.where(np.arange(n) < 100, 0.5, np.where(np.arange(n) < 200, rng.integers(0, 2, n), 0))
    pt = rng.uniform(20e3, 90e3, n)
    one_each = ak.unflatten(pt, np.ones(n, np.int64))
    columns = {"ph_pt": one_each, "ph_pt_up": ak.unflatten(1.1 * pt[mc != 0], (mc != 0).astype(np.int64))}
    columns |= {"ph_eta": one_each * 0, "met_et": pt * 0, "mc": mc, "pu": rng.uniform(0.5, 1.5, n)}
    with create_ntuple(tmp_path / "mixed.root", "mini") as ntuple:
        ntuple.extend(columns)
    block = "variations: {up: {photon.pt: ph_pt_up}, pu_up: {weight: mc * pu * 2}}\n"
    (tmp_path / "mixed.yaml").write_text(SELECTION.replace("[pt > 25]", "[pt > 25, eta < 1]") + block)
    result = select_events(
        [str(tmp_path / "mixed.root")], str(tmp_path / "mixed.yaml"), tmp_path / "out.root", step=step
    )
    up = read_columns([str(tmp_path / "out.root")], "events_up", ["pt1", "weight", "source_entry"])
    expected = np.flatnonzero((mc != 0) & (pt * 1.1 > 25e3))
    np.testing.assert_array_equal(up["source_entry"], expected)
    np.testing.assert_allclose(up["pt1"], pt[expected] * 1.1e-3, rtol=1e-6)
    np.testing.assert_allclose(up["weight"], (mc * columns["pu"])[expected])
    nominal = read_columns([str(tmp_path / "out.root")], "events", ["weight", "weight_pu_up", "source_entry"])
    passed = np.flatnonzero(pt > 25e3)
    np.testing.assert_array_equal(nominal["source_entry"], passed)
    np.testing.assert_allclose(nominal["weight"], np.where(mc == 0, 1, mc * columns["pu"])[passed])
    np.testing.assert_allclose(nominal["weight_pu_up"], np.where(mc == 0, 1, mc * columns["pu"] * 2)[passed])
    assert result.variations["up"]["events"] == len(expected)
    assert result.n_data == np.count_nonzero(mc == 0)


@pytest.mark.parametrize("step", [2, 200_000])
def test_events_without_photons_do_not_make_data_simulation(tmp_path: Path, step: int) -> None:
    """Rows are photons, and chunks of data without any are not varied."""
    counts = np.array([0, 0, 2, 0, 0, 1, 0, 0])
    pt = ak.unflatten(np.full(3, 50e3), counts)
    with create_ntuple(tmp_path / "data.root", "mini") as ntuple:
        ntuple.extend({"ph_pt": pt, "ph_pt_up": pt, "mc": np.zeros(8)})
    text = """# photons
tree: mini
units: {energy: MeV}
rows: photon
objects: {photon: {branches: {pt: ph_pt}, energies: [pt]}}
variables: {pt: photon_pt}
weight: {simulation: mc, data: 1, data_if: mc == 0}
variations: {up: {photon.pt: ph_pt_up}}
"""
    (tmp_path / "photons.yaml").write_text(text)
    select_events([str(tmp_path / "data.root")], str(tmp_path / "photons.yaml"), tmp_path / "out.root", step=step)
    assert list(trees_in(str(tmp_path / "out.root"))) == ["events"]


def test_a_varied_name_has_one_type_in_all_files(tmp_path: Path) -> None:
    """An integer of one file and a float of another: by numpy, and one line where no type holds both."""
    numbers = {"n": np.array([3, 4], np.int32), "N": np.array([0.5, 1.5], np.float32)}
    for name, (branch, values) in zip("ab", numbers.items(), strict=True):
        with create_ntuple(tmp_path / f"{name}.root", "mini") as ntuple:
            ntuple.extend({branch: values, "met": np.ones(2), "long": np.ones(2, values.dtype.kind + "8")})
    text = "# met\ntree: mini\nunits: {energy: GeV}\nbranches: {number: [n, N]}\nvariables: {x: met}\n"
    (tmp_path / "met.yaml").write_text(f"{text}variations: {{up: {{x: number}}}}\n")
    for order in ("ab", "ba"):
        files = [str(tmp_path / f"{name}.root") for name in order]
        select_events(files, str(tmp_path / "met.yaml"), tmp_path / "out.root", force=True)
        up = read_columns([str(tmp_path / "out.root")], "events_up", ["x", "source_file"])
        assert up["x"].tolist() == [*numbers["nN"["ab".index(order[0])]], *numbers["nN"["ab".index(order[1])]]]
    (tmp_path / "met.yaml").write_text(f"{text}variations: {{up: {{x: long}}}}\n")
    with pytest.raises(InputError, match="branch 'long' has types that none holds exactly"):
        select_events(files, str(tmp_path / "met.yaml"), tmp_path / "out.root", force=True)


def limits(made: dict[str, str], systematics: list[dict[str, Any]], **more: Any) -> Any:
    return limits_of_recipe(recipe_of(made, systematics, **more))


def recipe_of(made: dict[str, str], systematics: list[dict[str, Any]], **more: Any) -> LimitsRecipe:
    settings = {
        "observable": "pt1", "binning": {"range": [25, 125], "bins": 4},
        "signal": {"input": made["signal"], "scale": 0.02}, "background": {"input": made["background"]},
        "data": {"input": made["data"]}, "systematics": systematics,
    }  # fmt: skip
    return LimitsRecipe(weight="weight", limits={**settings, **more})


def test_limits_are_those_of_separate_files(made: dict[str, str]) -> None:
    def by_hand(sample: str, name: str) -> dict[str, Any]:
        sides = {side: {"input": f"{made['folder']}/{sample}_{name}_{side}.root"} for side in ("up", "down")}
        return {"name": name, "type": "histosys", "samples": sample, **sides}

    samples = ("signal", "background")
    theirs = limits(made, [by_hand(sample, name) for name in ("scale", "pileup") for sample in samples])
    short = [{"name": it, "type": "histosys", "samples": list(samples), "variation": it} for it in ("scale", "pileup")]
    sides = [{"up": {"variation": f"{it}_up"}, "down": {"variation": f"{it}_down"}} for it in ("scale", "pileup")]
    long = [
        {key: value for key, value in it.items() if key != "variation"} | its
        for it, its in zip(short, sides, strict=True)
    ]
    for ours in (limits(made, short), limits(made, long)):
        assert ours.limits.observed == pytest.approx(theirs.limits.observed, rel=1e-10)
        assert ours.limits.expected == pytest.approx(theirs.limits.expected, rel=1e-10)
    assert limits(made, []).limits.observed != pytest.approx(theirs.limits.observed, rel=1e-3)


def test_a_variation_of_the_weight_scales_another_weight_too(made: dict[str, str]) -> None:
    its = [{"name": "pileup", "type": "histosys", "samples": "background", "variation": "pileup"}]
    halved = {"input": made["background"], "weight": "weight / 2", "scale": 2.0}
    assert limits(made, its, background=halved).limits.observed == pytest.approx(
        limits(made, its).limits.observed, rel=1e-9
    )


def test_a_morphed_sample_is_varied_like_separate_files(made: dict[str, str], tmp_path: Path) -> None:
    keys: dict[str, Any] = {"features": ["pt1", "ht"], "method": {"name": "quantile"}, "weight": "abs(weight)"}
    samples = {"source": [made["background"]], "target": [made["data"]]}
    train_model(Recipe(**keys, **samples, model=tmp_path / "model"))
    names = ["", *(f"_{it}" for it in BY_HAND)]
    for name in names:
        apply_model([f"{made['folder']}/background{name}.root"], tmp_path / "model", tmp_path / f"template{name}.root")
    for tree, file in (("events", "template"), ("events_scale_up", "template_scale_up")):
        branches = ["pt1_morphed", "weight_morphed", "morph_status"]
        ours = read_columns([str(tmp_path / "template.root")], tree, branches)
        theirs = read_columns([str(tmp_path / f"{file}.root")], "events", branches)
        for branch in branches:
            np.testing.assert_array_equal(ours[branch], theirs[branch])
    background = {"input": str(tmp_path / "template.root"), "morphed": True}
    its = {"type": "histosys", "samples": "background"}
    by_hand = [
        {"name": it, **its} | {side: {"input": str(tmp_path / f"template_{it}_{side}.root")} for side in ("up", "down")}
        for it in ("scale", "pileup")
    ]
    ours = limits(made, [{"name": it, **its, "variation": it} for it in ("scale", "pileup")], background=background)
    theirs = limits(made, by_hand, background=background)
    assert ours.limits.observed == pytest.approx(theirs.limits.observed, rel=1e-10)
    assert ours.limits.expected == pytest.approx(theirs.limits.expected, rel=1e-10)
    apply_model([made["background"]], tmp_path / "model", tmp_path / "friend.root", friend=True)
    assert {"morphed", "morphed_scale_up"} <= set(trees_in(str(tmp_path / "friend.root")))
    background = {"input": f"{made['background']}++{tmp_path}/friend.root", "morphed": True}
    beside = limits(made, [{"name": it, **its, "variation": it} for it in ("scale", "pileup")], background=background)
    assert beside.limits.expected == pytest.approx(ours.limits.expected, rel=1e-10)


def test_values_beyond_bounds_are_counted_in_the_nominal_events_alone(made: dict[str, str], tmp_path: Path) -> None:
    keys: dict[str, Any] = {"features": ["pt1"], "method": {"name": "quantile"}, "weight": "abs(weight)"}
    keys |= {"preprocessing": {"pt1": {"bounds": [30, 90]}}, "source": [made["background"]], "target": [made["data"]]}
    train_model(Recipe(**keys, model=tmp_path / "model"))
    result = apply_model([made["background"]], tmp_path / "model", tmp_path / "template.root")
    pt1 = read_columns([made["background"]], "events", ["pt1"])["pt1"]
    assert "events_scale_up" in trees_in(str(tmp_path / "template.root"))
    assert result.outside_bounds == {"pt1": np.count_nonzero((pt1 < 30) | (pt1 > 90))}


def test_a_friend_of_several_files_has_the_entries_of_each_variation(made: dict[str, str], tmp_path: Path) -> None:
    """The variations of a file begin in its friend where those of the files before it end."""
    keys: dict[str, Any] = {"features": ["pt1", "ht"], "method": {"name": "quantile"}, "weight": "abs(weight)"}
    train_model(Recipe(**keys, source=[made["background"]], target=[made["data"]], model=tmp_path / "model"))
    inputs = [made["signal"], made["background"]]
    apply_model(inputs, tmp_path / "model", tmp_path / "friend.root", friend=True)
    apply_model(inputs, tmp_path / "model", tmp_path / "copy.root")
    for tree in ("events", "events_scale_up", "events_scale_down"):
        beside = [f"{path}++{tmp_path}/friend.root" for path in inputs]
        branches = ["pt1", "pt1_morphed", "weight_morphed"]
        ours, theirs = read_columns(beside, tree, branches), read_columns([str(tmp_path / "copy.root")], tree, branches)
        for branch in branches:
            np.testing.assert_array_equal(ours[branch], theirs[branch])


def test_what_is_no_variation_is_named(made: dict[str, str]) -> None:
    neither = r"has neither a tree 'events_scal_up' nor a branch 'weight_scal_up'.*did you mean 'scale_up'"
    with pytest.raises(InputError, match=neither):
        limits(made, [{"name": "s", "type": "histosys", "samples": "signal", "variation": "scal"}])
    with pytest.raises(InputError, match=neither):
        check_recipe(recipe_of(made, [{"name": "s", "type": "histosys", "samples": "signal", "variation": "scal"}]))
    found = check_recipe(
        recipe_of(made, [{"name": "s", "type": "histosys", "samples": "signal", "variation": "scale"}])
    )
    assert "scale_down is tree events_scale_down" in found.to_text()
    with pytest.raises(ConfigError, match="either variation, or up and down"):
        limits(made, [{"name": "s", "type": "histosys", "samples": "signal", "variation": "x", "up": {"tree": "t"}}])


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("up: {photon.pz: x}", "'photon.pz' is nothing that can differ; did you mean 'photon.pt'"),
        ("up: {mett: x}", "did you mean 'met'"),
        ("up: {}", "variations.up"),
        ("up: {photon.pt: ph_pt +}", "lacks 'ph_pt +'"),
        ("up: {met: met_et +}", "is not an expression"),
        ("up: {photon.pt: ph_pt_sup}", "lacks 'ph_pt_sup'"),
    ],
)  # fmt: skip
def test_a_wrong_variation_is_one_line(
    made: dict[str, str], tmp_path: Path, simmorph: Callable[..., Any], block: str, message: str
) -> None:
    (tmp_path / "wrong.yaml").write_text(f"{SELECTION}variations: {{{block}}}\n")
    outcome = simmorph("select", made["raw"], "--selection", tmp_path / "wrong.yaml", "-o", tmp_path / "wrong.root")
    assert (outcome.code in {3, 4}, outcome.stderr.count("\n")) == (True, 1), outcome.stderr
    assert message in outcome.stderr
    assert not (tmp_path / "wrong.root").exists()


def test_root_reads_every_tree(made: dict[str, str]) -> None:
    root = pytest.importorskip("ROOT")
    for tree in ("events", "events_scale_up", "events_met_up"):
        frame = root.RDataFrame(tree, made["signal"])
        expected = read_columns([made["signal"]], tree, ["weight"])["weight"].sum()
        assert frame.Sum("weight").GetValue() == pytest.approx(expected, rel=1e-12)
