"""`simmorph limits`."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simmorph.cli.options import answer, force_option, json_option, note, output_option, quiet_option
from simmorph.errors import UsageError

if TYPE_CHECKING:
    from simmorph.config.limits import LimitsRecipe
    from simmorph.config.recipe import Recipe
    from simmorph.pipeline.limits.coverage import CoverageResult
    from simmorph.pipeline.limits.run import How
    from simmorph.pipeline.limits.scan import ScanResult


@click.command("limits", short_help="Turn the result into upper limits.")
@click.argument("workspace", required=False, metavar="[WORKSPACE.json | -]")
@click.option("-c", "--config", type=click.Path(path_type=Path), metavar="RECIPE.yaml", help="The recipe.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key: --set limits.cl=0.9.")
@click.option("--cl", "level", type=click.FloatRange(0.5, 0.9999), help="Confidence level.  [default: 0.95]")
@click.option("--measurement", metavar="NAME", help="Which measurement of the workspace; the first by default.")
@click.option("--patchset", metavar="PATCHSET.json", help="A pyhf patch set: limits of the workspace with each patch.")
@click.option("--patch", "patches", multiple=True, metavar="NAME", help="Only this patch of the set; may be repeated.")
@click.option(
    "--amplification",
    type=click.Choice(["auto", "replicas", "training", "naive"]),
    help="What the uncertainty of a generated background comes from; the recipe's by default.",
)
@click.option(
    "--scan",
    type=click.Choice(["luminosity"]),
    help="Scan limits over luminosity, generated events and the size of a systematic, as `limits.scan` says.",
)
@click.option(
    "--coverage",
    "n_toys",
    type=click.IntRange(2),
    metavar="N_TOYS",
    help="Make this many pseudo-experiments instead, and tell how often intervals and limits hold the truth.",
)
@click.option(
    "--strength", type=click.FloatRange(0), default=1.0, show_default=True, help="True strength, for --coverage."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the pseudo-experiments.")
@click.option(
    "--engine",
    type=click.Choice(["newton", "pyhf"]),
    default="newton",
    show_default=True,
    help="How minima are found: our own fit, which falls back to Minuit where nothing vouches for it, or pyhf's.",
)
@click.option("--impacts", is_flag=True, help="Tell the pull of each nuisance parameter, and what it does to the fit.")
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
    patchset: str | None,
    patches: tuple[str, ...],
    amplification: str | None,
    scan: str | None,
    n_toys: int | None,
    strength: float,
    seed: int,
    engine: str,
    impacts: bool,
    output: Path | None,
    as_json: bool,
    force: bool,
    quiet: bool,
) -> None:
    """Set CLs upper limits: from a pyhf workspace (`-` is stdin), or from ntuples or histograms by a recipe.

    A scan or coverage that is stopped by Ctrl-C or SIGTERM prints what it has; with -o the same command goes on.

    Exit code 4 says that a workspace or sample cannot be used, 1 that it cannot exclude any value.

    \b
    Examples:
      simmorph limits --config cli-examples/atlas-hgg/hgg.yaml -o build/limits
      simmorph limits workspace.json --json | jq .observed
      simmorph limits workspace.json --coverage 500
      simmorph limits background.json --patchset patchset.json --json > limits.jsonl
      pyhf prune --sample ttbar workspace.json | simmorph limits -
    """
    _refuse_strays(workspace, config, overrides, measurement, amplification)
    if amplification is not None:
        overrides = (*overrides, f"limits.amplification={amplification}")
    _refuse_stray_patches(workspace, patchset, patches, is_plain=n_toys is None and scan is None)
    from simmorph.pipeline.limits.run import How, limits_of_recipe, limits_of_workspace, load_limits_recipe

    tell = partial(note, quiet=quiet)
    recipe = None if config is None else load_limits_recipe(config, overrides)
    if n_toys is not None:
        toys = {"level": level, "strength": strength, "seed": seed, "note": tell}
        found = _coverage(str(workspace), recipe, n_toys, measurement, (output, force), **toys)
        _answer_so_far(found, as_json=as_json)
        return
    how = How(level, output, force, tell, engine, impacts)
    if patchset is not None:
        _print_patches(str(workspace), patchset, patches, measurement, how, as_json=as_json)
        return
    if scan is not None:
        if recipe is None:
            raise UsageError("--scan", "a workspace says nothing of luminosity", "give --config RECIPE.yaml")
        from simmorph.pipeline.limits.scan import scan_luminosity

        _answer_so_far(scan_luminosity(recipe, how), as_json=as_json)
        return
    result = (
        limits_of_workspace(str(workspace), how, measurement=measurement)
        if recipe is None
        else limits_of_recipe(recipe, how)
    )
    answer(result.to_json(), result.to_text(), as_json=as_json)


def _refuse_strays(
    workspace: str | None,
    config: Path | None,
    overrides: tuple[str, ...],
    measurement: str | None,
    amplification: str | None,
) -> None:
    """Refuse what a workspace, or a recipe, has no use for."""
    if (workspace is None) == (config is None):
        raise UsageError("limits", "there is nothing to do" if config is None else "there are a workspace and a recipe",
                         "give either WORKSPACE.json or --config RECIPE.yaml")  # fmt: skip
    if workspace is not None and amplification is not None:
        raise UsageError("--amplification", "a workspace does not tell what was generated", "give --config RECIPE.yaml")
    if workspace is not None and overrides:
        raise UsageError("--set", "a workspace has no recipe whose keys could be set", "use --cl or --measurement")
    if config is not None and measurement is not None:
        raise UsageError("--measurement", "a recipe has one measurement", "leave it out")


def _refuse_stray_patches(
    workspace: str | None, patchset: str | None, patches: tuple[str, ...], *, is_plain: bool
) -> None:
    if patches and patchset is None:
        raise UsageError("--patch", "there is no set that it could be in", "give --patchset PATCHSET.json")
    if patchset is not None and (workspace is None or not is_plain):
        raise UsageError(
            "--patchset", "it patches a workspace, for limits alone", "give WORKSPACE.json --patchset FILE"
        )


def _print_patches(
    workspace: str, patchset: str, patches: tuple[str, ...], measurement: str | None, how: How, *, as_json: bool
) -> None:
    """One line a patch as soon as it is known, so that nothing is lost if the rest is not."""
    from simmorph.limits.inference import NoLimitError
    from simmorph.pipeline.limits.patches import limits_of_patches, table_head

    failed = n_done = 0
    for found in limits_of_patches(workspace, patchset, patches, how, measurement=measurement):
        if not as_json and not n_done:
            click.echo(table_head(found))
        click.echo(json.dumps(found.to_json(), allow_nan=False) if as_json else found.to_text())
        n_done += 1
        failed += found.result is None
    if failed:
        raise NoLimitError(patchset, f"{failed} of {n_done} patches have no limit", "the lines above say why")


def _answer_so_far(found: CoverageResult | ScanResult, *, as_json: bool) -> None:
    """Print what was finished, then exit as Ctrl-C or SIGTERM asked for, if they did."""
    answer(found.to_json(), found.to_text(), as_json=as_json)
    if found.stopped is not None:
        raise found.stopped


def _coverage(
    workspace: str,
    recipe: Recipe | LimitsRecipe | None,
    n_toys: int,
    measurement: str | None,
    where: tuple[Path | None, bool],
    **how: Any,
) -> CoverageResult:
    from simmorph.limits.coverage import Toys
    from simmorph.pipeline.limits.coverage import Place, coverage_of_recipe, coverage_of_workspace

    level = how.pop("level") or (recipe.limits.cl if recipe is not None and recipe.limits is not None else 0.95)
    toys, place = Toys(n_toys, level=level, **how), Place(*where)
    return (
        coverage_of_workspace(workspace, toys, measurement=measurement, place=place)
        if recipe is None
        else coverage_of_recipe(recipe, toys, place)
    )
