"""The whole chain of one recipe, step after step; what is up to date is skipped.

A step is up to date when its settings, the content of its inputs and the content of its outputs are what they were
when it last ran: content hashes, not times, so that a fresh checkout or a copied folder does not start over. A step is
given nothing of the recipe but its settings, so that it cannot depend on anything else. Training is up to date when the
model says itself that it is whole and of the same learning, whoever trained it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from simmorph.card import digest_of
from simmorph.config.limits import LimitsRecipe
from simmorph.config.recipe import ApplySettings, MadeInputs, Recipe, SelectSettings, required
from simmorph.config.selection.files import read_selection
from simmorph.data.files.outputs import whole_file, write_json
from simmorph.data.ntuples.contents import describe
from simmorph.data.ntuples.files import checksum_of, expand_inputs, parts_of
from simmorph.data.ntuples.servers import is_url
from simmorph.errors import InputError
from simmorph.progress import silent
from simmorph.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from simmorph.config.limits import LimitsSettings
    from simmorph.progress import Progress


OF_OTHER_STEPS = ("toy", "select", "n_events", "apply", "replicas", "limits", "coverage", "scan")
"""Keys of a recipe that evaluate is not given: it depends on everything else."""
OF_LIMITS_ALONE: dict[str, Any] = {"output": None, "engine": "newton", "impacts": False}
"""Keys of `limits:` that coverage and scan are not given, and what they read in place of them."""


class Result(Protocol):
    """What every step returns."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""

    def to_text(self) -> str:
        """For people."""


_KEPT = {"key", "outputs", "result", "shown"}
"""What the state file keeps of a step."""


@dataclass(frozen=True)
class ChainStep:
    """One step of the chain.

    Attributes:
        name: what it is called on the screen and in the state file.
        settings: everything but its inputs that its result depends on, as JSON values.
        inputs: files and folders that it reads.
        outputs: files and folders that it writes.
        action: does it, replacing the outputs.
        is_shown: whether its result is worth reading once the chain is done.
        found: what the outputs themselves say, where they know what they were made from; None if they are out of date.
    """

    name: str
    settings: Mapping[str, Any]
    inputs: Sequence[str]
    outputs: Sequence[Path]
    action: Callable[[], Result]
    is_shown: bool = False
    found: Callable[[], Result | None] | None = None


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
    """What became of the chain.

    Attributes:
        steps: every step in order, those that were up to date too.
    """

    steps: list[StepOutcome]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        names = ("name", "done", "seconds", "outputs", "result")
        return {"steps": [{name: getattr(step, name) for name in names} for step in self.steps]}

    @property
    def invalid(self) -> list[str]:
        """What leaves a step without an answer."""
        return [text for step in self.steps for text in step.result.get("invalid", [])]

    @property
    def worst(self) -> Mapping[str, str] | None:
        """The worst verdict of the report, with its region; None without one."""
        return next((step.result["worst"] for step in self.steps if "worst" in step.result), None)

    def to_text(self) -> str:
        """One line a step, then what evaluate and limits found."""
        rows = [
            f"{step.name:<28} {f'{step.seconds:6.1f} s' if step.done else 'up to date':>10}  {' '.join(step.outputs)}"
            for step in self.steps
        ]
        return "\n\n".join(["\n".join(rows), *(step.shown for step in self.steps if step.shown)])


def run_chain(recipe: Recipe, name: str, *, force: bool = False, progress: Progress = silent) -> RunResult:
    """Run every step that the recipe asks for, from the toy to the studies of the limits.

    Args:
        recipe: the recipe; it names a `model`.
        name: what the recipe is called; the state is kept beside the model in `<name>.run.json`.
        force: run every step, up to date or not.
        progress: called with the name of each step before it starts, and after every epoch of training.

    Raises:
        ConfigError: the recipe names no model, or a step lacks a key.
        SimmorphError: a step failed; those before it are done, and are not run again.
    """
    model: Path = required(recipe.model, "model", "--set model=PATH")
    state_file = model.parent / f"{name}.run.json"
    return run_steps(chain(recipe, progress), state_file, force=force, progress=progress)


def run_steps(
    steps: Iterable[ChainStep], state_file: Path, *, force: bool = False, progress: Progress = silent
) -> RunResult:
    """Run the steps that are not up to date.

    Args:
        steps: in order, each made when those before it are done.
        state_file: where it is written down what the steps were made from.
        force: run every step, up to date or not.
        progress: called with the name of each step before it starts.
    """
    state = _read_state(state_file)
    outcomes = []
    for step in steps:
        start = time.perf_counter()
        known = None if force else _known(step, state.get(step.name, {}))
        is_due = known is None
        if known is None:
            progress(step.name)
            known = state[step.name] = _record(step, step.action())
            with whole_file(state_file, force=True) as temporary:
                write_json(temporary, state)
        seconds = time.perf_counter() - start
        outcomes.append(StepOutcome(step.name, is_due, seconds, _names(step), known["result"], known["shown"]))
    return RunResult(outcomes)


