"""Scan limits over luminosity, generated events and the size of a systematic, from ntuples to figures.

What is scanned and why is said in `limits.studies.scan`. Each point is written down when it is known, so that a scan
that was stopped goes on.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from simmorph.config.recipe import required
from simmorph.config.studies import ScanSettings
from simmorph.data.files.outputs import refuse_existing, whole_folder, write_csv, write_json, write_provenance
from simmorph.data.ntuples.files import checksums_of
from simmorph.errors import ConfigError
from simmorph.evaluation.plots.style import save, style
from simmorph.limits.report.scan_plots import ScanKind, draw_difference, draw_limits, draw_strength
from simmorph.limits.studies.scan import SYSTEMATIC, GridPoint, Scan, ScanPoint
from simmorph.limits.templates.observable import Defaults
from simmorph.limits.templates.reader import Reader
from simmorph.pipeline.limits.run import inputs_of, refuse_several_strengths
from simmorph.pipeline.partial import FinishedParts, until_stopped
from simmorph.pipeline.processes import outcomes
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from simmorph.config.limits import BackgroundSettings, LimitsRecipe, LimitsSettings
    from simmorph.config.recipe import Recipe
    from simmorph.progress import Progress

TABLE = "scan.json"
KIND = "beta_type", "amplification"


@dataclass(frozen=True)
class ScanResult:
    """What the scan found.

    Attributes:
        points: each limit.
        beta_type: how the systematic acts.
        amplification: what the uncertainty of the generated background came from.
        parameter: what the strength is called.
        injected: strength of the signal in the expected data.
        stopped: what stopped it before its end: Ctrl-C or SIGTERM.
    """

    points: list[ScanPoint]
    beta_type: str
    amplification: str
    parameter: str
    injected: float = 1.0
    stopped: BaseException | None = None

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON; `generated` is null for the simulated reference."""
        rows = [{**point._asdict(), "difference": self.difference(point)} for point in self.points]
        return {
            "beta_type": self.beta_type,
            "amplification": self.amplification,
            "injected": self.injected,
            "complete": self.stopped is None,
            "points": rows,
        }

    def to_text(self) -> str:
        """A table for people."""
        fitted_words = f"fitted {self.parameter}"
        head = f"{'1/fb':>8} {'generated':>10} {'beta':>5} {fitted_words:>17} {'observed':>9} {'expected':>9}"
        lines = [
            f"systematic of the background: {self.beta_type}; uncertainty of the generated one: {self.amplification}",
            f"{head} {'ML - MC':>8}",
        ]
        for it in self.points:
            number = "simulated" if it.generated is None else str(it.generated)
            fitted = f"{it.fitted:.3f}" + ("" if it.uncertainty is None else f" ± {it.uncertainty:.3f}")
            lines.append(
                f"{it.luminosity:>8g} {number:>10} {it.beta:>5g} {fitted:>17} {it.observed:>9.4f} {it.expected:>9.4f} "
                f"{self.difference(it):>8.4f}"
            )
        lines += ["stopped before the end: points are missing"] if self.stopped else []
        return "\n".join(lines)

    def difference(self, point: ScanPoint) -> float:
        """Expected limit less that of the simulated reference at the same luminosity and size of the systematic."""
        same = (it for it in self.points if it.generated is None)
        reference = next(it for it in same if (it.luminosity, it.beta) == (point.luminosity, point.beta))
        return point.expected - reference.expected


