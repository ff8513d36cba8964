"""Options that several commands share: one name for one thing.

Each function here adds options to a command and returns it, to be used as a decorator. Besides, `note` and `answer` are
the only ways to print: what is being done to stderr, the result to stdout.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, get_args

import click

from simmorph.cli.parts.effect import Command, Option, SetOption
from simmorph.cli.parts.streams import silence_if_broken
from simmorph.config.values.compression import Compression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from simmorph.config.values.interpolation import Interpolation
    from simmorph.evaluation.verdict import Code
    from simmorph.progress import Progress

Decorated = TypeVar("Decorated", bound="Callable[..., Any]")


class Decorator(Protocol):
    """Adds options to a function, and returns what it was given."""

    def __call__(self, decorated: Decorated, /) -> Decorated:
        """The function with the options."""


command = partial(click.command, cls=Command)
option = partial(click.option, cls=Option)
keyed_option = partial(click.option, cls=Option, expose_value=False)
"""An option of a command that always has a recipe: its value reaches the command as a key of that alone."""

STUDY = ("tree", "weight", "features", "limits")
"""What limits, coverage and scan all read of a recipe."""


def sample_options(decorated: Decorated) -> Decorated:
    """--source and --target, which take the place of the recipe's files; each may be repeated."""
    decorated = keyed_option(
        "--target", multiple=True, metavar="FILE", key="target",
        help="The sample that it should look like; instead of the recipe's.",
    )(decorated)  # fmt: skip
    return keyed_option(
        "--source", multiple=True, metavar="FILE", key="source",
        help="The sample to be morphed; instead of the recipe's.",
    )(decorated)  # fmt: skip


def quiet_option(decorated: Decorated) -> Decorated:
    """-q, which leaves nothing on stderr but errors."""
    return option("-q", "--quiet", is_flag=True, help="Only errors on stderr.")(decorated)


AGAIN_SECONDS = 10.0
"""After which an alarm that was not heard rings again."""


class TimeIsUp(SystemExit):
    """The time that `--max-minutes` gives is over; without anything to print the process ends with code 75."""


def time_limit_option(decorated: Decorated) -> Decorated:
    """--max-minutes, of commands whose result is worth something before it is whole."""
    return option(
        "--max-minutes", type=click.FloatRange(min=0, min_open=True), metavar="M",
        help="End after so many minutes, with what there is by then.",
    )(decorated)  # fmt: skip


def end_in_time(minutes: float | None) -> None:
    """Let the alarm of the process ring after so many minutes, unless the command ends before.

    It rings again until it is heard: what it raises can be lost in code that Python calls where no exception can pass.
    """
    if minutes is None:
        return

    def ring(*_: object) -> None:
        click.echo(f"simmorph: {minutes:g} minutes are over", err=True)
        raise TimeIsUp(75)

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 60 * minutes, AGAIN_SECONDS)
    click.get_current_context().call_on_close(lambda: signal.setitimer(signal.ITIMER_REAL, 0))


def json_option(decorated: Decorated) -> Decorated:
    """--json, of every command: the result as JSON on stdout."""
    return option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(decorated)


def bad_file_option(**rules: Any) -> Decorator:
    """--on-bad-file."""
    return option(
        "--on-bad-file", type=click.Choice(["fail", "skip"]), default="fail",
        help="Stop at a bad file, or leave it out.", **rules,
    )  # fmt: skip


def allow_empty_option(**rules: Any) -> Decorator:
    """--allow-empty."""
    return option(
        "--allow-empty", is_flag=True,
        help="Write an output without rows where there are no events, as for one batch job of many.", **rules,
    )  # fmt: skip


def selection_options(**rules: Any) -> Decorator:
    """--sample, and --set for keys of a selection."""

    def decorate(decorated: Decorated) -> Decorated:
        decorated = option(
            "--set", "overrides", multiple=True, metavar="KEY=VALUE",
            help="Override a key of the selection: --set 'luminosity=10 /fb'.", **rules,
        )(decorated)  # fmt: skip
        return option(
            "--sample", default="auto", metavar="NAME",
            help="Take every file for this sample of the selection, or for data or simulation, instead of asking it.",
            **rules,
        )(decorated)  # fmt: skip

    return decorate


def compression_option(decorated: Decorated) -> Decorated:
    """--compression."""
    return option(
        "--compression", type=click.Choice(get_args(Compression)), default="zstd", show_default=True,
        help="Of the ntuples that are written; all can be read by ROOT.",
    )(decorated)  # fmt: skip


