"""`simmorph run`: the whole chain of one recipe, skipping what is up to date.

Outputs of the recipe's own steps are replaced without `--force`, once they are out of date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simmorph.cli.options import answer, command, progress_shown, recipe_options, run_options

if TYPE_CHECKING:
    from pathlib import Path


@command("run")
@recipe_options()
@run_options
def run_command(config: Path, overrides: tuple[str, ...], force: bool, quiet: bool, as_json: bool) -> None:
    """Run the whole chain of one recipe, skipping what is up to date.

    The chain is toy, select, train, apply, evaluate, limits, coverage, scan, as far as the recipe has their blocks. A
    step runs again when its settings or the content of its inputs or outputs changed; --force runs all of them.

    \b
    Example:
      simmorph run --config cli-examples/demo/hgg.yaml --set toy.events=20000
    """
    from simmorph.config.recipe import load_recipe
    from simmorph.pipeline.run import run_chain

    recipe = load_recipe(config, overrides)
    with progress_shown(quiet=quiet) as progress:
        result = run_chain(recipe, config.stem, force=force, progress=progress)
    answer(result.to_json(), result.to_text(), as_json=as_json)
