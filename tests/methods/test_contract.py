"""What every method promises, whatever it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from simmorph.config.learning import MethodSettings
from simmorph.config.training import TrainingSettings
from simmorph.data.events import Events
from simmorph.errors import InputError
from simmorph.methods import METHODS, build_method
from simmorph.methods.base import Method, refuse_negative_weights
from simmorph.neural.loop.training import Training

SMALL: dict[str, dict[str, Any]] = {
    "one_flow": {"layers": 2, "hidden": [8], "bins": 4},
    "regression": {"hidden": [8]},
    "paired": {"hidden": [8], "layers": 2, "bins": 4, "marginal_bins": 4},
    "classifier": {"hidden": [8]},
    "bdt": {"trees": 3, "leaves": 8, "shrinkage": 0.5, "leaf_events": 1},
    "quantile": {},
    "cnf": {"loss": "mmd", "layers": 2, "hidden": [16], "mmd_frequencies": 64},
    "histogram": {"bins": 8},
    "flow": {"layers": 2, "hidden": [16], "bins": 4, "marginal_bins": 8},
    "mademog": {"components": 3, "hidden": [16]},
    "gan": {"hidden": [16]},
    "vae": {"hidden": [16]},
    "conditional_quantile": {"points": 20},
    "copula": {"points": 20},
    "icnn": {"hidden": [8, 8], "map_steps": 1},
    "flow_matching": {"hidden": [16], "pairing_batch": 64},
}
SMALL_BASE = {"layers": 2, "hidden": [8], "bins": 4, "marginal_bins": 4}
SMALL |= {name: {"base": SMALL_BASE} for name in ("double_base", "base_to_data", "identity_init", "movement_penalty")}
"""Options that make a method quick to train."""
NOISY = {"cnf", "conditional_quantile", "gan", "vae"}
"""Methods that a few events more or less change: they draw random numbers in training, or have long tails."""
SETTINGS = TrainingSettings(epochs=3, batch_size=256, learning_rate=1e-2, device="cpu", holdout=0)

pytestmark = pytest.mark.parametrize("name", METHODS)


def sample(n_events: int, shift: float, n_features: int = 2, n_context: int = 1) -> Events:
    rng = np.random.default_rng(int(10 * shift) + 1)
    context = rng.normal(size=(n_events, n_context))
    features = rng.normal(shift, 1, (n_events, n_features)) + 0.3 * context.sum(axis=1, keepdims=True)
    return Events.of(features, context, rng.uniform(0.5, 1.5, n_events))


def a_method(name: str, n_features: int = 2, n_context: int = 1) -> Method:
    return build_method(MethodSettings(name=name, **SMALL.get(name, {})), n_features, n_context)


def fitted(name: str, n_features: int = 2, n_context: int = 1, n_events: int = 800) -> Method:
    method = a_method(name, n_features, n_context)
    source, target = (sample(n_events, shift, n_features, n_context) for shift in (0.0, 0.5))
    method.fit(source, target, Training(SETTINGS))
    return method


def assert_same(one: Events, other: Events) -> None:
    """The same events to the bit."""
    for attribute in ("features", "context", "weights", "ids"):
        np.testing.assert_array_equal(getattr(one, attribute), getattr(other, attribute))


def test_transform_keeps_every_event_and_its_context(name: str) -> None:
    events = sample(500, 0.0)
    before = events[:]
    template = fitted(name).transform(events)
    np.testing.assert_array_equal(template.context, events.context)
    np.testing.assert_array_equal(template.ids, events.ids)
    assert template.features.dtype == template.weights.dtype == np.float64
    assert np.isfinite(template.features).all()
    assert np.isfinite(template.weights).all()
    assert_same(events, before)


def test_a_method_changes_what_its_kind_says(name: str) -> None:
    events = sample(500, 0.0)
    method = fitted(name)
    template = method.transform(events)
    assert np.array_equal(template.features, events.features) != method.kind.changes_features
    assert np.array_equal(template.weights, events.weights) == method.kind.changes_features


def test_only_random_methods_depend_on_the_ids_of_events(name: str) -> None:
    events = sample(500, 0.0)
    method = fitted(name)
    again = method.transform(replace(events, ids=events.ids + 1000))
    assert np.array_equal(again.features, method.transform(events).features) != method.is_random


def test_only_a_generator_does_without_a_source(name: str) -> None:
    method, events = a_method(name), sample(800, 0.0)
    source = events if method.kind.needs_source else events[:0]
    method.fit(source, sample(800, 0.5), Training(SETTINGS))
    unknown = events.with_features(np.full_like(events.features, np.nan))
    features, of_unknown = method.transform(events).features, method.transform(unknown).features
    assert np.array_equal(features, of_unknown) != method.kind.needs_source


def test_the_template_comes_nearer_to_the_target(name: str) -> None:
    source, target = sample(3000, 0.0, n_context=0), sample(3000, 0.5, n_context=0)
    method = a_method(name, n_context=0)
    method.fit(source, target, Training(SETTINGS.model_copy(update={"epochs": 10})))
    template = method.transform(source)
    aim = np.average(target.features, axis=0, weights=target.weights)
    np.testing.assert_allclose(np.average(template.features, axis=0, weights=template.weights), aim, atol=0.1)


def test_signed_weights_go_through_with_their_signs(name: str) -> None:
    events = sample(500, 0.0)
    signed = events.with_weights(np.where(events.ids % 5 == 0, -1, 1) * events.weights)
    method = fitted(name)
    plain, template = method.transform(events), method.transform(signed)
    np.testing.assert_array_equal(template.features, plain.features)
    np.testing.assert_array_equal(np.abs(template.weights), plain.weights)
    np.testing.assert_array_equal(np.sign(template.weights), np.sign(signed.weights))


@pytest.mark.parametrize("n_rows", [1, 7, 1000, 2047])
def test_the_result_does_not_depend_on_how_events_are_cut_into_calls(name: str, n_rows: int) -> None:
    events = sample(3000, 0.0, n_features=3)
    method = fitted(name, n_features=3)
    starts = range(0, min(len(events), 30 * n_rows), n_rows)
    in_pieces = Events.concatenate([method.transform(events[start : start + n_rows]) for start in starts])
    assert_same(in_pieces, method.transform(events)[: len(in_pieces)])


def test_the_same_seed_gives_the_same_method_whatever_was_drawn_before(name: str) -> None:
    torch.manual_seed(1)
    first = fitted(name)
    torch.manual_seed(2)
    second = fitted(name)
    assert first.state_dict().keys() == second.state_dict().keys()
    for key, values in first.state_dict().items():
        assert torch.equal(values, second.state_dict()[key]), key


def test_the_state_dict_is_the_whole_method(name: str) -> None:
    method = fitted(name)
    loaded = a_method(name)
    loaded.load_state_dict(method.state_dict())
    events = sample(300, 0.0)
    assert_same(loaded.transform(events), method.transform(events))


def test_training_tells_how_it_went(name: str) -> None:
    method = a_method(name)
    for stage, history in method.fit(sample(800, 0.0), sample(800, 0.5), Training(SETTINGS)).items():
        assert history.stage == stage
        assert history.epochs == len(history.validation_losses) == SETTINGS.epochs


@pytest.mark.parametrize("n_context", [0, 2])
@pytest.mark.parametrize("n_features", [1, 3])
def test_any_number_of_features_and_context_variables(name: str, n_features: int, n_context: int) -> None:
    template = fitted(name, n_features, n_context).transform(sample(100, 0.0, n_features, n_context))
    assert template.features.shape == (100, n_features)
    assert np.isfinite(template.features).all()


def test_a_constant_feature_stays_finite(name: str) -> None:
    source, target = sample(400, 0.0), sample(400, 0.5)
    source.features[:, 1] = target.features[:, 1] = 0.0
    method = a_method(name)
    method.fit(source, target, Training(SETTINGS))
    template = method.transform(source)
    assert np.isfinite(template.features).all()
    assert np.isfinite(template.weights).all()


def test_what_is_not_finite_does_not_spread(name: str) -> None:
    events = sample(50, 0.0)
    broken = events.with_features(events.features.copy()).with_context(events.context.copy())
    broken.features[3, 0], broken.features[5, 1], broken.context[8, 0] = np.nan, np.inf, np.nan
    method = fitted(name)
    template, whole = method.transform(broken), method.transform(events)
    bad = np.isin(events.ids, [3, 5, 8])
    assert_same(template[~bad], whole[~bad])
    if method.kind == "morph":
        assert np.isnan(template.features[bad]).all()
    if method.kind == "generate":
        unchanged = np.isin(events.ids, [3, 5])  # a generator looks at the context alone
        assert_same(template[unchanged], whole[unchanged].with_weights(events.weights[unchanged]))
        bad = np.isin(events.ids, [8])
        assert np.isnan(template.features[bad]).all()
    np.testing.assert_array_equal(template.weights[bad], events.weights[bad])


def test_no_events_give_no_events(name: str) -> None:
    assert len(fitted(name).transform(sample(0, 0.0))) == 0


def test_an_event_of_weight_two_counts_as_two_events(name: str) -> None:
    source, target = sample(200, 0.0), sample(200, 0.5)
    source, target = (events.with_weights(np.ones(len(events))) for events in (source, target))
    twice = target.with_weights(np.where(target.ids < 50, 2.0, 1.0))
    # Copies carry the id of their event, and so fall into the same part.
    copied = Events.concatenate([target, target[target.ids < 50]])
    # A single batch of all events: what is left is the order of rounding.
    settings = SETTINGS.model_copy(update={"batch_size": 1000, "epochs": 20, "patience": None})
    templates = []
    for events in (twice, copied):
        method = a_method(name)
        # Pairs have the weights of the source, and a copy has a partner.
        pairs = source[events.ids].with_weights(events.weights) if method.needs_pairs else source
        method.fit(pairs, events, Training(settings))
        templates.append(method.transform(source))
    # Quantiles are interpolated, so copies shift them by a fraction of the distance between events; and who draws
    # random numbers in training draws others for the copies.
    difference = np.abs(templates[0].features - templates[1].features).mean()
    assert difference < (0.2 if name in NOISY else 0.02)
    np.testing.assert_allclose(templates[0].weights, templates[1].weights, rtol=1e-3)


def test_notes_are_finite_numbers(name: str) -> None:
    events = sample(500, 0.0)
    method = fitted(name)
    notes = method.notes(events, method.transform(events))
    assert 0 < notes.numbers["effective_fraction"] <= 1
    assert np.isfinite(list(notes.numbers.values())).all()
    assert [it for it in notes.warnings if "in cells without an event" not in it] == []  # 512 cells for 500 events


def test_negative_weights_are_refused_with_the_reason(name: str) -> None:
    events = sample(100, 0.0)
    with pytest.raises(InputError, match=f"{name}: 3 of 100 weights are negative, and the likelihood has no maximum"):
        refuse_negative_weights(events.with_weights(np.where(events.ids < 3, -1.0, 1.0)), name)
