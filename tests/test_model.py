"""The model as an artefact: what it keeps, what it refuses, what it promises for every event."""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.card import FileRecord, Origin, digest_of
from simmorph.config.recipe import Recipe
from simmorph.data.events import Events
from simmorph.data.morphed import HELD, NON_FINITE, OUT_OF_RANGE, OUTSIDE_TARGET
from simmorph.data.splits import HOLDOUT, part_of
from simmorph.errors import ConfigError, InputError, UsageError
from simmorph.model import Model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

N_EVENTS = 3000


def _recipe(**changes: Any) -> Recipe:
    content = {
        "features": ["pt1", "isolation"],
        "context": ["rho"],
        "method": {"name": "quantile"},
        "training": {"seed": 5, "validation": 0.1, "holdout": 0.3},
    }
    return Recipe.model_validate({**content, **changes})


def _sample(seed: int, scale: float) -> Events:
    rng = np.random.default_rng(seed)
    isolation = np.where(rng.random(N_EVENTS) < 0.3, 0.0, 0.5 + rng.exponential(scale, N_EVENTS))
    features = np.stack([25 + rng.exponential(20 * scale, N_EVENTS), isolation], axis=1)
    return Events.of(features, rng.normal(20, 5, (N_EVENTS, 1)))


SOURCE, TARGET = _sample(1, 1.0), _sample(2, 1.3)
ORIGIN = Origin((FileRecord(path="mc.root", sha256="aa", n_entries=N_EVENTS),), (), {"pt1": "GeV"})


def _fitted(recipe: Recipe | None = None, source: Events = SOURCE, target: Events = TARGET) -> Model:
    recipe = recipe or _recipe()
    return Model.fit(recipe, source, target, origin=ORIGIN)


@pytest.fixture(scope="module")
def model() -> Model:
    return _fitted()


def test_saved_model_does_the_same_to_the_last_bit(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "model", log='{"epoch": 1}\n')
    again = Model.load(tmp_path / "model")
    assert again.probe_is_exact
    assert again.card == model.card
    np.testing.assert_array_equal(again.transform(SOURCE).events.features, model.transform(SOURCE).events.features)
    assert (tmp_path / "model" / "training.jsonl").read_text() == '{"epoch": 1}\n'


