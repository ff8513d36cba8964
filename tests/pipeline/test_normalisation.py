"""Simulation normalised to the luminosity of the data, by numbers computed by hand; one YAML for all samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import uproot

from simmorph.config.recipe import Recipe
from simmorph.config.selection.samples import in_pb, per_pb
from simmorph.data.ntuples.contents import describe, read_metadata
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.errors import ConfigError, InputError, UsageError
from simmorph.pipeline.check import check_recipe
from simmorph.pipeline.run import input_steps, run_steps
from simmorph.pipeline.select import select_events
from tests.conftest import read_columns

if TYPE_CHECKING:
    from collections.abc import Callable

NANOAOD = Path(__file__).parents[1] / "data" / "files" / "nanoaod_v5_photons.root"
GGH = 28.3 * 1.2 * 0.5 * 36600 / (400 + 250 + 350)
"""Cross-section, k-factor, filter efficiency and luminosity over the sum of weights of the two files, by hand."""
VBF = 0.102 * 36600 / 125

SELECTION = """# all samples
tree: Events
units: {energy: GeV}
run: run
event: event
objects:
  photon: {branches: {pt: Photon_pt, eta: Photon_eta}, energies: [pt], order_by: pt}
variables: {pt1: "photon_pt[0]"}
cuts: {hard: pt1 > 20}
weight: {simulation: genWeight, data: 1}
luminosity: 36.6 /fb
sum_of_weights: {tree: Runs, sum: genEventSumw}
samples:
  data: {files: "Data_*", kind: data}
  ggH: {files: "ggH_?.root", cross_section: 28.3 pb, k_factor: 1.2, filter_efficiency: 0.5}
  VBF: {files: ["*/VBF/*", "none"], cross_section: 102 fb}
