"""`simmorph limits`: CLs upper limits from a model, a patch set, or a recipe.

With a patch set there is a line for each patch as soon as it is known: a table for people, JSON lines with `--json`.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simmorph.cli.parts.options import (
    ClipType,
    answer_so_far,
    codes_of,
    command,
    end_in_time,
    jobs_option,
    note,
    option,
    output_option,
    run_options,
    time_limit_option,
    workspace_or_recipe,
)
from simmorph.errors import UsageError

if TYPE_CHECKING:
    from simmorph.pipeline.limits.infer import LimitsOptions
    from simmorph.pipeline.limits.toys import ToyOptions


def _named_groups(_: click.Context, __: click.Parameter, groups: tuple[str, ...]) -> tuple[str, ...]:
    """The same; a group that has no name or no parameters is refused here, where a recipe's would be by its key."""
    if not groups:
        return groups
    from simmorph.config.values.listed import named_groups

    try:
        named_groups(list(groups))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return groups


def _strengths(text: str | None) -> list[float]:
    """The numbers of `--inject`; those of a recipe are checked by its key.

    Raises:
        UsageError: one is no number, or negative.
    """
    from simmorph.config.values.listed import listed_numbers

    try:
        numbers: list[float] = listed_numbers(text) if text is not None else []
    except ValueError as error:
        raise UsageError("--inject", f"{text!r} is no list of numbers", "give such as 0,1,2") from error
    if not all(0 <= it < float("inf") for it in numbers):
        raise UsageError("--inject", "a strength is at least 0", "give such as 0,1,2")
    return numbers


def _two_at_most(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    if len(names) > 2 or len(set(names)) < len(names):
        raise click.BadParameter("give one parameter, or two different ones")
    return names


@command("limits", short_help="Turn the result into upper limits.", one_of=("workspace", "--config"))
@workspace_or_recipe("variables", example="limits.parameter=strength")
@option(
    "--patchset",
    metavar="PATCHSET.json",
    needs=("workspace", "it patches a workspace"),
    help="A pyhf patch set: limits of the workspace with each patch.",
)
@option(
    "--patch",
    "patches",
    multiple=True,
    metavar="NAME",
    needs=("--patchset", "there is no set that it could be in"),
    help="Only this patch of the set; may be repeated.",
)
@option(
    "--engine",
    type=click.Choice(["newton", "pyhf"]),
    default="newton",
    show_default=True,
    key="limits.engine",
    help="How minima are found: our own fit, or pyhf's with Minuit: slow, and the reference.",
)
@option(
    "--clip",
    metavar="samples=X,bins=X",
    type=ClipType(),
    key="limits.clip",
    help="The least that is expected in a bin of a sample, and of all samples, as pyhf clips it: --engine pyhf.",
)
@option(
    "--parameter",
    metavar="NAME",
    key="limits.of_interest",
    help="The parameter of interest, another normalisation than that of the measurement, which is fitted then.",
)
@option(
    "--asimov",
    type=click.FloatRange(min=0),
    is_flag=False,
    flag_value=0.0,
    metavar="[MU]",
    key="limits.asimov",
    help="Take what is expected with this strength of the signal (0 by default) in place of the observed counts, which "
    "are not looked at.",
)
@option(
    "--impacts",
    is_flag=True,
    key="limits.impacts",
    help="Add the pull of each nuisance parameter, and its effect on the fit.",
)
@option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME[=NAMES]",
    callback=_named_groups,
    key="limits.groups",
    help="Add what a group of nuisance parameters adds to the uncertainty: `--group jets=JES_*,JER`, or `--group JES` "
    "for all whose names begin so. May be repeated.",
)
@option(
    "--profile",
    multiple=True,
    metavar="PARAMETER",
    callback=_two_at_most,
    key="limits.profile",
    help="Follow the profile likelihood of a parameter, with intervals; of two, with contours.",
)
@option(
    "--inject",
    metavar="MU,MU,...",
    key="limits.inject",
    help="Put signals of these strengths into expected data, and tell what is found.",
)
@option(
    "--interval",
    type=click.Choice(["feldman-cousins"]),
    key="limits.interval",
    help="Another interval of the parameter of interest: exact for few bins without nuisance parameters, else by toys.",
)
@option(
    "--hs3",
    type=click.Path(path_type=Path),
    metavar="FILE",
    key="limits.hs3",
    unless={"--patchset": "each patch is a model of its own"},
    help="Write the model as HS3 too, which RooFit reads.",
)
@option(
    "--calculator",
    type=click.Choice(["asymptotics", "toys"]),
    default="asymptotics",
    show_default=True,
    key="limits.calculator",
    help="CLs from asymptotic formulae, or from pseudo-experiments: right for few events too.",
)
@option(
    "--toys",
    type=click.IntRange(100),
    metavar="N",
    key="limits.toys",
    help="How many pseudo-experiments.  [default: 2000]",
)
@option("--seed", type=click.IntRange(0), key="limits.seed", help="Of all random numbers.  [default: 1]")
@option(
    "--goodness-toys",
    type=click.IntRange(10),
    metavar="N",
    key="limits.goodness_toys",
    help="Compare the goodness of fit with pseudo-experiments, in place of chi2.",
)
@jobs_option("pseudo-experiments, impacts, or the patches of a set")
@time_limit_option
@output_option("Folder for workspace, numbers and plots.", key="limits.output")
@run_options
def limits_command(
    *,
    workspace: str | None,
    config: Path | None,
    overrides: tuple[str, ...],
    measurement: str | None,
    patchset: str | None,
    patches: tuple[str, ...],
    jobs: int,
    max_minutes: float | None,
    as_json: bool,
    force: bool,
    quiet: bool,
    **of_model: Any,
) -> None:
    """Set CLs upper limits: from a model (`-` is stdin), or from ntuples or histograms by a recipe.

    A model is a pyhf workspace, HS3, HistFactory XML or a card of CMS Combine: its content says which.

    Exit code 4 says that a workspace or sample cannot be used, 1 that it cannot exclude any value.

    \b
    Examples:
      simmorph limits --config cli-examples/atlas-hgg/hgg.yaml -o build/limits
      simmorph limits workspace.json --json | jq .observed
      simmorph limits cli-examples/workspace/card.txt --impacts
      simmorph limits few-events.json --calculator toys --toys 10000 -j 8 -o build/toys
      simmorph limits background.json --patchset patchset.json --json > limits.jsonl
      pyhf prune --sample ttbar workspace.json | simmorph limits -
    """
    from simmorph.pipeline.limits.workspace import limits_of_workspace

    end_in_time(max_minutes)
    progress = partial(note, quiet=quiet)
    if config is not None:
        from simmorph.pipeline.limits.run import limits_of_recipe, load_limits_recipe

        recipe = load_limits_recipe(config, overrides)
        result = limits_of_recipe(recipe, force=force, jobs=jobs, progress=progress)
    else:
        options = _options(**of_model)._replace(force=force, progress=progress, jobs=jobs)
        if patchset is not None:
            _print_patches(str(workspace), patchset, patches, measurement, options, as_json=as_json)
            return
        options.refuse_idle()
        result = limits_of_workspace(str(workspace), options, measurement=measurement)
    answer_so_far(result, as_json=as_json)


