"""`simmorph apply`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simmorph.cli.options import answer, force_option, json_option, note, output_option, quiet_option
from simmorph.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.pipeline.apply import ApplyResult
    from simmorph.pipeline.generate import GenerateResult


@click.command("apply")
@click.argument("inputs", nargs=-1, metavar="[INPUT...]")
@click.option("--model", required=True, type=click.Path(path_type=Path), help="The model folder.")
@output_option("The ntuple to write.", required=True)
@click.option(
    "--selection", metavar="NAME_OR_FILE", help="Makes events of original ntuples; writes a friend tree of these."
)
@click.option("--friend", is_flag=True, help="Write only the new branches, entry by entry, as tree `morphed`.")
@click.option("--tree", help="Read this tree instead of the recipe's.")
@click.option("--seed", type=click.IntRange(min=0), help="Of all random numbers; the model's own by default.")
@click.option("--n-events", type=click.IntRange(min=1), help="Draw so many new events from a generator.")
@click.option(
    "--each", is_flag=True, help="Write a file of its own for each INPUT, with its name, into the folder OUT."
)
@click.option("--replicas", is_flag=True, help="Write OUT.replica01.root, ... by the model's replicas too.")
@force_option
@quiet_option
@json_option
def apply_command(  # noqa: PLR0917 - click passes by name
    inputs: tuple[str, ...],
    model: Path,
    output: Path,
    n_events: int | None,
    each: bool,
    replicas: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Write what a model makes of events back to ROOT, or new events that it draws.

    INPUT is a flat ntuple, a glob, a folder (its *.root), a URL, or - for a list on stdin; with --selection the
    original ntuples that were selected from. All branches are copied, and <feature>_morphed, weight_morphed and
    morph_status are added. The bits of morph_status are 1 not selected, 2 not finite, 4 outside of the training range.
    A reweighting adds morph_score, from 0 (like the source) to 1 (like the target): with signal for a target it is the
    classifier's score.

    With --n-events a generator writes events of its own: its features and context, and their weight, which is 1. The
    contexts are drawn from those of INPUT, or else from the events that it was trained with.

    \b
    Examples:
      simmorph apply build/mc_gamgam.root --model build/model -o build/template.root
      simmorph apply build/toy/mc_gamgam.root --model build/model --selection diphoton-demo -o build/friend.root
      simmorph apply --n-events 1000000 --model build/flow -o build/background.root --replicas
      simmorph apply build/background*.root --model build/classifier --each -o build/scored
    """

    def progress(line: str) -> None:
        note(line, quiet=quiet)

    def write(inputs: Sequence[str], model: Path, output: Path) -> dict[str, Any]:
        result = _written(inputs, model, output, n_events, progress=progress, **options)
        for warning in result.warnings():
            progress(f"warning: {warning}")
        texts.append(result.to_text())
        return result.to_json()

    texts: list[str] = []
    if each:
        if n_events is not None or replicas:
            raise UsageError("--each", "is about the files of INPUT", "leave out --n-events and --replicas")
        from simmorph.pipeline.apply import one_for_each

        pairs = one_for_each(inputs, output, force=options["force"])
        written = [write([path], model, its) for path, its in pairs]
        answer({"files": written}, "\n".join(texts), as_json=as_json)
        return
    others: list[tuple[Path, Path]] = []
    if replicas:
        from simmorph.pipeline.replicas import replica_outputs

        others = replica_outputs(model, output, force=options["force"])
    as_dict = write(inputs, model, output)
    for replica, path in others:
        _written(inputs, replica, path, n_events, progress=progress, **options)
    if others:
        as_dict = {**as_dict, "replicas": [str(path) for _, path in others]}
        texts.append(f"replicas: {len(others)} files beside it")
    answer(as_dict, "\n".join(texts), as_json=as_json)


def _written(
    inputs: Sequence[str], model: Path, output: Path, n_events: int | None, **options: Any
) -> ApplyResult | GenerateResult:
    """What was written: the inputs after the model, or new events."""
    if n_events is None:
        from simmorph.pipeline.apply import apply_model

        return apply_model(inputs, model, output, **options)
    from simmorph.pipeline.generate import generate_events

    return generate_events(model, output, n_events, inputs=inputs, **_of_drawing(options))


def _of_drawing(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, without those that mean nothing for new events.

    Raises:
        UsageError: one of these was given.
    """
    for name in ("selection", "friend"):
        if options[name]:
            raise UsageError("--n-events", f"writes new events, and --{name} is about those of INPUT", "leave one out")
    return {name: value for name, value in options.items() if name not in {"selection", "friend"}}
