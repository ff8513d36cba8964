"""The model: learning, preprocessing and method in one artefact that is fitted, applied, saved and loaded.

Events come and go in physical units; preprocessing travels inside, so that it cannot be forgotten. What a model makes
of an event depends on the event, its id and the seed alone, not on the events beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simmorph.card import ModelCard, Origin, Probe, Variable, identity_of
from simmorph.data.columns import columns_of, length_of, names_of, with_columns
from simmorph.data.events import Events
from simmorph.data.expressions.expression import weight_expression
from simmorph.data.morphed import (
    HELD,
    NON_FINITE,
    OUT_OF_RANGE,
    OUTSIDE_TARGET,
    float_type,
    new_columns,
    score_of,
)
from simmorph.data.pairs import pairs_of
from simmorph.data.preprocessing.chain import Preprocessing
from simmorph.data.preprocessing.limits import Bounded
from simmorph.data.preprocessing.support import Support
from simmorph.data.quality.holes import remarks_on_holes
from simmorph.data.splits import reseeded
from simmorph.errors import InputError
from simmorph.fitting import fit_preprocessing, new_card, too_few_steps, trainable, with_notes, without_holdout
from simmorph.methods.registry import build_map, find_method
from simmorph.model_folder import explained, read_card, read_tensors, write_folder
from simmorph.neural.loop.training import Training

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from simmorph.config.learning import Learning
    from simmorph.data.columns import AnyColumns
    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.methods.base import Method

N_PROBE, N_NOTES = 8, 20_000
PROBE_TOLERANCE = 1e-4
"""Largest change of a probe event on another machine, in units of its feature's range."""


