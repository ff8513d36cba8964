"""The steps of an analysis as functions, for notebooks and scripts; `import simmorph` offers them.

They take a recipe in any form (an object, its keys, its file) and samples as files or in memory. Nothing is printed,
and mistakes come as the errors that the command line turns into exit codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.config.documents import Document, validate
from simmorph.config.recipe import ApplySettings, Recipe, any_recipe, load_any_recipe, load_recipe
from simmorph.data.columns import columns_of, length_of, names_of
from simmorph.data.expressions.expression import parse, weight_expression
from simmorph.data.pairs import known_by
from simmorph.data.samples import EventTable
from simmorph.model import Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.config.learning import Learning
    from simmorph.config.limits import LimitsRecipe
    from simmorph.config.values.weights import SampleName
    from simmorph.data.events import Events
    from simmorph.pipeline.apply.run import Applied
    from simmorph.pipeline.evaluate.run import EvaluateResult
    from simmorph.pipeline.limits.result import LimitsResult

    AnyRecipe = Recipe | Mapping[str, Any] | str | Path
    """A recipe, its keys, or the name of its file."""


def train(recipe: AnyRecipe, source: Any = None, target: Any = None, *, force: bool = False) -> Model:
    """The model of a recipe, trained if it is not there.

    Args:
        recipe: a recipe, its keys, or its YAML file; with `model` the model is kept in that folder.
        source: the sample to be morphed, as a dict of arrays, an awkward array of records or a pandas frame, in place
            of the recipe's files; a generator needs none.
        target: the sample that it should look like.
        force: train again, and replace what is there.

    Raises:
        ConfigError: something in the recipe is missing or wrong.
        InputError: the samples cannot be trained on.
        UsageError: another model is there already.
    """
    from simmorph.pipeline.train import identity_now, model_of, read_samples, train_model

    recipe = _recipe(recipe)
    if target is not None:
        wanted = _events(recipe, target, "target")
        model = Model.fit(recipe, wanted[:0] if source is None else _events(recipe, source, "source"), wanted)
        if recipe.model is not None:
            model.save(recipe.model, force=force)
        return model
    if recipe.model is None:
        samples = read_samples(recipe)
        return Model.fit(recipe, samples.source, samples.target, origin=samples.origin)
    if force or model_of(recipe.model, identity_now(recipe)) is None:
        train_model(recipe, force=force)
    return Model.load(recipe.model)


def apply(inputs: str | Sequence[str], model: str | Path, output: str | Path, **options: Any) -> Applied:
    """Write what a model makes of ntuples; `Model.apply` does the same to arrays.

    Args:
        inputs: flat ntuples, or original ones with a `selection`; none for a generator that is given `n_events`.
        model: the model folder.
        output: the file to write.
        **options: `force`, and the keys of an entry of `apply:` in a recipe, such as `friend`, `selection`, `seed`.

    Returns:
        What was written, with counts and warnings; `each` gives a file for each input.

    Raises:
        ConfigError: an option is wrong.
        InputError: the model or an input cannot be used.
        UsageError: the output exists.
    """
    from simmorph.pipeline.apply.run import apply_all

    force = bool(options.pop("force", False))
    given = {"input": [inputs] if isinstance(inputs, str) else list(inputs) or None, "output": output, **options}
    return apply_all(validate(Document("apply", given), ApplySettings), Path(model), force=force)


def evaluate(recipe: AnyRecipe, *, force: bool = False) -> EvaluateResult:
    """Compare source, template and target of a recipe, and write its report.

    Args:
        recipe: a recipe, its keys, or its YAML file, with `source`, `target`, `template` and `evaluate.report`.
        force: replace a report that exists.

    Returns:
        The results of each region, that of training (or all events) first.

    Raises:
        ConfigError: the recipe lacks something.
        InputError: an input is missing or not what it should be.
        UsageError: the report exists.
    """
    from simmorph.pipeline.evaluate.run import evaluate as evaluate_recipe

    return evaluate_recipe(_recipe(recipe), force=force)


def upper_limits(recipe_or_workspace: AnyRecipe | LimitsRecipe, *, force: bool = False) -> LimitsResult:
    """CLs upper limits by a recipe with `limits:`, or from a pyhf workspace at 95 % confidence level.

    What has `channels` at its top is taken for a workspace, as is a file whose name ends in `.json`, `.xml` or
    `.txt`; all else is a recipe.

    Args:
        recipe_or_workspace: a recipe, its keys, or its YAML file; a workspace, or its JSON file.
        force: replace the recipe's `limits.output` if it exists.

    Raises:
        ConfigError: the recipe lacks something.
        InputError: the workspace or a sample cannot be used.
        NoLimitError: nothing can be excluded.
        UsageError: the output exists.
    """
    from simmorph.limits.formats.source import ModelFile
    from simmorph.pipeline.limits.infer import AS_USUAL
    from simmorph.pipeline.limits.run import limits_of_recipe
    from simmorph.pipeline.limits.workspace import limits_of_model, limits_of_workspace

    given = recipe_or_workspace
    if isinstance(given, Mapping) and "channels" in given:
        return limits_of_model(ModelFile(dict(given), "workspace"), "workspace", AS_USUAL)
    if isinstance(given, (str, Path)):
        if Path(given).suffix in {".json", ".xml", ".txt"}:
            return limits_of_workspace(str(given), AS_USUAL)
        return limits_of_recipe(load_any_recipe(given), force=force)
    recipe = any_recipe(Document("recipe", dict(given))) if isinstance(given, Mapping) else given
    return limits_of_recipe(recipe, force=force)


def _recipe(given: AnyRecipe) -> Recipe:
    """The recipe itself, or that of its keys or its file.

    Raises:
        ConfigError: a key is unknown, missing or wrong.
    """
    if isinstance(given, Recipe):
        return given
    return validate(Document("recipe", dict(given)), Recipe) if isinstance(given, Mapping) else load_recipe(given)


def _events(learning: Learning, sample: Any, name: SampleName) -> Events:
    """The events of a sample in memory that lie in the region.

    Args:
        learning: names the variables, the weight and the region.
        sample: columns by name.
        name: source or target, for messages.

    Raises:
        InputError: a column is missing or not of numbers.
        EmptySelectionError: no event lies in the region.
    """
    region = parse(learning.region, "region") if learning.region else None
    weigh = weight_expression(learning.weight_of(name) or "1", names_of(sample))
    of_cuts = [*sorted(weigh.names), *(sorted(region.names) if region else ())]
    pairs = learning.pairs
    keys, renamed = (pairs.keys if pairs else ()), (pairs.target_features if pairs and name == "target" else {})
    needed = dict.fromkeys([*learning.features, *learning.context, *of_cuts, *keys])
    found, n_events = columns_of(sample, [renamed.get(it, it) for it in needed]), length_of(sample)
    columns = {it: found[renamed.get(it, it)] for it in needed}
    weights = weigh.numbers(columns).astype(np.float64)
    ids = known_by(name, keys, [columns[key] for key in keys]) if keys else np.arange(n_events)
    table = EventTable(columns, weights, ids, {name: n_events}, np.zeros(n_events, np.bool_))
    return table.events(learning.features, learning.context, table.inside(region, name))
