"""What a recipe's `reweight:` promises, from the recipe to the model folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.config.documents import Document, validate
from simmorph.config.recipe import Recipe
from simmorph.data.events import Events
from simmorph.errors import ConfigError
from simmorph.model import Model
from simmorph.neural.loop.training import Training

if TYPE_CHECKING:
    from pathlib import Path

CONTENT: dict[str, Any] = {
    "features": ["x"],
    "context": ["pt", "eta"],
    "reweight": {"bins": 10},
    "method": {"name": "quantile"},
    "training": {"epochs": 2, "batch_size": 1000, "holdout": 0.2, "device": "cpu"},
}


def recipe(**changes: Any) -> Recipe:
    return validate(Document("recipe", {**CONTENT, **changes}), Recipe)


def sample(shift: float, seed: int, n_events: int = 20_000) -> Events:
    """A feature that follows pt with a slope of 1, or 1.3 in the shifted sample, at another spectrum of pt."""
    rng = np.random.default_rng(seed)
    context = np.column_stack([rng.normal(shift, 1, n_events), rng.normal(0, 1, n_events)])
    return Events.of((1 + 0.6 * shift) * context[:, :1] + rng.normal(0, 0.5, (n_events, 1)), context)


SOURCE, TARGET = sample(0.0, 1), sample(0.5, 2)


def fitted(**changes: Any) -> Model:
    asked = recipe(**changes)
    return Model.fit(asked, SOURCE, TARGET, Training(asked.training))


def test_the_template_has_the_spectrum_of_contexts_of_the_target() -> None:
    template = fitted().transform(SOURCE).events
    np.testing.assert_array_equal(template.context, SOURCE.context)
    assert np.average(template.context[:, 0], weights=template.weights) == pytest.approx(0.5, abs=0.05)


def test_the_method_sees_the_source_with_its_factors() -> None:
    with_factors, without = fitted().transform(SOURCE).events, fitted(reweight=None).transform(SOURCE).events
    wanted = TARGET.features.mean()
    assert np.average(with_factors.features[:, 0], weights=with_factors.weights) == pytest.approx(wanted, abs=0.05)
    assert np.abs(with_factors.features - without.features).mean() > 0.1


def test_the_effective_fraction_is_told_and_kept() -> None:
    card = fitted().card
    assert 0.6 < card.numbers["reweight_effective_fraction"] < 0.95
    assert card.learning.reweight is not None
    assert card.learning.reweight.options == {"bins": 10}
    assert "histogram (bins=10)" in card.to_text()


def test_a_loaded_model_has_the_same_factors(tmp_path: Path) -> None:
    model = fitted()
    model.save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    assert again.probe_is_exact
    np.testing.assert_array_equal(again.transform(SOURCE).events.weights, model.transform(SOURCE).events.weights)


def test_signed_weights_keep_their_signs() -> None:
    signed = SOURCE.with_weights(np.where(SOURCE.ids % 7 == 0, -2.0, 1.0))
    weights = fitted().transform(signed).events.weights
    np.testing.assert_array_equal(np.sign(weights), np.sign(signed.weights))


def test_only_the_variables_named_are_reweighted() -> None:
    template = fitted(reweight={"variables": ["eta"]}).transform(SOURCE).events
    assert np.average(template.context[:, 0], weights=template.weights) == pytest.approx(0.0, abs=0.05)


def test_a_classifier_can_do_it_too_and_its_stages_have_their_own_names() -> None:
    training = {"epochs": 10, "batch_size": 1000, "learning_rate": 1e-2, "device": "cpu"}
    model = fitted(reweight={"name": "classifier", "hidden": [16], "calibration": "none"}, training=training)
    template = model.transform(SOURCE).events
    assert np.average(template.context[:, 0], weights=template.weights) == pytest.approx(0.5, abs=0.15)
    assert set(model.card.history) == {"reweight-fit"}


def test_after_it_a_reweighting_gives_the_ratio_of_everything() -> None:
    model = fitted(method={"name": "histogram", "bins": 8})
    template = model.transform(SOURCE).events
    assert model.card.kind == "reweight"
    np.testing.assert_array_equal(template.features, SOURCE.features)
    means = np.average(np.hstack([template.features, template.context]), axis=0, weights=template.weights)
    np.testing.assert_allclose(means, np.hstack([TARGET.features, TARGET.context]).mean(axis=0), atol=0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"context": []}, "there is no context"),
        ({"reweight": {"variables": ["x"]}}, "names 'x', which is not in context"),
    ],
)
def test_a_reweighting_without_its_variables_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reweight": {"name": "quantile"}}, "'quantile' is no reweighting; choose a method that changes weights"),
        ({"reweight": {"bins": 1}}, "bins"),
        ({"method": {"name": "flow"}}, "a generator learns from no source"),
    ],
)
def test_what_cannot_reweight_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fitted(**changes)
