"""`simmorph inspect`: what is in a model folder, and whether it is whole.

The answer is the model's card; `--json` prints all of it, for `jq` or another program.
"""

from __future__ import annotations

from pathlib import Path

import click

from simmorph.cli.options import answer, command, json_option


@command("inspect")
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL")
@json_option
def inspect_command(model: Path, as_json: bool) -> None:
    """Show what is in a model, after checking that it is whole and does what it did when it was written.

    \b
    Examples:
      simmorph inspect build/model
      simmorph inspect build/model --json | jq .history
    """
    from simmorph.pipeline.inspect import inspect_model

    result = inspect_model(model)
    answer(result.to_json(), result.to_text(), as_json=as_json)
