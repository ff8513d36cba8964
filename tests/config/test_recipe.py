"""A recipe is checked as a whole before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from simmorph.config.recipe import load_recipe
from simmorph.errors import ConfigError

RECIPE = """\
# H->yy: make diphoton simulation look like data
source: build/mc.root
target: [build/a.root, build/b.root]
features: [pt1, pt2]
method: {name: one_flow, layers: 8, hidden: [64, 64]}
training: {learning_rate: 1e-3}
"""


def recipe_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "hgg.yaml"
    path.write_text(text)
    return path


def test_a_recipe_is_read_with_its_defaults(tmp_path: Path) -> None:
    recipe = load_recipe(recipe_file(tmp_path, RECIPE), ["training.epochs=5", "model=build/m"])
    assert recipe.source == ["build/mc.root"]
    assert recipe.target == ["build/a.root", "build/b.root"]
    assert recipe.tree == "events"
    assert recipe.method.options == {"layers": 8, "hidden": [64, 64]}
    assert (recipe.training.learning_rate, recipe.training.epochs) == (1e-3, 5)
    assert recipe.model == Path("build/m")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("context=[pt1]", "'pt1' stands twice"),
        ("features=[]", "features"),
        ("training.validation=0.6", "training"),
        ("preprocessing.eta9=[log]", "neither a feature nor context"),
        ("source=5", "source"),
        ("n_events=1000", "generator without a source"),
        ("variables.pt={label: momentum}", "variables names 'pt'"),
        ("featuers=[pt1]", "did you mean 'features'"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(tmp_path: Path, override: str, says: str) -> None:
    overrides = [override] + (["training.holdout=0.4"] if "validation" in override else [])
    with pytest.raises(ConfigError) as caught:
        load_recipe(recipe_file(tmp_path, RECIPE), overrides)
    assert says in str(caught.value)
