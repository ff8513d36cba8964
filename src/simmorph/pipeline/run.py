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
from simmorph.config.recipe import Recipe, required
from simmorph.data.outputs import sha256_of, whole_file, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


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
        if not force and known.get("key") == key and known.get("outputs") == _hashes(step.outputs):
            outcomes.append(StepOutcome(step.name, False, 0.0, _names(step), known["result"]))
            continue
        announce(step.name)
        start = time.perf_counter()
        result = step.action()
        state[step.name] = {"key": key, "outputs": _hashes(step.outputs), "result": result}
        with whole_file(state_file, force=True) as temporary:
            write_json(temporary, state)
        outcomes.append(StepOutcome(step.name, True, time.perf_counter() - start, _names(step), result))
    return RunResult(outcomes)


def chain(recipe: Recipe) -> list[Step]:
    """The steps that a recipe asks for, in order."""
    steps = [*_toy_steps(recipe), *_select_steps(recipe), _train_step(recipe), *_apply_steps(recipe)]
    if recipe.evaluate.report is not None:
        steps.append(_evaluate_step(recipe))
    if recipe.limits is not None:
        steps.append(_limits_step(recipe))
    return steps


def _read_state(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_text())
    except (OSError, ValueError):  # no state, or a broken one: everything runs again
        return {}
    return state if isinstance(state, dict) else {}


def _names(step: Step) -> list[str]:
    return [str(output) for output in step.outputs]


def _key(step: Step) -> str:
    content = {"simmorph": __version__, "settings": step.settings, "inputs": _hashes(step.inputs)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _hashes(paths: Sequence[str | Path]) -> dict[str, str]:
    """Content hashes; a URL stands for itself, since fetching it is most of the work."""
    return {str(path): "remote" if "://" in str(path) else _content_hash(Path(path)) for path in paths}


def _content_hash(path: Path) -> str:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        content = "".join(f"{file.relative_to(path)} {sha256_of(file)}\n" for file in files)
        return hashlib.sha256(content.encode()).hexdigest()
    return sha256_of(path) if path.exists() else "missing"