def run_options(decorated: Decorated) -> Decorated:
    """--force, -q and --json, of every command that writes an output."""
    decorated = json_option(quiet_option(decorated))
    return option("--force", is_flag=True, help="Replace an output that exists.")(decorated)


def recipe_options(*reads: str, required: bool = True, example: str = "training.epochs=5") -> Decorator:
    """--config and --set.

    Args:
        *reads: the keys of a recipe that the command reads; all if there are none.
        required: whether the command needs a recipe.
        example: of an override.
    """

    def decorate(decorated: Decorated) -> Decorated:
        decorated = click.option(
            "--set", "overrides", cls=SetOption, reads=reads, multiple=True, metavar="KEY=VALUE",
            needs=None if required else ("--config", "a workspace has no recipe whose keys could be set"),
            help=f"Override a key: --set {example}.",
        )(decorated)  # fmt: skip
        return option(
            "-c", "--config", required=required, type=click.Path(path_type=Path), metavar="RECIPE.yaml",
            help="The recipe.",
        )(decorated)  # fmt: skip

    return decorate


def workspace_or_recipe(*reads: str, example: str) -> Decorator:
    """A pyhf workspace or a recipe with `limits:`, and what is chosen of either.

    Args:
        *reads: the keys of a recipe that the command reads besides those of STUDY.
        example: of an override.
    """

    def decorate(decorated: Decorated) -> Decorated:
        decorated = interpolation_option(decorated)
        decorated = amplification_option(needs=("--config", "a workspace does not say what was generated"))(decorated)
        decorated = option(
            "--measurement", metavar="NAME", needs=("workspace", "a recipe has one measurement"),
            help="Which measurement of the workspace; the first by default.",
        )(decorated)  # fmt: skip
        decorated = level_option(expose_value=True)(decorated)
        decorated = recipe_options(*STUDY, *reads, required=False, example=example)(decorated)
        return click.argument("workspace", required=False, metavar="[WORKSPACE.json | -]")(decorated)

    return decorate


def level_option(*, expose_value: bool = False) -> Decorator:
    """--cl, the confidence level.

    Args:
        expose_value: whether the command takes it as `level` too, where it may be without a recipe.
    """
    return option(
        "--cl", "level", type=click.FloatRange(0.5, 0.9999), key="limits.cl", expose_value=expose_value,
        help="Confidence level.  [default: 0.95]",
    )  # fmt: skip


