"""`simmorph scan`: limits over luminosity, generated events and the size of a systematic.

A scan that was stopped is printed as far as it came, and exits as the signal asked for.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from simmorph.cli.parts.options import (
    STUDY,
    amplification_option,
    answer_so_far,
    command,
    end_in_time,
    jobs_option,
    level_option,
    note,
    output_option,
    recipe_options,
    run_options,
    time_limit_option,
)

if TYPE_CHECKING:
    from pathlib import Path


@command("scan")
@recipe_options(*STUDY, "scan", example="scan.beta=[0.1]")
@level_option()
@amplification_option()
@jobs_option("limits")
@time_limit_option
@output_option("Folder for the numbers and the figures.", key="scan.output", expose_value=False)
@run_options
def scan_command(
    config: Path,
    overrides: tuple[str, ...],
    *,
    jobs: int,
    max_minutes: float | None,
    as_json: bool,
    force: bool,
    quiet: bool,
) -> None:
    """Scan limits over luminosity, generated events and the size of a systematic, as `scan:` of the recipe says.

    The data are expected ones: the `closure` events of the background, and the signal. Ctrl-C or SIGTERM prints what is
    there; with -o the same command goes on from it.

    \b
    Example:
      simmorph scan --config cli-examples/higgs-limits/m_bb.yaml -o build/scan
    """
    from simmorph.pipeline.limits.run import load_limits_recipe
    from simmorph.pipeline.limits.scan import scan_of_recipe

    end_in_time(max_minutes)
    recipe = load_limits_recipe(config, overrides)
    found = scan_of_recipe(recipe, force=force, jobs=jobs, progress=partial(note, quiet=quiet))
    answer_so_far(found, as_json=as_json)
