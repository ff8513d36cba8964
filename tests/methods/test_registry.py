"""A recipe's `method:` block becomes a method, or one line says what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from simmorph.config.learning import MethodSettings
from simmorph.errors import ConfigError
from simmorph.methods import METHODS, build_method
from simmorph.methods.registry import options_of


def test_options_reach_the_constructor() -> None:
    method = build_method(MethodSettings(name="one_flow", layers=2, hidden=[16], bins=5, marginal_bins=7), 3, 1)
    assert (method.n_features, method.n_context) == (3, 1)
    shapes = {tuple(values.shape) for values in method.parameters()}
    assert {(3 * (3 * 7 - 1), 16), (1 * (3 * 5 - 1), 16)} <= shapes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "oneflow"}, "unknown method 'oneflow'; did you mean 'one_flow'?"),
        ({"name": "one_flow", "layer": 2}, "unknown key 'layer'; did you mean 'layers'?"),
        ({"name": "one_flow", "layers": "many"}, "layers: should be a valid integer"),
        ({"name": "one_flow", "layers": 0}, "layers: should be greater than 0"),
        ({"name": "one_flow", "bins": 1}, "bins: should be greater than or equal to 2"),
        ({"name": "one_flow", "hidden": 64}, "hidden: should be a valid tuple"),
        ({"name": "classifier", "max_factor": -1}, "max_factor: should be greater than 0"),
    ],
)
def test_a_wrong_block_is_explained(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        build_method(MethodSettings(**options), 2, 0)
    assert message in str(refused.value)


@pytest.mark.parametrize("name", METHODS)
def test_building_leaves_the_global_generator_alone(name: str) -> None:
    state = torch.get_rng_state()
    build_method(MethodSettings(name=name), 2, 1)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", METHODS)
def test_every_option_has_a_default_and_stands_in_the_docstring(name: str) -> None:
    fields = options_of(METHODS[name]).model_fields
    assert all(not field.is_required() for field in fields.values())
    for option in fields:
        assert f"{option}:" in (METHODS[name].__doc__ or "")