class Morphed(NamedTuple):
    """What became of events.

    Attributes:
        events: the same events in the same order, morphed or reweighted.
        status: (n_events,), bits of NON_FINITE, OUT_OF_RANGE, HELD and OUTSIDE_TARGET.
    """

    events: Events
    status: IntArray


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted map between events in physical units.

    Attributes:
        card: everything about it but its tensors.
        method: what was learnt, in preprocessed variables.
        features: from the features of an event to what the method sees.
        target: from what the method makes of it back to features.
        context: from its context to what the method sees.
        support: where the target has events; None for a method that moves none.
        probe_is_exact: whether the probe came out the same to the last bit on loading.
    """

    card: ModelCard
    method: Method
    features: Preprocessing
    target: Preprocessing
    context: Preprocessing
    support: Support | None = None
    probe_is_exact: bool = True

    @classmethod
    def fit(
        cls,
        learning: Learning,
        source: Events,
        target: Events,
        how: Training | None = None,
        origin: Origin | None = None,
    ) -> Model:
        """Learn to make source look like target.

        The hold-out part is taken away before anything is fitted, and the preprocessing is fitted to the training part
        alone, to both samples together.

        Args:
            learning: features, context, preprocessing, method and training; a recipe is one.
            source: the sample to be morphed, in physical units; a generator does not look at it, and it may be empty.
            target: the sample it should look like.
            how: where to keep checkpoints, when to stop and so on, with the settings of `learning.training`.
            origin: where the samples came from.

        Raises:
            InputError: too few events, or values or weights that cannot be trained on.
            ConfigError: the method or a step of preprocessing does not take its options.
        """
        learning, origin, how = learning.learning, origin or Origin(), how or Training(learning.training)
        if how.settings != learning.training:
            raise ValueError("these are settings of another training than that of the learning")
        how = replace(how, learning=identity_of(learning, origin.source, origin.target))
        method = build_map(learning)
        samples = {"target": without_holdout(target, how)}
        if method.kind.needs_source:
            samples = {"source": without_holdout(source, how), **samples}
        remarks = list(origin.remarks)
        if find_method(learning.method.name).needs_pairs:
            samples["source"], samples["target"], remark = pairs_of(samples["source"], samples["target"])
            remarks += [remark] if remark else []
        given = trainable(samples, learning, how)
        holes = remarks_on_holes(given.samples, learning.context, method.in_a_hole) if method.in_a_hole else []
        notes = given.notes._replace(warnings=[*remarks, *given.notes.warnings, *holes])
        preprocessing = fit_preprocessing(learning, given, how, own_steps=method.own_steps)
        of_target = _prepared(given.samples["target"], preprocessing.target, preprocessing.context)
        of_source = of_target[:0]
        if "source" in samples:
            of_source = _prepared(given.samples["source"], preprocessing.features, preprocessing.context)
        history = method.fit(of_source, of_target, how)
        method.eval()
        notes = notes._replace(warnings=[*notes.warnings, *too_few_steps(history)])
        card = new_card(
            learning,
            method,
            preprocessing=preprocessing,
            samples=given.samples,
            how=how,
            history=history,
            origin=origin,
        )
        card = with_notes(card, method, (of_source if len(of_source) else of_target)[:N_NOTES], notes)
        support = None
        if method.kind.changes_features:
            learnt_from = how.split(given.samples["target"])[0]
            support = Support.fit(learnt_from.features, how.split(of_target)[0].features)
            card = card.model_copy(update={"support": support.to_json()})
        model = cls(card, method, *preprocessing, support)
        first = next(iter(given.samples.values()))
        return replace(model, card=card.model_copy(update={"probe": model.new_probe(first[:N_PROBE])}))

    def save(self, folder: str | Path, *, force: bool = False, log: str = "") -> None:
        """Write the model folder, whole or not at all; `log` has one JSON line for each epoch of training.

        Raises:
            UsageError: the folder exists, and `force` is not set, or it holds something else.
            OutputError: it cannot be written.
        """
        write_folder(Path(folder), self.card, self.method, log, force=force)

    @classmethod
    def load(cls, folder: str | Path) -> Model:
        """Read a model folder and check that it does what it did when it was written.

        Raises:
            InputError: this is no model folder, it is damaged, or its probe comes out differently here.
        """
        folder = Path(folder)
        card = read_card(folder)
        tensors = read_tensors(folder, card)
        with explained(folder):
            features, target = (_preprocessing_of(card, part, card.features) for part in ("features", "target"))
            context = _preprocessing_of(card, "context", card.context)
            method = build_map(card.learning)
            method.load_state_dict(tensors)
            method.eval()
            support = None if card.support is None else Support.from_json(card.support)
            model = cls(card, method, features, target, context, support)
            return replace(model, probe_is_exact=model.check_probe(folder))

    def transform(self, events: Events, seed: int | None = None) -> Morphed:
        """The events as the method makes them, in physical units, in the same order.

        An event with a feature or context that is not finite, or for which the map gives no finite number, keeps its
        features and weight and gets the status NON_FINITE. One that lies outside of what the source had in training
        is morphed and gets OUT_OF_RANGE; a value beyond the fence, which nothing legitimate reaches, stays as it is,
        and all else in that event becomes what it would with the last value inside. A value beyond a bound that the
        recipe declares is put there. An event that a map in closed form would have taken beyond what the target has
        near its context stays at that edge and gets HELD; one that lands where the target had none gets OUTSIDE_TARGET.
        A generator looks at the context alone, and draws new features at it.

        Args:
            events: in physical units; their ids draw the noise of point masses, and that of methods that draw.
            seed: of this noise; the model's own by default.
        """
        if self.draws_anew:
            return self._drawn(events, seed)
        finite = np.asarray(np.isfinite(np.hstack([events.features, events.context])).all(axis=1))
        status = np.where(finite, 0, NON_FINITE).astype(np.int64)
        if not finite.any():
            return Morphed(events, status)
        known = events[finite]
        prepared = _prepared(known, self.features, self.context, seed)
        moved = self.method.moved(prepared if seed is None else replace(prepared, ids=reseeded(known.ids, seed)))
        changed = moved.events
        restored = self._restored(known, prepared, changed)
        worked = np.isfinite(restored).all(axis=1) & (np.isfinite(changed.weights) | ~np.isfinite(known.weights))
        features, weights = events.features.copy(), events.weights.copy()
        features[finite] = np.where(worked[:, None], restored, known.features)
        weights[finite] = np.where(worked, changed.weights, known.weights)
        status[finite] = (
            np.where(worked, 0, NON_FINITE)
            | np.where(self._outside(known), OUT_OF_RANGE, 0)
            | np.where(worked & moved.held, HELD, 0)
            | np.where(worked & self._outside_target(restored, changed.features), OUTSIDE_TARGET, 0)
        )
        return Morphed(events.with_features(features).with_weights(weights), status)

    @property
    def draws_anew(self) -> bool:
        """Whether the features of an event are not changed, but drawn anew: the model is a generator."""
        return not self.method.kind.needs_source

    def generate(self, context: FloatArray, ids: IntArray, seed: int | None = None) -> FloatArray:
        """(n_events, n_features), new features in physical units, from a generator.

        Args:
            context: (n_events, n_context), in physical units.
            ids: (n_events,), the numbers that the events are drawn from; equal ones give equal draws.
            seed: another seed draws other events; the model's own by default.
        """
        return self.drawn(context, ids, seed)[0]

    def drawn(self, context: FloatArray, ids: IntArray, seed: int | None = None) -> tuple[FloatArray, BoolArray]:
        """What `generate` gives, and (n_events,), which events are where the target has none."""
        context_seed = None if seed is None else seed + 1
        at = self.context.forward(context, ids, context_seed)
        blank = np.zeros((len(ids), len(self.card.features)))
        drawn = self.method.transform(Events.of(blank, at, None, ids if seed is None else reseeded(ids, seed)))
        features = self.bounds.held(self.target.inverse(drawn.features))
        return features, self._outside_target(features, drawn.features)

    def _drawn(self, events: Events, seed: int | None) -> Morphed:
        """The events with new features at their contexts."""
        features, is_outside = self.drawn(events.context, events.ids, seed)
        worked = np.asarray(np.isfinite(features).all(axis=1))
        outside = _beyond(events.context, self.card.context) | self.context.excludes(events.context)
        status = np.where(worked, np.where(is_outside, OUTSIDE_TARGET, 0), NON_FINITE)
        status = (status | np.where(outside, OUT_OF_RANGE, 0)).astype(np.int64)
        return Morphed(events.with_features(np.where(worked[:, None], features, events.features)), status)

    def apply(self, columns: AnyColumns, seed: int | None = None) -> AnyColumns:
        """The columns, and what the map makes of them: `<feature>_morphed`, `weight_morphed` and `morph_status`.

        The bits of the status are 2 not finite, kept as it was; 4 outside of the training range; 8 held back at the
        edge of what the target has near the context; 16 landed outside of what the target has. A reweighting adds
        `morph_score`, from 0 (like the source) to 1 (like the target). A generator looks at the context alone.

        Args:
            columns: a dict of arrays, an awkward array of records, or a pandas frame; one number per event each.
            seed: of all random numbers; the model's own by default.

        Returns:
            The same kind of thing, with new columns at its end.

        Raises:
            InputError: a column is missing, or it is not one number per event.
        """
        weigh = weight_expression(self.weight, names_of(columns))
        known, ids = columns_of(columns, [*self.variables, *sorted(weigh.names)]), np.arange(length_of(columns))
        weights = weigh.numbers(known or {"": ids}).astype(np.float64)
        return with_columns(columns, self.new_columns(known, self.events_of(known, weights, ids), seed))

    def events_of(self, columns: Mapping[str, Any], weights: FloatArray, ids: IntArray) -> Events:
        """Columns as events; NaN for features that the model draws and the columns do not have."""
        return Events.of_columns(columns, self.card.learning.features, self.card.learning.context, weights, ids)

    def new_columns(
        self, columns: Mapping[str, Any], before: Events, seed: int | None = None
    ) -> dict[str, NDArray[Any]]:
        """What a morphed file holds beside the columns of its events, by name; see `apply`.

        Args:
            columns: by name; a feature is given back in the precision that it has here.
            before: the events of these columns.
            seed: of all random numbers; the model's own by default.
        """
        after, status = self.transform(before, seed)
        types = {
            name: float_type(columns[name]) if name in columns else usual
            for name, usual in zip(self.card.learning.features, self.card.float_types(), strict=False)
        }
        scores = None if self.card.kind.changes_features else self._scores(before, after, status, seed)
        single = self.bounds.in_single_precision([kind is np.float32 for kind in types.values()])
        kept = ((status & NON_FINITE) != 0)[:, None]
        after = after.with_features(np.where(kept, after.features, single.held(after.features)))
        return new_columns(types, after, status, scores)

    def _scores(self, before: Events, after: Events, status: IntArray, seed: int | None) -> FloatArray:
        """(n_events,), the score of each event by the factor on its weight; NaN where that is not known."""
        factors = np.full(len(before), np.nan)
        np.divide(after.weights, before.weights, out=factors, where=before.weights != 0)
        empty = np.flatnonzero(before.weights == 0)
        if len(empty):
            factors[empty] = self.transform(before[empty].with_weights(np.ones(len(empty))), seed)[0].weights
        return np.where(status & NON_FINITE, np.nan, score_of(factors))

    @property
    def bounds(self) -> Bounded:
        """Those of the features that the recipe declares."""
        learning = self.card.learning
        return Bounded.of(learning.bounds_of(learning.features))

    def outside_bounds(self, events: Events) -> dict[str, int]:
        """How many finite events are beyond the bounds of each variable that the map looks at, where any are."""
        names = self.variables
        columns = np.hstack([np.empty((len(events), 0)) if self.draws_anew else events.features, events.context])
        outside = Bounded.of(self.card.learning.bounds_of(names)).outside(columns)
        counts = outside[np.isfinite(columns).all(axis=1)].sum(axis=0).tolist()
        return {name: count for name, count in zip(names, counts, strict=True) if count}

    @property
    def weight(self) -> str:
        """The weights of the source, a column or an expression of columns; 1 where there are none."""
        return self.card.learning.weight_of("source") or "1"

    @property
    def variables(self) -> list[str]:
        """What the map looks at: features and context, or the context alone if it draws its features."""
        learning = self.card.learning
        return [*([] if self.draws_anew else learning.features), *learning.context]

    def log_density(self, events: Events) -> FloatArray | None:
        """(n_events,), the logarithm of the density of the features at the context, in physical units.

        The density is per unit of each feature; of a value that many events share it is instead its probability,
        estimated from one random number of the event. None if the method has no density.
        """
        found = self.method.log_density(_prepared(events, self.target, self.context))
        return None if found is None else found + self.target.log_slope(events.features, events.ids)

    def _restored(self, events: Events, prepared: Events, changed: Events) -> FloatArray:
        """Features in physical units; one that the method left alone, or beyond its limits, comes back to the bit."""
        untouched = (changed.features == prepared.features) & self.features.same_as(self.target)
        untouched |= self.features.beyond(events.features)
        return self.bounds.held(np.where(untouched, events.features, self.target.inverse(changed.features)))

    def _outside_target(self, features: FloatArray, prepared: FloatArray) -> BoolArray:
        """(n_events,), whether an event that was moved or drawn is where the target has none."""
        return self.support.outside(features, prepared) if self.support else np.zeros(len(features), np.bool_)

    def _outside(self, events: Events) -> BoolArray:
        """(n_events,), whether a variable lies beyond the training range or in a gap of it."""
        outside = _beyond(events.features, self.card.features) | _beyond(events.context, self.card.context)
        return np.asarray(outside | self.features.excludes(events.features) | self.context.excludes(events.context))

    def new_probe(self, events: Events) -> Probe:
        """These events and what the model makes of them."""
        after = self.transform(events).events
        return Probe(
            ids=events.ids.tolist(),
            features=events.features.tolist(),
            context=events.context.tolist(),
            weights=events.weights.tolist(),
            morphed_features=after.features.tolist(),
            morphed_weights=after.weights.tolist(),
        )

    def check_probe(self, folder: Path) -> bool:
        """Whether the probe comes out the same to the last bit.

        Raises:
            InputError: it comes out differently, beyond rounding.
        """
        before, expected = _probe_events(self.card)
        after = self.transform(before).events
        scale = np.array([max(variable.high - variable.low, 1e-300) for variable in self.card.features])
        moved = np.max(np.abs(after.features - expected.features) / scale, initial=0.0)
        sizes = np.maximum(np.abs(expected.weights), 1e-300)
        reweighted = np.max(np.abs(after.weights - expected.weights) / sizes, initial=0.0)
        if not max(moved, reweighted) <= PROBE_TOLERANCE:
            writers = ", ".join(f"{name} {number}" for name, number in self.card.versions.items())
            what = f"the model does not repeat its probe, it is off by {max(moved, reweighted):.2g}"
            raise InputError(folder, what, f"train it anew here; it was written by {writers}")
        return np.array_equal(after.features, expected.features) and np.array_equal(after.weights, expected.weights)


def _beyond(values: FloatArray, variables: Sequence[Variable]) -> BoolArray:
    """(n_events,), whether a value lies beyond the training range of its variable."""
    low = np.array([variable.low for variable in variables])
    high = np.array([variable.high for variable in variables])
    return np.asarray(((values < low) | (values > high)).any(axis=1))


def _probe_events(card: ModelCard) -> tuple[Events, Events]:
    """The events of the probe, before and after the map, as they are in the card."""
    probe, n_events = card.probe, len(card.probe.ids)
    context = np.array(probe.context, np.float64).reshape(n_events, len(card.context))
    shape = n_events, len(card.features)
    before, after = (np.array(rows).reshape(shape) for rows in (probe.features, probe.morphed_features))
    ids = np.array(probe.ids, np.int64)
    return (
        Events(before, context, np.array(probe.weights, np.float64), ids),
        Events(after, context, np.array(probe.morphed_weights, np.float64), ids),
    )


def _preprocessing_of(card: ModelCard, part: str, variables: Sequence[Variable]) -> Preprocessing:
    """The preprocessing of features or context from the card.

    Raises:
        ValueError: it is of other variables, or in another order.
    """
    preprocessing = Preprocessing.from_json(card.preprocessing[part])
    if preprocessing.names != [variable.name for variable in variables]:
        raise ValueError(f"the preprocessing of {preprocessing.names} belongs to other variables")
    return preprocessing


def _prepared(events: Events, features: Preprocessing, context: Preprocessing, seed: int | None = None) -> Events:
    """The events as the method sees them."""
    context_seed = None if seed is None else seed + 1
    return events.with_features(features.forward(events.features, events.ids, seed)).with_context(
        context.forward(events.context, events.ids, context_seed)
    )
