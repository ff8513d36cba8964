"""What a model depends on, and which keys of it do not count."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import ValidationError

from simmorph.config.documents import INCIDENTAL, Section
from simmorph.config.learning import Learning
from simmorph.config.recipe import ApplySettings, Recipe

RECIPE = {"features": ["x"], "context": ["m"], "method": {"name": "quantile", "knots": 20}, "model": "build/m"}


class Inner(Section):
    """A block."""

    size: int = 1
    threads: Annotated[int, INCIDENTAL] = 1


class Outer(Section):
    """A block with another."""

    inner: Inner = Inner()
    label: Annotated[str, INCIDENTAL] = ""


def test_keys_that_do_not_change_the_result_are_left_out_at_every_depth() -> None:
    assert Outer(inner=Inner(threads=4), label="x").decisive() == {"inner": {"size": 1}}
    assert Outer(inner=Inner(size=2)).decisive() != Outer().decisive()


def test_the_options_of_a_method_are_decisive() -> None:
    learning = Recipe.model_validate(RECIPE).learning
    assert type(learning) is Learning
    assert learning.decisive()["method"] == {"name": "quantile", "knots": 20}


def test_a_recipe_without_some_keys_keeps_all_others() -> None:
    recipe = Recipe.model_validate({**RECIPE, "n_events": 5, "replicas": 3})
    assert recipe.without("n_events") == Recipe.model_validate({**RECIPE, "replicas": 3})


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({}, "give `input`, or how many events"),
        ({"n_events": 5, "friend": True}, "n_events writes new events, and friend"),
        ({"n_events": 5, "each": True}, "n_events writes new events, and each"),
        ({"n_events": 5, "selection": "diphoton-demo"}, "n_events writes new events, and selection"),
    ],
)
def test_an_entry_of_apply_that_makes_no_sense_is_refused(keys: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ApplySettings.model_validate({"output": "out.root", **keys})
