"""`simmorph schema`: the JSON schema of what a user writes.

The files in `schemas/` are what it prints.
"""

from __future__ import annotations

import click

from simmorph.cli.parts.options import answer, command, json_option


@command("schema")
@click.argument("document", type=click.Choice(["recipe", "selection", "compare", "limits"]), default="recipe")
@json_option
def schema_command(document: str, as_json: bool) -> None:
    """Print the JSON schema of a recipe (default), a selection, a comparison, or a recipe of limits alone.

    Editors complete and check YAML with it; shipped files name it in their second line. The schema is JSON with or
    without --json.

    \b
    Example:
      simmorph schema > recipe.schema.json
    """
    import json

    from simmorph.pipeline.schema import json_schema

    schema = json_schema(document)
    answer(schema, json.dumps(schema, indent=2), as_json=as_json)
