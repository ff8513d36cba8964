"""The recipe of a comparison: what it shares with a recipe, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from simmorph.config.compare import CompareRecipe, load_compare_recipe
from simmorph.errors import ConfigError

TEXT = """# a comparison
source: a.root
target: b.root
features: [x]
context: [m]
region: m > 3
training: {epochs: 7, seed: 5}
methods:
  - {name: quantile}
  - {name: one_flow, label: slow flow, layers: 2, training: {epochs: 9}}
seeds: 3
"""


def load(folder: Path, text: str = TEXT) -> CompareRecipe:
    path = folder / "compare.yaml"
    path.write_text(text)
    return load_compare_recipe(path)


def test_each_method_has_its_own_options_training_and_label(tmp_path: Path) -> None:
    recipe = load(tmp_path)
    quantile, flow = recipe.methods
    assert [method.title for method in recipe.methods] == ["quantile", "slow flow"]
    assert flow.method.options == {"layers": 2}
    assert (recipe.training_of(quantile).epochs, recipe.training_of(flow).epochs) == (7, 9)


def test_every_repeat_has_the_same_seed_for_all_methods(tmp_path: Path) -> None:
    recipe = load(tmp_path)
    seeds = [[recipe.training_of(method, repeat).seed for repeat in range(3)] for method in recipe.methods]
    assert seeds == [[5, 6, 7], [5, 6, 7]]


def test_a_method_learns_what_a_recipe_of_its_own_would_say(tmp_path: Path) -> None:
    alone = load(tmp_path).learning_of(load(tmp_path).methods[1], 2)
    assert (alone.source, alone.context, alone.region) == (["a.root"], ["m"], "m > 3")
    assert (alone.method.name, alone.training.epochs, alone.training.seed) == ("one_flow", 9, 7)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("epochs: 9", "epoch: 9", "did you mean 'epochs'"),
        ("epochs: 9", "epochs: none", "methods.1.training.epochs"),
        ("epochs: 9", "holdout: 0.5", "the same for all methods"),
        ("label: slow flow", "label: quantile", "two rows are called 'quantile'"),
        ("label: slow flow", "label: target", "two rows are called 'target'"),
        ("seeds: 3", "seed: 3", "did you mean 'seeds'"),
        ("seeds: 3", "judge: {region: {}}", "did you mean 'regions'"),
        ("methods:", "method:", "several under `methods:`"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in TEXT
    with pytest.raises(ConfigError, match=says):
        load(tmp_path, TEXT.replace(old, new))


def test_the_recipe_in_the_readme_is_one(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    block = readme.partition("## Which method?")[2].partition("```yaml\n")[2].partition("```")[0]
    recipe = load(tmp_path, block)
    assert [method.title for method in recipe.methods] == ["one_flow", "base to data"]
    assert recipe.training_of(recipe.methods[1], 4).seed == 5
