"""Every option of every command either reaches what it is for, or is refused with one line that names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import pytest

from simmorph.cli.main import COMMANDS, simmorph
from simmorph.cli.parts.effect import Option, SetOption
from simmorph.config.compare import CompareRecipe
from simmorph.config.recipe import Recipe
from simmorph.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORKSPACE = str(Path(__file__).parents[3] / "cli-examples" / "workspace" / "two-bins.json")


class Mode(NamedTuple):
    """A way to use a command: its name, what is given besides, and the options that mean nothing there."""

    command: str
    given: tuple[str, ...]
    refused: frozenset[str] = frozenset()


MODES = [
    Mode("toy", ("hgg", "-o", "out")),
    Mode("select", ("in.root", "--selection", "s.yaml", "-o", "out.root")),
    Mode("train", ("-c", "r.yaml")),
    Mode("apply", ("in.root", "--model", "m", "-o", "out.root"), frozenset({"--sample", "--set", "--full-copy"})),
    Mode(
        "apply",
        ("in.root", "--model", "m", "-o", "out.root", "--selection", "s.yaml"),
        frozenset({"--friend", "--n-events", "--missing-branches"}),
    ),
    Mode(
        "apply",
        ("in.root", "--model", "m", "-o", "out.root", "--selection", "s.yaml", "--full-copy"),
        frozenset({"--friend", "--n-events"}),
    ),
    Mode(
        "apply",
        ("in.root", "--model", "m", "-o", "out.root", "--each"),
        frozenset({"--sample", "--set", "--full-copy", "--n-events", "--missing-branches", "--allow-empty"}),
    ),
    Mode(
        "apply",
        ("--n-events", "9", "--model", "m", "-o", "out.root"),
        frozenset(
            {
                "--selection",
                "--friend",
                "--tree",
                "--each",
                "--full-copy",
                "--sample",
                "--set",
                "--allow-empty",
                "--on-bad-file",
                "--missing-branches",
            }
        ),
    ),
    Mode(
        "apply",
        ("in.root", "--n-events", "9", "--model", "m", "-o", "out.root"),
        frozenset(
            {
                "--selection",
                "--friend",
                "--each",
                "--full-copy",
                "--sample",
                "--set",
                "--allow-empty",
                "--on-bad-file",
                "--missing-branches",
            }
        ),
    ),
    Mode("evaluate", ("-c", "r.yaml")),
    Mode("compare", ("-c", "r.yaml")),
    Mode("limits", ("-c", "r.yaml"), frozenset({"--measurement", "--patchset", "--patch"})),
    Mode("limits", ("w.json",), frozenset({"--set", "--amplification", "--config", "--patch"})),
    Mode("limits", ("w.json", "--patchset", "p.json"), frozenset({"--set", "--amplification", "--config", "--hs3"})),
    Mode("coverage", ("-c", "r.yaml"), frozenset({"--measurement"})),
    Mode("coverage", ("w.json",), frozenset({"--set", "--amplification", "--config"})),
    Mode("scan", ("-c", "r.yaml")),
    Mode("run", ("-c", "r.yaml")),
    Mode("inspect", ("m",)),
    Mode("check", ("-c", "r.yaml")),
    Mode("schema", ()),
]
EXAMPLES = {
    "--interpolation": "normsys=code1", "--hs3": "model.hs3.json",
    "--on-bad-file": "skip", "--sample": "data", "--engine": "pyhf", "--amplification": "naive", "--cl": "0.9",
    "--set": "features=[a]", "--clip": "samples=0",
}  # fmt: skip
"""Values of options that do not take just any number or name."""


def command_of(name: str) -> click.Command:
    found = simmorph.get_command(click.Context(simmorph), name)
    assert found is not None
    return found


def written(option: click.Option, command: str) -> list[str]:
    name = max(option.opts, key=len)
    if option.is_flag:
        return [name]
    if name == "--set" and command in {"run", "check", "compare"}:
        return [name, "training.epochs=9"]
    if isinstance(option.type, click.Choice) and name not in EXAMPLES:
        return [name, option.type.choices[-1]]
    number = max(7, getattr(option.type, "min", None) or 0)
    return [name, EXAMPLES.get(name, str(number) if option.type.name.startswith(("integer", "float")) else "some")]


def parsed(mode: Mode, *more: str) -> dict[str, Any]:
    """What reaches the command."""
    with command_of(mode.command).make_context(mode.command, [*mode.given, *more]) as context:
        return dict(context.params)


def cases() -> Iterator[Any]:
    for mode in MODES:
        for parameter in command_of(mode.command).params:
            if isinstance(parameter, click.Option) and not {*parameter.opts} & {*mode.given}:
                name = max(parameter.opts, key=len)
                yield pytest.param(mode, parameter, id=f"{mode.command}:{' '.join(mode.given)}:{name}")


def test_every_command_has_a_mode() -> None:
    assert {mode.command for mode in MODES} == set(COMMANDS)


@pytest.mark.parametrize(("mode", "option"), list(cases()))
def test_an_option_reaches_its_command_or_is_refused_by_name(mode: Mode, option: click.Option) -> None:
    name = max(option.opts, key=len)
    if name in mode.refused:
        with pytest.raises(UsageError) as caught:
            parsed(mode, *written(option, mode.command))
        assert name in str(caught.value)
        assert caught.value.mend
        return
    plain, given = parsed(mode), parsed(mode, *written(option, mode.command))
    assert given != plain
    if isinstance(option, Option) and option.key and "overrides" in plain and plain["config"] is not None:
        assert any(it.startswith(f"{option.key}=") for it in given["overrides"])


def keyed() -> Iterator[Any]:
    for name in COMMANDS:
        for option in command_of(name).params:
            if isinstance(option, Option) and option.key:
                yield pytest.param(name, option.key, id=f"{name}:{option.key}")


@pytest.mark.parametrize(("name", "key"), list(keyed()))
def test_a_key_that_an_option_sets_is_one_of_the_recipe_that_the_command_reads(name: str, key: str) -> None:
    first, *rest = key.split(".")
    recipe = CompareRecipe if name == "compare" else Recipe
    assert first in recipe.model_fields
    (setter,) = [it for it in command_of(name).params if isinstance(it, SetOption)]
    assert setter.keys().get(first, True)
    for part in rest:
        annotation = recipe.model_fields[first].annotation
        sections = [annotation, *getattr(annotation, "__args__", ())]
        assert any(part in getattr(section, "model_fields", {}) for section in sections)


STUDIED = {"tree", "weight", "features", "limits"}
READ = {
    "train": {
        "source", "target", "tree", "features", "context", "weight", "region", "pairs", "preprocessing", "reweight",
        "method", "training", "model", "replicas", "variables",
    },
    "evaluate": {
        "source", "target", "tree", "features", "context", "weight", "region", "pairs", "method", "model",
        "template", "evaluate", "variables",
    },
    "limits": STUDIED | {"variables"},
    "coverage": STUDIED | {"coverage"},
    "scan": STUDIED | {"scan"},
}  # fmt: skip
"""What each command reads of a recipe; `run` and `check` read all."""


@pytest.mark.parametrize("key", Recipe.model_fields)
@pytest.mark.parametrize("name", READ)
def test_a_key_that_a_command_does_not_read_cannot_be_set_there(name: str, key: str) -> None:
    mode = Mode(name, ("-c", "r.yaml"))
    if key in READ[name]:
        assert parsed(mode, "--set", f"{key}=1")["overrides"] == (f"{key}=1",)
        return
    with pytest.raises(UsageError, match=f"`simmorph {name}` does not read '{key}'; it reads "):
        parsed(mode, "--set", f"{key}=1")


def test_a_key_that_nobody_reads_is_left_to_the_recipe_which_names_the_nearest(
    simmorph: Callable[..., Any], tmp_path: Path
) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text("features: [x]\nmethod: {name: quantile}\n")
    outcome = simmorph("train", "-c", recipe, "--set", "trainng.epochs=5")
    assert outcome.code == 3
    assert "unknown key 'trainng'; did you mean 'training'?" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--set", "limits.cl=0.9", "--cl", "0.8"), "--set limits.cl: --cl sets it again"),
        (("--set", "limits.cl=0.9", "--set", "limits={cl: 0.8}"), "--set limits.cl: --set limits sets it again"),
        (("--set", "limits.cl=0.9", "--set", "limits.cl=0.8"), "--set limits.cl: --set limits.cl sets it again"),
        (("--cl", "0.9", "--cl", "0.8"), "--cl: stands twice"),
        (("-c", "other.yaml"), "--config: stands twice"),
    ],
)
def test_what_something_later_replaces_is_refused(arguments: tuple[str, ...], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parsed(Mode("scan", ("-c", "r.yaml")), *arguments)
    assert says in str(caught.value)


def test_parts_of_a_block_can_be_set_one_after_the_other() -> None:
    given = ("--set", "limits={cl: 0.8}", "--set", "limits.cl=0.9", "--set", "limits.parameter=r")
    assert parsed(Mode("scan", ("-c", "r.yaml")), *given)["overrides"] == given[1::2]


def test_a_refusal_is_one_line_on_stderr_and_exit_code_2(simmorph: Callable[..., Any]) -> None:
    outcome = simmorph("limits", WORKSPACE, "--amplification", "naive")
    assert outcome == (
        2, "", "simmorph: --amplification: a workspace does not say what was generated; give --config RECIPE.yaml\n"
    )  # fmt: skip


def test_nothing_can_be_replaced_where_nothing_is_written(simmorph: Callable[..., Any]) -> None:
    for command in ("limits", "coverage"):
        outcome = simmorph(command, WORKSPACE, "--force")
        assert outcome.code == 2
        assert (
            outcome.stderr == "simmorph: --force: nothing is written that it could replace; give -o, or leave it out\n"
        )


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("limits", ("--cl", "0.9")),
        ("limits", ("--interpolation", "histosys=code0")),
        ("limits", ("--impacts",)),
        ("coverage", ("--cl", "0.6")),
        ("coverage", ("--toys", "4")),
        ("coverage", ("--strength", "0.5")),
        ("coverage", ("--seed", "2")),
    ],
)
def test_an_option_that_is_taken_changes_the_answer(
    simmorph: Callable[..., Any], command: str, options: tuple[str, ...]
) -> None:
    few = ("--toys", "3") if command == "coverage" else ()
    plain = answer_of(simmorph(command, WORKSPACE, "--json", "-q", *few))
    changed = answer_of(simmorph(command, WORKSPACE, "--json", "-q", *(() if "--toys" in options else few), *options))
    assert changed != plain


def answer_of(outcome: Any) -> dict[str, Any]:
    assert outcome.code == 0, outcome.stderr
    return {key: value for key, value in json.loads(outcome.stdout).items() if key != "fit_seconds"}
