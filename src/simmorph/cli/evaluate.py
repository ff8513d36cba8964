"""`simmorph evaluate`: how good a map is, on events that training has not seen.

All options are keys of the recipe: `--template` sets `template`, `-o` sets `evaluate.report`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simmorph.cli.parts.options import (
    answer,
    command,
    fail_on,
    fail_on_option,
    keyed_option,
    note,
    output_option,
    recipe_options,
    run_options,
    sample_options,
)

if TYPE_CHECKING:
    from simmorph.evaluation.verdict import Code

EVALUATED = (
    "source", "target", "tree", "features", "context", "weight", "region", "pairs", "method", "variables",
    "model", "template", "evaluate",
)  # fmt: skip
"""What it reads of a recipe."""


@command("evaluate")
@recipe_options(*EVALUATED, example="evaluate.max_events=10000")
@sample_options
@keyed_option(
    "--template", key="template", type=click.Path(path_type=Path), help="What `simmorph apply` made of the source."
)
@keyed_option(
    "--model", key="model", type=click.Path(path_type=Path), help="The model, which knows what training has seen."
)
@output_option("Folder for the report.", key="evaluate.report", expose_value=False)
@fail_on_option
@run_options
def evaluate_command(
    config: Path, overrides: tuple[str, ...], least: Code | None, *, force: bool, quiet: bool, as_json: bool
) -> None:
    """Prove how good the map is, on events that training has not seen.

    A classifier tries to tell template from target, beside the unmorphed source and the target against itself; tables
    of correlations, every variable with its ratio, and how far events moved. The folder has report.html (one file,
    opens anywhere), report.json, plots as PNG and PDF, and tables as CSV and LaTeX.

    \b
    Examples:
      simmorph evaluate --config cli-examples/demo/hgg.yaml
      simmorph evaluate -c hgg.yaml -o build/report --json | jq .metrics.auc
      simmorph evaluate -c hgg.yaml --fail-on tension -q && next-step
    """
    from simmorph.config.recipe import load_recipe
    from simmorph.pipeline.evaluate.run import evaluate

    result = evaluate(load_recipe(config, overrides), force=force, progress=partial(note, quiet=quiet))
    answer(result.to_json(), result.to_text(), as_json=as_json)
    for text in result.report["invalid"] if quiet else ():
        note(f"warning: {text}")
    fail_on(least, result.report["worst"])
