"""The whole chain of one recipe, step after step; what is up to date is skipped.

A step is up to date when its settings, the content of its inputs and the content of its outputs are what they were
when it last ran: content hashes, not times, so that a fresh checkout or a copied folder does not start over.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from simmorph import __version__
from simmorph.config.recipe import ApplySettings, Recipe, SelectSettings, required
from simmorph.config.selection import read_selection
from simmorph.data.ntuples import expand_inputs, is_url
from simmorph.data.outputs import sha256_of, whole_file, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from simmorph.config.limits import LimitsSettings


@dataclass(frozen=True)
class Step:
    """One step of the chain.

    Attributes:
        name: what it is called on the screen and in the state file.
        settings: everything but its inputs that its result depends on, as JSON values.
        inputs: files and folders that it reads.
        outputs: files and folders that it writes.
        action: does it, replacing the outputs, and returns its result as JSON values.
    """

    name: str
    settings: Mapping[str, Any]
    inputs: Sequence[str]
    outputs: Sequence[Path]
    action: Callable[[], Mapping[str, Any]]


class StepOutcome(NamedTuple):
    """What became of a step."""

    name: str
    """The step."""
    done: bool
    """False if it was up to date."""
    seconds: float
    """How long it took."""
    outputs: list[str]
    """What it wrote."""
    result: Mapping[str, Any]
    """What it found."""


@dataclass(frozen=True)
class RunResult:
    """What became of the chain."""

    steps: list[StepOutcome]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"steps": [step._asdict() for step in self.steps]}

    def to_text(self) -> str:
        """One line a step."""
        rows = [
            f"{step.name:<28} {f'{step.seconds:6.1f} s' if step.done else 'up to date':>10}  {' '.join(step.outputs)}"
            for step in self.steps
        ]
        return "\n".join(rows)


def run_chain(
    recipe: Recipe, name: str, *, force: bool = False, announce: Callable[[str], None] = lambda _: None
) -> RunResult:
    """Run every step that the recipe asks for, from the toy to the limits.

    Args:
        recipe: the recipe; it names a `model`.
        name: what the recipe is called; the state is kept beside the model in `<name>.run.json`.
        force: run every step, up to date or not.
        announce: told the name of each step before it starts.
    """
    model: Path = required(recipe.model, "model", "--set model=PATH")
    state_file = model.parent / f"{name}.run.json"
    state = _read_state(state_file)
    outcomes = []
    for step in chain(recipe):
        key = _key(step)
        known = state.get(step.name, {})
        if not force and known.get("key") == key and known.get("outputs") == _written(step):
            outcomes.append(StepOutcome(step.name, False, 0.0, _names(step), known["result"]))
            continue
        announce(step.name)
        start = time.perf_counter()
        result = step.action()
        state[step.name] = {"key": key, "outputs": _written(step), "result": result}
        with whole_file(state_file, force=True) as temporary:
            write_json(temporary, state)
        outcomes.append(StepOutcome(step.name, True, time.perf_counter() - start, _names(step), result))
    return RunResult(outcomes)


def chain(recipe: Recipe) -> Iterator[Step]:
    """The steps that a recipe asks for, in order, each made when those before it are done."""
    yield from _toy_steps(recipe)
    yield from _select_steps(recipe)
    yield _train_step(recipe)
    yield from _apply_steps(recipe)
    if recipe.evaluate.report is not None:
        yield _evaluate_step(recipe, recipe.evaluate.report)
    if recipe.limits is not None:
        yield _limits_step(recipe, recipe.limits)


def _toy_steps(recipe: Recipe) -> Iterator[Step]:
    toy = recipe.toy
    if toy is None:
        return

    def act() -> dict[str, Any]:
        from simmorph.pipeline.toy import write_toy

        return write_toy(toy.name, toy.output, n_events=toy.events, seed=toy.seed, force=True).to_json()

    yield Step("toy", toy.model_dump(mode="json"), [], [toy.output], act)


def _select_steps(recipe: Recipe) -> Iterator[Step]:
    for settings in recipe.select:

        def act(settings: SelectSettings = settings) -> dict[str, Any]:
            from simmorph.pipeline.select import select_events

            return select_events(settings.input, settings.selection, settings.output, force=True).to_json()

        _, document = read_selection(settings.selection)
        described = {"selection": document.content, **settings.model_dump(mode="json")}
        yield Step(f"select {settings.output.name}", described, settings.input, [settings.output], act)


def _train_step(recipe: Recipe) -> Step:
    model: Path = required(recipe.model, "model", "--set model=PATH")

    def act() -> dict[str, Any]:
        from simmorph.pipeline.train import train_model

        return train_model(recipe, force=True).to_json()

    keys = {
        "source",
        "target",
        "tree",
        "features",
        "context",
        "weight",
        "region",
        "preprocessing",
        "method",
        "training",
    }
    inputs = [*(recipe.source or []), *(recipe.target or [])]
    return Step("train", recipe.model_dump(mode="json", include=keys), inputs, [model], act)


def _apply_steps(recipe: Recipe) -> Iterator[Step]:
    model: Path = required(recipe.model, "model", "--set model=PATH")
    runs = list(recipe.apply)
    if recipe.template is not None:
        runs.insert(0, ApplySettings(input=required(recipe.source, "source", "--source"), output=recipe.template))
    for settings in runs:

        def act(settings: ApplySettings = settings) -> dict[str, Any]:
            from simmorph.pipeline.apply import apply_model

            return apply_model(settings.input, model, settings.output, tree=recipe.tree, force=True).to_json()

        described = {"tree": recipe.tree, **settings.model_dump(mode="json")}
        inputs = [str(model), *settings.input]
        yield Step(f"apply {settings.output.name}", described, inputs, [settings.output], act)


def _evaluate_step(recipe: Recipe, report: Path) -> Step:
    def act() -> dict[str, Any]:
        from simmorph.pipeline.evaluate import evaluate

        return evaluate(recipe, force=True).to_json()

    keys = {"source", "target", "template", "tree", "features", "context", "weight", "region", "training", "evaluate"}
    samples = [*(recipe.source or []), *(recipe.target or [])]
    inputs = [str(path) for path in (recipe.model, recipe.template) if path is not None] + samples
    return Step("evaluate", recipe.model_dump(mode="json", include=keys), inputs, [report], act)


def _limits_step(recipe: Recipe, settings: LimitsSettings) -> Step:
    from simmorph.pipeline.limits import How, inputs_of, limits_of_recipe

    output: Path = required(settings.output, "limits.output", "--set limits.output=FOLDER")

    def act() -> dict[str, Any]:
        return limits_of_recipe(recipe, How(force=True)).to_json()

    described = recipe.model_dump(mode="json", include={"tree", "weight", "features", "limits"})
    return Step("limits", described, inputs_of(settings), [output], act)


def _read_state(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_text())
    except (OSError, ValueError):  # no state, or a broken one: everything runs again
        return {}
    return state if isinstance(state, dict) else {}


def _names(step: Step) -> list[str]:
    return [str(output) for output in step.outputs]


def _written(step: Step) -> dict[str, str]:
    return {str(output): _content_hash(output) for output in step.outputs}


def _key(step: Step) -> str:
    content = {"simmorph": __version__, "settings": step.settings, "inputs": _hashes(step.inputs)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _hashes(paths: Sequence[str | Path]) -> dict[str, str]:
    """Content hashes; a URL stands for itself, since fetching it is most of the work."""
    return {path: "remote" if is_url(path) else _content_hash(Path(path)) for path in _expanded(paths)}


def _expanded(paths: Sequence[str | Path]) -> list[str]:
    """The paths, with globs replaced by what they match."""
    return [found for path in map(str, paths) for found in ([path] if Path(path).exists() else expand_inputs([path]))]


def _content_hash(path: Path) -> str:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        content = "".join(f"{file.relative_to(path)} {sha256_of(file)}\n" for file in files)
        return hashlib.sha256(content.encode()).hexdigest()
    return sha256_of(path) if path.exists() else "missing"