class PairsType(click.ParamType):  # type: ignore[type-arg] # older click has no parameters there
    """A section of a recipe as KEY=VALUE,..., which is checked as that is."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """The values by key."""
        from simmorph.config.documents import Document, validate
        from simmorph.errors import ConfigError

        pairs = (pair.partition("=") for pair in value.split(","))
        found: dict[str, Any] = {key.strip(): self.value_of(its.strip()) for key, _, its in pairs}
        try:
            validate(Document("", found), self.section())
        except ConfigError as error:
            self.fail(f"{error.what}; {error.mend}".removesuffix("; "), param, ctx)
        return found

    def value_of(self, text: str) -> Any:
        """A value that is no text."""
        return text

    def section(self) -> Any:
        """What it is a section of."""
        raise NotImplementedError


class InterpolationType(PairsType):
    """Codes of interpolation by the kind of modifier, such as normsys=code1,histosys=code0."""

    name = "interpolation"

    def section(self) -> Any:
        """The codes, which exist."""
        from simmorph.config.values.interpolation import Interpolation

        return Interpolation


class ClipType(PairsType):
    """The least that is expected, such as samples=0,bins=1e-6."""

    name = "clip"

    def value_of(self, text: str) -> Any:
        """A number, if it is one."""
        try:
            return float(text)
        except ValueError:
            return text

    def section(self) -> Any:
        """Numbers of samples and bins."""
        from simmorph.config.values.interpolation import Clip

        return Clip


def interpolation_option(decorated: Decorated) -> Decorated:
    """--interpolation, which the command takes too, where it may be without a recipe."""
    return option(
        "--interpolation", type=InterpolationType(), metavar="KIND=CODE,...", key="limits.interpolation",
        help="How the sides of normsys (code4, code1, combine) and histosys (code4p, code0) are joined: normsys=code1.",
    )(decorated)  # fmt: skip


def codes_of(given: dict[str, str] | None) -> Interpolation | None:
    """What --interpolation gives; None if it stands not there."""
    from simmorph.config.values.interpolation import Interpolation

    return None if given is None else Interpolation.model_validate(given)


def jobs_option(what: str) -> Decorator:
    """-j/--jobs, with the same numbers for any value.

    Args:
        what: is done side by side.
    """
    return option(
        "-j", "--jobs", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
        help=f"Processes at the same time, for {what}; the numbers do not depend on it.",
    )  # fmt: skip


def fail_on_option(decorated: Decorated) -> Decorated:
    """--fail-on, for pipelines."""
    return option(
        "--fail-on", "least", type=click.Choice(["differs", "tension", "no_power"]),
        help="Exit with 6 if the verdict on a region, bands apart, is this or worse; no_power: too few events.",
    )(decorated)  # fmt: skip


def fail_on(least: Code | None, worst: Mapping[str, Any]) -> None:
    """Fail if a verdict is too bad.

    Args:
        least: the verdict to fail on, or worse than; None for none.
        worst: the verdict, and the region that it is of.

    Raises:
        VerdictError: it is, or there is no answer.
    """
    if least is None:
        return
    from simmorph.errors import VerdictError
    from simmorph.evaluation.verdict import CODES

    if CODES.index(worst["verdict"]) >= CODES.index(least):
        raise VerdictError(f"region {worst['region']}", f"the verdict is {worst['verdict']}")


def amplification_option(**rules: Any) -> Decorator:
    """--amplification.

    Args:
        **rules: when it has an effect; see `Option`.
    """
    return keyed_option(
        "--amplification",
        type=click.Choice(["auto", "corrected", "replicas", "training", "naive"]),
        key="limits.amplification",
        help="What the uncertainty of a generated background comes from; the recipe's by default.",
        **rules,
    )


def output_option(what: str, *, required: bool = False, key: str | None = None, expose_value: bool = True) -> Decorator:
    """-o/--output, and what it is.

    Args:
        what: its help.
        required: whether the command cannot do without.
        key: of the recipe, that it sets.
        expose_value: whether the command takes it as `output`.
    """
    return option(
        "-o", "--output", required=required, type=click.Path(path_type=Path), key=key, expose_value=expose_value,
        help=what,
    )  # fmt: skip


def note(text: str, *, quiet: bool = False) -> None:
    """Say something on stderr; stdout belongs to the result."""
    if quiet:
        return
    try:
        click.echo(text, err=True)
    except BrokenPipeError:  # whoever listened is gone, and the work goes on
        silence_if_broken(sys.stderr)


def answer(result: Any, text: str, *, as_json: bool) -> None:
    """Print the result on stdout, as JSON or as text.

    Args:
        result: ready for JSON; NaN and infinity, which JSON does not know, are a bug.
        text: the same for people.
        as_json: which of them.
    """
    click.echo(json.dumps(result, indent=2, allow_nan=False) if as_json else text)


def answer_so_far(found: Any, *, as_json: bool) -> None:
    """Print what was finished, then exit as Ctrl-C or SIGTERM asked for, if they did; after `--max-minutes` it is done.

    Args:
        found: a result that may have `stopped`.
        as_json: print it as JSON.
    """
    answer(found.to_json(), found.to_text(), as_json=as_json)
    if found.stopped is not None and not isinstance(found.stopped, TimeIsUp):
        raise found.stopped


@contextlib.contextmanager
def progress_shown(*, quiet: bool) -> Iterator[Progress]:
    """Writes what is being done to stderr; of the epochs, on a terminal only, the last one in one line."""
    shows_epochs, is_line_open = not quiet and sys.stderr.isatty(), False

    def progress(report: str | Mapping[str, Any]) -> None:
        nonlocal is_line_open
        if isinstance(report, str):
            note(f"\n{report}" if is_line_open else report, quiet=quiet)
            is_line_open = False
        elif shows_epochs:
            click.echo(f"\r{_epoch_line(report)}\033[K", err=True, nl=False)
            is_line_open = True

    try:
        yield progress
    finally:
        if is_line_open:
            click.echo(err=True)


def _epoch_line(record: Mapping[str, Any]) -> str:
    """Stage, epoch, losses and seconds of one epoch, in a line."""
    validation = record["validation_loss"]
    losses = f"loss {record['loss']:.5f}" + ("" if validation is None else f", validation {validation:.5f}")
    return f"{record['stage']}: epoch {record['epoch']}/{record['epochs']}, {losses}, {record['seconds']:.0f} s"
