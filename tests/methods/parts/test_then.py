"""What `then:` in a recipe's method promises: a morph, and a reweighting of what it leaves over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.config.compare import CompareRecipe
from simmorph.config.documents import Document, validate
from simmorph.config.recipe import Recipe
from simmorph.data.events import Events
from simmorph.data.morphed import HELD
from simmorph.errors import ConfigError
from simmorph.evaluation.report.model import model_in_words
from simmorph.model import Model
from simmorph.neural.loop.training import Training

if TYPE_CHECKING:
    from pathlib import Path

CONTENT: dict[str, Any] = {
    "features": ["x", "y"],
    "method": {"name": "quantile", "then": {"name": "histogram", "bins": 8}},
    "training": {"epochs": 2, "batch_size": 1000, "holdout": 0.2, "device": "cpu"},
}
CORRELATION = 0.6


def recipe(**changes: Any) -> Recipe:
    return validate(Document("recipe", {**CONTENT, **changes}), Recipe)


def sample(mean: float, correlation: float, seed: int, n_events: int = 8000) -> Events:
    covariance = [[1, correlation], [correlation, 1]]
    return Events.of(np.random.default_rng(seed).multivariate_normal([mean, 0], covariance, n_events))


SOURCE, TARGET, FRESH = sample(1.0, 0.0, 1), sample(0.0, CORRELATION, 2), sample(1.0, 0.0, 3, 20_000)


def fitted(**changes: Any) -> Model:
    asked = recipe(**changes)
    return Model.fit(asked, SOURCE, TARGET, Training(asked.training))


@pytest.fixture(scope="module")
def model() -> Model:
    return fitted()


def test_features_are_those_of_the_morph_and_weights_bring_what_it_lacks(model: Model) -> None:
    alone = fitted(method={"name": "quantile"}).transform(FRESH).events
    template = model.transform(FRESH).events
    # Quantiles move each feature to its place and leave the correlation, which only the weights can change.
    np.testing.assert_array_equal(template.features, alone.features)
    np.testing.assert_array_equal(alone.weights, FRESH.weights)
    products = template.features.prod(axis=1)
    assert np.mean(products) == pytest.approx(0, abs=0.05)
    assert np.average(products, weights=template.weights) == pytest.approx(CORRELATION, abs=0.12)
    assert template.weights.mean() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("name", ["copula", "flow_matching"])
def test_the_morph_is_what_it_is_alone(name: str) -> None:
    wide = FRESH.with_features(3 * FRESH.features)
    context = np.random.default_rng(5).normal(size=(len(SOURCE), 1))
    context = np.where(abs(context) < 0.3, context + 0.6, context)
    asked = recipe(context=["c"], method={"name": name})
    samples = SOURCE.with_context(context), TARGET.with_context(context)
    alone = Model.fit(asked, *samples)
    both = Model.fit(recipe(context=["c"], method={"name": name, "then": CONTENT["method"]["then"]}), *samples)
    events = wide.with_context(np.zeros((len(wide), 1)))
    np.testing.assert_array_equal(both.transform(events).events.features, alone.transform(events).events.features)
    np.testing.assert_array_equal(both.transform(events).status, alone.transform(events).status)
    assert np.any(alone.transform(events).status & HELD) == (name == "copula")
    assert both.card.warnings[0] == alone.card.warnings[0]
    assert alone.method.in_a_hole in alone.card.warnings[0]


def test_what_the_weights_are_worth_is_told(model: Model) -> None:
    template = model.transform(FRESH).events
    wanted = template.effective_size / len(template)
    assert model.card.kind == "morph"
    assert model.card.changes_weights
    assert model.card.numbers["then_effective_fraction"] == pytest.approx(wanted, abs=0.05)
    assert model.card.numbers["then_sum_after_uncertainty"] > 0
    assert "histogram (bins=8)" in model.card.to_text()
    assert model_in_words(json.loads(model.card.model_dump_json()), {})["facts"]["Then"] == "histogram (bins: 8)"


def test_a_loaded_model_does_both(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    assert again.probe_is_exact
    once, twice = model.transform(FRESH).events, again.transform(FRESH).events
    np.testing.assert_array_equal(once.features, twice.features)
    np.testing.assert_array_equal(once.weights, twice.weights)


def test_apply_gives_features_and_weights(model: Model) -> None:
    columns = model.apply({"x": FRESH.features[:, 0], "y": FRESH.features[:, 1]})
    template = model.transform(FRESH).events
    assert list(columns) == ["x", "y", "x_morphed", "y_morphed", "weight_morphed", "morph_status"]
    np.testing.assert_array_equal(columns["weight_morphed"], template.weights)
    np.testing.assert_array_equal(columns["x_morphed"], template.features[:, 0])


def test_an_event_that_cannot_be_morphed_keeps_its_weight(model: Model) -> None:
    events = Events.of(np.array([[0.0, np.nan], [0.0, 1.0]]), weights=np.array([3.0, 3.0]))
    weights = model.transform(events).events.weights
    assert weights[0] == 3
    assert weights[1] != 3


def test_it_follows_a_reweighting_of_the_context_and_ensembles() -> None:
    context = np.random.default_rng(4).normal(0.5, 1, (len(TARGET), 1))
    before, wanted = SOURCE.with_context(context - 0.5), TARGET.with_context(context[::-1])
    asked = recipe(context=["c"], reweight={"bins": 5}, training=CONTENT["training"] | {"seeds": 2})
    model = Model.fit(asked, before, wanted, Training(asked.training))
    template = model.transform(before).events
    assert np.average(template.context[:, 0], weights=template.weights) == pytest.approx(0.5, abs=0.15)
    assert {"reweight_effective_fraction", "then_effective_fraction"} < set(model.card.numbers)


def test_a_network_that_reweights_has_stages_of_its_own() -> None:
    then = {"name": "classifier", "hidden": [8], "folds": 2}
    model = fitted(method={"name": "quantile", "then": then})
    assert {"then-fit_fold1", "then-fit_fold2"} <= set(model.card.history)


def test_a_name_is_enough_and_names_the_row_of_a_comparison() -> None:
    assert recipe(method={"name": "quantile", "then": "bdt"}).method.words == "quantile then bdt"
    rows = [{"name": "quantile"}, {"name": "quantile", "then": "bdt"}]
    compared = validate(Document("compare", {"features": ["x"], "methods": rows}), CompareRecipe)
    assert [row.title for row in compared.methods] == ["quantile", "quantile then bdt"]
    then = compared.learning_of(compared.methods[1]).method.then
    assert then is not None
    assert then.name == "bdt"


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"name": "quantile", "then": "copula"}, "'copula' is no reweighting"),
        ({"name": "bdt", "then": "bdt"}, "reweights what a morph leaves over, and 'bdt' is none"),
        ({"name": "flow", "then": "bdt"}, "reweights what a morph leaves over, and 'flow' is none"),
        ({"name": "quantile", "then": {"name": "histogram", "bins": 1}}, "bins"),
        ({"name": "quantile", "then": "nothing"}, "unknown method 'nothing'"),
    ],
)
def test_what_cannot_follow_is_refused(method: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fitted(method=method)
