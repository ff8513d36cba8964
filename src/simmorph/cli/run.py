"""`simmorph run`: the whole chain of one recipe, skipping what is up to date.

Outputs of the recipe's own steps are replaced without `--force`, once they are out of date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simmorph.cli.parts.options import (
    answer,
    command,
    fail_on,
    fail_on_option,
    note,
    progress_shown,
    recipe_options,
    run_options,
)

if TYPE_CHECKING:
    from pathlib import Path

    from simmorph.evaluation.verdict import Code


@command("run")
@recipe_options()
@fail_on_option
@run_options
def run_command(
    config: Path, overrides: tuple[str, ...], least: Code | None, *, force: bool, quiet: bool, as_json: bool
) -> None:
    """Run the whole chain of one recipe, skipping what is up to date.

    The chain is toy, select, train, apply, evaluate, limits, coverage, scan, as far as the recipe has their blocks. A
    step runs again when its settings or the content of its inputs or outputs changed; --force runs all of them.

    \b
    Example:
      simmorph run --config cli-examples/demo/hgg.yaml --set toy.events=20000
    """
    from simmorph.config.recipe import load_recipe
    from simmorph.errors import UsageError
    from simmorph.pipeline.run import run_chain

    recipe = load_recipe(config, overrides)
    if least is not None and recipe.evaluate.report is None:
        raise UsageError("--fail-on", "the recipe has no `evaluate: {report: FOLDER}`, so there is no verdict")
    with progress_shown(quiet=quiet) as progress:
        result = run_chain(recipe, config.stem, force=force, progress=progress)
    answer(result.to_json(), result.to_text(), as_json=as_json)
    for text in result.invalid:
        note(f"warning: {text}")
    if result.worst is not None:
        fail_on(least, result.worst)
