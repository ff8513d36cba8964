"""Morphed branches in ROOT files, entry by entry."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest
import scipy.stats
import uproot

from simmorph.config.recipe import load_recipe
from simmorph.data.ntuples.contents import describe, read_metadata
from simmorph.data.ntuples.reading import iterate
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.errors import InputError
from simmorph.model import Model
from simmorph.pipeline.train import read_samples, train_model
from tests.conftest import read_columns
from tests.pipeline.applying import apply_model
from tests.pipeline.conftest import _columns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NEW = ["pt1_morphed", "isolation_morphed", "phi1_morphed", "weight_morphed", "morph_status"]


@pytest.fixture
def trained(write_recipe: Callable[..., Path], tmp_path: Path) -> Path:
    """A folder with source.root, target.root and a quantile map in model/."""
    train_model(load_recipe(write_recipe()))
    return tmp_path


def _read(path: Path, tree: str = "events") -> dict[str, Any]:
    _, columns = next(iterate(str(path), tree, list(describe(str(path), tree).branches)))
    return columns


def test_all_branches_are_copied_and_the_new_ones_added(trained: Path) -> None:
    result = apply_model([str(trained / "source.root")], trained / "model", trained / "out.root")
    before, after = _read(trained / "source.root"), _read(trained / "out.root")
    assert list(after) == [*before, *NEW]
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)
        assert after[name].dtype == values.dtype
    assert [after[name].dtype.name for name in NEW] == ["float32", "float32", "float32", "float64", "int32"]
    assert (result.n_events, result.n_morphed, result.left_out) == (2000, 2000, {})


def test_what_is_written_is_what_the_model_makes(trained: Path) -> None:
    apply_model([str(trained / "source.root")], trained / "model", trained / "out.root")
    after = _read(trained / "out.root")
    events = read_samples(load_recipe(trained / "recipe.yaml")).source
    expected, status = Model.load(trained / "model").transform(events)
    written = np.stack([after[name] for name in NEW[:3]], axis=1)
    np.testing.assert_array_equal(written, expected.features.astype(np.float32))
    np.testing.assert_array_equal(after["weight_morphed"], after["weight"])
    np.testing.assert_array_equal(after["morph_status"], status)
    assert np.mean(written[:, 0]) < np.mean(after["pt1"])


@pytest.mark.parametrize("step", [37, 1999, 5000])
def test_result_does_not_depend_on_chunks(trained: Path, step: int) -> None:
    apply_model([str(trained / "source.root")], trained / "model", trained / "whole.root")
    apply_model([str(trained / "source.root")], trained / "model", trained / "pieces.root", step=step)
    whole, pieces = _read(trained / "whole.root"), _read(trained / "pieces.root")
    for name in NEW:
        np.testing.assert_array_equal(pieces[name], whole[name])


def test_a_seed_draws_other_noise(trained: Path) -> None:
    for name, seed in (("one", None), ("two", 99)):
        apply_model([str(trained / "source.root")], trained / "model", trained / f"{name}.root", seed=seed)
    one, two = _read(trained / "one.root"), _read(trained / "two.root")
    np.testing.assert_array_equal(one["pt1_morphed"], two["pt1_morphed"])
    at_zero = one["isolation"] == 0
    assert np.any(one["isolation_morphed"][at_zero] != two["isolation_morphed"][at_zero])
    np.testing.assert_array_equal(one["isolation_morphed"][~at_zero], two["isolation_morphed"][~at_zero])


def test_no_morphed_event_lies_where_none_can_be(trained: Path) -> None:
    apply_model([str(trained / "source.root")], trained / "model", trained / "out.root")
    after = _read(trained / "out.root")
    isolation = after["isolation_morphed"]
    assert np.all((isolation == 0) | (isolation >= 0.5))
    assert np.mean(isolation == 0) == pytest.approx(0.2, abs=0.03)
    assert np.all(after["pt1_morphed"] >= 25)
    assert np.all(np.abs(after["phi1_morphed"]) <= np.float32(np.pi))


def test_friend_holds_the_new_branches_only(trained: Path) -> None:
    arguments = [str(trained / "source.root")], trained / "model"
    result = apply_model(*arguments, trained / "friend.root", friend=True)
    apply_model(*arguments, trained / "out.root")
    friend, whole = _read(trained / "friend.root", "morphed"), _read(trained / "out.root")
    assert result.tree == "morphed"
    assert list(friend) == NEW
    for name in NEW:
        np.testing.assert_array_equal(friend[name], whole[name])


def test_several_files_follow_one_another(
    trained: Path, write_ntuple: Callable[..., Path], flat_columns: Callable[..., Any]
) -> None:
    write_ntuple(trained / "z.root", flat_columns(seed=5, n_events=300))
    apply_model([str(trained / "source.root"), str(trained / "z.root")], trained / "model", trained / "both.root")
    apply_model([str(trained / "z.root")], trained / "model", trained / "single.root")
    both, single = _read(trained / "both.root"), _read(trained / "single.root")
    for name in NEW:
        np.testing.assert_array_equal(both[name][2000:], single[name])


def test_signed_weights_pass_exactly(
    trained: Path, write_ntuple: Callable[..., Path], flat_columns: Callable[..., Any]
) -> None:
    columns = flat_columns()
    columns["weight"] = np.random.default_rng(1).normal(1, 3, len(columns["weight"]))
    write_ntuple(trained / "signed.root", columns)
    apply_model([str(trained / "signed.root")], trained / "model", trained / "out.root")
    np.testing.assert_array_equal(_read(trained / "out.root")["weight_morphed"], columns["weight"])


def test_bad_values_keep_their_place_and_are_told(
    trained: Path, write_ntuple: Callable[..., Path], flat_columns: Callable[..., Any]
) -> None:
    columns = flat_columns()
    columns["pt1"][3], columns["phi1"][4], columns["pt1"][5] = np.nan, np.inf, 1e5
    write_ntuple(trained / "bad.root", columns)
    result = apply_model([str(trained / "bad.root")], trained / "model", trained / "out.root")
    after = _read(trained / "out.root")
    assert after["morph_status"][3:6].tolist() == [2, 2, 4 | 8 | 16]
    assert np.isnan(after["pt1_morphed"][3])
    assert after["isolation_morphed"][3] == columns["isolation"][3]
    assert (result.n_non_finite, result.n_morphed) == (2, 1998)
    assert result.n_out_of_range >= 1
    assert result.n_held == np.count_nonzero(after["morph_status"] & 8) >= 1
    assert f"held back at the edge of what the target has near their context {result.n_held}" in result.to_text()


def test_many_events_outside_of_the_training_range_are_worth_a_warning(
    trained: Path, write_ntuple: Callable[..., Path], flat_columns: Callable[..., Any], simmorph: Callable[..., Any]
) -> None:
    columns = flat_columns()
    columns["pt1"][:500] += 1e4
    write_ntuple(trained / "other.root", columns)
    outcome = simmorph(
        "apply", trained / "other.root", "--model", trained / "model", "-o", trained / "o.root", "--json"
    )
    assert outcome.code == 0
    assert json.loads(outcome.stdout)["out_of_range_fraction"] == pytest.approx(0.25, abs=0.01)
    assert "lie outside of what the model was trained on" in outcome.stderr


def test_a_reweighting_tells_what_its_weights_are_worth(
    write_recipe: Callable[..., Path], tmp_path: Path, simmorph: Callable[..., Any]
) -> None:
    train_model(load_recipe(write_recipe(method={"name": "bdt", "trees": 5, "folds": 2})))
    result = apply_model([str(tmp_path / "source.root")], tmp_path / "model", tmp_path / "out.root", step=300)
    weights = _read(tmp_path / "out.root")["weight_morphed"]
    assert result.effective_fraction == pytest.approx(weights.sum() ** 2 / (weights**2).sum() / len(weights))
    assert "statistical power (ESS/N)" in result.to_text()
    outcome = simmorph("apply", tmp_path / "source.root", "--model", tmp_path / "model", "-o", tmp_path / "o", "--json")
    assert json.loads(outcome.stdout)["effective_fraction"] == pytest.approx(result.effective_fraction)


def test_a_reweighting_scores_each_event_whatever_its_weight(
    write_recipe: Callable[..., Path], write_ntuple: Callable[..., Path], flat_columns: Callable[..., Any]
) -> None:
    folder = write_recipe(method={"name": "bdt", "trees": 20, "folds": 2, "leaf_events": 20}).parent
    train_model(load_recipe(folder / "recipe.yaml"))
    columns = flat_columns()
    plain = columns | {"weight": np.ones(2000)}
    columns["weight"] = np.resize([1.0, -2.0, 0.0], 2000)
    columns["pt1"][7] = np.nan
    for name, content in {"plain": plain, "signed": columns}.items():
        write_ntuple(folder / f"{name}.root", content)
        apply_model([str(folder / f"{name}.root")], folder / "model", folder / f"{name}-out.root")
    expected, found = (_read(folder / f"{name}-out.root") for name in ("plain", "signed"))
    factor = expected["weight_morphed"]
    assert np.isnan(found["morph_score"][7])
    known = np.arange(2000) != 7
    np.testing.assert_allclose(found["morph_score"][known], (factor / (1 + factor))[known], rtol=1e-12)
    np.testing.assert_array_equal(found["weight_morphed"][2::3], 0.0)


def test_a_score_is_high_where_the_target_is(write_recipe: Callable[..., Path]) -> None:
    folder = write_recipe(method={"name": "bdt", "trees": 50, "folds": 2}).parent
    train_model(load_recipe(folder / "recipe.yaml"))
    scores = []
    for name in ("source", "target"):
        apply_model([str(folder / f"{name}.root")], folder / "model", folder / f"{name}-out.root", friend=True)
        scores.append(_read(folder / f"{name}-out.root", "morphed")["morph_score"])
    assert scipy.stats.mannwhitneyu(scores[1], scores[0], alternative="greater").pvalue < 1e-6


def test_jagged_branches_are_copied_and_others_named(
    trained: Path, flat_columns: Callable[..., Any], simmorph: Callable[..., Any]
) -> None:
    columns: dict[str, Any] = flat_columns(n_events=3)
    columns["photon_pt"] = ak.Array([[1.0, 2.0], [], [3.0]])
    with create_ntuple(trained / "jagged.root", "events") as ntuple:
        ntuple.extend(columns)
    outcome = simmorph("apply", trained / "jagged.root", "--model", trained / "model", "-o", trained / "out.root")
    assert outcome.code == 0, outcome.stderr
    assert _read(trained / "out.root")["photon_pt"].tolist() == [[1.0, 2.0], [], [3.0]]


def test_branches_that_no_tree_can_hold_are_left_out_and_named(
    trained: Path, flat_columns: Callable[..., Any], simmorph: Callable[..., Any]
) -> None:
    odd = {"word": ak.Array(["one", "two"]), "nested": ak.Array([[[1.0], [2.0, 3.0]], []])}
    with uproot.recreate(trained / "odd.root") as file:
        file["events"] = {**flat_columns(n_events=2), **odd}  # an RNTuple, which holds anything
    outcome = simmorph(
        "apply", trained / "odd.root", "--model", trained / "model", "-o", trained / "out.root", "--json"
    )
    assert outcome.code == 0, outcome.stderr
    assert json.loads(outcome.stdout)["left_out"].keys() == {"nested"}
    assert "warning: branch 'nested' is left out" in outcome.stderr
    assert describe(str(trained / "out.root"), "events").branches.keys() == {*flat_columns(), "word", *NEW}


def test_provenance_names_inputs_and_model(trained: Path) -> None:
    apply_model([str(trained / "source.root")], trained / "model", trained / "out.root")
    provenance = json.loads((trained / "out.root.provenance.json").read_text())
    with uproot.open(trained / "source.root") as file:
        uuid = str(file.file.uuid)
    (given,) = provenance["inputs"]
    assert given["path"].endswith("source.root")
    assert (given["n_entries"], given["uuid"]) == (2000, uuid)
    assert read_metadata(trained / "out.root")["inputs"] == [given]
    assert provenance["model"]["tensors_sha256"] == Model.load(trained / "model").card.tensors_sha256
    metadata = read_metadata(trained / "out.root")
    assert metadata["input"]["units"] == {"pt1": "GeV", "isolation": "GeV", "phi1": "rad"}
    assert metadata["units"].items() >= {"pt1": "GeV", "pt1_morphed": "GeV", "phi1_morphed": "rad"}.items()


SELECTION = """# two photons from jagged branches
tree: mini
units: {energy: MeV}
objects:
  photon:
    branches: {pt: photon_pt, isolation: photon_isolation, phi: photon_phi}
    energies: [pt, isolation]
    cuts: ["pt > 25"]
    order_by: pt
