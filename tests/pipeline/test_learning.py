"""A model is trained again if, and only if, something changed that it depends on; run, train and replicas agree."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import uproot

from simmorph.card import identity_of
from simmorph.config.documents import INCIDENTAL, Section
from simmorph.config.learning import Learning
from simmorph.config.recipe import ApplySettings, Recipe, SelectSettings, ToySettings, load_recipe
from simmorph.config.training import TrainingSettings
from simmorph.errors import InputError
from simmorph.model_folder import read_card
from simmorph.pipeline.replicas import replicas_of
from simmorph.pipeline.run import RunResult, run_chain
from simmorph.pipeline.train import identity_now, model_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Fixture = Callable[..., Any]

N_EVENTS = 600


def _write(path: Path, seed: int) -> None:
    """A file with two trees of equal branches."""
    with uproot.recreate(path) as file:
        for number, tree in enumerate(("events", "others")):
            rng = np.random.default_rng([seed, number])
            branches = {"x": rng.exponential(1 + 0.2 * seed, N_EVENTS), "y": rng.normal(0, 1, N_EVENTS)}
            branches |= {"m": rng.uniform(0, 1, N_EVENTS), "w": rng.uniform(0.5, 1.5, N_EVENTS)}
            file.mktree(tree, branches).extend(branches)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples, and the model of `recipe_in`."""
    folder = tmp_path_factory.mktemp("learning")
    for seed, name in enumerate(("source", "target", "source2", "target2"), 1):
        _write(folder / f"{name}.root", seed)
    run_chain(recipe_in(folder), "chain")
    return folder


def recipe_in(folder: Path, **changes: object) -> Recipe:
    content = {
        "source": f"{folder}/source.root",
        "target": f"{folder}/target.root",
        "features": ["x", "y"],
        "context": ["m"],
        "weight": "w",
        "method": {"name": "quantile"},
        "model": folder / "model",
    }
    return Recipe.model_validate({**content, **changes})


def done(result: RunResult) -> list[str]:
    return [step.name for step in result.steps if step.done]


CHANGED: dict[str, object] = {
    "source": "{folder}/source2.root",
    "target": ["{folder}/target.root", "{folder}/target2.root"],
    "tree": "others",
    "features": ["y", "x"],
    "context": [],
    "weight": None,
    "region": "m > 0.1",
    "pairs": "entry",
    "preprocessing": {"y": ["standardise"]},
    "reweight": {"bins": 5},
    "method": {"name": "quantile", "knots": 50},
    "training": {"seed": 2},
}
"""Another value for each field of Learning."""


def _in(folder: Path, value: Any) -> Any:
    if isinstance(value, list):
        return [_in(folder, inner) for inner in value]
    if isinstance(value, dict):
        return {key: _in(folder, inner) for key, inner in value.items()}
    return value.replace("{folder}", str(folder)) if isinstance(value, str) else value


@pytest.mark.parametrize("key", Learning.model_fields)
def test_a_change_of_what_is_learnt_trains_again(folder: Path, key: str) -> None:
    assert done(run_chain(recipe_in(folder), "chain")) in ([], ["train"])
    changed = recipe_in(folder, **{key: _in(folder, CHANGED[key])})
    before = read_card(folder / "model").identity
    assert done(run_chain(changed, "chain")) == ["train"]
    card = read_card(folder / "model")
    assert getattr(card.learning, key) == getattr(changed, key)
    assert card.identity != before
    assert done(run_chain(changed, "chain")) == []


LIMITS = {
    "output": "{folder}/limits",
    "observable": "x",
    "binning": {"range": [0, 5], "bins": 2},
    "signal": {"input": "{folder}/target.root", "scale": 0.1},
    "background": {"input": "{folder}/source.root", "closure": "{folder}/source2.root"},
}
SCAN = {"output": "{folder}/scan", "luminosity": [10], "generated": [100], "beta": [0.1]}
STEPS = {"toy", "limits", "coverage", "scan"}
"""Keys that are steps of the same name."""
OTHERS: dict[str, object] = {
    "toy": {"name": "gaussian", "output": "{folder}/toy", "events": 200},
    "select": [{"input": "{folder}/hgg/data.root", "selection": "diphoton-demo", "output": "{folder}/data.root"}],
    "template": "{folder}/template.root",
    "compression": "zlib",
    "apply": [{"input": "{folder}/target.root", "output": "{folder}/more.root", "tree": "others"}],
    "replicas": 2,
    "evaluate": {"label": "simmorph"},
    "limits": LIMITS,
    "variables": {"x": {"label": "$x$", "unit": "GeV"}},
    "coverage": {"output": "{folder}/coverage", "toys": 2},
    "scan": SCAN,
}
"""Another value for each field of Recipe that no model depends on; `model` is where it lies, `n_events` is beside no
source."""


