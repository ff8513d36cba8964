"""`simmorph apply`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simmorph.cli.options import answer, force_option, json_option, note, output_option, quiet_option


@click.command("apply")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--model", required=True, type=click.Path(path_type=Path), help="The model folder.")
@output_option("The ntuple to write.", required=True)
@click.option(
    "--selection", metavar="NAME_OR_FILE", help="Makes events of original ntuples; writes a friend tree of these."
)
@click.option("--friend", is_flag=True, help="Write only the new branches, entry by entry, as tree `morphed`.")
@click.option("--tree", help="Read this tree instead of the recipe's.")
@click.option("--seed", type=click.IntRange(min=0), help="Of the noise that spreads repeated values such as zeros.")
@force_option
@quiet_option
@json_option
def apply_command(
    inputs: tuple[str, ...], model: Path, output: Path, as_json: bool, quiet: bool, **options: Any
) -> None:
    """Write what a model makes of events back to ROOT.

    INPUT is a flat ntuple, a glob, a folder (its *.root), a URL, or - for a list on stdin; with --selection the
    original ntuples that were selected from. All branches are copied, and <feature>_morphed, weight_morphed and
    morph_status are added. The bits of morph_status are 1 not selected, 2 not finite, 4 outside of the training range.

    \b
    Examples:
      simmorph apply build/mc_gamgam.root --model build/model -o build/template.root
      simmorph apply build/toy/mc_gamgam.root --model build/model --selection diphoton-demo -o build/friend.root
    """
    from simmorph.pipeline.apply import apply_model

    def progress(line: str) -> None:
        note(line, quiet=quiet)

    result = apply_model(inputs, model, output, progress=progress, **options)
    for warning in result.warnings():
        progress(f"warning: {warning}")
    answer(result.to_json(), result.to_text(), as_json=as_json)