"""


def nanoaod(path: Path, sums: list[float], *, of_data: bool = False) -> Path:
    """Real NanoAOD events with a tree `Runs` as NanoAOD has it, written by uproot; data has neither sum nor weights."""
    with uproot.open(NANOAOD) as file:
        names = ["run", "event", "Photon_pt", "Photon_eta", *([] if of_data else ["genWeight"])]
        columns = {name: file["Events"][name].array() for name in names}
    path.parent.mkdir(exist_ok=True)
    with uproot.recreate(path) as file:
        flat = {name: np.asarray(it) if it.ndim == 1 else it for name, it in columns.items()}
        tree = file.mktree(
            "Events", {n: it.dtype if isinstance(it, np.ndarray) else it.type.content for n, it in flat.items()}
        )
        tree.extend(flat)
        runs = {"run": np.arange(len(sums), dtype=np.uint32), "genEventSumw": np.array(sums)}
        file.mktree("Runs", {name: it.dtype for name, it in runs.items() if not of_data or name == "run"})
        file["Runs"].extend({name: it for name, it in runs.items() if not of_data or name == "run"})
        file["counts"] = (np.array([7.0, sum(sums)]), np.array([0.0, 1.0, 2.0]))
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "all.yaml").write_text(SELECTION)
    return {
        "ggH_1": str(nanoaod(tmp_path / "ggH_1.root", [400.0])),
        "ggH_2": str(nanoaod(tmp_path / "ggH_2.root", [250.0, 350.0])),
        "VBF": str(nanoaod(tmp_path / "VBF" / "x.root", [100.0, 25.0])),
        "data": str(nanoaod(tmp_path / "Data_A.root", [1.0], of_data=True)),
        "yaml": str(tmp_path / "all.yaml"),
    }


def scales(files: dict[str, str], inputs: list[str], **options: Any) -> list[float]:
    """By how much the weight of every event of each input was multiplied."""
    output = Path(files["yaml"]).with_name("out.root")
    select_events([files[it] for it in inputs], files["yaml"], output, force=True, **options)
    columns = read_columns([str(output)], "events", ["weight", "source_file", "source_entry"])
    raw = read_columns([str(NANOAOD)], "Events", ["genWeight"])["genWeight"][columns["source_entry"]]
    raw = np.where([inputs[it] == "data" for it in columns["source_file"]], 1, raw)
    ratios = [
        columns["weight"][columns["source_file"] == it] / raw[columns["source_file"] == it] for it in range(len(inputs))
    ]
    assert all(np.allclose(ratio, ratio[0], rtol=1e-12) for ratio in ratios)
    return [float(ratio[0]) for ratio in ratios]


def test_one_yaml_normalises_every_sample_and_leaves_data_alone(files: dict[str, str]) -> None:
    said: list[str] = []
    found = scales(files, ["ggH_1", "VBF", "data", "ggH_2"], progress=said.append)
    assert found == pytest.approx([GGH, VBF, 1, GGH], rel=1e-12)
    assert any("sum of weights 1000 over 2 files" in text and "ggH_2.root" in text for text in said)
    metadata = read_metadata(Path(files["yaml"]).with_name("out.root"))["normalisations"]
    assert metadata["ggH"]["summed_over"] == {files["ggH_1"]: 400, files["ggH_2"]: 600}
    assert metadata["ggH"]["factor"] == pytest.approx(GGH)
    assert (metadata["VBF"]["cross_section_pb"], metadata["VBF"]["luminosity_per_pb"]) == pytest.approx((0.102, 36600))
    assert list(metadata) == ["ggH", "VBF"]


def test_a_part_of_a_sample_is_normalised_to_all_of_it_where_that_is_named(files: dict[str, str]) -> None:
    assert scales(files, ["ggH_1"]) == pytest.approx([GGH * 1000 / 400])  # taken for all of it, and said so
    every = f"samples.ggH.sum_over=['{files['ggH_1']}', '{files['ggH_2']}', '{files['ggH_1']}']"
    assert scales(files, ["ggH_1"], overrides=[every]) == pytest.approx([GGH])
    assert scales(files, ["ggH_2"], overrides=["samples.ggH.sum_of_weights=500"]) == pytest.approx([GGH * 2])
    with pytest.raises(InputError, match="is not among the files that the sum of weights is over"):
        scales(files, ["ggH_2"], overrides=[f"samples.ggH.sum_over={files['ggH_1']}"])


def test_a_file_is_the_same_by_a_link_and_with_a_friend_beside_it(files: dict[str, str], tmp_path: Path) -> None:
    hard, soft = tmp_path / "ggH_8.root", tmp_path / "ggH_9.root"
    hard.hardlink_to(files["ggH_1"])
    soft.symlink_to(files["ggH_1"])
    n_events = describe(files["ggH_1"], "Events").n_entries
    with create_ntuple(tmp_path / "friend.root", "f") as ntuple:
        ntuple.extend({"z": np.arange(n_events)})
    joined = f"{files['ggH_1']}++{tmp_path}/friend.root:f"
    every = f"samples.ggH.sum_over=['{files['ggH_1']}', '{files['ggH_2']}']"
    for path in (str(hard), str(soft), joined):
        assert scales(files | {"it": path}, ["it"], overrides=[every], sample="ggH") == pytest.approx([GGH])
    with pytest.raises(InputError, match="stands twice among the inputs"):
        scales(files | {"it": joined}, ["ggH_1", "it"], sample="ggH")


def test_the_sum_comes_from_a_tree_a_histogram_or_the_events(files: dict[str, str]) -> None:
    raw = read_columns([str(NANOAOD)], "Events", ["genWeight"])["genWeight"].astype(np.float64)
    of_bin = "sum_of_weights={histogram: counts, bin: 2}"
    assert scales(files, ["ggH_1", "ggH_2"], overrides=[of_bin]) == pytest.approx([GGH] * 2)
    of_events = scales(files, ["VBF"], overrides=["sum_of_weights={sum: genWeight}"])
    assert of_events == pytest.approx([0.102 * 36600 / raw.sum()])
    counted = scales(files, ["VBF"], overrides=["sum_of_weights={sum: 1}"])
    assert counted == pytest.approx([0.102 * 36600 / len(raw)])


def test_set_and_sample_say_what_the_yaml_does_not(files: dict[str, str]) -> None:
    assert scales(files, ["VBF"], overrides=["luminosity=2 /pb"]) == pytest.approx([VBF * 2 / 36600])
    assert scales(files, ["VBF"], sample="ggH") == pytest.approx([GGH * 1000 / 125])
    assert scales(files, ["VBF"], overrides=["samples.VBF.luminosity=3 /nb"]) == pytest.approx([VBF * 3e-3 / 36600])
    assert scales(files, ["data"], sample="data") == [1]


@pytest.mark.parametrize(
    ("inputs", "options", "fault", "message"),
    [
        (["ggH_1"], {"sample": "WH"}, UsageError, "there is no sample 'WH'; it has"),
        (["ggH_1"], {"sample": "simulation"}, UsageError, "more than one simulated sample"),
        (["VBF"], {"overrides": ["samples.VBF.files=no*"]}, InputError, "is of no sample by its name"),
        (["ggH_1"], {"overrides": ["samples.VBF.files=ggH*"]}, InputError, "is of 2 samples by its name: ggH, VBF"),
        (["ggH_1"], {"overrides": ["samples.ggH.cross_section=28.3"]}, ConfigError, "samples.ggH.cross_section"),
        (["ggH_1"], {"overrides": ["samples.ggH.cross_section=28.3 pbarn"]}, ConfigError, "with its unit"),
        (["ggH_1"], {"overrides": ["luminosity=36.6 fb"]}, ConfigError, "not a luminosity with its unit"),
        (["ggH_1"], {"overrides": ["luminosity="]}, ConfigError, "ggH has no luminosity"),
        (["ggH_1"], {"overrides": ["samples.data.k_factor=2"]}, ConfigError, "data is not normalised"),
        (["ggH_1"], {"overrides": ["sum_of_weights.sum=-genEventSumw"]}, InputError, "sum of weights of 'ggH' is -400"),
        (["ggH_1"], {"overrides": ["sum_of_weights.tree=Run"]}, InputError, "there is no tree 'Run'"),
        (["ggH_1"], {"overrides": ["sum_of_weights={histogram: counts, bin: 3}"]}, InputError, "2 bins, and no 3"),
        (["data"], {"sample": "ggH"}, InputError, "lacks 'genEventSumw'"),
    ],
)  # fmt: skip
def test_what_would_be_a_wrong_number_is_refused(
    files: dict[str, str], inputs: list[str], options: dict[str, Any], fault: type[Exception], message: str
) -> None:
    with pytest.raises(fault, match=message):
        scales(files, inputs, **options)


def test_a_bad_file_is_left_out_of_the_sum_or_ends_the_run(files: dict[str, str]) -> None:
    whole = Path(files["ggH_2"]).read_bytes()
    Path(files["ggH_2"]).write_bytes(whole[: len(whole) // 2])
    assert scales(files, ["ggH_1"], on_bad_file="skip") == pytest.approx([GGH * 2.5])
    output = Path(files["yaml"]).with_name("skipped.root")
    result = select_events([files["ggH_2"], files["ggH_1"]], files["yaml"], output, on_bad_file="skip")
    assert (list(result.skipped), result.normalisations["ggH"].sum_of_weights) == ([files["ggH_2"]], 400)
    with pytest.raises(InputError, match="its events are in the sum of weights; leave it out of the inputs"):
        scales(files, ["ggH_2"], overrides=["samples.ggH.sum_of_weights=1000"], on_bad_file="skip")


def test_the_command_takes_set_and_says_what_was_summed(files: dict[str, str], simmorph: Callable[..., Any]) -> None:
    output = Path(files["yaml"]).with_name("set.root")
    arguments = ["select", files["VBF"], "--selection", files["yaml"], "-o", output, "--set", "luminosity=1 /fb"]
    outcome = simmorph(*arguments, "--json")
    assert outcome.code == 0, outcome.stderr
    assert json.loads(outcome.stdout)["normalisations"]["VBF"]["factor"] == pytest.approx(0.102 * 1000 / 125)
    assert "VBF: 0.102 pb x 1 x 1 x 1000 /pb; sum of weights 125 over 1 file" in outcome.stderr


def test_run_selects_anew_when_what_is_summed_over_changes(files: dict[str, str], tmp_path: Path) -> None:
    settings = {
        "input": files["ggH_1"], "selection": files["yaml"], "output": tmp_path / "out.root", "sample": "ggH",
        "overrides": [f"samples.ggH.sum_over=['{files['ggH_1']}', '{files['ggH_2']}']"],
    }  # fmt: skip
    recipe = Recipe(select=[settings], features=["pt1"], method={"name": "quantile"})

    def run() -> Any:
        (step,) = run_steps(input_steps(recipe), tmp_path / "state.json").steps
        return step.done, step.result["normalisations"]["ggH"]["factor"]

    assert run() == (True, pytest.approx(GGH))
    assert run() == (False, pytest.approx(GGH))
    nanoaod(Path(files["ggH_2"]), [600.0, 1000.0])
    assert run() == (True, pytest.approx(GGH / 2))
    assert "of sample ggH" in check_recipe(recipe).to_text()
    wrong = settings | {"overrides": ["sum_of_weights.tree=Run"]}
    with pytest.raises(InputError, match="there is no tree 'Run'"):
        check_recipe(Recipe(select=[wrong], features=["pt1"], method={"name": "quantile"}))


def test_units() -> None:
    assert [in_pb(it) for it in ("1 pb", "1.5e3fb", "2 nb", "3 ab")] == pytest.approx([1, 1.5, 2000, 3e-6])
    assert [per_pb(it) for it in ("1 /pb", "36.6/fb", "2 1/fb", "1 /ab")] == pytest.approx([1, 36600, 2000, 1e6])
