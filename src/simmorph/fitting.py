"""What is done around a method when it learns: samples made fit for it, preprocessing fitted, a card written.

`Model.fit` calls these in order. The hold-out part is taken away first, so that nothing that is learnt, not even a mean
or a quantile, depends on the events by which the map is judged.
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simmorph.card import ModelCard, Probe, SampleRecord, Variable
from simmorph.data.events import Events
from simmorph.data.preprocessing.chain import Preprocessing
from simmorph.data.preprocessing.limits import Limits, limits_of, remarks_on_limits
from simmorph.data.preprocessing.proposal import propose_context_steps
from simmorph.data.quality.placeholders import remarks_on
from simmorph.data.signed_weights import treated
from simmorph.data.splits import HOLDOUT, part_of
from simmorph.errors import InputError
from simmorph.methods.base import Notes, refuse_negative_weights, refuse_weights_without_sum
from simmorph.model_folder import sha256_of_tensors
from simmorph.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.card import FileRecord, Origin
    from simmorph.config.learning import Learning
    from simmorph.config.training import NegativeWeights
    from simmorph.data.events import FloatArray
    from simmorph.methods.base import Method
    from simmorph.neural.loop.history import History
    from simmorph.neural.loop.training import Training

MIN_EVENTS = 100
ENOUGH_FOR_OWN_STEPS = 2000
"""Events of each sample from which on their steps are fitted to each alone."""
APART = 0.02
"""Of fewer events, the share of one sample beyond the range of the other that needs steps of its own."""
LEAST_REACH = 1e-12
"""Over a smaller part of their size values cannot be told apart well: double precision has 16 digits."""


def without_holdout(events: Events, how: Training) -> Events:
    """The events that are not in the hold-out part."""
    settings = how.settings
    return events[part_of(events.ids, settings.seed, settings.validation, settings.holdout) != HOLDOUT]


class Trainable(NamedTuple):
    """Samples that can be trained on.

    Attributes:
        samples: by name.
        limits: of each variable of each sample, features first; no value lies beyond them.
        notes: what was done for it.
    """

    samples: dict[str, Events]
    limits: dict[str, list[Limits]]
    notes: Notes


def trainable(samples: Mapping[str, Events], learning: Learning, how: Training) -> Trainable:
    """The samples with values and weights that can be trained on.

    Raises:
        InputError: they cannot be trained on.
    """
    settings, variables = how.settings, [*learning.features, *learning.context]
    done = Trainable({}, {}, Notes({}, []))
    for name, given in samples.items():
        _check_sample(given, name, variables, settings.negative_weights)
        limits = limits_of(_columns(how.split(given)[0]), learning.bounds_of(variables))
        held = _held(given, limits)
        treatment = treated(held, settings.negative_weights, name, variables, settings.seed)
        done.samples[name], done.limits[name] = treatment.events, limits
        done.notes.numbers.update(treatment.numbers)
        columns = dict(zip(variables, _columns(held).T, strict=True))
        done.notes.warnings.extend(
            [
                *remarks_on_limits(name, variables, _columns(given), limits),
                *remarks_on(name, columns),
                *treatment.warnings,
            ]
        )
    return done


def _columns(events: Events) -> FloatArray:
    """(n_events, n_variables), features and context beside each other."""
    return np.hstack([events.features, events.context])


def _held(events: Events, limits: Sequence[Limits]) -> Events:
    """The events, each value beyond its limits replaced by the last one within."""
    columns = [its.held(column) for its, column in zip(limits, _columns(events).T, strict=True)]
    features, context = np.split(np.stack(columns, axis=1), [events.features.shape[1]], axis=1)
    return events.with_features(features).with_context(context)


def _check_sample(events: Events, name: str, variables: Sequence[str], negative_weights: NegativeWeights) -> None:
    """Refuse what cannot be trained on.

    Raises:
        InputError: too few events, weights that are negative or without a positive sum, values that are not finite, or
            that cannot be told apart.
    """
    if len(events) < MIN_EVENTS:
        what = f"{len(events)} events are too few to train on"
        raise InputError(name, what, f"give at least {MIN_EVENTS} beside the hold-out part")
    with np.errstate(over="ignore"):
        if np.isfinite(events.weights).all() and not np.isfinite(np.sum(events.weights**2)):
            raise InputError(name, "the weights are too large to be added up", "check the weight branch")
    check_weights = refuse_negative_weights if negative_weights == "refuse" else refuse_weights_without_sum
    check_weights(events, name)
    for column, variable in zip(_columns(events).T, variables, strict=True):
        n_bad = int(np.count_nonzero(~np.isfinite(column)))
        if n_bad:
            what = f"{variable!r} is not finite in {n_bad} of {len(events)} events"
            raise InputError(name, what, f"cut them away, as with `region: isfinite({variable})`")
        low, high = float(column.min()), float(column.max())
        if 0 < high - low < LEAST_REACH * max(abs(low), abs(high)):
            what = f"{variable!r} differs in its last digits alone, from {low:.17g} to {high:.17g}"
            raise InputError(
                name, what, "subtract a constant, where the ntuple is made; double precision loses the rest"
            )


class Preparation(NamedTuple):
    """The preprocessing of a model.

    Attributes:
        features: of the features that go into the map.
        target: of those that come out of it.
        context: of the context.
    """

    features: Preprocessing
    target: Preprocessing
    context: Preprocessing

    def to_json(self) -> dict[str, Any]:
        """Everything that was fitted, as plain values."""
        return {part: its.to_json() for part, its in self._asdict().items()}


def fit_preprocessing(learning: Learning, given: Trainable, how: Training, *, own_steps: bool = False) -> Preparation:
    """Steps from the training parts of both samples, each counting the same, within the limits of each.

    With `own_steps` source and target have steps of their own in the features in which that helps: an edge, or values
    that repeat, may be in one of them alone.

    Args:
        learning: names the variables, and the steps that were chosen by hand.
        given: what is trained on, without hold-out.
        how: how the samples are split, and the seed.
        own_steps: whether the method can do with steps that differ.

    Raises:
        InputError: no event is left to train on.
        ConfigError: an angle is relative to something that is not another angle.
    """
    parts = [how.split(events)[0] for events in given.samples.values()]
    if not all(len(part) and np.sum(part.weights) > 0 for part in parts):
        raise InputError("training", "a sample has no events to train on", "select more events or hold out fewer")
    both = Events.concatenate([part.with_weights(part.weights / np.sum(part.weights)) for part in parts])
    of_context = Events.of(both.context, None, both.weights, both.ids)
    seed, n_features = how.settings.seed, len(learning.features)
    features = Preprocessing.fit(learning.features, learning.preprocessing, both, seed)
    context = Preprocessing.fit(
        learning.context, learning.preprocessing, of_context, seed + 1, propose=propose_context_steps
    )
    source, target = features, features
    if own_steps and len(parts) == 2:
        own = _with_own_steps(parts[0], parts[1], learning.features)
        source, target = (features.refitted(own, learning.preprocessing, part) for part in parts)
    of_source, of_target = given.limits.get("source", given.limits["target"]), given.limits["target"]
    together = [its.joined(other) for its, other in zip(of_source, of_target, strict=True)]
    return Preparation(
        source.within(of_source[:n_features]),
        target.within(of_target[:n_features]),
        context.within(together[n_features:]),
    )


def _with_own_steps(source: Events, target: Events, names: Sequence[str]) -> list[str]:
    """The features that get steps from each sample alone.

    All of them where both samples are large enough for it, so that steps differ by more than chance; else those of
    which one sample has much where the other has nothing.
    """
    if min(source.effective_size, target.effective_size) >= ENOUGH_FOR_OWN_STEPS:
        return list(names)
    pairs = zip(names, source.features.T, target.features.T, strict=True)
    return [name for name, one, other in pairs if max(_apart(one, other), _apart(other, one)) > APART]


def _apart(values: FloatArray, others: FloatArray) -> float:
    """The share of values beyond the range of others."""
    return float(np.mean((values < others.min()) | (values > others.max())))


def new_card(  # noqa: PLR0913 - a card holds everything
    learning: Learning,
    method: Method,
    *,
    preprocessing: Preparation,
    samples: Mapping[str, Events],
    how: Training,
    history: Mapping[str, History],
    origin: Origin,
) -> ModelCard:
    """The card of what was learnt, as yet without the notes and the probe."""
    training_part, _ = how.split(next(iter(samples.values())))
    nothing = SampleRecord(n_events=0, sum_of_weights=0.0)
    return ModelCard(
        versions=_versions(),
        learning=learning,
        kind=method.kind,
        features=_variables(learning.features, training_part.features, origin.units),
        context=_variables(learning.context, training_part.context, origin.units),
        preprocessing=preprocessing.to_json(),
        source=_sample_record(samples["source"], origin.source) if "source" in samples else nothing,
        target=_sample_record(samples["target"], origin.target),
        history={stage: record.to_json() for stage, record in history.items()},
        numbers={},
        warnings=[],
        probe=Probe(ids=[], features=[], context=[], weights=[], morphed_features=[], morphed_weights=[]),
        tensors_sha256=sha256_of_tensors(method),
    )


def too_few_steps(history: Mapping[str, History]) -> list[str]:
    """A warning for each stage of which the settings left fewer steps than the method needs."""
    remarks = [record.pace and record.pace.remark for record in history.values()]
    return list(dict.fromkeys(remark for remark in remarks if remark))


def with_notes(card: ModelCard, method: Method, prepared: Events, of_samples: Notes) -> ModelCard:
    """The card with the numbers and warnings of the samples, then those of the map."""
    notes = method.notes(prepared, method.transform(prepared))
    found = {"numbers": of_samples.numbers | notes.numbers, "warnings": [*of_samples.warnings, *notes.warnings]}
    return card.model_copy(update=found)


def _versions() -> dict[str, str]:
    """The versions of this package, of Python, and of those whose change could change the model."""
    packages = {name: version(name) for name in ("torch", "numpy", "nflows", "safetensors", "uproot")}
    return {"simmorph": __version__, "python": platform.python_version(), **packages}


def _variables(names: Sequence[str], values: FloatArray, units: Mapping[str, str]) -> list[Variable]:
    """Each variable with its unit and its range in (n_events, n_variables) values."""
    return [
        Variable(name=name, unit=units.get(name, ""), low=float(column.min()), high=float(column.max()))
        for name, column in zip(names, values.T, strict=True)
    ]


def _sample_record(events: Events, files: Sequence[FileRecord]) -> SampleRecord:
    """The size of a sample, and the files that it came from."""
    return SampleRecord(files=list(files), n_events=len(events), sum_of_weights=float(np.sum(events.weights)))
