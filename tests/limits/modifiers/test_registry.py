"""How a recipe's systematic uncertainty or a modifier of a workspace becomes an object."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyhf
import pytest

from simmorph.config.limits import Variation
from simmorph.data.histograms import Histogram
from simmorph.errors import ConfigError
from simmorph.limits.modifiers.base import Nominal
from simmorph.limits.modifiers.histosys import HistoSys
from simmorph.limits.modifiers.normsys import NormSys
from simmorph.limits.modifiers.registry import MODIFIERS, SYSTEMATICS, kind_of
from simmorph.limits.modifiers.shapesys import ShapeSys

SIZED = {"name": "lumi", "type": "normsys", "samples": "signal", "size": 0.02}
VARIED = {"name": "jes", "type": "histosys", "samples": "b", "up": {"weight": "up"}, "down": {"input": "d.root"}}
BACKGROUND = Histogram(np.arange(4.0), np.array([8.0, 4.0, 2.0]), np.ones(3), "background")


def variation(content: dict[str, Any]) -> Variation:
    return Variation.model_validate(content)


def made(content: dict[str, Any], suffix: str = "") -> Any:
    """The modifier of a background whose yields double where another weight is asked for, and halve elsewhere."""
    kind, options = kind_of(variation(content))
    nominal = Nominal(BACKGROUND, suffix, lambda side: BACKGROUND.values * (2 if "weight" in side else 0.5))
    return kind.of_recipe(content["name"], options, nominal)


@pytest.mark.parametrize("name", MODIFIERS)
def test_every_kind_is_written_as_one_that_pyhf_knows(name: str) -> None:
    kind = MODIFIERS[name].kind
    assert kind in pyhf.modifiers.histfactory_set
    assert issubclass(MODIFIERS[name], MODIFIERS[kind])


def test_every_kind_of_pyhf_is_registered_under_its_name() -> None:
    assert {name for name, kind in MODIFIERS.items() if kind.kind == name} == set(pyhf.modifiers.histfactory_set)


def test_a_recipe_may_name_the_systematic_kinds() -> None:
    assert list(SYSTEMATICS)[:3] == ["normsys", "shapesys", "histosys"]
    assert not SYSTEMATICS.keys() & {"normfactor", "lumi", "shapefactor", "staterror"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (SIZED | {"type": "norm_sys"}, "limits.systematics: lumi: unknown type 'norm_sys'; did you mean 'normsys'?"),
        (SIZED | {"type": "staterror"}, "unknown type 'staterror'"),
        (SIZED | {"up": {"weight": "w"}}, "unknown key 'up'; it has 'size'"),
        (SIZED | {"size": 1}, "size: should be less than 1, not 1"),
        (SIZED | {"size": 0}, "size: should be greater than 0, not 0"),
        ({key: value for key, value in SIZED.items() if key != "size"}, "key 'size' is missing"),
        ({key: value for key, value in VARIED.items() if key != "up"}, "key 'up' is missing"),
        (VARIED | {"down": {}}, "down: nothing differs"),
        (VARIED | {"size": 0.1}, "unknown key 'size'"),
        (
            VARIED | {"up": {"scale": "2"}},
            "'scale' cannot differ, only histogram, input, observable, region, tree, variation, weight",
        ),
    ],
)
def test_a_key_that_a_kind_has_not_is_named(content: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        kind_of(variation(content))
    assert says in str(caught.value)


def test_a_size_becomes_factors_up_and_down() -> None:
    found = made(SIZED)
    assert found == NormSys("lumi", 1.02, 0.98)


@pytest.mark.parametrize("suffix", ["", "_forward"])
def test_a_size_of_every_bin_has_parameters_of_its_sample_and_channel(suffix: str) -> None:
    found = made(SIZED | {"name": "bins", "type": "shapesys", "size": 0.25}, suffix)
    assert isinstance(found, ShapeSys)
    assert found.name == f"bins_background{suffix}"
    assert found.data(BACKGROUND.values) == [2.0, 1.0, 0.5]


def test_a_shape_is_what_other_samples_give() -> None:
    found = made(VARIED)
    assert isinstance(found, HistoSys)
    assert found.name == "jes"
    assert found.up.tolist() == [16.0, 8.0, 4.0]
    assert found.down.tolist() == [4.0, 2.0, 1.0]


def test_the_files_of_varied_samples_are_inputs() -> None:
    inputs = {content["type"]: kind_of(variation(content)) for content in (SIZED, VARIED)}
    assert {name: kind.inputs(options) for name, (kind, options) in inputs.items()} == {
        "normsys": [],
        "histosys": ["d.root"],
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (SIZED, "scales all bins together, 0.02"),
        (SIZED | {"type": "shapesys"}, "moves each bin on its own (shapesys), 0.02"),
        (VARIED, "moves the bins together (histosys)"),
    ],
)
def test_how_a_variation_acts_is_said_with_its_size(content: dict[str, Any], words: str) -> None:
    kind, options = kind_of(variation(content))
    assert kind.described(options) == words
