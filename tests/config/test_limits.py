"""The `limits:` block: what fits together, and what is refused with which words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from simmorph.config.documents import Document, validate
from simmorph.config.limits import BackgroundSettings, Binning, LimitsRecipe, LimitsSettings, Variation
from simmorph.errors import ConfigError

BLOCK: dict[str, Any] = {
    "observable": "m_yy",
    "binning": {"range": [105, 160], "bins": 22},
    "signal": {"input": "signal.root"},
    "background": {"input": "background.root"},
}
CURVE = {"fit": "exp_polynomial"}
NORMSYS = {"name": "lumi", "type": "normsys", "samples": "signal", "size": 0.02}
HISTOSYS = {
    "name": "jes",
    "type": "histosys",
    "samples": "background",
    "up": {"weight": "up"},
    "down": {"weight": "down"},
}


def settings(**changes: Any) -> LimitsSettings:
    """The block with these keys in place of its own."""
    return LimitsSettings.model_validate(BLOCK | changes)


def refusal(**changes: Any) -> str:
    """What is said about the block with these keys, as a user reads it."""
    with pytest.raises(ConfigError) as caught:
        validate(Document("r.yaml", {"limits": BLOCK | changes}), LimitsRecipe)
    return str(caught.value)


@given(
    low=st.floats(-1e6, 1e6),
    width=st.floats(1e-3, 1e6),
    bins=st.integers(1, 200),
)
def test_bins_of_equal_width_fill_the_range(low: float, width: float, bins: int) -> None:
    edges = Binning(range=(low, low + width), bins=bins).all_edges
    assert len(edges) == bins + 1
    assert (edges[0], edges[-1]) == (low, low + width)
    assert Binning(edges=edges).all_edges == edges


@pytest.mark.parametrize(
    ("binning", "says"),
    [
        ({}, "give either range and bins, or edges"),
        ({"range": [0, 1]}, "give either range and bins, or edges"),
        ({"bins": 4}, "give either range and bins, or edges"),
        ({"range": [0, 1], "bins": 2, "edges": [0, 1]}, "give either range and bins, or edges"),
        ({"range": [1, 0], "bins": 2}, "the edges must increase"),
        ({"edges": [0, 2, 2]}, "the edges must increase"),
        ({"edges": [0]}, "at least 2 items"),
        ({"edges": [0, float("inf")]}, "finite number"),
        ({"range": [0, 1], "bins": 0}, "should be greater than 0, not 0"),
    ],
)
def test_bins_that_are_none_are_refused(binning: dict[str, Any], says: str) -> None:
    message = refusal(binning=binning)
    assert message.startswith("r.yaml: limits.binning")
    assert says in message


@pytest.mark.parametrize(
    ("background", "says"),
    [
        ({}, "give either input or fit"),
        (CURVE | {"input": "b.root"}, "give either input or fit"),
        (CURVE | {"normalise": "free"}, "a fitted curve is normalised by the fit; remove normalise"),
        (CURVE | {"replicas": "r*.root"}, "a fitted curve is not generated; remove what says of its training"),
        (CURVE | {"training_events": 100}, "a fitted curve is not generated; remove what says of its training"),
        ({"input": "b.root", "retrained": "t*.root"}, "retrained templates need `closure` events"),
        (CURVE | {"order": 9}, "should be less than or equal to 8, not 9"),
        ({"input": "b.root", "scale": -1}, "should be greater than 0, not -1"),
        ({"input": []}, "at least 1 item"),
    ],
)
def test_a_background_comes_from_one_place(background: dict[str, Any], says: str) -> None:
    assert says in refusal(background=background)


@pytest.mark.parametrize(
    ("given", "amplification", "treatment"),
    [
        ({}, "auto", "naive"),
        ({"replicas": "r*.root"}, "auto", "replicas"),
        ({"training_events": 100}, "auto", "training"),
        ({"training_events": 100, "replicas": "r*.root"}, "auto", "replicas"),
        ({"training_events": 100, "replicas": "r*.root"}, "training", "training"),
        ({"training_events": 100, "replicas": "r*.root"}, "naive", "naive"),
        ({"training_events": 100}, "replicas", "naive"),
    ],
)
def test_what_limits_a_generated_background(given: dict[str, Any], amplification: Any, treatment: str) -> None:
    assert BackgroundSettings(input=["b.root"], **given).amplified(amplification) == treatment


@pytest.mark.parametrize(
    ("amplification", "says"),
    [
        ("replicas", "amplification: replicas needs a background with `replicas:`"),
        ("training", "amplification: training needs a background with `training_events:`"),
    ],
)
def test_an_amplification_needs_what_it_counts(amplification: str, says: str) -> None:
    assert says in refusal(amplification=amplification)


def test_a_variation_of_a_sample_that_is_not_there_names_those_that_are() -> None:
    says = refusal(systematics=[NORMSYS | {"samples": ["signal", "qcd"]}])
    assert "systematics: lumi acts on 'qcd'; samples are signal, background" in says


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"background": CURVE}, "sidebands need data, and `exclude: [low, high]` around the signal"),
        (
            {"background": CURVE, "data": {"input": "d.root"}},
            "sidebands need data, and `exclude: [low, high]` around the signal",
        ),
        ({"exclude": [130, 120]}, "exclude: the lower end comes first"),
        (
            {
                "background": [CURVE, {"name": "zh", "input": "zh.root"}],
                "data": {"input": "d.root"},
                "exclude": [120, 130],
            },
            "background: only a single background can be taken from sidebands",
        ),
        ({"background": [{"input": "a.root"}, {"input": "b.root"}]}, "two samples are called 'background'"),
        ({"signal": {"name": "background", "input": "s.root"}}, "two samples are called 'background'; give each a"),
        ({"cl": 1}, "limits.cl: should be less than 1, not 1"),
        ({"channels": {}}, "limits.channels: "),
        ({"of_interest": "nu"}, "of_interest: 'nu' scales no sample; there is mu"),
        ({"signal": {"input": "s.root", "parameter": "own"}}, "of_interest: 'mu' scales no sample; there is own"),
        ({"asimov": -1}, "limits.asimov: should be greater than or equal to 0, not -1"),
    ],
)
def test_samples_that_do_not_fit_together_are_refused(changes: dict[str, Any], says: str) -> None:
    assert says in refusal(**changes)


def test_a_channel_differs_in_what_it_says_alone() -> None:
    block = settings(channels={"central": {"region": "abs(eta) < 1"}, "forward": {"observable": "m_jj"}}, region="good")
    central, forward = block.by_channel().values()
    assert (central.region, central.observable) == ("abs(eta) < 1", "m_yy")
    assert (forward.region, forward.observable) == ("good", "m_jj")
    assert central.channels is forward.channels is None
    assert settings().by_channel() == {"": settings()}


def test_channels_have_data_all_or_none() -> None:
    channels = {"a": {"data": {"input": "d.root"}}, "b": {}}
    assert "some have data and some have none; give `data:` for all or for none" in refusal(channels=channels)


def test_a_variation_may_act_on_a_sample_of_one_channel() -> None:
    channels = {"a": {}, "b": {"background": {"name": "qcd", "input": "q.root"}}}
    assert settings(channels=channels, systematics=[NORMSYS | {"samples": "qcd"}]).systematics[0].samples == ["qcd"]


def test_one_sample_is_as_good_as_a_list_of_one() -> None:
    assert settings() == settings(signal=[BLOCK["signal"]], background=[BLOCK["background"]])
    assert settings().sample_names == ["signal", "background"]


@given(size=st.floats(min_value=1e-9, max_value=1, exclude_max=True), kind=st.sampled_from(["normsys", "shapesys"]))
def test_a_variation_survives_writing_and_reading(size: float, kind: str) -> None:
    variation = Variation.model_validate({"name": "a", "type": kind, "samples": ["signal"], "size": size})
    assert Variation.model_validate_json(variation.model_dump_json()) == variation
    assert variation.options == {"size": size}


def test_a_block_survives_writing_and_reading() -> None:
    block = settings(systematics=[NORMSYS, HISTOSYS], channels={"a": {"region": "x > 1"}, "b": {}})
    assert LimitsSettings.model_validate_json(block.model_dump_json(exclude_unset=True)) == block


def test_settings_do_not_change_once_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        settings().cl = 0.9  # type: ignore[misc]