def test_folder_holds_json_and_safetensors_only(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {"card.json", "tensors.safetensors", "training.jsonl"}


def test_an_existing_model_is_not_replaced_without_force(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    with pytest.raises(UsageError, match="already exists"):
        model.save(tmp_path / "model")
    model.save(tmp_path / "model", force=True)


def test_morphing_brings_the_source_nearer_to_the_target(model: Model) -> None:
    after = model.transform(SOURCE).events.features
    for at in range(2):
        before = abs(SOURCE.features[:, at].mean() - TARGET.features[:, at].mean())
        assert abs(after[:, at].mean() - TARGET.features[:, at].mean()) < 0.3 * before


def test_every_event_keeps_its_place_context_and_weight(model: Model) -> None:
    events = SOURCE.with_weights(np.random.default_rng(1).normal(1, 2, N_EVENTS))
    after, _ = model.transform(events)
    np.testing.assert_array_equal(after.context, events.context)
    np.testing.assert_array_equal(after.weights, events.weights)
    np.testing.assert_array_equal(after.ids, events.ids)
    some = np.array([5, 2, 900])
    np.testing.assert_array_equal(model.transform(events[some]).events.features, after.features[some])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_event_that_is_not_finite_keeps_its_values_and_is_told(model: Model, bad: float) -> None:
    features, context = SOURCE.features[:4].copy(), SOURCE.context[:4].copy()
    features[1, 0] = bad
    context[2, 0] = bad
    after, status = model.transform(Events.of(features, context))
    assert status.tolist() == [0, NON_FINITE, NON_FINITE, 0]
    np.testing.assert_array_equal(after.features[1:3], features[1:3])
    np.testing.assert_array_equal(after.features[0], model.transform(SOURCE[:1]).events.features[0])


def test_a_sample_without_a_finite_event_comes_back(model: Model) -> None:
    nothing = Events.of(np.full((3, 2), np.nan), np.zeros((3, 1)))
    assert model.transform(nothing).status.tolist() == [NON_FINITE] * 3
    assert len(model.transform(SOURCE[:0]).events) == 0


def test_events_beyond_the_training_range_are_morphed_and_told(model: Model) -> None:
    features, context = SOURCE.features[:4].copy(), SOURCE.context[:4].copy()
    features[1, 0], context[2, 0], features[3, 1] = 280.0, 500.0, 0.25  # the last in the gap above zero
    after, status = model.transform(Events.of(features, context))
    assert (status & ~OUTSIDE_TARGET).tolist() == [0, OUT_OF_RANGE | HELD, OUT_OF_RANGE, OUT_OF_RANGE]
    assert np.isfinite(after.features).all()
    assert after.features[1, 0] != 280.0


@pytest.mark.parametrize("corrupt", [-1e6, 1e30])
@pytest.mark.parametrize("method", ["quantile", "histogram"])
def test_a_corrupt_value_moves_no_other_event_and_is_told(method: str, corrupt: float) -> None:
    spoilt = SOURCE.features.copy()
    at = int(np.flatnonzero(part_of(SOURCE.ids, 5, 0.1, 0.3) != HOLDOUT)[0])
    spoilt[at, 0] = corrupt
    recipe = _recipe(method={"name": method})
    clean, model = _fitted(recipe), _fitted(recipe, source=SOURCE.with_features(spoilt))
    said = [warning for warning in model.card.warnings if warning.startswith("source: pt1")]
    assert len(said) == 1
    assert f"in 1 of {len(SOURCE) - np.sum(part_of(SOURCE.ids, 5, 0.1, 0.3) == HOLDOUT)} events" in said[0]
    assert f"the farthest {corrupt:g}:" in said[0]
    assert not any(warning.startswith("source: pt1") for warning in clean.card.warnings)
    assert SOURCE.features[:, 0].min() <= model.card.features[0].low < model.card.features[0].high < 300
    others = SOURCE[np.arange(N_EVENTS) != at]
    expected, (found, status) = clean.transform(others).events, model.transform(others)
    moved = np.abs(found.features - expected.features)[status == 0]
    assert np.quantile(moved, 0.98) < 0.5
    assert np.max(moved) < 60  # of the largest, which now are there twice
    after, status = model.transform(SOURCE[at : at + 1].with_features(spoilt[[at]]))
    assert (status[0] & OUT_OF_RANGE, after.features[0, 0]) == (OUT_OF_RANGE, corrupt)
    beside = model.transform(SOURCE[at : at + 1].with_features(np.array([[model.card.features[0].low, spoilt[at, 1]]])))
    if corrupt < 0:  # all else is what it would be with the last value inside
        np.testing.assert_array_equal(after.features[:, 1:], beside.events.features[:, 1:])
        np.testing.assert_array_equal(after.weights, beside.events.weights)


def _edge(seed: int, *, is_target: bool) -> Events:
    """A variable that is never negative in the target, and one that is correlated with it."""
    x = np.random.default_rng(seed).normal(size=(N_EVENTS, 2)) + (0 if is_target else 0.5)
    x[:, 0] = np.abs(x[:, 0]) if is_target else x[:, 0]
    return Events.of(x)


@pytest.mark.parametrize("holdout", [0.1, 0.7])
def test_an_edge_that_only_the_target_has_is_never_left(holdout: float) -> None:
    training = {"epochs": 2, "holdout": holdout, "batch_size": 256}
    recipe = _recipe(features=["x", "y"], context=[], method={"name": "flow_matching"}, training=training)
    model = _fitted(recipe, _edge(1, is_target=False), _edge(2, is_target=True))
    after, status = model.transform(_edge(3, is_target=False))
    assert np.all(after.features[:, 0] >= 0)
    assert np.mean(status & OUTSIDE_TARGET > 0) < 0.1
    own = [steps["chains"] for part, steps in model.card.preprocessing.items() if part != "context"]
    assert own[0][0] != own[1][0]
    assert (own[0][1]["steps"] == own[1][1]["steps"]) == (holdout > 0.5)  # too few events for steps of their own


def test_events_that_land_where_the_target_has_none_are_told() -> None:
    source, target = _edge(1, is_target=False), _edge(2, is_target=True)
    model = _fitted(_recipe(features=["x", "y"], context=[], method={"name": "regression"}), source, target)
    after, status = model.transform(_edge(3, is_target=False))
    np.testing.assert_array_equal((status & OUTSIDE_TARGET > 0) | (after.features[:, 0] >= 0), True)
    assert np.mean((status & OUTSIDE_TARGET > 0) & (after.features[:, 0] >= 0)) < 0.01


@pytest.mark.parametrize("steps", [None, ["standardise"]])
@pytest.mark.parametrize("method", ["quantile", "regression", "histogram", "mademog"])
def test_declared_bounds_are_never_left_whatever_comes_in(method: str, steps: list[str] | None) -> None:
    bounds = {"pt1": {"bounds": [25, 100.1], "steps": steps}, "isolation": {"bounds": [None, 10.1]}}
    recipe = _recipe(method={"name": method}, preprocessing=bounds, training={"epochs": 1, "seed": 5})
    model = _fitted(recipe)
    assert any("pt1 is beyond all that it can be" in warning for warning in model.card.warnings)
    odd = SOURCE.features.astype(np.float32)
    odd[:6, 0], odd[6, 1] = [-1e9, 1e30, 24.9, 100.2, 25, np.nan], 1e9
    columns = {"pt1": odd[:, 0], "isolation": odd[:, 1], "rho": SOURCE.context[:, 0]}
    found: dict[str, np.ndarray] = {name: np.asarray(column) for name, column in model.apply(columns).items()}
    pt1, isolation = (found[name].astype(np.float64) for name in ("pt1_morphed", "isolation_morphed"))
    is_told = found["morph_status"] & OUT_OF_RANGE > 0
    if not model.draws_anew:
        assert np.isnan(pt1[5])
        assert is_told[[0, 1, 2, 3, 6]].all()
        pt1 = np.delete(pt1, 5)
        before = Events.of(odd.astype(np.float64), SOURCE.context)
        assert model.outside_bounds(before)["pt1"] == np.sum((odd[:, 0] < 25) | (odd[:, 0] > 100.1))
        odd[5] = np.nan, 1e9  # stays as it is, and is put at no bound
        again = Events.of(odd.astype(np.float64), SOURCE.context)
        assert model.outside_bounds(again) == model.outside_bounds(before)
    assert 25 <= pt1.min() <= pt1.max() <= 100.1
    assert isolation.max() <= 10.1


def test_holdout_events_change_nothing(tmp_path: Path) -> None:
    training = _recipe().training
    held_out = part_of(SOURCE.ids, training.seed, training.validation, training.holdout) == HOLDOUT
    other = SOURCE.with_features(np.where(held_out[:, None], 1e6, SOURCE.features))
    changed, same = _fitted(source=other), _fitted()
    assert changed.card.tensors_sha256 == same.card.tensors_sha256
    assert changed.card.preprocessing == same.card.preprocessing


def test_card_tells_what_training_has_seen(model: Model) -> None:
    in_region = np.ones(N_EVENTS, np.bool_)
    in_region[::2] = False
    seen = model.card.seen("source", "aa", SOURCE.ids, in_region)
    assert np.mean(seen) == pytest.approx(0.35, abs=0.05)
    assert not seen[::2].any()
    assert not model.card.seen("source", "bb", SOURCE.ids, in_region).any()
    assert not model.card.seen("target", "aa", SOURCE.ids, in_region).any()


def test_card_names_units_ranges_and_versions(model: Model) -> None:
    pt1, isolation = model.card.features
    assert (pt1.unit, isolation.unit) == ("GeV", "")
    assert SOURCE.features[:, 0].min() <= pt1.low < pt1.high <= SOURCE.features[:, 0].max()
    assert {"simmorph", "python", "torch", "numpy", "safetensors"} <= model.card.versions.keys()
    text = model.card.to_text()
    for word in ("quantile", "pt1", "GeV", "dequantise", "mc.root", "seed 5"):
        assert word in text


def test_negative_weights_are_refused_in_training() -> None:
    with pytest.raises(InputError, match=r"source: .*negative"):
        _fitted(source=SOURCE.with_weights(np.where(SOURCE.ids % 10 == 0, -1.0, 1.0)))


@pytest.mark.parametrize("treatment", ["absolute", "positive", "resample"])
def test_a_treatment_of_negative_weights_is_told_in_the_card_and_leaves_apply_alone(treatment: str) -> None:
    signed = SOURCE.with_weights(np.where(SOURCE.ids % 10 == 0, -1.0, 1.0))
    settings = {"seed": 5, "validation": 0.1, "holdout": 0.3, "negative_weights": treatment}
    model = _fitted(_recipe(training=settings), source=signed)
    assert model.card.numbers["source_negative_fraction"] == pytest.approx(0.1, abs=0.01)
    assert np.isfinite(model.card.numbers["source_pt1_mean_sigmas"])
    text = model.card.to_text()
    assert "weights are negative; training takes" in text
    assert "pt1: mean" in text
    kept = part_of(SOURCE.ids, 5, 0.1, 0.3) != HOLDOUT
    assert model.card.source.sum_of_weights == pytest.approx(signed.weights[kept].sum())
    np.testing.assert_array_equal(model.transform(signed).events.weights, signed.weights)


def test_values_that_are_not_finite_are_refused_in_training() -> None:
    broken = TARGET.features.copy()
    broken[:50, 1] = np.nan
    with pytest.raises(InputError, match=r"target: 'isolation' is not finite in \d+ of \d+ events; .*isfinite"):
        _fitted(target=TARGET.with_features(broken))


def test_too_few_events_are_refused() -> None:
    with pytest.raises(InputError, match="too few to train on"):
        _fitted(source=SOURCE[:50])


def test_unknown_methods_and_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'quantile'"):
        _fitted(_recipe(method={"name": "quantil"}))
    with pytest.raises(ConfigError, match="knots"):
        _fitted(_recipe(method={"name": "quantile", "knot": 3}))


def _edit_card(folder: Path, change: Callable[[dict[str, Any]], None], *, sign: bool) -> None:
    """Change the card, and make its checksum fit again if asked to."""
    path = folder / "card.json"
    content = json.loads(path.read_text())
    change(content)
    if sign:
        content.pop("card_sha256")
        content = {"card_sha256": digest_of(content), **content}
    path.write_text(json.dumps(content))


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes(content)


def _swap_features(card: dict[str, Any]) -> None:
    card["features"].reverse()


def _shift_probe(card: dict[str, Any]) -> None:
    card["probe"]["morphed_features"][0][0] += 1.0


def _cut_probe(card: dict[str, Any]) -> None:
    card["probe"]["features"].pop()


def _spoil_step(card: dict[str, Any]) -> None:
    card["preprocessing"]["features"]["chains"][0]["steps"][0] = None


def _spoil_number(card: dict[str, Any]) -> None:
    card["probe"]["ids"][0] = 10**30


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "flipped bit": (lambda folder: _flip(folder / "tensors.safetensors"), "checksum is not that of its card"),
    "no tensors": (lambda folder: (folder / "tensors.safetensors").unlink(), "lacks tensors.safetensors"),
    "no card": (lambda folder: (folder / "card.json").unlink(), "lacks card.json"),
    "half a card": (lambda folder: (folder / "card.json").write_text('{"format":'), "is not JSON"),
    "other JSON": (lambda folder: (folder / "card.json").write_text("[1]"), "is not a JSON object"),
    "no card of ours": (lambda folder: (folder / "card.json").write_text("{}"), "not the card of a model"),
    "deep": (lambda folder: (folder / "card.json").write_text('{"a":' * 99 + "1" + "}" * 99), "nested deeper than"),
    "odd probe": (lambda folder: _edit_card(folder, _cut_probe, sign=True), "lists of different lengths"),
    "odd step": (lambda folder: _edit_card(folder, _spoil_step, sign=True), "the model is damaged"),
    "odd number": (lambda folder: _edit_card(folder, _spoil_number, sign=True), "the model is damaged"),
    "edited card": (lambda folder: _edit_card(folder, _swap_features, sign=False), "does not match its checksum"),
    "other order": (lambda folder: _edit_card(folder, _swap_features, sign=True), "belongs to other variables"),
    "other probe": (lambda folder: _edit_card(folder, _shift_probe, sign=True), "does not repeat its probe"),
    "newer format": (
        lambda folder: _edit_card(folder, lambda card: card.update(format_version=4), sign=True),
        "format version 4",
    ),
    "unknown key": (lambda folder: _edit_card(folder, lambda card: card.update(extra=1), sign=True), "damaged"),
    "pickle as card": (lambda folder: (folder / "card.json").write_bytes(pickle.dumps({"a": 1})), "is not JSON"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_model_is_refused(model: Model, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "model"
    model.save(folder)
    inflict, message = DAMAGES[damage]
    inflict(folder)
    with pytest.raises(InputError, match=message):
        Model.load(folder)


def test_a_pickle_is_not_a_model_and_is_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return (tmp_path / "exploded").write_text, ("",)

    for path in (tmp_path / "model.pt", tmp_path / "folder" / "tensors.safetensors"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match="is a file, and a model is a folder"):
        Model.load(tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"lacks card\.json"):
        Model.load(tmp_path / "folder")
    with pytest.raises(InputError, match="there is no such model"):
        Model.load(tmp_path / "nowhere")
    assert not (tmp_path / "exploded").exists()


def test_a_pickle_in_place_of_the_tensors_is_not_run(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    model.save(folder)
    content = pickle.dumps({"source_quantiles": [1.0]})
    (folder / "tensors.safetensors").write_bytes(content)
    checksum = hashlib.sha256(content).hexdigest()
    _edit_card(folder, lambda card: card.update(tensors_sha256=checksum), sign=True)
    with pytest.raises(InputError, match="the model is damaged"):
        Model.load(folder)


def test_preprocessing_by_hand_is_kept() -> None:
    steps = {"pt1": ["log", "standardise"]}
    fitted = _fitted(_recipe(preprocessing=steps))
    chains = fitted.card.preprocessing["features"]["chains"]
    assert [step["name"] for step in chains[0]["steps"]] == ["log", "standardise"]
    assert (chains[0]["proposed"], chains[1]["proposed"]) == (False, True)


def test_a_map_that_gives_no_number_leaves_the_event(model: Model) -> None:
    class Failing(type(model.method)):  # type: ignore[misc]
        def _transform(self, events: Events) -> Events:
            return events.with_features(np.where(events.features > 0, np.nan, events.features))

    broken = replace(model, method=Failing(2, 1))
    after, status = broken.transform(SOURCE)
    np.testing.assert_array_equal(after.features, SOURCE.features)
    assert set(status.tolist()) >= {0, NON_FINITE}
