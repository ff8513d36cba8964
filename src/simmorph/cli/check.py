"""`simmorph check`: is a recipe sound, and do its inputs have what it needs?

It takes recipes of all three kinds, and asks the file which one it is: a whole analysis, a comparison, or limits alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simmorph.cli.parts.options import answer, command, json_option, recipe_options

if TYPE_CHECKING:
    from pathlib import Path


@command("check")
@recipe_options()
@json_option
def check_command(config: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check a recipe and its inputs without running anything.

    Every key, method option and expression is checked, those of its selections too; every input that exists is opened
    and its branches are looked up. The first mistake ends with its exit code, as it would when the recipe runs.

    \b
    Examples:
      simmorph check --config cli-examples/demo/hgg.yaml
      simmorph check --config cli-examples/compare/zee.yaml --json
    """
    from simmorph.config.compare import load_recipe_of_any_kind
    from simmorph.pipeline.check import check_recipe

    result = check_recipe(load_recipe_of_any_kind(config, overrides))
    answer(result.to_json(), result.to_text(), as_json=as_json)