def _options(
    *,
    level: float | None,
    interpolation: dict[str, str] | None,
    clip: dict[str, float] | None,
    groups: tuple[str, ...],
    inject: str | None,
    calculator: str,
    toys: int | None,
    seed: int | None,
    goodness_toys: int | None,
    **as_given: Any,
) -> LimitsOptions:
    """How limits of a model are found; what needs no reading has the names that LimitsOptions has.

    Raises:
        UsageError: an option is wrong, or has no effect.
    """
    from simmorph.config.values.interpolation import Clip
    from simmorph.config.values.listed import named_groups
    from simmorph.pipeline.limits.infer import LimitsOptions

    if clip and as_given["engine"] != "pyhf":
        raise UsageError("--clip", "our own fit does not clip", "give --engine pyhf")
    return LimitsOptions(
        level=level or 0.95,
        groups=named_groups(list(groups)),
        interpolation=codes_of(interpolation),
        clip=Clip.model_validate(clip or {}),
        inject=_strengths(inject),
        toys=_toy_options(calculator, toys, seed, goodness_toys, has_interval=as_given["interval"] is not None),
        **as_given,
    )


def _toy_options(
    calculator: str, toys: int | None, seed: int | None, goodness_toys: int | None, *, has_interval: bool
) -> ToyOptions:
    """How many pseudo-experiments of a workspace are made; a recipe says it with the same rules.

    Raises:
        UsageError: an option has no effect.
    """
    from simmorph.pipeline.limits.toys import ToyOptions

    is_asymptotic = calculator == "asymptotics" and not has_interval
    if is_asymptotic and toys is not None:
        raise UsageError("--toys", "no limits are made from pseudo-experiments", "give --calculator toys")
    if is_asymptotic and goodness_toys is None and seed is not None:
        raise UsageError("--seed", "nothing is random", "give --calculator toys or --goodness-toys N")
    usual = ToyOptions()
    return ToyOptions(calculator, toys or usual.number, usual.seed if seed is None else seed, goodness_toys or 0)


def _print_patches(
    workspace: str,
    patchset: str,
    patches: tuple[str, ...],
    measurement: str | None,
    options: LimitsOptions,
    *,
    as_json: bool,
) -> None:
    """One line a patch as soon as it is known, so that nothing is lost if the rest is not.

    Raises:
        InputError: workspace or patch set cannot be used.
        NoLimitError: some patch has no limit, raised once all are printed.
    """
    from simmorph.limits.fits.inference import NoLimitError
    from simmorph.pipeline.limits.patches import limits_of_patches, table_head

    failed = n_done = 0
    for found in limits_of_patches(workspace, patchset, patches, options, measurement=measurement):
        if not as_json and not n_done:
            click.echo(table_head(found))
        click.echo(json.dumps(found.to_json(), allow_nan=False) if as_json else found.to_text())
        n_done += 1
        failed += found.result is None
    if failed:
        raise NoLimitError(patchset, f"{failed} of {n_done} patches have no limit", "the lines above say why")
