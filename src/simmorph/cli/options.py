"""Options that several commands share: one name for one thing."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Command = TypeVar("Command", bound="Callable[..., Any]")


def force_option(command: Command) -> Command:
    """--force."""
    return click.option("--force", is_flag=True, help="Replace an output that exists.")(command)


def quiet_option(command: Command) -> Command:
    """-q."""
    return click.option("-q", "--quiet", is_flag=True, help="Only errors on stderr.")(command)


def json_option(command: Command) -> Command:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)


def recipe_options(command: Command) -> Command:
    """--config and --set."""
    command = click.option(
        "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key: --set training.epochs=5."
    )(command)
    return click.option(
        "-c", "--config", required=True, type=click.Path(path_type=Path), metavar="RECIPE.yaml", help="The recipe."
    )(command)


def output_option(what: str, *, required: bool = False) -> Callable[[Command], Command]:
    """-o/--output, told what it is."""
    return click.option("-o", "--output", required=required, type=click.Path(path_type=Path), help=what)


def note(text: str, *, quiet: bool = False) -> None:
    """Say something on stderr; stdout belongs to the result."""
    if not quiet:
        click.echo(text, err=True)


def answer(result: Any, text: str, *, as_json: bool) -> None:
    """Print the result on stdout, as JSON or as text."""
    click.echo(json.dumps(result, indent=2, allow_nan=False) if as_json else text)


@contextlib.contextmanager
def epoch_progress(*, quiet: bool) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Shows the epoch that was trained last in one line, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return

    def show(record: Mapping[str, Any]) -> None:
        validation = record["validation_loss"]
        losses = f"loss {record['loss']:.5f}" + ("" if validation is None else f", validation {validation:.5f}")
        line = f"{record['stage']}: epoch {record['epoch']}/{record['epochs']}, {losses}, {record['seconds']:.0f} s"
        click.echo(f"\r{line}\033[K", err=True, nl=False)

    try:
        yield show
    finally:
        click.echo(err=True)
