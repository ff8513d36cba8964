"""`simmorph limits`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from simmorph.cli.options import answer, force_option, json_option, note, output_option, quiet_option
from simmorph.errors import UsageError


@click.command("limits", short_help="Turn the result into upper limits.")
@click.argument("workspace", required=False, metavar="[WORKSPACE.json | -]")
@click.option("-c", "--config", type=click.Path(path_type=Path), metavar="RECIPE.yaml", help="The recipe.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key: --set limits.cl=0.9.")
@click.option("--cl", "level", type=click.FloatRange(0.5, 0.9999), help="Confidence level.  [default: 0.95]")
@click.option("--measurement", metavar="NAME", help="Which measurement of the workspace; the first by default.")
@click.option(
    "--engine",
    type=click.Choice(["newton", "pyhf"]),
    default="newton",
    show_default=True,
    help="How minima are found: our own fit, which falls back to Minuit where nothing vouches for it, or pyhf's.",
)
@output_option("Folder for workspace, numbers and plots.")
@json_option
@force_option
@quiet_option
def limits_command(
    *,
    workspace: str | None,
    config: Path | None,
    overrides: tuple[str, ...],
    level: float | None,
    measurement: str | None,
    engine: str,
    output: Path | None,
    as_json: bool,
    force: bool,
    quiet: bool,
) -> None:
    """Set CLs upper limits: from a pyhf workspace (`-` is stdin), or from ntuples or histograms by a recipe.

    Exit code 4 says that a workspace or sample cannot be used, 1 that it cannot exclude any value.

    \b
    Examples:
      simmorph limits --config cli-examples/atlas-hgg/hgg.yaml -o build/limits
      simmorph limits workspace.json --json | jq .observed
      pyhf prune --sample ttbar workspace.json | simmorph limits -
    """
    if (workspace is None) == (config is None):
        raise UsageError("limits", "there is nothing to do" if config is None else "there are a workspace and a recipe",
                         "give either WORKSPACE.json or --config RECIPE.yaml")  # fmt: skip
    if workspace is not None and overrides:
        raise UsageError("--set", "a workspace has no recipe whose keys could be set", "use --cl or --measurement")
    if config is not None and measurement is not None:
        raise UsageError("--measurement", "a recipe has one measurement", "leave it out")
    from simmorph.pipeline.limits import How, limits_of_recipe, limits_of_workspace, load_limits_recipe

    how = How(level, output, force, partial(note, quiet=quiet), engine)
    if config is not None:
        result = limits_of_recipe(load_limits_recipe(config, overrides), how)
    else:
        result = limits_of_workspace(str(workspace), how, measurement=measurement)
    answer(result.to_json(), result.to_text(), as_json=as_json)
