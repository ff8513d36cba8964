"""Weights by expression and by sample: whatever reads weights takes them as if a branch held their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import simmorph
from simmorph.config.compare import CompareRecipe
from simmorph.config.limits import LimitsRecipe
from simmorph.config.recipe import Recipe
from simmorph.errors import InputError
from simmorph.pipeline.check import check_recipe
from simmorph.pipeline.compare.inputs import read_inputs as compare_inputs
from simmorph.pipeline.evaluate.inputs import read_inputs as evaluate_inputs
from simmorph.pipeline.evaluate.inputs import read_sample, reader_of
from simmorph.pipeline.limits.run import limits_of_recipe
from simmorph.pipeline.train import identity_now, read_samples, train_model
from tests.conftest import read_columns
from tests.pipeline.applying import apply_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BY_SAMPLE: dict[str, Any] = {"source": "mc * sf ** 2 - 0.25", "target": 1}
FEATURES = ["pt1", "isolation"]


def weights(columns: dict[str, Any]) -> Any:
    """What BY_SAMPLE is, by hand; some of them are negative."""
    return columns["mc"] * columns["sf"].astype(np.float64) ** 2 - 0.25


@pytest.fixture
def made(tmp_path: Path, flat_columns: Callable[..., Any], write_ntuple: Callable[..., Path]) -> dict[str, Any]:
    """Simulation with the parts of its weight and with its value as `w`, and data without either."""
    simulation, data = flat_columns(1, 1.2), flat_columns(2, 1.0)
    rng = np.random.default_rng(3)
    simulation |= {"mc": simulation.pop("weight"), "sf": rng.uniform(0.4, 1.2, 2000).astype(np.float32)}
    simulation["w"] = weights(simulation)
    del data["weight"]
    write_ntuple(tmp_path / "data_w.root", {**data, "w": np.ones(2000)})
    return {"source": [str(write_ntuple(tmp_path / "mc.root", simulation))],
            "target": [str(write_ntuple(tmp_path / "data.root", data))],
            "features": FEATURES, "method": {"name": "quantile"}, "simulation": simulation}  # fmt: skip


def recipe(made: dict[str, Any], folder: Path, name: str, weight: Any, **more: Any) -> Recipe:
    keys = {key: value for key, value in made.items() if key != "simulation"}
    return Recipe(**{**keys, "weight": weight, "model": folder / name, **more})


def test_training_and_morphing_are_those_of_a_branch_of_these_values(made: dict[str, Any], tmp_path: Path) -> None:
    positive: dict[str, Any] = {"source": "abs(mc * sf ** 2 - 0.25)", "target": 1}
    ours = recipe(made, tmp_path, "ours", positive)
    theirs = recipe(made, tmp_path, "theirs", {"source": "abs(w)", "target": "1.0"})
    trained = [train_model(it).card for it in (ours, theirs)]
    assert trained[0].tensors_sha256 == trained[1].tensors_sha256
    for name in ("ours", "theirs"):
        apply_model(made["source"], tmp_path / name, tmp_path / f"{name}.root")
    files, branches = [[str(tmp_path / f"{it}.root")] for it in ("ours", "theirs")], ["pt1_morphed", "weight_morphed"]
    found = [read_columns(its, "events", branches) for its in files]
    np.testing.assert_array_equal(found[0]["pt1_morphed"], found[1]["pt1_morphed"])
    np.testing.assert_array_equal(found[0]["weight_morphed"], np.abs(made["simulation"]["w"]))
    inputs = evaluate_inputs(ours.model_copy(update={"template": tmp_path / "ours.root"}), None)
    np.testing.assert_array_equal(inputs.template.weights, inputs.source.weights)
    np.testing.assert_array_equal(inputs.target.weights, np.ones(2000))


def test_each_reader_takes_negative_weights_as_they_are(made: dict[str, Any], tmp_path: Path) -> None:
    expected = made["simulation"]["w"]
    assert (expected < 0).any()
    its = recipe(made, tmp_path, "model", BY_SAMPLE)
    samples = read_samples(its)
    np.testing.assert_array_equal(samples.source.weights, expected)
    np.testing.assert_array_equal(samples.target.weights, np.ones(2000))
    of_branch = read_samples(recipe(made, tmp_path, "model", {"source": "w"}))
    np.testing.assert_array_equal(samples.resampled(1).source.weights, of_branch.resampled(1).source.weights)
    keys = {key: value for key, value in made.items() if key not in {"simulation", "method"}}
    compared = compare_inputs(CompareRecipe(**keys, weight=BY_SAMPLE, methods=[{"name": "quantile"}]))
    np.testing.assert_array_equal(compared.source.weights, expected)
    np.testing.assert_array_equal(compared.target.weights, np.ones(2000))
    np.testing.assert_array_equal(read_sample(reader_of(its, None), its, "source").weights, expected)


def test_columns_in_memory_are_weighted_alike(made: dict[str, Any], tmp_path: Path) -> None:
    columns = {name: made["simulation"][name] for name in (*FEATURES, "mc", "sf", "w")}
    data = read_columns(made["target"], "events", FEATURES)
    keys: dict[str, Any] = {"features": FEATURES, "method": {"name": "quantile"}}
    positive: dict[str, Any] = {"source": "abs(mc * sf ** 2 - 0.25)", "target": 1}
    models = [simmorph.train({**keys, "weight": it}, columns, data) for it in (positive, {"source": "abs(w)"})]
    assert models[0].card.tensors_sha256 == models[1].card.tensors_sha256
    np.testing.assert_array_equal(models[0].apply(columns)["weight_morphed"], np.abs(columns["w"]))


def test_another_weight_is_another_model(made: dict[str, Any], tmp_path: Path) -> None:
    weights: list[Any] = ["w", BY_SAMPLE, {**BY_SAMPLE, "target": 2}, {"source": "mc"}, None]
    identities = {identity_now(recipe(made, tmp_path, "model", it)) for it in weights}
    assert len(identities) == len(weights)
    assert recipe(made, tmp_path, "model", "w").learning.decisive()["weight"] == "w"


def test_data_without_the_branch_says_how_to_weigh_it(made: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_samples(recipe(made, tmp_path, "model", "mc * sf"))
    assert "lacks 'mc', which the weight 'mc * sf' needs" in str(caught.value)
    assert "`weight: {source: mc * sf, target: 1}`" in str(caught.value)


def test_weights_that_are_not_finite_are_refused(made: dict[str, Any], tmp_path: Path) -> None:
    bad = recipe(made, tmp_path, "model", {"source": "sqrt(mc - 1)"})
    with pytest.raises(InputError, match="not finite"):
        train_model(bad)
    with pytest.raises(InputError, match="weights are not finite"):
        read_sample(reader_of(bad, None), bad, "source")
    columns, data = {**made["simulation"], "mc": np.full(2000, 2.0)}, read_columns(made["target"], "events", FEATURES)
    model = simmorph.train({"features": FEATURES, "method": {"name": "quantile"}, "weight": bad.weight}, columns, data)
    model.save(tmp_path / "saved")
    with pytest.raises(InputError, match="of 2000 weights are not finite"):
        apply_model(made["source"], tmp_path / "saved", tmp_path / "out.root")


def test_limits_weigh_simulation_and_data_as_the_recipe_says(made: dict[str, Any], tmp_path: Path) -> None:
    limits: dict[str, Any] = {
        "observable": "pt1", "binning": {"range": [25, 85], "bins": 3},
        "signal": {"input": made["source"], "scale": 0.1}, "background": {"input": made["source"]},
        "data": {"input": made["target"]},
        "systematics": [{"name": "sf", "type": "histosys", "samples": "background",
                         "up": {"weight": "abs(w) * 1.1"}, "down": {"weight": "abs(w) * 0.9"}}],
    }  # fmt: skip
    ours: Any = {"source": "abs(mc * sf ** 2 - 0.25)", "target": "1 + 0 * pt1"}
    found = [limits_of_recipe(LimitsRecipe(weight=it, limits=limits)) for it in (ours, "abs(w)")]
    assert found[0].limits == found[1].limits
    doubled = limits_of_recipe(LimitsRecipe(weight={**ours, "target": 2}, limits=limits))
    assert doubled.limits.observed != pytest.approx(found[0].limits.observed, rel=1e-2)
    check_recipe(LimitsRecipe(weight=ours, limits=limits))


def test_check_looks_for_the_branches_of_each_weight(made: dict[str, Any], tmp_path: Path) -> None:
    check_recipe(recipe(made, tmp_path, "model", BY_SAMPLE))
    with pytest.raises(InputError, match="lacks 'mc'"):
        check_recipe(recipe(made, tmp_path, "model", {"source": "w", "target": "mc"}))