variables:
  pt1: photon_pt[0]
  isolation: photon_isolation[0]
  phi1: photon_phi[0]
cuts:
  one photon: count(photon_pt) >= 1
weight: {simulation: mcWeight}
"""


def _original(folder: Path, flat_columns: Callable[..., Any]) -> dict[str, Any]:
    """An ntuple of lists of photons in MeV; every third entry has none."""
    flat = flat_columns(seed=6, n_events=900)
    counts = np.where(np.arange(900) % 3 == 0, 0, 1)
    kept = counts == 1
    columns = {
        f"photon_{name}": ak.unflatten(flat[branch][kept] * np.float32(scale), counts)
        for name, branch, scale in (("pt", "pt1", 1000), ("isolation", "isolation", 1000), ("phi", "phi1", 1))
    }
    with create_ntuple(folder / "original.root", "mini") as ntuple:
        ntuple.extend({**columns, "mcWeight": flat["weight"]})
    (folder / "selection.yaml").write_text(SELECTION)
    return {name: values[kept] for name, values in flat.items()}


@pytest.mark.parametrize("step", [100, 200_000])
def test_friend_of_an_original_ntuple_has_a_row_for_each_entry(
    trained: Path, flat_columns: Callable[..., Any], step: int
) -> None:
    flat = _original(trained, flat_columns)
    result = apply_model(
        [str(trained / "original.root")],
        trained / "model",
        trained / "friend.root",
        selection=str(trained / "selection.yaml"),
        step=step,
    )
    friend = _read(trained / "friend.root", "morphed")
    dropped = np.arange(900) % 3 == 0
    assert list(friend) == NEW
    assert np.all(friend["morph_status"][dropped] == 1)
    assert not np.any(friend["morph_status"][~dropped] & 1)
    for name in NEW[:4]:
        np.testing.assert_array_equal(np.isnan(friend[name]), dropped)
    np.testing.assert_allclose(friend["weight_morphed"][~dropped], flat["weight"])
    assert np.corrcoef(friend["pt1_morphed"][~dropped], flat["pt1"])[0, 1] > 0.99
    assert (result.n_events, result.n_not_selected, result.n_morphed) == (900, 300, 600)


def test_branches_taken_for_names_with_alternatives_are_written_down(
    trained: Path, flat_columns: Callable[..., Any]
) -> None:
    _original(trained, flat_columns)
    (trained / "selection.yaml").write_text(SELECTION.replace("pt: photon_pt,", "pt: [Photon_pt, photon_pt],"))
    said: list[str] = []
    options: dict[str, Any] = {"selection": str(trained / "selection.yaml"), "progress": said.append}
    apply_model([str(trained / "original.root")], trained / "model", trained / "friend.root", **options)
    assert read_metadata(trained / "friend.root")["branches"] == {"photon.pt": {"photon_pt": [0]}}
    assert said.count("photon.pt is photon_pt") == 1


def test_a_selection_without_the_features_is_refused(
    trained: Path, flat_columns: Callable[..., Any], simmorph: Callable[..., Any]
) -> None:
    _original(trained, flat_columns)
    (trained / "other.yaml").write_text(SELECTION.replace("phi1:", "phi_1:"))
    options = ["--model", trained / "model", "-o", trained / "out.root", "--selection", trained / "other.yaml"]
    outcome = simmorph("apply", trained / "original.root", *options)
    assert outcome.code == 3
    assert "makes no 'phi1', which the model needs; did you mean 'phi_1'" in outcome.stderr


def test_mistakes_are_one_line_and_leave_nothing(
    trained: Path, flat_columns: Callable[..., Any], simmorph: Callable[..., Any], write_ntuple: Callable[..., Path]
) -> None:
    source, model, out = trained / "source.root", trained / "model", trained / "out.root"
    _original(trained, flat_columns)
    write_ntuple(trained / "less.root", {"pt1": flat_columns()["pt1"]})
    apply_model([str(source)], model, trained / "morphed.root")
    files = set(trained.iterdir())
    for arguments, code, message in [
        ((source, "--model", trained / "nowhere", "-o", out), 4, "there is no such model"),
        ((source, "--model", source, "-o", out), 4, "is a file, and a model is a folder"),
        ((source, "--model", model, "-o", source), 2, "already exists"),
        ((source, "--model", model, "-o", source, "--force"), 2, "is also an input"),
        ((trained / "less.root", "--model", model, "-o", out), 4, "lacks 'isolation'"),
        ((trained / "original.root", "--model", model, "-o", out), 4, "there is no tree 'events'"),
        ((trained / "original.root", "--tree", "mini", "--model", model, "-o", out), 4, "lacks 'pt1'"),
        ((trained / "morphed.root", "--model", model, "-o", out), 4, "already has 'pt1_morphed'"),
        ((trained / "none*.root", "--model", model, "-o", out), 4, "no file there"),
        ((source, "--model", model), 2, "Missing option"),
    ]:
        outcome = simmorph("apply", *arguments)
        assert (outcome.code, outcome.stderr.count("\n")) == (code, 1), outcome.stderr
        assert message in outcome.stderr
    assert set(trained.iterdir()) == files


def test_an_ntuple_without_entries_is_told(
    trained: Path, flat_columns: Callable[..., Any], write_ntuple: Callable[..., Path], simmorph: Callable[..., Any]
) -> None:
    write_ntuple(trained / "empty.root", flat_columns(n_events=0))
    outcome = simmorph("apply", trained / "empty.root", "--model", trained / "model", "-o", trained / "out.root")
    assert outcome.code == 5
    assert not (trained / "out.root").exists()


def test_list_of_files_comes_from_stdin(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{trained / 'source.root'}\n{trained / 'target.root'}\n"))
    assert apply_model(["-"], trained / "model", trained / "out.root").n_events == 4000


def test_inspect_shows_the_card(trained: Path, simmorph: Callable[..., Any]) -> None:
    text = simmorph("inspect", trained / "model")
    assert text.code == 0
    for word in ("quantile", "pt1", "GeV", "rad", "periodic", "dequantise", "to the last bit"):
        assert word in text.stdout
    content = json.loads(simmorph("inspect", trained / "model", "--json").stdout)
    assert content["probe_is_exact"] is True
    assert [variable["name"] for variable in content["features"]] == ["pt1", "isolation", "phi1"]


def test_morphed_isolation_agrees_with_the_target(trained: Path) -> None:
    apply_model([str(trained / "source.root")], trained / "model", trained / "out.root")
    after = _read(trained / "out.root")["isolation_morphed"]
    target = read_columns([str(trained / "target.root")], "events", ["isolation"])["isolation"]
    assert np.mean(after[after > 0]) == pytest.approx(np.mean(target[target > 0]), rel=0.05)


def test_a_feature_of_two_numbers_per_entry_is_refused(
    trained: Path, write_ntuple: Callable[..., Path], flat_columns: Callable[..., Any]
) -> None:
    columns = flat_columns()
    pairs = write_ntuple(trained / "pairs.root", {**columns, "pt1": np.stack([columns["pt1"]] * 2, axis=1)})
    with pytest.raises(InputError, match="'pt1' is not one number per event"):
        apply_model([str(pairs)], trained / "model", trained / "out.root")
    assert not (trained / "out.root").exists()


def test_each_input_gets_an_output_of_its_name(
    trained: Path, write_ntuple: Callable[..., Path], flat_columns: Callable[..., Any], simmorph: Callable[..., Any]
) -> None:
    write_ntuple(trained / "z.root", flat_columns(seed=5, n_events=300))
    apply_model([str(trained / "z.root")], trained / "model", trained / "alone.root")
    command = ["apply", trained / "source.root", trained / "z.root", "--model", trained / "model", "--each", "--json"]
    outcome = simmorph(*command, "-o", trained / "all")
    assert [file["n_events"] for file in json.loads(outcome.stdout)["files"]] == [2000, 300]
    whole, alone = _read(trained / "all" / "z.root"), _read(trained / "alone.root")
    for name in NEW:
        np.testing.assert_array_equal(whole[name], alone[name])
    assert simmorph(*command, "-o", trained / "all").code == 2
    twice = [*command[:2], trained / "all" / "source.root", *command[3:], "-o", trained / "more"]
    assert "two outputs are called 'source.root'" in simmorph(*twice).stderr
    assert not (trained / "more").exists()


def _refused(simmorph: Callable[..., Any], folder: Path, *options: object) -> tuple[list[str], list[int]]:
    """What `select` and `apply --selection` say of the same file, and their exit codes."""
    rest = ["--selection", folder / "selection.yaml", *options]
    outcomes = [
        simmorph("select", folder / "original.root", "-o", folder / "selected.root", *rest),
        simmorph("apply", folder / "original.root", "--model", folder / "model", "-o", folder / "friend.root", *rest),
    ]
    assert not (folder / "selected.root").exists()
    assert not (folder / "friend.root").exists()
    return [it.stderr for it in outcomes], [it.code for it in outcomes]


@pytest.mark.parametrize(
    ("weight", "sample", "message"),
    [
        ("{simulation: mcWeight * 0}", "auto", "every event has weight 0; if this is real data, add --sample data"),
        ("{simulation: 1 / (mcWeight - mcWeight)}", "auto", "is not finite"),
        ("{data: mcWeight * 0, data_if_missing: nothing}", "auto", "every event has weight 0"),
        ("{data: mcWeight * 0}", "data", "every event has weight 0"),
    ],
)
def test_apply_refuses_the_weights_that_select_refuses(
    trained: Path, simmorph: Callable[..., Any], weight: str, sample: str, message: str
) -> None:
    _original(trained, _columns)
    (trained / "selection.yaml").write_text(SELECTION.replace("{simulation: mcWeight}", weight))
    texts, codes = _refused(simmorph, trained, "--sample", sample)
    assert codes == [4, 4]
    assert all(message in text for text in texts)
    assert texts[0] == texts[1]


def test_apply_takes_data_for_data(trained: Path, flat_columns: Callable[..., Any]) -> None:
    _original(trained, flat_columns)
    (trained / "selection.yaml").write_text(SELECTION.replace("{simulation", "{data: 3, simulation"))
    out, model = trained / "friend.root", trained / "model"
    apply_model([str(trained / "original.root")], model, out, selection=str(trained / "selection.yaml"), sample="data")
    weights = _read(out, "morphed")["weight_morphed"]
    assert set(weights[np.isfinite(weights)]) == {3.0}


@pytest.mark.parametrize("options", [[], ["--friend"]])
def test_a_bad_file_is_left_out_where_that_is_asked_for(
    trained: Path, simmorph: Callable[..., Any], options: list[str]
) -> None:
    source, bad, out = trained / "source.root", trained / "bad.root", trained / "out.root"
    bad.write_bytes(source.read_bytes()[:-5000])
    arguments = ["apply", bad, source, trained / "target.root", "--model", trained / "model", "-o", out, *options]
    assert simmorph(*arguments).code == 4
    outcome = simmorph(*arguments, "--on-bad-file", "skip", "--json")
    assert outcome.code == 0, outcome.stderr
    assert "bad.root" in outcome.stderr
    found = json.loads(outcome.stdout)
    assert (found["n_events"], list(found["skipped"])) == (4000, [str(bad)])
    made_from = json.loads((trained / "out.root.provenance.json").read_text())
    assert [it["path"] for it in made_from["inputs"]] == [str(source), str(trained / "target.root")]


def test_a_part_of_the_inputs_is_normalised_as_all_of_them(trained: Path, simmorph: Callable[..., Any]) -> None:
    flat = _original(trained, _columns)
    table = (
        "samples: {mc: {files: '*.root', cross_section: 2 pb}}\nluminosity: 3 /pb\nsum_of_weights: {sum: mcWeight}\n"
    )
    (trained / "selection.yaml").write_text(SELECTION + table)
    (trained / "again.root").write_bytes((trained / "original.root").read_bytes())
    inputs = [trained / "original.root", trained / "again.root"]
    rest = ["--model", trained / "model", "--selection", trained / "selection.yaml", "-o", trained / "each", "--each"]
    outcome = simmorph("apply", *inputs, *rest, "--set", "luminosity=4 /pb")
    assert outcome.code == 0, outcome.stderr
    ((_, raw),) = iterate(str(trained / "original.root"), "mini", ["mcWeight"])
    weights = _read(trained / "each" / "again.root", "morphed")["weight_morphed"]
    expected = flat["weight"] * 2 * 4 / (2 * raw["mcWeight"].sum())
    np.testing.assert_allclose(weights[np.isfinite(weights)], expected, rtol=1e-12)


def test_an_empty_ntuple_is_morphed_to_an_empty_one_on_request(trained: Path, simmorph: Callable[..., Any]) -> None:
    with create_ntuple(trained / "empty.root", "events") as ntuple:
        ntuple.extend(_columns(n_events=0))
    arguments = ["apply", trained / "empty.root", "--model", trained / "model", "-o", trained / "out.root"]
    assert simmorph(*arguments).code == 5
    assert simmorph(*arguments, "--allow-empty").code == 0
    apply_model([str(trained / "source.root")], trained / "model", trained / "full.root")
    empty, full = (describe(str(trained / name), "events") for name in ("out.root", "full.root"))
    assert (empty.n_entries, empty.branches) == (0, full.branches)
    source = [str(trained / "empty.root"), str(trained / "source.root")]
    recipe = load_recipe(trained / "recipe.yaml", [f"source=[{', '.join(source)}]"])
    assert len(read_samples(recipe).source) == 2000
