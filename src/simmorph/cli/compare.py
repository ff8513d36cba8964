"""`simmorph compare`: many methods on the same events in one table.

A failed method does not end the others. Its reason is in the table, and the exit code is 1 once all are done; a bug in
a method is raised with its traceback, after the table has been written.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from simmorph.cli.parts.options import (
    answer,
    command,
    json_option,
    keyed_option,
    note,
    option,
    output_option,
    quiet_option,
    recipe_options,
    sample_options,
)

if TYPE_CHECKING:
    from pathlib import Path


@command("compare")
@recipe_options()
@option(
    "--methods", multiple=True, metavar="A,B", help="Labels of the methods to compare, also repeated; all by default."
)
@sample_options
@keyed_option(
    "--jobs", type=click.IntRange(min=1), metavar="N", key="jobs", help="Processes that train at the same time."
)
@output_option("Folder for the table, plot and page.", key="output", expose_value=False)
@option("--force", is_flag=True, help="Train and judge again what is up to date.")
@quiet_option
@json_option
def compare_command(
    config: Path, overrides: tuple[str, ...], methods: tuple[str, ...], *, force: bool, quiet: bool, as_json: bool
) -> None:
    """Train many methods on the same events, judge them by others, and put them into one table.

    The null (target against target), the unmorphed source and the baselines `quantile` and `copula` are always rows.
    What is up to date is not trained again, so that the same command goes on after Ctrl-C or with one more method. The
    folder has report.html (one file, opens anywhere), compare.json, table.csv and table.tex, and the plot of closeness
    against movement. The exit code is 1 if a method failed; the others are in the table.

    \b
    Examples:
      simmorph compare --config cli-examples/compare/zee.yaml
      simmorph compare -c compare.yaml --methods one_flow,classifier --set seeds=5 --jobs 4
    """
    from simmorph.config.compare import load_compare_recipe
    from simmorph.errors import SimmorphError
    from simmorph.pipeline.compare.run import compare

    recipe = load_compare_recipe(config, overrides)
    titles = {method.title for method in recipe.methods}  # a label may have a comma
    only = [title.strip() for given in methods for title in ([given] if given in titles else given.split(","))]
    result = compare(recipe, only=only, force=force, progress=partial(note, quiet=quiet))
    answer(result.to_json(), result.to_text(), as_json=as_json)
    if result.bugs:
        raise RuntimeError(f"a method has a bug; its traceback:\n{result.bugs[0]}")
    if result.failures:
        title, reasons = next(iter(result.failures.items()))
        raise SimmorphError(title, f"failed: {reasons[0]}", "the other methods are in the table")
