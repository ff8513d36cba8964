"""`simmorph evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from simmorph.cli.options import (
    answer,
    force_option,
    json_option,
    note,
    output_option,
    quiet_option,
    recipe_options,
)


@click.command("evaluate")
@recipe_options()
@click.option("--source", multiple=True, metavar="FILE", help="The sample before the map; flat ntuples.")
@click.option("--target", multiple=True, metavar="FILE", help="The sample that it should look like; flat ntuples.")
@click.option("--template", type=click.Path(path_type=Path), help="What `simmorph apply` made of the source.")
@click.option("--model", type=click.Path(path_type=Path), help="The model, which knows what training has seen.")
@output_option("Folder for the report.")
@force_option
@quiet_option
@json_option
def evaluate_command(  # noqa: PLR0917 - click passes by name
    config: Path,
    overrides: tuple[str, ...],
    source: tuple[str, ...],
    target: tuple[str, ...],
    template: Path | None,
    model: Path | None,
    output: Path | None,
    force: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Prove how good the map is, on events that training has not seen.

    A classifier tries to tell template from target, beside the unmorphed source and the target against itself; tables
    of correlations, every variable with its ratio, and how far events moved. The folder has report.html (one file,
    opens anywhere), report.json, plots as PNG and PDF, and tables as CSV and LaTeX.

    \b
    Examples:
      simmorph evaluate --config cli-examples/demo/hgg.yaml
      simmorph evaluate -c hgg.yaml -o build/report --json | jq .metrics.auc
    """
    from simmorph.config.recipe import load_recipe
    from simmorph.pipeline.evaluate.run import evaluate

    recipe = load_recipe(config, overrides)
    given = {"source": list(source), "target": list(target), "template": template, "model": model}
    settings = recipe.evaluate.model_copy(update={"report": output} if output else {})
    recipe = recipe.model_copy(update={"evaluate": settings} | {key: value for key, value in given.items() if value})
    result = evaluate(recipe, force=force, progress=lambda text: note(text, quiet=quiet))
    answer(result.to_json(), result.to_text(), as_json=as_json)
