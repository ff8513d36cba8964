"""Steps of preprocessing as a recipe writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from simmorph.config.preprocessing import (
    STEP_SETTINGS,
    LogSettings,
    PeriodicSettings,
    StandardiseSettings,
    VariableSettings,
)
from simmorph.config.recipe import load_recipe
from simmorph.data.preprocessing.steps import STEPS
from simmorph.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = "features: [pt1, phi1]\nmethod: {{name: quantile}}\npreprocessing: {}\n"


def _recipe(folder: Path, preprocessing: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(preprocessing))
    return path


def test_a_step_is_a_name_or_a_block(tmp_path: Path) -> None:
    recipe = load_recipe(_recipe(tmp_path, "{pt1: [{name: log, shift: -35}, standardise], phi1: periodic}"))
    assert recipe.preprocessing == {
        "pt1": VariableSettings(steps=[LogSettings(shift=-35), StandardiseSettings()]),
        "phi1": VariableSettings(steps=[PeriodicSettings()]),
    }


def test_bounds_stand_alone_or_beside_steps(tmp_path: Path) -> None:
    recipe = load_recipe(_recipe(tmp_path, "{pt1: {bounds: [0, null]}, phi1: {bounds: [0, 1], steps: standardise}}"))
    assert recipe.preprocessing == {
        "pt1": VariableSettings(bounds=(0, None)),
        "phi1": VariableSettings(bounds=(0, 1), steps=[StandardiseSettings()]),
    }
    assert recipe.bounds_of(["phi1", "pt1", "x"]) == [(0, 1), (0, None), None]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{pt1: [logg]}", "unknown step 'logg'; did you mean 'log'"),
        ("{pt1: [{name: log, shfit: 1}]}", "unknown option 'shfit' of log; did you mean 'shift'"),
        ("{pt1: [{shift: 1}]}", "unknown step 'without a name'"),
        ("{pt1: []}", "at least 1 item"),
        ("{pt1: [3]}", "valid dictionary"),
        ("{pt1: [{name: logit, low: 3, high: 2}]}", "low 3.0 must be below high 2.0"),
        ("{pt1: [{name: gaps, edges: [[1, 3], [2, 4]]}]}", "overlap"),
        ("{pt1: [{name: quantile, knots: 1}]}", "greater than or equal to 2"),
        ("{pt1: [{name: log, shift: 1, upper: 2}]}", "log takes shift or upper"),
        ("{pt1: {bounds: [1, 1]}}", "the lower bound 1.0 must be below the upper one 1.0"),
        ("{pt1: {bounds: [null, null]}}", "bound nothing"),
        ("{pt1: {bounds: [.nan, 1]}}", "finite number"),
        ("{pt1: {bounds: [0, 1], step: log}}", "unknown step 'without a name'"),
        ("{phi1: {bounds: [0, 1], steps: periodic}}", "an angle has no bounds"),
        ("{pt7: [log]}", "neither a feature nor context"),
    ],
)
def test_a_wrong_step_is_told_with_its_line(tmp_path: Path, written: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_recipe(_recipe(tmp_path, written))
    assert "recipe.yaml:3" in str(caught.value) or "neither" in message


def test_every_step_has_settings_and_settings_have_a_step() -> None:
    assert STEP_SETTINGS.keys() == STEPS.keys()
