"""`simmorph train`: learn a map and write it as a model folder.

Exit code 85 says that training was stopped and saved: the same command goes on from there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simmorph.cli.parts.effect import LEARNING
from simmorph.cli.parts.options import (
    answer,
    command,
    keyed_option,
    option,
    progress_shown,
    recipe_options,
    run_options,
    sample_options,
)


@command("train")
@recipe_options(LEARNING, "model", "replicas", "variables")
@sample_options
@keyed_option(
    "-o", "--output", "--model", key="model", type=click.Path(path_type=Path), help="The model folder to write."
)
@option(
    "--max-minutes", type=click.FloatRange(min=0, min_open=True), help="Save a checkpoint and exit with 85 after this."
)
@keyed_option(
    "--replicas",
    key="replicas",
    type=click.IntRange(min=2),
    metavar="N",
    help="Train N bootstrap replicas too, for the uncertainty of training.",
)
@run_options
def train_command(
    config: Path, overrides: tuple[str, ...], max_minutes: float | None, *, as_json: bool, force: bool, quiet: bool
) -> None:
    """Learn a map that makes the source look like the target, and write it as a model folder.

    After SIGTERM or --max-minutes a checkpoint is written beside the model, and the exit code is 85; the same command
    goes on from there, to the same model as if it had never stopped.

    With --replicas the model is trained N times more, on events drawn with replacement and from other random starts,
    into MODEL.replicas/; a model that is there already is kept, so that replicas can be added later.

    \b
    Examples:
      simmorph train --config cli-examples/demo/hgg.yaml
      simmorph train -c hgg.yaml --replicas 20
      simmorph train -c hgg.yaml --target data_2018.root -o build/model_2018 --set training.epochs=100
    """
    from simmorph.config.recipe import load_recipe
    from simmorph.pipeline.replicas import train_replicas
    from simmorph.pipeline.train import identity_now, model_of, train_model

    recipe = load_recipe(config, overrides)
    replicas = recipe.replicas
    how: dict[str, Any] = {"force": force, "max_minutes": max_minutes}
    with progress_shown(quiet=quiet) as progress:
        kept = None if replicas is None or force else recipe.model
        result = kept and model_of(kept, identity_now(recipe))
        result = result or train_model(recipe, progress=progress, **how)
        for warning in result.card.warnings:
            progress(f"warning: {warning}")
        as_dict, text = result.to_json(), result.to_text()
        if replicas is not None:
            trained = train_replicas(recipe, replicas, progress=progress, **how)
            as_dict, text = {**as_dict, **trained.to_json()}, f"{text}\n{trained.to_text()}"
    answer(as_dict, text, as_json=as_json)
