"""The `training:` block: which values it takes, and what a result depends on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simmorph.config.documents import Document, validate
from simmorph.config.training import TrainingSettings
from simmorph.errors import ConfigError


def refusal(**changes: Any) -> str:
    """What is said about these keys, as a user reads it."""
    with pytest.raises(ConfigError) as caught:
        validate(Document("t.yaml", changes, {("epochs",): 3}), TrainingSettings)
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("epochs", 0, "t.yaml:3: epochs: should be greater than 0, not 0"),
        ("epochs", 1.5, "t.yaml:3: epochs: should be a valid integer, got a number with a fractional part, not 1.5"),
        ("batch_size", -1, "t.yaml: batch_size: should be greater than 0, not -1"),
        ("learning_rate", 0, "t.yaml: learning_rate: should be greater than 0, not 0"),
        (
            "learning_rate",
            "fast",
            "learning_rate: should be a valid number, unable to parse string as a number",
        ),
        ("final_learning_rate", -1, "t.yaml: final_learning_rate: should be greater than or equal to 0, not -1"),
        ("schedule", "linear", "schedule: should be 'cosine', 'square_root' or 'constant', not 'linear'"),
        ("optimizer", "sgd", "optimizer: should be 'adamw' or 'rmsprop', not 'sgd'"),
        ("select_on", "luck", "select_on: should be 'loss' or 'auc', not 'luck'"),
        ("negative_weights", "drop", "should be 'refuse', 'absolute', 'tilt', 'positive' or 'resample', not 'drop'"),
        ("device", "tpu", "device: should be 'auto', 'cpu' or 'cuda', not 'tpu'"),
        ("compile", True, "compile: should be 'never', 'auto' or 'always', not True"),
        ("seed", -1, "seed: should be greater than or equal to 0, not -1"),
        ("validation", 1, "validation: should be less than 1, not 1"),
        ("holdout", -0.1, "holdout: should be greater than or equal to 0, not -0.1"),
        ("max_minutes", 0, "max_minutes: should be greater than 0, not 0"),
        ("patience", 0, "patience: should be greater than 0, not 0"),
        ("epoch", 5, "unknown key 'epoch'; did you mean 'epochs'?"),
    ],
)
def test_a_wrong_value_is_named_with_what_it_should_be(key: str, value: object, says: str) -> None:
    assert says in refusal(**{key: value})


@given(validation=st.floats(0, 0.999), holdout=st.floats(0, 0.999))
def test_a_twentieth_of_the_events_is_left_to_train_on(validation: float, holdout: float) -> None:
    parts = {"validation": validation, "holdout": holdout}
    if validation + holdout <= 0.95:
        assert TrainingSettings(**parts).holdout == holdout
    else:
        assert "t.yaml: validation and holdout together leave less than 5 %" in refusal(**parts)


@pytest.mark.parametrize("key", ["clip_gradient", "patience", "max_minutes"])
def test_null_takes_a_limit_away(key: str) -> None:
    assert getattr(TrainingSettings.model_validate({key: None}), key) is None


@given(
    st.builds(
        TrainingSettings,
        epochs=st.integers(1, 10_000),
        learning_rate=st.floats(1e-12, 1e3),
        clip_gradient=st.none() | st.floats(1e-6, 1e6),
        patience=st.none() | st.integers(1, 100),
        seed=st.integers(0, 2**63),
        holdout=st.floats(0, 0.8),
    )
)
def test_settings_survive_writing_and_reading(settings: TrainingSettings) -> None:
    assert TrainingSettings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize("key", sorted(TrainingSettings.model_fields))
def test_a_result_depends_on_all_but_where_and_how_fast_it_is_made(key: str) -> None:
    incidental = {"device", "compile", "max_minutes"}
    assert (key in TrainingSettings().decisive()) == (key not in incidental)
