"""The card of a model: everything about it but its tensors, as JSON.

It says what was learnt from which files, in which units and ranges, what preprocessing was fitted, how training went,
and what the model makes of a few events (the probe). From it follow the identity of a model, by which it is known
whether a recipe asks for this one, and which events training has seen.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from simmorph.config.documents import Section
from simmorph.config.kind import Kind
from simmorph.config.learning import Learning, NamedMethod
from simmorph.data.splits import HOLDOUT, part_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.data.events import BoolArray, IntArray

FORMAT_VERSION: Literal[3] = 3


class FileRecord(Section):
    """A file that a model was trained on."""

    path: str
    """Where it was."""
    sha256: str
    """Of its content; empty for a file on a server."""
    n_entries: int
    """Entries of its tree."""

    @property
    def content(self) -> str:
        """A hash of what is in it; a file on a server stands for itself."""
        return self.sha256 or self.path


class SampleRecord(Section):
    """A sample that a model was trained on."""

    files: list[FileRecord] = Field(default_factory=list)
    """What it was read from."""
    n_events: int
    """Events in the region, the hold-out part left out."""
    sum_of_weights: float
    """Of these events."""


class Variable(Section):
    """A feature or a context variable."""

    name: str
    """Its branch."""
    unit: str
    """Its unit; empty if it has none or it is not known."""
    low: float
    """Smallest value in the source that the model was trained on; of a generator, in the target."""
    high: float
    """Largest value in the source that the model was trained on; of a generator, in the target."""


class Probe(Section):
    """A few events and what the model made of them when it was new."""

    ids: list[int]
    """The number that seeds each event."""
    features: list[list[float]]
    """Events in."""
    context: list[list[float]]
    """Their context."""
    weights: list[float]
    """Their weights."""
    morphed_features: list[list[float]]
    """Events out."""
    morphed_weights: list[float]
    """Their weights."""

    @model_validator(mode="after")
    def _have_one_row_for_each_event(self) -> Self:
        if len({len(rows) for _, rows in self}) != 1:
            raise ValueError("the probe has lists of different lengths")
        return self


@dataclass(frozen=True)
class Origin:
    """Where training events came from, for the card.

    Attributes:
        source: the files of the source.
        target: the files of the target.
        units: the unit of each variable, where it is known.
        remarks: what is odd about the files.
    """

    source: Sequence[FileRecord] = ()
    target: Sequence[FileRecord] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    remarks: Sequence[str] = ()


class ModelCard(Section):
    """What is known about a model."""

    format: Literal["simmorph-model"] = "simmorph-model"
    """What this folder is."""
    format_version: Literal[3] = FORMAT_VERSION
    """How it is laid out."""
    versions: dict[str, str]
    """Of the software that wrote it."""
    learning: Learning
    """What was learnt from what, defaults included."""
    kind: Kind
    """What the method changes."""
    features: list[Variable]
    """What is morphed, in the order of the tensors."""
    context: list[Variable]
    """What the map is conditioned on, in the order of the tensors."""
    preprocessing: dict[str, Any]
    """The fitted steps: of the features that go into the map, of those that come out of it (target), of the context."""
    support: dict[str, Any] | None = None
    """Where the target has events: see `data.preprocessing.support`; null for a method that moves none."""
    source: SampleRecord
    """The sample that is morphed; a generator has none."""
    target: SampleRecord
    """The sample that it should look like."""
    history: dict[str, Any]
    """The losses of each stage of training."""
    numbers: dict[str, float]
    """What the method says about its map, such as the effective fraction of events."""
    warnings: list[str]
    """What a user should know about the map."""
    probe: Probe
    """Checked on loading."""
    tensors_sha256: str
    """Of the file of tensors."""

    @property
    def units(self) -> dict[str, str]:
        """The unit of each variable that has one and is known."""
        return {variable.name: variable.unit for variable in [*self.features, *self.context] if variable.unit}

    @property
    def changes_weights(self) -> bool:
        """Whether weights change: alone, or beside the features."""
        learning = self.learning
        return not self.kind.changes_features or learning.reweight is not None or learning.method.then is not None

    @property
    def identity(self) -> str:
        """The identity of its learning; see `identity_of`."""
        return identity_of(self.learning, self.source.files, self.target.files)

    def seen(
        self, sample: Literal["source", "target"], file_sha256: str, ids: IntArray, in_region: BoolArray
    ) -> BoolArray:
        """(n_events,), which events of a file training or early stopping has looked at.

        Args:
            sample: as what the file may have been used.
            file_sha256: of the file's content.
            ids: (n_events,), the entry numbers in the file.
            in_region: (n_events,), whether the model's region holds each event.
        """
        record = self.source if sample == "source" else self.target
        if file_sha256 not in {file.sha256 for file in record.files}:
            return np.zeros(len(ids), np.bool_)
        training = self.learning.training
        parts = part_of(ids, training.seed, training.validation, training.holdout)
        return np.asarray((parts != HOLDOUT) & in_region, np.bool_)

    def float_types(self) -> list[type[np.floating[Any]]]:
        """Of features and context: single precision where the events kept in the probe have no more."""
        rows = [[*row, *its] for row, its in zip(self.probe.features, self.probe.context, strict=True)]
        known = np.array(rows, np.float64).reshape(len(rows), len(self.features) + len(self.context))
        with np.errstate(over="ignore"):
            is_single = (known.astype(np.float32) == known).all(axis=0)
        return [np.float32 if single else np.float64 for single in is_single]

    def to_text(self) -> str:
        """What a person wants to know, in a screen."""
        return "\n".join([*self._head(), "", *self._variables(), "", *self._history(), *self._remarks()])

    def _head(self) -> list[str]:
        """The facts that stand above the variables, a line each."""
        method, reweight, training = self.learning.method, self.learning.reweight, self.learning.training
        before = {"reweight": f"{reweight.name} ({_options_text(reweight)})"} if reweight else {}
        rows = {
            **before,
            "method": f"{method.name} ({self.kind}; {_options_text(method)})",
            **({"then": f"{method.then.name} ({_options_text(method.then)})"} if method.then else {}),
            "source": _sample_text(self.source),
            "target": _sample_text(self.target),
            "region": self.learning.region or "all events",
            "parts": f"validation {training.validation:g}, holdout {training.holdout:g}, seed {training.seed}",
            "tensors": f"sha256 {self.tensors_sha256}",
            "written by": ", ".join(f"{name} {version}" for name, version in self.versions.items()),
        }
        return [f"{key:<12}{value}" for key, value in rows.items()]

    def _variables(self) -> list[str]:
        """A line for each variable: unit, range in training, and its steps, of the target too where these differ."""
        chains = {part: {chain["name"]: chain for chain in its["chains"]} for part, its in self.preprocessing.items()}
        nothing = {"steps": [], "proposed": False, "relative_to": None}
        lines = [f"{'variable':<16}{'unit':<6}{'from':>12}{'to':>12}  preprocessing"]
        for variable in [*self.features, *self.context]:
            part = "context" if variable in self.context else "features"
            chain = chains.get(part, {}).get(variable.name, nothing)
            of_target = chains.get("target", {}).get(variable.name, chain)["steps"]
            steps = " -> ".join(_step_text(step) for step in chain["steps"])
            if part == "features" and of_target != chain["steps"]:
                steps += f"; target {' -> '.join(_step_text(step) for step in of_target)}"
            relative = f" relative to {chain['relative_to']}" if chain["relative_to"] else ""
            origin = " (proposed)" if chain["proposed"] else ""
            context = " [context]" if variable in self.context else ""
            bounds = f"{variable.low:>12.5g}{variable.high:>12.5g}"
            lines.append(f"{variable.name:<16}{variable.unit:<6}{bounds}  {steps}{relative}{origin}{context}")
        return lines

    def _history(self) -> list[str]:
        """A line for each stage of training."""
        return [
            f"{stage}: {record['epochs']} epochs, best {record['best_epoch']}, {record['seconds']:.1f} s"
            + _pace_text(record)
            for stage, record in self.history.items()
        ]

    def _remarks(self) -> list[str]:
        """The numbers of the map and its warnings, a line each."""
        numbers = [f"{name}: {value:.4g}" for name, value in self.numbers.items()]
        return [*numbers, *(f"warning: {warning}" for warning in self.warnings)]


def _pace_text(record: Mapping[str, Any]) -> str:
    """The steps of a stage, as text; empty if there were none."""
    pace = record.get("pace")
    if not pace:
        return ""
    return f", {pace['epoch_steps']} steps of {pace['batch_size']} events each, learning rate {pace['learning_rate']:g}"


def _options_text(settings: NamedMethod) -> str:
    """The options of a method that its recipe sets, as text."""
    return ", ".join(f"{key}={value}" for key, value in settings.options.items()) or "default options"


def _sample_text(record: SampleRecord) -> str:
    """Size and origin of a sample in a line."""
    if not record.n_events:
        return "none"
    files = ", ".join(file.path for file in record.files) or "arrays"
    return f"{record.n_events} events, sum of weights {record.sum_of_weights:.6g}, from {files}"


def _step_text(step: dict[str, Any]) -> str:
    """A step with what it has learnt, long lists by their length."""
    facts = [
        f"{key} {_value_text(value)}" for key, value in step.items() if key != "name" and not isinstance(value, str)
    ]
    return f"{step['name']}({', '.join(facts)})"


def _value_text(value: Any) -> str:
    """A learnt value as text, six digits; of more than four the number of them."""
    if not isinstance(value, list):
        return f"{value:.6g}"
    if len(value) > 4:
        return f"[{len(value)} values]"
    return "[" + ", ".join(f"{item:.6g}" for item in value) + "]"


def identity_of(learning: Learning, source: Sequence[FileRecord], target: Sequence[FileRecord]) -> str:
    """The identity of a learning: its settings, the content of its files in their order, and nothing else.

    Models of one identity are the same up to the rounding of numbers. Where the files lie does not matter; of a sample
    that was not read from files, as of a generator's source, its key in the recipe counts.
    """
    files = {
        "source": [file.content for file in source] or learning.source,
        "target": [file.content for file in target] or learning.target,
    }
    return digest_of({**learning.decisive(), **files})


def digest_of(content: dict[str, Any]) -> str:
    """The SHA-256 of JSON values, however they are laid out.

    >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    True

    Raises:
        ValueError: a number is NaN or infinite, for which JSON has no word.
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()
