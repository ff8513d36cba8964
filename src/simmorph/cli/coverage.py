"""`simmorph coverage`: pseudo-experiments of a workspace or of a recipe's limits.

With a recipe the options become its keys (`coverage:`); with a workspace, which has no recipe, they are the settings.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from simmorph.cli.parts.options import (
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

if TYPE_CHECKING:
    from pathlib import Path


@command("coverage", one_of=("workspace", "--config"))
@workspace_or_recipe("coverage", example="coverage.toys=500")
@option(
    "--toys",
    type=click.IntRange(2),
    metavar="N",
    key="coverage.toys",
    help="How many pseudo-experiments.  [default: 300]",
)
@option("--strength", type=click.FloatRange(0), key="coverage.strength", help="True strength.  [default: 1]")
@option("--seed", type=click.IntRange(0), key="coverage.seed", help="Of all random numbers.  [default: 1]")
@jobs_option("pseudo-experiments")
@time_limit_option
@output_option("Folder for the numbers and the table of pseudo-experiments.", key="coverage.output")
@run_options
def coverage_command(
    *,
    workspace: str | None,
    config: Path | None,
    overrides: tuple[str, ...],
    level: float | None,
    measurement: str | None,
    interpolation: dict[str, str] | None,
    jobs: int,
    max_minutes: float | None,
    as_json: bool,
    force: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Measure how often intervals and limits hold the true strength, in pseudo-experiments.

    In those of a workspace the model is right. In those of a recipe the `closure` events of a background are true, and
    the template is from a replica or from another training. Ctrl-C or SIGTERM prints what is there; with -o the same
    command goes on from it.

    \b
    Examples:
      simmorph coverage cli-examples/workspace/two-bins.json --toys 100
      simmorph coverage workspace.json --toys 10000 -j 8 -o build/coverage
      simmorph coverage --config cli-examples/higgs-limits/m_bb.yaml --amplification naive -o build/coverage
    """
    from simmorph.config.studies import CoverageSettings
    from simmorph.pipeline.limits.coverage import coverage_of_recipe, coverage_of_workspace
    from simmorph.pipeline.limits.run import load_limits_recipe

    end_in_time(max_minutes)
    progress = partial(note, quiet=quiet)
    if config is not None:
        recipe = load_limits_recipe(config, overrides)
        found = coverage_of_recipe(recipe, force=force, jobs=jobs, progress=progress)
    else:
        settings = CoverageSettings.model_validate({key: value for key, value in given.items() if value is not None})
        found = coverage_of_workspace(
            *(str(workspace), settings), level=level or 0.95, measurement=measurement,
            interpolation=codes_of(interpolation), force=force, jobs=jobs, progress=progress,
        )  # fmt: skip
    answer_so_far(found, as_json=as_json)
