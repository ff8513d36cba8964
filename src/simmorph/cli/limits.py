"""simmorph limits: turn the result into upper limits."""

from __future__ import annotations

import click

from simmorph.cli.options import answer, json_option, note, quiet_option


@click.command("limits")
@click.argument("workspace", required=False, metavar="[WORKSPACE.json | -]")
@click.option(
    "--cl", "level", type=click.FloatRange(0.5, 0.9999), default=0.95, show_default=True, help="Confidence level."
)
@click.option("--measurement", metavar="NAME", help="Which measurement of the workspace; the first by default.")
@quiet_option
@json_option
def limits_command(workspace: str | None, level: float, measurement: str | None, quiet: bool, as_json: bool) -> None:
    r"""Set upper limits by CLs, from a pyhf workspace (`-` is stdin), or from ntuples or histograms by a recipe.

    \b
    Examples:
      simmorph limits workspace.json --json
      pyhf prune --sample ttbar workspace.json | simmorph limits -
    """
    from simmorph.pipeline.limits import limits_of_workspace

    result = limits_of_workspace(
        str(workspace), level=level, measurement=measurement, note=lambda text: note(text, quiet=quiet)
    )
    answer(result.to_json(), result.to_text(), as_json=as_json)