def scan_of_recipe(
    recipe: Recipe | LimitsRecipe, *, force: bool = False, jobs: int = 1, progress: Progress = silent
) -> ScanResult:
    """The three studies of an amplified background, over the grid of the recipe's `scan:` block.

    Args:
        recipe: with a `limits:` block.
        force: replace the folder if it exists.
        jobs: processes that work at the same time.
        progress: called with a line now and then.

    Returns:
        Every point; after Ctrl-C or SIGTERM those that have a simulated reference, with what stopped it.

    Raises:
        ConfigError: the recipe has no `limits:` block, or not one generated background with `closure` events.
        InputError: a sample is not usable.
        NoLimitError: at some point nothing can be excluded.
        UsageError: the folder exists.
    """
    settings: LimitsSettings = required(recipe.limits, "limits", "a recipe")
    refuse_several_strengths(settings, "scan")
    grid = recipe.scan or ScanSettings()
    refuse_existing(grid.output, force=force, marker=TABLE)
    background = _background(settings)
    inputs = checksums_of(inputs_of(settings))
    made_of = {"scan": grid.model_dump(mode="json"), "limits": settings.model_dump(mode="json"), "inputs": inputs}
    done = FinishedParts(grid.output, made_of)
    reader = Reader(_without_scanned(settings), Defaults.of(recipe, settings), progress)
    known = {_point(part).at for part in done.parts}

    def fill() -> None:
        scan = _scan(reader, grid, background)
        missing = [at for at in scan.grid() if at not in known]
        left = Counter(at.luminosity for at in missing)
        with contextlib.closing(outcomes(partial(_ready, scan), missing, jobs)) as found:
            for outcome in found:
                done.add([*outcome.get()])
                luminosity = outcome.task.luminosity
                left[luminosity] -= 1
                if not left[luminosity]:
                    progress(f"luminosity {luminosity:g}/fb: {scan.n_background(luminosity):g} background events")

    stopped = until_stopped(fill)
    points = _with_reference([_point(part) for part in done.parts])
    treatment = _as_given(background).amplified(settings.amplification)
    result = ScanResult(points, grid.beta_type, treatment, settings.parameter, grid.injected, stopped)
    if stopped is not None:
        progress(done.where())
    elif grid.output is not None:
        _write(result, grid.output, inputs, force=force)
        done.clear()
    return result


def _without_scanned(settings: LimitsSettings) -> LimitsSettings:
    """Without a systematic of the recipe that has the name of the scanned one, which takes its place."""
    return settings.model_copy(update={"systematics": [it for it in settings.systematics if it.name != SYSTEMATIC]})


def _scan(reader: Reader, grid: ScanSettings, background: BackgroundSettings) -> Scan:
    """What is scanned."""
    settings = reader.settings
    closure = background.model_copy(update={"input": background.closure, "name": "simulated"})
    return Scan(
        grid,
        signal=reader.sample(settings.signal[0], is_signal=True).histogram,
        generated={number: reader.generated(_as_given(background), number) for number in grid.generated},
        simulated=reader.checked(closure),
        parameter=settings.parameter,
        level=settings.cl,
        interpolation=settings.interpolation,
    )


def _ready(scan: Scan) -> Callable[[GridPoint], ScanPoint]:
    """What makes a point, in this process or another one."""
    return scan.point


def _point(part: Sequence[Any]) -> ScanPoint:
    """A point as the file of finished parts has it."""
    return ScanPoint(*part)


def _with_reference(points: Sequence[ScanPoint]) -> list[ScanPoint]:
    """The points in order, without those whose simulated reference is still missing."""
    has_one = {(it.luminosity, it.beta) for it in points if it.generated is None}
    kept = [it for it in points if (it.luminosity, it.beta) in has_one]
    return sorted(kept, key=lambda it: (it.luminosity, it.beta, math.inf if it.generated is None else it.generated))


def _background(settings: LimitsSettings) -> BackgroundSettings:
    """The generated background, the only one.

    Raises:
        ConfigError: there are several backgrounds or signals, or no closure events.
    """
    background = settings.background[0]
    if settings.amplification == "corrected":
        what = "a scan compares with the simulated events that a correction would use"
        raise ConfigError("limits.amplification", what, "choose replicas, training or naive")
    if len(settings.background) > 1 or len(settings.signal) > 1 or background.closure is None:
        what = "a scan needs one signal, and one background with `closure:` events to take the place of data"
        raise ConfigError("limits", what, "give simulated events that the method has not learnt from")
    return background


def _as_given(background: BackgroundSettings) -> BackgroundSettings:
    """The background without a correction by the events that it is compared with."""
    return background.model_copy(update={"closure": None, "learnt_from": None, "retrained": None})


def _write(result: ScanResult, output: Path, inputs: Mapping[str, str], *, force: bool) -> None:
    """Write figures, the table as CSV and JSON, and where they come from."""
    kind = ScanKind(result.beta_type, result.amplification, result.injected)
    with whole_folder(output, force=force, marker=TABLE) as folder:
        figures = {"strength": draw_strength, "limit": draw_limits, "difference": draw_difference}
        with style():
            for name, draw in figures.items():
                save(draw(result.points, result.parameter, kind), folder / f"scan-{name}")
        rows = [[*point, result.difference(point), result.beta_type, result.amplification] for point in result.points]
        write_csv(folder / "scan.csv", [*ScanPoint._fields, "difference", *KIND], rows)
        write_json(folder / TABLE, result.to_json())
        write_provenance(folder / TABLE, {"inputs": dict(inputs)})
