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
        (
            {"n_events": 5, "friend": True},
            "friend: new events come from no ntuple that it could be about; leave out this or n_events",
        ),
        ({"n_events": 5, "each": True}, "each: new events come from no ntuple"),
        ({"n_events": 5, "selection": "diphoton-demo"}, "selection: new events come from no ntuple"),
        ({"n_events": 5, "tree": "t"}, "tree: no file is read; give input"),
        (
            {"input": "a", "full_copy": True},
            "full_copy: without one all branches are copied",
        ),
        ({"input": "a", "friend": True, "missing_branches": "drop"}, "missing_branches: nothing is copied"),
        ({"input": "a", "selection": "s", "missing_branches": "drop"}, "nothing is copied; give full_copy"),
        ({"input": "a", "each": True, "missing_branches": "drop"}, "each file is copied by itself"),
        ({"input": "a", "each": True, "allow_empty": True}, "may be empty in any case; leave out this or each"),
    ],
)
def test_an_entry_of_apply_that_makes_no_sense_is_refused(keys: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ApplySettings.model_validate({"output": "out.root", **keys})


def test_an_entry_of_apply_with_a_full_copy_says_what_becomes_of_missing_branches() -> None:
    keys = {"input": "a", "output": "o", "selection": "s", "full_copy": True, "missing_branches": "drop"}
    assert ApplySettings.model_validate(keys).copies
