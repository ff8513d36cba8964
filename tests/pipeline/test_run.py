"""The chain runs what is out of date and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from simmorph.config.recipe import load_recipe
from simmorph.config.selection.files import shipped_selections
from simmorph.errors import ConfigError, InputError
from simmorph.pipeline.run import RunResult, _limits_steps, run_chain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECIPE = """\
# A small chain
toy: {{name: hgg, output: {folder}/toy, events: 4000}}
select:
  - {{input: {folder}/toy/data.root, selection: diphoton-demo, output: {folder}/data.root}}
  - {{input: {folder}/toy/mc_*.root, selection: diphoton-demo, output: {folder}/mc.root}}
source: {folder}/mc.root
target: {folder}/data.root
features: [pt1, pt2]
method: {{name: quantile}}
model: {folder}/model
template: {folder}/template.root
apply: [{{input: {folder}/data.root, output: {folder}/data_morphed.root}}]
"""
LIMITS = "signal: {input: X}, background: {input: X}, binning: {range: [25, 250], bins: 5}"
STEPS = ["toy", "select data.root", "select mc.root", "train", "apply template.root", "apply data_morphed.root"]


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain")
    path = folder / "chain.yaml"
    path.write_text(RECIPE.format(folder=folder))
    run_chain(load_recipe(path), "chain")
    return path


def done(result: RunResult) -> list[str]:
    return [step.name for step in result.steps if step.done]


def test_a_second_run_does_nothing_and_reports_the_same(recipe_file: Path) -> None:
    result = run_chain(load_recipe(recipe_file), "chain")
    assert [step.name for step in result.steps] == STEPS
    assert done(result) == []
    assert result.steps[1].result["cutflow"][0]["events"] == 4000


@pytest.mark.parametrize(
    ("override", "expected"),
    [("method.knots=50", STEPS[3:]), ("apply=[]", []), ("evaluate.derived.m=pt1", [])],
)
def test_a_changed_setting_runs_its_step_and_those_that_follow(
    recipe_file: Path, override: str, expected: list[str]
) -> None:
    assert done(run_chain(load_recipe(recipe_file, [override]), "chain")) == expected
    run_chain(load_recipe(recipe_file), "chain")


def test_an_output_that_was_touched_is_made_again(recipe_file: Path) -> None:
    template = recipe_file.parent / "template.root"
    before = template.read_bytes()
    template.write_bytes(before[:-100])
    assert done(run_chain(load_recipe(recipe_file), "chain")) == ["apply template.root"]
    assert len(template.read_bytes()) == len(before)


def test_a_selection_that_was_edited_runs_again(recipe_file: Path, tmp_path: Path) -> None:
    shipped = shipped_selections()["diphoton-demo"].read_text()
    mine, output = tmp_path / "mine.yaml", tmp_path / "mine.root"
    mine.write_text(shipped)
    select = f"select=[{{input: {recipe_file.parent}/toy/data.root, selection: {mine}, output: {output}}}]"
    recipe = load_recipe(recipe_file, ["toy=null", select, "apply=[]", "template=null", f"model={tmp_path}/model"])
    assert done(run_chain(recipe, "mine")) == ["select mine.root", "train"]
    assert done(run_chain(recipe, "mine")) == []
    mine.write_text(shipped.replace("35 <= pt1", "36 <= pt1"))
    assert done(run_chain(recipe, "mine")) == ["select mine.root"]


def test_run_passes_on_what_select_can_be_asked_for(recipe_file: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.root").write_bytes(b"root")
    inputs = f"[{recipe_file.parent}/toy/mc_gamgam.root, {tmp_path}/broken.root]"
    options = f"selection: diphoton-demo, output: {tmp_path}/out.root, sample: data, tree: mini"
    recipe = [f"select=[{{input: {inputs}, {options}, on_bad_file: skip}}]", "toy=null", "apply=[]", "template=null"]
    result = run_chain(load_recipe(recipe_file, [*recipe, f"model={tmp_path}/model"]), "options").steps[0].result
    assert list(result["skipped"]) == [f"{tmp_path}/broken.root"]
    assert result["n_data"] == result["cutflow"][0]["events"] > 0
    with pytest.raises(InputError, match="broken"):
        run_chain(load_recipe(recipe_file, [recipe[0].replace("skip", "fail"), *recipe[1:]]), "options")
    with pytest.raises(InputError, match="no tree 'other'"):
        run_chain(load_recipe(recipe_file, [recipe[0].replace("mini", "other"), *recipe[1:]]), "options")


def test_times_do_not_matter_and_force_runs_everything(recipe_file: Path) -> None:
    (recipe_file.parent / "data.root").touch()
    assert done(run_chain(load_recipe(recipe_file), "chain")) == []
    assert done(run_chain(load_recipe(recipe_file), "chain", force=True)) == STEPS


def test_a_broken_state_file_only_costs_time(recipe_file: Path) -> None:
    (recipe_file.parent / "chain.run.json").write_text("{half")
    assert done(run_chain(load_recipe(recipe_file), "chain")) == STEPS


def test_a_state_file_of_another_version_only_costs_time(recipe_file: Path) -> None:
    run_chain(load_recipe(recipe_file), "chain")
    state_file = recipe_file.parent / "chain.run.json"
    state = json.loads(state_file.read_text())
    del state["select data.root"]["shown"]
    state_file.write_text(json.dumps(state | {"train": None}))
    assert done(run_chain(load_recipe(recipe_file), "chain")) == ["select data.root", *STEPS[3:]]


def test_a_recipe_without_a_model_is_refused(recipe_file: Path) -> None:
    with pytest.raises(ConfigError, match="key 'model' is missing"):
        run_chain(load_recipe(recipe_file, ["model=null"]), "chain")


def test_the_command_prints_each_step(simmorph: Callable[..., Any], recipe_file: Path) -> None:
    outcome = simmorph("run", "--config", recipe_file, "--json")
    assert outcome.code == 0
    assert [step["name"] for step in json.loads(outcome.stdout)["steps"]] == STEPS
    outcome = simmorph("run", "--config", recipe_file)
    assert outcome.stdout.count("up to date") == len(STEPS)


def test_check_finds_everything_in_order(simmorph: Callable[..., Any], recipe_file: Path) -> None:
    outcome = simmorph("check", "--config", recipe_file)
    assert outcome.code == 0, outcome.stderr
    assert "mc.root: " in outcome.stdout


def test_check_takes_a_recipe_of_limits_alone(simmorph: Callable[..., Any], recipe_file: Path) -> None:
    path = recipe_file.parent / "limits.yaml"
    samples = f"signal: {{input: {recipe_file.parent}/mc.root}}\n  background: {{input: {recipe_file.parent}/mc.root}}"
    path.write_text(f"limits:\n  observable: m_yy\n  binning: {{range: [105, 160], bins: 5}}\n  {samples}\n")
    outcome = simmorph("check", "--config", path)
    assert outcome.code == 0, outcome.stderr
    assert "limits, signal: uses m_yy" in outcome.stdout


@pytest.mark.parametrize(
    ("override", "code", "says"),
    [
        ("method.name=quantil", 3, "did you mean 'quantile'?"),
        ("method.layers=3", 3, "layers"),
        ("features=[pt1, pt3]", 4, "lacks 'pt3'; did you mean 'pt"),
        ("region=pt1 >", 3, "region"),
        ("toy.name=hg", 3, "did you mean 'hgg'?"),
        ("source=nowhere.root", 4, "nowhere.root"),
        ("evaluate.regions={a: nope > 1}", 4, "lacks 'nope'"),
        ("evaluate.derived={pt1: pt2}", 3, "is a feature or context already"),
        ("evaluate.periodic=[phi]", 3, "'phi' is not a feature"),
        ("limits={signal: {input: X}, background: {input: X}, observable: pt1}", 3, "key 'binning' is missing"),
        (f"limits={{{LIMITS}, observable: pt1(}}", 3, "is not an expression"),
        (f"limits={{{LIMITS}, observable: nope}}", 4, "lacks 'nope'"),
        (f"limits={{{LIMITS}, observable: pt1, region: in_signl}}", 4, "did you mean 'in_signal'?"),
    ],
)
def test_check_names_what_is_wrong(
    simmorph: Callable[..., Any], recipe_file: Path, override: str, code: int, says: str
) -> None:
    override = override.replace("X", str(recipe_file.parent / "mc.root"))
    outcome = simmorph("check", "--config", recipe_file, "--set", override)
    assert outcome.code == code, outcome.stderr
    assert says in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert outcome.stdout == ""


def test_check_parses_every_expression_of_a_selection(
    simmorph: Callable[..., Any], recipe_file: Path, tmp_path: Path
) -> None:
    selection = tmp_path / "mine.yaml"
    selection.write_text("# mine\ntree: mini\nunits: {energy: GeV}\nvariables: {x: met}\ncuts: {bad: met.real > 1}\n")
    step = f"select=[{{input: {recipe_file.parent}/toy/data.root, selection: {selection}, output: {tmp_path}/o.root}}]"
    outcome = simmorph("check", "--config", recipe_file, "--set", step)
    assert (outcome.code, outcome.stderr.count("\n")) == (3, 1), outcome.stderr
    assert f"{selection}:5: 'met.real > 1': attribute is not allowed" in outcome.stderr


def test_a_label_of_a_variable_of_one_step_hinders_no_other(tmp_path: Path) -> None:
    """`m_yy` is named under `evaluate:` alone; the parts of the recipe that other steps depend on go without it."""
    for name in ("mc", "data"):
        (tmp_path / f"{name}.root").touch()
    (tmp_path / "recipe.yaml").write_text(
        f"# a test\nsource: {tmp_path}/mc.root\ntarget: {tmp_path}/data.root\nfeatures: [pt]\n"
        "method: {name: quantile}\nevaluate: {derived: {m_yy: 2 * pt}}\nvariables: {m_yy: {label: mass}}\n"
        f"limits:\n  output: {tmp_path}/limits\n  observable: pt\n  binning: {{range: [0, 1], bins: 2}}\n"
        f"  signal: {{input: {tmp_path}/mc.root}}\n  background: {{input: {tmp_path}/mc.root}}\n"
    )
    recipe = load_recipe(tmp_path / "recipe.yaml")
    assert "m_yy" in recipe.without("evaluate").variables
    assert [step.name for step in _limits_steps(recipe)] == ["limits"]
