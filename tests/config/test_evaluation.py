"""The `evaluate:`, `coverage:` and `scan:` blocks: which values they take, and their defaults."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simmorph.config.documents import Document, Section, validate
from simmorph.config.evaluation import EvaluateSettings
from simmorph.config.studies import CoverageSettings, ScanSettings
from simmorph.errors import ConfigError


def refusal(section: type[Section], **changes: Any) -> str:
    """What is said about these keys, as a user reads it."""
    with pytest.raises(ConfigError) as caught:
        validate(Document("e.yaml", changes), section)
    return str(caught.value)


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=8))
def test_edges_of_bands_rise(edges: list[float]) -> None:
    if all(low < high for low, high in pairwise(edges)):
        assert EvaluateSettings(bands={"m_yy": edges}).bands == {"m_yy": edges}
    else:
        assert "the edges of bands rise from one to the next" in refusal(EvaluateSettings, bands={"m_yy": edges})


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("bands", {"m": 1}, "e.yaml: bands.m: should be greater than or equal to 2, not 1"),
        ("bands", {"m": [0]}, "e.yaml: bands.m: list should have at least 2 items"),
        ("bands", {"m": [0, float("nan")]}, "e.yaml: bands.m.1: should be a finite number, not nan"),
        ("pairs", [["pt1"]], "e.yaml: pairs.0: "),
        ("pairs", [["pt1", "pt2", "pt3"]], "e.yaml: pairs.0: "),
        ("judges", ["forest"], "should be 'trees', 'deep_trees', 'network_2x32' or 'network_3x32', not 'forest'"),
        ("max_events", 99, "max_events: should be greater than or equal to 100, not 99"),
        ("seed", -1, "seed: should be greater than or equal to 0, not -1"),
        ("luminosity_fb", 0, "luminosity_fb: should be greater than 0, not 0"),
        ("energy_tev", float("inf"), "energy_tev: should be a finite number, not inf"),
        ("conditions", [""], "e.yaml: conditions.0: "),
        ("region", {}, "unknown key 'region'; did you mean 'regions'?"),
    ],
)
def test_a_wrong_value_is_named(key: str, value: object, says: str) -> None:
    assert says in refusal(EvaluateSettings, **{key: value})


def test_trees_judge_by_default_and_each_time_anew() -> None:
    first, second = EvaluateSettings(), EvaluateSettings()
    assert first.judges == second.judges == ["trees"]
    assert first.judges is not second.judges


def test_settings_survive_writing_and_reading() -> None:
    settings = EvaluateSettings(bands={"m": 4, "pt": [0.0, 1.0]}, pairs=[["a", "b"]], label="L")
    assert EvaluateSettings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    ("section", "key", "value", "says"),
    [
        (CoverageSettings, "toys", 1, "toys: should be greater than or equal to 2, not 1"),
        (CoverageSettings, "strength", -1, "strength: should be greater than or equal to 0, not -1"),
        (CoverageSettings, "toy", 5, "unknown key 'toy'; did you mean 'toys'?"),
        (ScanSettings, "luminosity", [], "e.yaml: luminosity: "),
        (ScanSettings, "luminosity", [10, 0], "luminosity.1: should be greater than 0, not 0"),
        (ScanSettings, "generated", [0], "generated.0: should be greater than 0, not 0"),
        (ScanSettings, "beta", [1], "beta.0: should be less than 1, not 1"),
        (ScanSettings, "beta_type", "histosys", "beta_type: should be 'shapesys' or 'normsys', not 'histosys'"),
        (ScanSettings, "signal_fraction", float("nan"), "signal_fraction: "),
    ],
)
def test_a_study_that_cannot_be_made_is_refused(section: type[Section], key: str, value: object, says: str) -> None:
    assert says in refusal(section, **{key: value})
