"""Draw new events from a generator into a ROOT file.

The number of an event is all that its random numbers depend on, beside the seed: a file of 10,000 events is the
beginning of one of a million, and parts can be drawn in different jobs.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from simmorph.data.expressions.expression import parse
from simmorph.data.files.outputs import refuse_existing
from simmorph.data.morphed import drawn_weight
from simmorph.data.ntuples.files import checksum_of, expand_inputs, refuse_input
from simmorph.data.ntuples.reading import STEP
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.data.samples import SampleReader
from simmorph.data.splits import uniform_of
from simmorph.data.units import UNITS
from simmorph.errors import EmptySelectionError, UsageError
from simmorph.model import Model
from simmorph.pipeline.units import KnownUnits
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from simmorph.card import ModelCard
    from simmorph.config.values.compression import Compression
    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.progress import Progress

CONTEXT_STREAM = 0x434F_4E54
"""The stream of random numbers that chooses contexts."""


@dataclass(frozen=True)
class GenerateResult:
    """What was written.

    Attributes:
        output: the file.
        tree: its tree.
        model: the model folder.
        n_events: events drawn.
        n_non_finite: events of which a feature is not a finite number.
        n_outside_target: events that are where the target had none in training.
        contexts_from: files whose contexts they have.
        seconds: how long it took.
    """

    output: str
    tree: str
    model: str
    n_events: int
    n_non_finite: int
    n_outside_target: int
    contexts_from: list[str]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return asdict(self)

    def to_text(self) -> str:
        """What a person wants to know."""
        rate = self.n_events / self.seconds if self.seconds > 0 else 0.0
        time_taken = f"{self.seconds:.1f} s ({rate:,.0f} per second)"
        lines = [f"{self.output}: tree {self.tree!r}, {self.n_events} events drawn in {time_taken}"]
        if self.n_outside_target:
            lines.append(f"where the target has none {self.n_outside_target}")
        if self.contexts_from:
            lines.append(f"contexts drawn from {', '.join(self.contexts_from)}")
        return "\n".join(lines)

    def warnings(self) -> list[str]:
        """What the user should look at."""
        if not self.n_non_finite:
            return []
        return [f"{self.n_non_finite} of the events are not finite: the model was not trained well"]


def generate_events(  # noqa: PLR0913 - one keyword for each option of the command
    model: Path,
    output: Path,
    n_events: int,
    *,
    inputs: Sequence[str] = (),
    tree: str | None = None,
    seed: int | None = None,
    compression: Compression = "zstd",
    force: bool = False,
    step: int = STEP,
    progress: Progress = silent,
) -> GenerateResult:
    """Draw events from a generator and write a branch for each feature and context variable, and their weight.

    Event k is the same in a file of any length, whatever else is drawn. A model with context takes the contexts of
    real events, drawn in proportion to their weights; where these are negative, so is the weight of the event drawn.
    All other weights are 1.

    Args:
        model: the model folder.
        output: the file to write.
        n_events: how many events.
        inputs: flat ntuples whose contexts are used; for a model with context those that it was trained with by
            default, in its region.
        tree: the tree to read from the inputs; the recipe's by default.
        seed: another seed draws other events.
        compression: of the baskets of the output.
        force: replace an existing output.
        step: events drawn at once; no result depends on it.
        progress: called with a line now and then.

    Raises:
        InputError: the model or an input cannot be used.
        UsageError: the output exists or is also an input, the model draws nothing, or nothing says which contexts to
            draw at.
    """
    begin = time.monotonic()
    refuse_existing(output, force=force)
    drawn = _Draw.of(Model.load(model), inputs, tree, seed)
    refuse_input(Path(output), drawn.contexts.paths)
    made_from = drawn.made_from(model, n_events)
    metadata = {**made_from, UNITS: drawn.model.card.units}
    name = drawn.model.card.learning.tree
    n_non_finite = n_outside = 0
    how: dict[str, Any] = {"force": force, "compression": compression, "made_from": made_from}
    with create_ntuple(Path(output), name, **how, metadata=metadata) as ntuple:
        for start in range(0, n_events, step):
            columns, is_finite, is_outside = drawn.events(np.arange(start, min(start + step, n_events)))
            n_non_finite += int(np.count_nonzero(~is_finite))
            n_outside += int(np.count_nonzero(is_outside))
            ntuple.extend(columns)
            progress(f"{min(start + step, n_events):,} of {n_events:,} events")
    seconds = time.monotonic() - begin
    counts = n_events, n_non_finite, n_outside
    return GenerateResult(str(output), name, str(model), *counts, drawn.contexts.paths, seconds)


@dataclass(frozen=True)
class _Draw:
    """What is drawn from.

    Attributes:
        model: the generator.
        contexts: of the events.
        seed: of the random numbers, None for the model's own.
    """

    model: Model
    contexts: Contexts
    seed: int | None

    @classmethod
    def of(cls, model: Model, inputs: Sequence[str], tree: str | None, seed: int | None) -> Self:
        """Ready to draw.

        Raises:
            UsageError: the model is no generator, or nothing says which contexts to draw at.
        """
        card = model.card
        if not model.draws_anew:
            what = f"method {card.learning.method.name!r} changes events and draws none"
            raise UsageError("--n-events", what, "leave it out, or train a generator such as `flow`")
        if not card.context and inputs:
            raise UsageError("INPUT", "the model has no context that could be taken from it", "leave it out")
        if not card.context:
            return cls(model, Contexts(np.empty((1, 0)), np.ones(1)), seed)
        return cls(model, _read_contexts(card, inputs, tree), seed)

    def events(self, ids: IntArray) -> tuple[dict[str, NDArray[Any]], BoolArray, BoolArray]:
        """The branches of events by their numbers, whether each is finite, and whether the target has none there."""
        card = self.model.card
        context, weights = self.contexts.drawn(ids, card.learning.training.seed if self.seed is None else self.seed)
        features, is_outside = self.model.drawn(context, ids, self.seed)
        variables, types = [*card.features, *card.context], card.float_types()
        single = self.model.bounds.in_single_precision([kind is np.float32 for kind in types[: len(card.features)]])
        features = single.held(features)
        columns: dict[str, NDArray[Any]] = {
            variable.name: values.astype(its_type)
            for variable, values, its_type in zip(variables, np.hstack([features, context]).T, types, strict=True)
        }
        is_finite = np.asarray(np.isfinite(features).all(axis=1))
        return {**columns, drawn_weight(card.learning.weight): weights}, is_finite, is_outside

    def made_from(self, folder: Path, n_events: int) -> dict[str, Any]:
        """What the provenance says."""
        card = self.model.card
        paths = self.contexts.paths
        return {
            "generated": n_events,
            "contexts_from": [{"path": path, "sha256": checksum_of(path)} for path in paths],
            "model": {"path": str(folder), "tensors_sha256": card.tensors_sha256},
            "method": card.learning.method.model_dump(mode="json"),
            "seed": self.seed,
        }


@dataclass(frozen=True, eq=False)
class Contexts:
    """Contexts to draw from, in proportion to the size of their weights.

    Attributes:
        values: (n_rows, n_context).
        weights: (n_rows,), of either sign.
        paths: what they were read from.
    """

    values: FloatArray
    weights: FloatArray
    paths: list[str] = field(default_factory=list)

    def drawn(self, ids: IntArray, seed: int) -> tuple[FloatArray, FloatArray]:
        """The context and the weight, 1 or -1, of the events of these numbers."""
        upper = np.cumsum(np.abs(self.weights))
        chosen = np.searchsorted(upper, uniform_of(ids, seed, CONTEXT_STREAM) * upper[-1], side="right")
        rows = np.minimum(chosen, len(upper) - 1)
        return self.values[rows], np.sign(self.weights[rows])


def _read_contexts(card: ModelCard, inputs: Sequence[str], tree: str | None) -> Contexts:
    """The contexts of the inputs, or of the events that the model was trained with.

    The model's region is asked for only in the latter. Events of weight 0, or with a context that is not finite, are
    left out.

    Raises:
        UsageError: there are no inputs, and the model names no files either.
        EmptySelectionError: no usable event is left.
        InputError: a file or branch is missing, a weight is not finite, or units contradict those of the model.
    """
    names, learning = [variable.name for variable in card.context], card.learning
    given = list(inputs) or learning.source or learning.target or []
    if not given:
        what = f"the model is conditioned on {', '.join(map(repr, names))}"
        raise UsageError("--n-events", what, "name an INPUT whose contexts are drawn from")
    paths = expand_inputs(given)
    region = None if inputs or not learning.region else parse(learning.region, "the model's region")
    cuts = [region] if region else []
    KnownUnits.of(paths, {}, card)
    weight = learning.weight_of("source" if inputs or learning.source else "target")
    table = SampleReader(paths, tree or learning.tree, names, weight, cuts=cuts).read()
    known = table.is_finite(names) & (table.weights != 0) & table.passes(region)
    if not known.any():
        raise EmptySelectionError(", ".join(paths), "there is no finite context to draw events at")
    table.refuse_bad_weights(", ".join(paths), known)
    return Contexts(table.matrix(names)[known], table.weights[known], paths)