@pytest.mark.parametrize(
    "key", sorted(Recipe.model_fields.keys() - Learning.model_fields.keys() - {"model", "n_events"})
)
def test_a_change_of_anything_else_trains_nothing(folder: Path, key: str, simmorph: Fixture) -> None:
    if key == "select" and not (folder / "hgg").exists():
        assert simmorph("toy", "hgg", "-o", folder / "hgg", "--events", 3000, "-q").code == 0
    run_chain(recipe_in(folder), "chain")
    changes = {key: OTHERS[key], **({"limits": LIMITS} if key in {"coverage", "scan"} else {})}
    changed = recipe_in(folder, **_in(folder, changes))
    assert changed != recipe_in(folder)
    result = run_chain(changed, "chain")
    assert "train" not in done(result)
    assert key not in STEPS - {step.name for step in result.steps}
    assert done(run_chain(changed, "chain")) == []


TRAINING: dict[str, object] = {
    "epochs": 3, "batch_size": 100, "learning_rate": 0.1, "final_learning_rate": 1e-5, "schedule": "constant",
    "optimizer": "rmsprop", "weight_decay": 0.1, "clip_gradient": None, "patience": None, "select_on": "auc",
    "negative_weights": "absolute", "seeds": 2, "seed": 5, "device": "cpu", "compile": "never", "validation": 0.2,
    "holdout": 0.2, "max_minutes": 1.0,
}  # fmt: skip
"""Another value for each field of `training:`."""


@pytest.mark.parametrize("key", TrainingSettings.model_fields)
def test_only_what_changes_no_more_than_rounding_is_another_training_of_the_same(key: str) -> None:
    first = Learning.model_validate({"features": ["x"], "method": {"name": "quantile"}})
    other = Learning.model_validate({**first.model_dump(), "training": {key: TRAINING[key]}})
    assert other != first
    is_same = identity_of(other, (), ()) == identity_of(first, (), ())
    assert is_same == (key in {"device", "compile", "max_minutes"})
    assert is_same == (INCIDENTAL in TrainingSettings.model_fields[key].metadata)


def test_the_order_of_files_counts_and_where_they_lie_does_not(folder: Path, tmp_path: Path) -> None:
    names = ["source.root", "source2.root"]
    there = [str(tmp_path / name) for name in names]
    for name in names:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    here = identity_now(recipe_in(folder, source=[f"{folder}/{name}" for name in names]))
    assert identity_now(recipe_in(folder, source=there)) == here
    assert identity_now(recipe_in(folder, source=there[::-1])) != here


def test_a_model_that_train_wrote_is_up_to_date_for_run(folder: Path, tmp_path: Path, simmorph: Fixture) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"# a test\n{recipe_in(folder, model=tmp_path / 'model').model_dump_json(exclude_defaults=True)}\n"
    )
    assert simmorph("train", "-c", recipe, "-q").code == 0
    result = run_chain(load_recipe(recipe), "recipe")
    assert done(result) == []
    assert result.steps[0].result["method"] == "quantile"
    tensors = tmp_path / "model" / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-1])
    assert done(run_chain(load_recipe(recipe), "recipe")) == ["train"]


def _rewritten(model: Path, **changes: object) -> None:
    card = json.loads((model / "card.json").read_text())
    (model / "card.json").write_text(json.dumps({**card, **changes}))


def test_a_model_of_an_old_format_is_refused_by_name_and_trained_again_by_run(folder: Path, tmp_path: Path) -> None:
    recipe = recipe_in(folder, model=tmp_path / "model")
    run_chain(recipe, "chain")
    _rewritten(tmp_path / "model", format_version=1)
    with pytest.raises(InputError, match=r"is of format version 1, and this simmorph reads 3; train it anew"):
        model_of(tmp_path / "model", identity_now(recipe))
    assert done(run_chain(recipe, "chain")) == ["train"]