def _known(step: ChainStep, before: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What is known of a step that is up to date; None if it is not."""
    if step.found is not None:
        result = step.found()
        return None if result is None else _record(step, result)
    is_current = before.get("key") == _key(step) and before.get("outputs") == _written(step)
    return before if is_current else None


def _record(step: ChainStep, result: Result) -> dict[str, Any]:
    """What the state file keeps of a step that is done."""
    shown = result.to_text() if step.is_shown else None
    return {"key": _key(step), "outputs": _written(step), "result": result.to_json(), "shown": shown}


def chain(recipe: Recipe, progress: Progress) -> Iterator[ChainStep]:
    """The steps that a recipe asks for, in order, each made when those before it are done."""
    yield from input_steps(recipe)
    yield from _train_steps(recipe, progress)
    yield from _apply_steps(recipe)
    if recipe.evaluate.report is not None:
        yield _evaluate_step(recipe.without(*OF_OTHER_STEPS), recipe.evaluate.report)
    yield from _limits_steps(recipe)


def input_steps(recipe: MadeInputs) -> Iterator[ChainStep]:
    """The steps that make the samples of a recipe: its toy and its selections."""
    yield from _toy_steps(recipe)
    yield from _select_steps(recipe)


def _toy_steps(recipe: MadeInputs) -> Iterator[ChainStep]:
    """The step that writes the toy, if the recipe has one; it reads nothing."""
    toy = recipe.toy
    if toy is None:
        return

    def act() -> Result:
        from simmorph.pipeline.toy import write_toy

        return write_toy(
            toy.name, toy.output, n_events=toy.events, seed=toy.seed, compression=recipe.compression, force=True
        )

    yield ChainStep("toy", {**toy.model_dump(mode="json"), "compression": recipe.compression}, [], [toy.output], act)


def _select_steps(recipe: MadeInputs) -> Iterator[ChainStep]:
    """One step for each selection; it depends on the content of the selection's file too."""
    for settings in recipe.select:

        def act(settings: SelectSettings = settings) -> Result:
            from simmorph.pipeline.select import select_events

            options = settings.model_dump(include={"tree", "sample", "overrides", "on_bad_file", "allow_empty"})
            options |= {"compression": recipe.compression, "force": True}
            return select_events(settings.input, settings.selection, settings.output, **options)

        name = f"select {settings.output.name}"
        decisive, beside = _with_selection(recipe, settings)
        yield ChainStep(name, decisive, [*settings.input, *beside], [settings.output], act)


def _train_steps(recipe: Recipe, progress: Progress) -> Iterator[ChainStep]:
    """The model, then its replicas."""
    from simmorph.pipeline.train import identity_now, model_of, replica_folder, train_model

    identity = identity_now(recipe)
    for replica in range(1 + (recipe.replicas or 0)):
        folder = replica_folder(required(recipe.model, "model", "--set model=PATH"), replica)

        def act(replica: int = replica) -> Result:
            return train_model(recipe, force=True, progress=progress, replica=replica)

        def found(folder: Path = folder) -> Result | None:
            try:
                return model_of(folder, identity)
            except InputError:  # damaged, or of another version
                return None

        name = f"train replica {folder.name}" if replica else "train"
        yield ChainStep(name, {"learning": identity}, [], [folder], act, found=found)


def _apply_steps(recipe: Recipe) -> Iterator[ChainStep]:
    """The template, then what else the model is applied to."""
    from simmorph.pipeline.apply.parts import planned
    from simmorph.pipeline.apply.run import apply_all
    from simmorph.pipeline.train import replica_folder

    model: Path = required(recipe.model, "model", "--set model=PATH")
    runs = list(recipe.apply)
    if recipe.template is not None:
        runs.insert(0, _template_run(recipe, recipe.template))
    for settings in runs:
        n_replicas = (recipe.replicas or 0) if settings.replicas else 0
        models = [replica_folder(model, replica) for replica in range(1 + n_replicas)]

        def act(settings: ApplySettings = settings, models: Sequence[Path] = models) -> Result:
            return apply_all(settings, model, replicas=models[1:], compression=recipe.compression, force=True)

        decisive, beside = _with_selection(recipe, settings)
        inputs = [*map(str, models), *_contexts(recipe, settings), *beside]
        outputs = [part.output for part in planned(settings, model, models[1:])]
        yield ChainStep(f"apply {settings.output.name}", decisive, inputs, outputs, act)


def _contexts(recipe: Recipe, settings: ApplySettings) -> list[str]:
    """The files that are applied to, or whose contexts new events take: by default those that were trained with."""
    if settings.input or not recipe.context:
        return settings.input or []
    return recipe.source or recipe.target or []


def _with_selection(recipe: MadeInputs, settings: ApplySettings | SelectSettings) -> tuple[dict[str, Any], list[str]]:
    """The settings as JSON values, with the content of the selection that they name, and the files that it reads."""
    decisive = {**settings.model_dump(mode="json"), "compression": recipe.compression, "content": None}
    if not settings.selection:
        return decisive, []
    selection, document = read_selection(settings.selection, settings.overrides)
    return decisive | {"content": document.content}, selection.files_beside()


def _template_run(recipe: Recipe, template: Path) -> ApplySettings:
    """What writes the template: a map of the source, or a generator without one."""
    from simmorph.methods.registry import find_method

    if recipe.source is None and not find_method(recipe.method.name).kind.needs_source:
        return ApplySettings(n_events=recipe.n_events or _n_target(recipe), output=template)
    return ApplySettings(input=required(recipe.source, "source", "--source"), output=template)


def _n_target(recipe: Recipe) -> int:
    """How many entries the target has, which a template from a generator gets by default."""
    paths = expand_inputs(required(recipe.target, "target", "--target"))
    return sum(describe(path, recipe.tree).n_entries for path in paths)


def _evaluate_step(recipe: Recipe, report: Path) -> ChainStep:
    """The report; it reads the samples, the model and the template."""

    def act() -> Result:
        from simmorph.pipeline.evaluate.run import evaluate

        return evaluate(recipe, force=True)

    samples = [*(recipe.source or []), *(recipe.target or [])]
    inputs = [str(path) for path in (recipe.model, recipe.template) if path is not None] + samples
    return ChainStep("evaluate", recipe.decisive(), inputs, [report], act, is_shown=True)


def _limits_steps(recipe: Recipe) -> Iterator[ChainStep]:
    """The limits, and the studies of them that the recipe asks for."""
    from simmorph.pipeline.limits.coverage import coverage_of_recipe
    from simmorph.pipeline.limits.run import inputs_of, limits_of_recipe
    from simmorph.pipeline.limits.scan import scan_of_recipe

    makes: dict[str, Callable[..., Any]]
    makes = {"limits": limits_of_recipe, "coverage": coverage_of_recipe, "scan": scan_of_recipe}
    for name in (name for name in makes if getattr(recipe, name) is not None):
        limits: LimitsSettings = required(recipe.limits, "limits", f"no `{name}:`")
        output: Path = required(getattr(recipe, name).output, f"{name}.output", f"--set {name}.output=FOLDER")
        keys = LimitsRecipe.model_fields.keys() - ({"coverage", "scan"} - {name})
        its = limits if name == "limits" else limits.model_copy(update=OF_LIMITS_ALONE)
        # Checked already; a label may be of a variable of other steps.
        part = LimitsRecipe.model_construct(**{key: getattr(recipe, key) for key in keys} | {"limits": its})

        def act(make: Callable[..., Any] = makes[name], part: LimitsRecipe = part) -> Result:
            return _whole(make(part, force=True))

        yield ChainStep(name, part.decisive(), inputs_of(limits), [output], act, is_shown=True)


def _whole(result: Any) -> Result:
    """The result, unless Ctrl-C or SIGTERM stopped it before its end."""
    if (stopped := getattr(result, "stopped", None)) is not None:
        raise stopped
    return result  # type: ignore[no-any-return]


def _read_state(path: Path) -> dict[str, Any]:
    """What was written down of each step; nothing where there is no state, or one that cannot be read."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # no state, or a broken one: everything runs again
        return {}
    if not isinstance(state, dict):
        return {}
    # What another version wrote may lack something: such a step runs again.
    return {name: step for name, step in state.items() if isinstance(step, dict) and step.keys() >= _KEPT}


def _names(step: ChainStep) -> list[str]:
    """The outputs of a step as text."""
    return [str(output) for output in step.outputs]


def _written(step: ChainStep) -> dict[str, str]:
    """The content hash of each output as it is now."""
    return {output: _content_hash(output) for output in _names(step)}


def _key(step: ChainStep) -> str:
    """A hash of all that the step's result depends on: this version, its settings, and the content of its inputs."""
    content = {"simmorph": __version__, "settings": step.settings, "inputs": _hashes(step.inputs)}
    return digest_of(content)


def _hashes(paths: Sequence[str]) -> dict[str, str]:
    """Content hashes; a URL stands for itself, since fetching it is most of the work."""
    return {path: _content_hash(path) for path in _expanded(paths)}


def _expanded(paths: Sequence[str]) -> list[str]:
    """The paths, with globs replaced by what they match."""
    return [found for path in paths for found in ([path] if Path(path).exists() else expand_inputs([path]))]


def _content_hash(path: str) -> str:
    """The hash of a file, or of all files of a folder with their names; `missing` if there is none."""
    if len(parts_of(path)) > 1:
        return checksum_of(path)
    folder = Path(path)
    if folder.is_dir():
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        return digest_of({str(file.relative_to(folder)): checksum_of(str(file)) for file in files})
    return checksum_of(path) if is_url(path) or folder.exists() else "missing"
