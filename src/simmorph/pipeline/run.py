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
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from simmorph import __version__
from simmorph.config.recipe import ApplySettings, MadeInputs, Recipe, SelectSettings, required
from simmorph.config.selection import read_selection
from simmorph.data.ntuples import describe, expand_inputs, is_url
from simmorph.data.outputs import sha256_of, whole_file, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from simmorph.config.limits import LimitsSettings


class Result(Protocol):
    """What every step returns."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""

    def to_text(self) -> str:
        """For people."""


_KEPT = {"key", "outputs", "result", "shown"}
"""What the state file keeps of a step."""


@dataclass(frozen=True)
class Step:
    """One step of the chain.

    Attributes:
        name: what it is called on the screen and in the state file.
        settings: everything but its inputs that its result depends on, as JSON values.
        inputs: files and folders that it reads.
        outputs: files and folders that it writes.
        action: does it, replacing the outputs.
        is_shown: whether its result is worth reading once the chain is done.
    """

    name: str
    settings: Mapping[str, Any]
    inputs: Sequence[str]
    outputs: Sequence[Path]
    action: Callable[[], Result]
    is_shown: bool = False


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
    shown: str | None
    """What of it is worth reading."""


@dataclass(frozen=True)
class RunResult:
    """What became of the chain."""

    steps: list[StepOutcome]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        names = ("name", "done", "seconds", "outputs", "result")
        return {"steps": [{name: getattr(step, name) for name in names} for step in self.steps]}

    def to_text(self) -> str:
        """One line a step, then what evaluate and limits found."""
        rows = [
            f"{step.name:<28} {f'{step.seconds:6.1f} s' if step.done else 'up to date':>10}  {' '.join(step.outputs)}"
            for step in self.steps
        ]
        return "\n\n".join(["\n".join(rows), *(step.shown for step in self.steps if step.shown)])


def run_chain(
    recipe: Recipe,
    name: str,
    *,
    force: bool = False,
    announce: Callable[[str], None] = lambda _: None,
    on_epoch: Callable[[Mapping[str, Any]], None] = lambda _: None,
) -> RunResult:
    """Run every step that the recipe asks for, from the toy to the limits.

    Args:
        recipe: the recipe; it names a `model`.
        name: what the recipe is called; the state is kept beside the model in `<name>.run.json`.
        force: run every step, up to date or not.
        announce: told the name of each step before it starts.
        on_epoch: told of every epoch of training.
    """
    model: Path = required(recipe.model, "model", "--set model=PATH")
    state_file = model.parent / f"{name}.run.json"
    return run_steps(chain(recipe, on_epoch), state_file, force=force, announce=announce)


def run_steps(
    steps: Iterable[Step], state_file: Path, *, force: bool = False, announce: Callable[[str], None] = lambda _: None
) -> RunResult:
    """Run the steps that are not up to date.

    Args:
        steps: in order, each made when those before it are done.
        state_file: where it is written down what the steps were made from.
        force: run every step, up to date or not.
        announce: told the name of each step before it starts.
    """
    state = _read_state(state_file)
    outcomes = []
    for step in steps:
        key = _key(step)
        known = state.get(step.name, {})
        start = time.perf_counter()
        is_due = force or known.get("key") != key or known.get("outputs") != _written(step)
        if is_due:
            announce(step.name)
            result = step.action()
            shown = result.to_text() if step.is_shown else None
            known = {"key": key, "outputs": _written(step), "result": result.to_json(), "shown": shown}
            state[step.name] = known
            with whole_file(state_file, force=True) as temporary:
                write_json(temporary, state)
        seconds = time.perf_counter() - start
        outcomes.append(StepOutcome(step.name, is_due, seconds, _names(step), known["result"], known["shown"]))
    return RunResult(outcomes)


def chain(recipe: Recipe, on_epoch: Callable[[Mapping[str, Any]], None]) -> Iterator[Step]:
    """The steps that a recipe asks for, in order, each made when those before it are done."""
    yield from input_steps(recipe)
    yield _train_step(recipe, on_epoch)
    yield from _apply_steps(recipe)
    if recipe.evaluate.report is not None:
        yield _evaluate_step(recipe, recipe.evaluate.report)
    if recipe.limits is not None:
        yield _limits_step(recipe, recipe.limits)


def input_steps(recipe: MadeInputs) -> Iterator[Step]:
    """The steps that make the samples of a recipe: its toy and its selections."""
    yield from _toy_steps(recipe)
    yield from _select_steps(recipe)


def _toy_steps(recipe: MadeInputs) -> Iterator[Step]:
    toy = recipe.toy
    if toy is None:
        return

    def act() -> Result:
        from simmorph.pipeline.toy import write_toy

        return write_toy(toy.name, toy.output, n_events=toy.events, seed=toy.seed, force=True)

    yield Step("toy", toy.model_dump(mode="json"), [], [toy.output], act)


def _select_steps(recipe: MadeInputs) -> Iterator[Step]:
    for settings in recipe.select:

        def act(settings: SelectSettings = settings) -> Result:
            from simmorph.pipeline.select import select_events

            return select_events(settings.input, settings.selection, settings.output, force=True)

        _, document = read_selection(settings.selection)
        described = {**settings.model_dump(mode="json"), "content": document.content}
        yield Step(f"select {settings.output.name}", described, settings.input, [settings.output], act)


def _train_step(recipe: Recipe, on_epoch: Callable[[Mapping[str, Any]], None]) -> Step:
    model: Path = required(recipe.model, "model", "--set model=PATH")

    def act() -> Result:
        from simmorph.pipeline.train import train_model

        return train_model(recipe, force=True, on_epoch=on_epoch)

    from simmorph.card import identity_of
    from simmorph.pipeline.train import origin_of

    origin = origin_of(recipe)
    learning = {"identity": identity_of(recipe.learning, origin.source, origin.target)}
    return Step("train", learning, [], [model], act)


def _apply_steps(recipe: Recipe) -> Iterator[Step]:
    model: Path = required(recipe.model, "model", "--set model=PATH")
    runs = list(recipe.apply)
    if recipe.template is not None:
        runs.insert(0, _template_run(recipe, recipe.template))
    for settings in runs:

        def act(settings: ApplySettings = settings) -> Result:
            from simmorph.pipeline.apply import apply_model
            from simmorph.pipeline.generate import generate_events

            how: dict[str, Any] = {"tree": recipe.tree, "seed": settings.seed, "force": True}
            given = settings.input or []
            if settings.n_events is None:
                return apply_model(given, model, settings.output, **how)
            return generate_events(model, settings.output, settings.n_events, inputs=given, **how)

        described = {"tree": recipe.tree, **settings.model_dump(mode="json")}
        inputs = [str(model), *(settings.input or [])]
        yield Step(f"apply {settings.output.name}", described, inputs, [settings.output], act)


def _template_run(recipe: Recipe, template: Path) -> ApplySettings:
    """What writes the template: a map of the source, or a generator without one."""
    from simmorph.methods.registry import find_method

    if recipe.source is None and not find_method(recipe.method.name).kind.needs_source:
        return ApplySettings(n_events=recipe.n_events or _n_target(recipe), output=template)
    return ApplySettings(input=required(recipe.source, "source", "--source"), output=template)


def _n_target(recipe: Recipe) -> int:
    paths = expand_inputs(required(recipe.target, "target", "--target"))
    return sum(describe(path, recipe.tree).n_entries for path in paths)


def _evaluate_step(recipe: Recipe, report: Path) -> Step:
    def act() -> Result:
        from simmorph.pipeline.evaluate.run import evaluate

        return evaluate(recipe, force=True)

    keys = {"source", "target", "template", "tree", "features", "context", "weight", "region", "training", "evaluate"}
    samples = [*(recipe.source or []), *(recipe.target or [])]
    inputs = [str(path) for path in (recipe.model, recipe.template) if path is not None] + samples
    return Step("evaluate", recipe.model_dump(mode="json", include=keys), inputs, [report], act, is_shown=True)


def _limits_step(recipe: Recipe, settings: LimitsSettings) -> Step:
    from simmorph.pipeline.limits.run import inputs_of, limits_of_recipe

    output: Path = required(settings.output, "limits.output", "--set limits.output=FOLDER")

    def act() -> Result:
        return limits_of_recipe(recipe, force=True)

    described = recipe.model_dump(mode="json", include={"tree", "weight", "features", "limits"})
    return Step("limits", described, inputs_of(settings), [output], act, is_shown=True)


def _read_state(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_text())
    except (OSError, ValueError):  # no state, or a broken one: everything runs again
        return {}
    if not isinstance(state, dict):
        return {}
    # What another version wrote may lack something: such a step runs again.
    return {name: step for name, step in state.items() if isinstance(step, dict) and step.keys() >= _KEPT}


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
