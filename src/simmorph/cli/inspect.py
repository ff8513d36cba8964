"""`simmorph inspect`: what is in a model folder, and whether it is whole; or what is in a file of events.

The answer is the model's card, or the columns; `--json` prints all of it, for `jq` or another program.
"""

from __future__ import annotations

from pathlib import Path

import click

from simmorph.cli.parts.options import answer, command, json_option


@command("inspect")
@click.argument("path", metavar="MODEL_OR_FILE")
@json_option
def inspect_command(path: str, as_json: bool) -> None:
    """Show what is in a model, after checking that it is whole and does what it did when it was written.

    Of a file of events (ROOT, Parquet, CSV, HDF5) it shows the trees with entries, columns and their types.

    \b
    Examples:
      simmorph inspect build/model
      simmorph inspect build/model --json | jq .history
      simmorph inspect build/mc_gamgam.root
    """
    from simmorph.data.ntuples.servers import is_url
    from simmorph.pipeline.inspect import inspect_file, inspect_model

    result = inspect_file(path) if is_url(path) or Path(path).is_file() else inspect_model(Path(path))
    answer(result.to_json(), result.to_text(), as_json=as_json)