def test_another_label_neither_trains_nor_makes_replicas_another_models(
    write_recipe: Fixture, simmorph: Fixture, tmp_path: Path
) -> None:
    recipe = write_recipe()
    command = ["train", "-c", recipe, "--replicas", 2, "--json", "-q"]
    first = json.loads(simmorph(*command).stdout)
    recipe.write_text(f"{recipe.read_text()}evaluate: {{label: simmorph}}\n")
    again = simmorph(*command, "--set", "training.max_minutes=5")
    assert again.code == 0, again.stderr
    found = json.loads(again.stdout)
    assert (found["kept"], found["tensors_sha256"], found["seconds"]) == (2, first["tensors_sha256"], 0)
    assert simmorph(*command, "--set", "region=in_control").code == 2


def test_a_report_is_written_again_for_what_it_shows_and_for_nothing_else(folder: Path, tmp_path: Path) -> None:
    evaluate = {"report": tmp_path / "report", "max_events": 150}
    keys = {"model": tmp_path / "model", "template": tmp_path / "template.root", "evaluate": evaluate}
    assert done(run_chain(recipe_in(folder, **keys), "chain")) == ["train", "apply template.root", "evaluate"]
    keys["evaluate"] = {**evaluate, "label": "simmorph"}
    assert done(run_chain(recipe_in(folder, **keys), "chain")) == ["evaluate"]
    keys |= {"training": {"max_minutes": 5}}
    assert done(run_chain(recipe_in(folder, **keys), "chain")) == []


def test_studies_of_limits_run_again_for_what_they_depend_on_and_for_nothing_else(folder: Path, tmp_path: Path) -> None:
    limits: dict[str, object] = {**LIMITS, "output": tmp_path / "limits", "amplification": "naive"}
    keys = {"model": tmp_path / "model", "limits": limits, "coverage": {"output": tmp_path / "c", "toys": 2}}

    def done_with(**changes: object) -> list[str]:
        recipe = recipe_in(folder, **_in(folder, {**keys, "limits": {**limits, **changes}}))
        return done(run_chain(recipe, "chain"))

    assert done_with() == ["train", "limits", "coverage"]
    assert done_with(output=tmp_path / "more", impacts=True) == ["limits"]
    assert done_with(cl=0.9) == ["limits", "coverage"]


def test_run_trains_replicas_that_write_what_the_model_writes(folder: Path, tmp_path: Path) -> None:
    both = {"input": f"{folder}/target*.root", "output": tmp_path / "each", "each": True, "friend": True}
    keys = {"model": tmp_path / "model", "template": tmp_path / "t.root", "apply": [both], "replicas": 2}
    steps = ["train", "train replica 01", "train replica 02", "apply t.root", "apply each"]
    assert done(run_chain(recipe_in(folder, **keys), "chain")) == steps
    written = sorted(path.relative_to(tmp_path).name for path in tmp_path.rglob("*.root"))
    names = ["t", "target", "target2"]
    assert written == sorted(f"{name}{more}.root" for name in names for more in ("", ".replica01", ".replica02"))
    assert done(run_chain(recipe_in(folder, **keys), "chain")) == []
    # A replica of another learning is trained again, and nothing is made of it before.
    changed = recipe_in(folder, **keys, weight=None)
    assert done(run_chain(changed.model_copy(update={"replicas": None}), "chain")) == ["train", *steps[3:]]
    with pytest.raises(InputError, match="replica of another model"):
        replicas_of(tmp_path / "model")
    assert done(run_chain(changed, "chain")) == steps[1:]
    assert len(replicas_of(tmp_path / "model")) == 2


@pytest.mark.parametrize(
    ("section", "command"),
    [(ToySettings, "toy"), (SelectSettings, "select"), (ApplySettings, "apply")],
)
def test_a_recipe_has_every_option_of_the_command(section: type[Section], command: str) -> None:
    options = {
        it.name for it in getattr(importlib.import_module(f"simmorph.cli.{command}"), f"{command}_command").params
    }
    spelt = {"inputs": "input", "n_events": "events"} if command == "toy" else {"inputs": "input"}
    of_every_command = {"force", "quiet", "as_json", "model", "compression"}
    assert {spelt.get(name, name) for name in options} - of_every_command == set(section.model_fields)
