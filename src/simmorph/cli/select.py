"""`simmorph select`: from original ntuples to a flat one, by a selection in YAML.

The answer is the cutflow of all inputs together; the selection says what a row is.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from pathlib import Path


@command("select", short_help="Select photon pairs into a flat ntuple.")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@option("--selection", required=True, metavar="NAME_OR_FILE", help="A shipped selection, or a YAML file.")
@output_option("The ntuple to write: tree `events`, one row per selected event, GeV.", required=True)
@option("--tree", help="Read this tree instead of the selection's.")
@bad_file_option()
@allow_empty_option()
@selection_options()
@compression_option
@run_options
def select_command(
    inputs: tuple[str, ...], selection: str, output: Path, as_json: bool, quiet: bool, **options: Any
) -> None:
    """Select photon pairs from ntuples into one flat ntuple.

    INPUT is a ROOT file, a glob, a folder (its *.root), a root:// or https:// URL, or - for a list on stdin. The
    selection is one YAML file with objects, cuts, regions, variables and weights. Its cutflow is printed, and kept
    in the output.

    \b
    Examples:
      simmorph select build/toy/data.root --selection diphoton-demo -o build/data.root
      ls build/toy/*.root | simmorph select - --selection diphoton-demo -o build/all.root --json
    """
    from simmorph.pipeline.select import select_events

    progress = partial(note, quiet=quiet)

    result = select_events(inputs, selection, output, progress=progress, **options)
    for warning in result.warnings():
        progress(f"warning: {warning}")
    answer(result.to_json(), result.to_text(), as_json=as_json)
