"""`simmorph apply`: a saved model on ntuples, or new events from a generator.

The options are the keys of an entry of `apply:` in a recipe, and are checked by the same model (`ApplySettings`).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from simmorph.cli.parts.options import (
    allow_empty_option,
    answer,
    bad_file_option,
    command,
    compression_option,
    note,
    option,
    output_option,
    run_options,
    selection_options,
)
from simmorph.config.effect import APPLY
from simmorph.errors import UsageError


@command("apply")
@click.argument("inputs", nargs=-1, metavar="[INPUT...]")
@option("--model", required=True, type=click.Path(path_type=Path), help="The model folder.")
@output_option("The ntuple to write.", required=True)
@option(
    "--selection",
    metavar="NAME_OR_FILE",
    **APPLY["selection"],
    help="Makes events of original ntuples; writes a friend tree of these.",
)
@option(
    "--friend",
    is_flag=True,
    **APPLY["friend"],
    help="Write only the new branches, entry by entry, as tree `morphed`.",
)
@option(
    "--full-copy",
    is_flag=True,
    **APPLY["full_copy"],
    help="With a selection: write a copy of the original ntuples with the new branches.",
)
@selection_options(**APPLY["sample"])
@bad_file_option(**APPLY["on_bad_file"])
@allow_empty_option(**APPLY["allow_empty"])
@option("--tree", metavar="NAME", help="Read this tree instead of the recipe's.", **APPLY["tree"])
@option("--seed", type=click.IntRange(min=0), help="Of all random numbers; the model's own by default.")
@option("--n-events", type=click.IntRange(min=1), metavar="N", help="Draw so many new events from a generator.")
@option(
    "--each",
    is_flag=True,
    **APPLY["each"],
    help="Write a file of its own for each INPUT, with its name, into the folder OUT.",
)
@option(
    "--missing-branches",
    type=click.Choice(["fill", "drop"]),
    default="fill",
    **APPLY["missing_branches"],
    help="A branch that only some inputs have: fill the rows of the others, or leave it out.",
)
@option(
    "--replicas",
    is_flag=False,
    flag_value="files",
    type=click.Choice(["files", "branches"]),
    help="What the model's replicas make too: files OUT.replica01.root, ..., or branches <feature>_morphed_r01, ...",
)
@compression_option
@run_options
def apply_command(
    inputs: tuple[str, ...],
    model: Path,
    *,
    replicas: str | None,
    compression: Any,
    force: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Write what a model makes of events back to ROOT, or new events that it draws.

    INPUT is a flat ntuple, a glob, a folder (its *.root), a URL, or - for a list on stdin; with --selection the
    original ntuples that were selected from. All branches are copied, each with a type that is exact in all inputs,
    and <feature>_morphed, weight_morphed and morph_status are added: one number each or, where rows of the selection
    are objects, one for each object of the file. The bits of morph_status are 1 not selected, 2 not finite, 4 outside
    of the training range, where a value that only a corrupt event has stays as it is, 8 held back (by a map in closed
    form) at the edge of what the target has near the context, 16 landed outside of what the target has, in a feature
    or in all of them together. Other trees of the inputs, and the histograms of a single one, are copied too. A
    reweighting adds morph_score, from 0 (like the source) to 1 (like the target): with signal for a target it is the
    classifier's score.

    With --n-events a generator writes events of its own: its features and context, and their weight, which is 1. The
    contexts are drawn from those of INPUT, or else from the events that it was trained with.

    \b
    Examples:
      simmorph apply build/mc_gamgam.root --model build/model -o build/template.root
      simmorph apply build/toy/mc_gamgam.root --model build/model --selection diphoton-demo -o build/friend.root
      simmorph apply --n-events 1000000 --model build/flow -o build/background.root --replicas
      simmorph apply build/mc_gamgam.root --model build/model -o build/template.root --replicas branches
      simmorph apply build/background*.root --model build/classifier --each -o build/scored
    """
    from pydantic import ValidationError

    from simmorph.config.recipe import ApplySettings
    from simmorph.pipeline.apply.run import apply_all
    from simmorph.pipeline.replicas import replicas_of

    if not inputs and options["n_events"] is None:
        raise UsageError("INPUT", "is missing", "name ntuples, or add --n-events to draw from a generator")
    try:
        settings = ApplySettings(input=list(inputs) or None, replicas=replicas or False, **options)
    except ValidationError as error:
        raise UsageError("apply", error.errors()[0]["msg"].removeprefix("Value error, ")) from error

    progress = partial(note, quiet=quiet)

    others = replicas_of(model) if replicas else []
    result = apply_all(settings, model, replicas=others, compression=compression, force=force, progress=progress)
    for warning in result.warnings():
        progress(f"warning: {warning}")
    answer(result.to_json(), result.to_text(), as_json=as_json)
