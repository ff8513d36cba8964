"""What `import simmorph` offers: arrays in, arrays out, and the steps as functions."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest

import simmorph
from simmorph.data.ntuples.reading import iterate
from simmorph.errors import ConfigError, EmptySelectionError, InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    Fixture = Callable[..., Any]

ROOT = Path(__file__).parents[2]
NEW = ["pt1_morphed", "isolation_morphed", "phi1_morphed", "weight_morphed", "morph_status"]


def test_everything_offered_is_there_and_nothing_else() -> None:
    assert set(simmorph.__all__) <= set(dir(simmorph))
    for name in simmorph.__all__:
        assert getattr(simmorph, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = simmorph.nope
    assert simmorph.Events.of(np.zeros((3, 2))).weights.tolist() == [1, 1, 1]
    assert "quantile" in simmorph.METHODS


def test_importing_it_is_quick_because_it_imports_nothing_heavy() -> None:
    code = "import sys, simmorph; print(sorted({'torch', 'numpy', 'pydantic', 'uproot'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("place", ["the package", "the README"])
def test_the_example_does_what_it_says(place: str) -> None:
    if place == "the package":
        found = doctest.testmod(simmorph)
    else:
        found = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert found.attempted >= 5
    assert found.failed == 0


@pytest.fixture
def model(write_recipe: Fixture) -> simmorph.Model:
    return simmorph.train(write_recipe())


def _frame(columns: dict[str, Any]) -> Any:
    return pytest.importorskip("pandas").DataFrame(columns)


@pytest.mark.parametrize("kind", [dict, ak.Array, _frame])
def test_columns_get_what_the_ntuple_gets(
    model: simmorph.Model, flat_columns: Fixture, tmp_path: Path, kind: Callable[[Any], Any]
) -> None:
    given = kind(flat_columns())
    simmorph.apply(str(tmp_path / "source.root"), tmp_path / "model", tmp_path / "out.root", seed=3)
    _, expected = next(iterate(str(tmp_path / "out.root"), "events", NEW))
    morphed = model.apply(given, seed=3)
    assert type(morphed) is type(given)
    for name in NEW:
        values = np.asarray(morphed[name])
        np.testing.assert_array_equal(values, expected[name])
        assert values.dtype == expected[name].dtype
    names = given.fields if isinstance(given, ak.Array) else list(given)
    assert names == list(flat_columns())
    for name, values in flat_columns().items():
        np.testing.assert_array_equal(np.asarray(morphed[name]), values)


def test_a_reweighting_gives_arrays_their_score(write_recipe: Fixture, flat_columns: Fixture) -> None:
    model = simmorph.train(write_recipe(method="{name: histogram, bins: 4}"))
    morphed = model.apply(flat_columns())
    assert np.all((morphed["morph_score"] > 0) & (morphed["morph_score"] < 1))
    assert np.std(morphed["weight_morphed"] / morphed["weight"]) > 0.01


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pt1": None}, "there is no 'pt1'"),
        ({"pt1": [[1.0], [1.0, 2.0]] * 1000}, "'pt1' is not one number per event"),
        ({"pt1": ["a"] * 2000}, "'pt1' is not one number per event"),
        ({"more": np.zeros(3)}, "different lengths, such as 3 and 2000"),
    ],
)
def test_columns_that_cannot_be_used_are_named(
    model: simmorph.Model, flat_columns: Fixture, change: dict[str, Any], message: str
) -> None:
    columns = {name: values for name, values in {**flat_columns(), **change}.items() if values is not None}
    with pytest.raises(InputError, match=message):
        model.apply(columns)


def test_training_on_arrays_or_on_their_files_is_the_same(
    model: simmorph.Model, flat_columns: Fixture, write_recipe: Fixture, tmp_path: Path
) -> None:
    recipe = simmorph.Recipe.model_validate(
        {"features": ["pt1", "isolation", "phi1"], "weight": "weight", "method": {"name": "quantile"}}
    )
    source, target = flat_columns(1, 1.2), ak.Array(flat_columns(2, 1.0, zeros=0.2))
    from_arrays = simmorph.train(recipe, source, target)
    assert from_arrays.card.tensors_sha256 == model.card.tensors_sha256
    cut = recipe.model_copy(update={"region": "in_control", "model": tmp_path / "cut"})
    assert simmorph.train(cut, source, target).card.source.n_events < from_arrays.card.source.n_events
    assert simmorph.Model.load(str(tmp_path / "cut")).card.learning.region == "in_control"
    with pytest.raises(UsageError, match="already exists"):
        simmorph.train(cut, source, target)
    with pytest.raises(EmptySelectionError, match="none of 2000 events"):
        simmorph.train(cut.model_copy(update={"region": "pt1 < 0"}), source, target)


def test_a_model_that_is_there_is_not_trained_again(
    model: simmorph.Model, write_recipe: Fixture, tmp_path: Path
) -> None:
    card = tmp_path / "model" / "card.json"
    written = card.stat().st_mtime_ns
    assert simmorph.train(str(tmp_path / "recipe.yaml")).card == model.card
    assert card.stat().st_mtime_ns == written
    with pytest.raises(UsageError, match="already exists"):
        simmorph.train(write_recipe(weight="null"))
    assert simmorph.train(write_recipe(weight="null"), force=True).card.learning.weight is None


def test_a_wrong_key_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'features'"):
        simmorph.train({"feature": ["x"], "method": {"name": "quantile"}})
    with pytest.raises(ConfigError, match="unknown key 'frend'"):
        simmorph.apply("a.root", "model", "out.root", frend=True)


def test_a_report_and_limits_by_a_recipe(model: simmorph.Model, tmp_path: Path) -> None:
    simmorph.apply(str(tmp_path / "source.root"), tmp_path / "model", tmp_path / "template.root", friend=True)
    found = simmorph.evaluate(
        {
            **model.card.learning.model_dump(mode="json"),
            "model": tmp_path / "model",
            "template": tmp_path / "template.root",
            "evaluate": {"report": tmp_path / "report", "max_events": 200},
        }
    )
    assert found.report["metrics"]["auc"]["template_vs_target"]["value"] > 0
    limits = {
        "observable": "pt1",
        "binning": {"range": [25, 125], "bins": 4},
        "signal": {"input": str(tmp_path / "target.root"), "scale": 0.02},
        "background": {"input": str(tmp_path / "source.root"), "scale": 0.1},
    }
    by_recipe = simmorph.upper_limits({"weight": "weight", "limits": limits})
    assert by_recipe.limits.observed > 0


def test_limits_of_a_workspace_are_those_of_its_file() -> None:
    path = ROOT / "cli-examples" / "workspace" / "two-bins.json"
    spec = json.loads(path.read_text())
    assert simmorph.upper_limits(spec).limits == simmorph.upper_limits(path).limits
