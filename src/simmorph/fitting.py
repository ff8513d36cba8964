"""What is done around a method when it learns: samples made fit for it, preprocessing fitted, a card written.

`Model.fit` calls these in order. The hold-out part is taken away first, so that nothing that is learnt, not even a mean
or a quantile, depends on the events by which the map is judged.
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from simmorph.card import ModelCard, Probe, SampleRecord, Variable
from simmorph.data.events import Events
from simmorph.data.preprocessing.chain import Preprocessing
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
LEAST_REACH = 1e-12
"""Over a smaller part of their size values cannot be told apart well: double precision has 16 digits."""


def without_holdout(events: Events, how: Training) -> Events:
    """The events that are not in the hold-out part."""
    settings = how.settings
    return events[part_of(events.ids, settings.seed, settings.validation, settings.holdout) != HOLDOUT]


def trainable(samples: Mapping[str, Events], learning: Learning, how: Training) -> tuple[dict[str, Events], Notes]:
    """The samples with weights that can be trained on, and what was done for it.

    Raises:
        InputError: they cannot be trained on.
    """
    settings, variables = how.settings, [*learning.features, *learning.context]
    trainable, notes = {}, Notes({}, [])
    for name, events in samples.items():
        _check_sample(events, name, variables, settings.negative_weights)
        done = treated(events, settings.negative_weights, name, variables, settings.seed)
        trainable[name] = done.events
        columns = dict(zip(variables, np.hstack([events.features, events.context]).T, strict=True))
        notes = Notes(notes.numbers | done.numbers, [*notes.warnings, *remarks_on(name, columns), *done.warnings])
    return trainable, notes


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
    for column, variable in zip(np.hstack([events.features, events.context]).T, variables, strict=True):
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


def fit_preprocessing(
    learning: Learning, samples: Sequence[Events], how: Training
) -> tuple[Preprocessing, Preprocessing]:
    """Features and context, from the training parts of both samples, each counting the same.

    Args:
        learning: names the variables, and the steps that were chosen by hand.
        samples: those that are trained on, without hold-out.
        how: how they are split, and the seed.

    Raises:
        InputError: no event is left to train on.
        ConfigError: an angle is relative to something that is not another angle.
    """
    parts = [how.split(events)[0] for events in samples]
    if not all(len(part) and np.sum(part.weights) > 0 for part in parts):
        raise InputError("training", "a sample has no events to train on", "select more events or hold out fewer")
    both = Events.concatenate([part.with_weights(part.weights / np.sum(part.weights)) for part in parts])
    of_context = Events.of(both.context, None, both.weights, both.ids)
    seed = how.settings.seed
    return (
        Preprocessing.fit(learning.features, learning.preprocessing, both, seed),
        Preprocessing.fit(
            learning.context, learning.preprocessing, of_context, seed + 1, propose=propose_context_steps
        ),
    )


def new_card(  # noqa: PLR0913 - a card holds everything
    learning: Learning,
    method: Method,
    *,
    preprocessing: tuple[Preprocessing, Preprocessing],
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
        preprocessing={"features": preprocessing[0].to_json(), "context": preprocessing[1].to_json()},
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
