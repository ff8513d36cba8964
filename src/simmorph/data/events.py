"""Events: the only thing that flows between the steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Events:
    """A sample of weighted events.

    Attributes:
        features: (n_events, n_features), the variables that are morphed, in physical units (GeV, rad).
        context: (n_events, n_context), the variables that are conditioned on; may be (n_events, 0).
        weights: (n_events,), may be negative.
        ids: (n_events,), the entry number of each event in its file. It seeds the event's random numbers, so that
            a result depends neither on chunks nor on threads.

    Raises:
        ValueError: the shapes do not belong together.
    """

    features: FloatArray
    context: FloatArray
    weights: FloatArray
    ids: IntArray

    def __post_init__(self) -> None:
        n_events = len(self.features)
        if self.features.ndim != 2 or self.context.ndim != 2:
            raise ValueError("features and context have two dimensions")
        if (len(self.context), self.weights.shape, self.ids.shape) != (n_events, (n_events,), (n_events,)):
            raise ValueError(f"context, weights and ids have one row for each of the {n_events} events")

    @classmethod
    def of(
        cls,
        features: FloatArray,
        context: FloatArray | None = None,
        weights: FloatArray | None = None,
        ids: IntArray | None = None,
    ) -> Self:
        """Events with what is left out filled in: no context, unit weights, ids that count from 0."""
        n_events = len(features)
        return cls(
            np.asarray(features, np.float64),
            np.empty((n_events, 0)) if context is None else np.asarray(context, np.float64),
            np.ones(n_events) if weights is None else np.asarray(weights, np.float64),
            np.arange(n_events) if ids is None else np.asarray(ids, np.int64),
        )

    @classmethod
    def of_columns(
        cls,
        columns: Mapping[str, Any],
        features: Sequence[str],
        context: Sequence[str],
        weights: FloatArray | None,
        ids: IntArray,
    ) -> Self:
        """Events from columns by name, (n_events,) each; what is not among them is NaN."""
        return cls.of(_matrix(columns, features, len(ids)), _matrix(columns, context, len(ids)), weights, ids)

    @classmethod
    def concatenate(cls, samples: Sequence[Events]) -> Self:
        """One sample after the other."""
        return cls(
            np.concatenate([sample.features for sample in samples]),
            np.concatenate([sample.context for sample in samples]),
            np.concatenate([sample.weights for sample in samples]),
            np.concatenate([sample.ids for sample in samples]),
        )

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, rows: slice | BoolArray | IntArray) -> Events:
        return Events(self.features[rows], self.context[rows], self.weights[rows], self.ids[rows])

    def with_features(self, features: FloatArray) -> Events:
        """The same events with other features."""
        return replace(self, features=features)

    def with_context(self, context: FloatArray) -> Events:
        """The same events in another context."""
        return replace(self, context=context)

    def with_weights(self, weights: FloatArray) -> Events:
        """The same events with other weights."""
        return replace(self, weights=weights)

    @property
    def effective_size(self) -> float:
        """The Kish effective sample size (sum w)^2 / sum w^2, which holds for signed weights too.

        >>> Events.of(np.zeros((4, 1)), weights=np.array([1.0, 1.0, 1.0, -1.0])).effective_size
        1.0
        """
        squares = float(np.sum(self.weights**2))
        return float(np.sum(self.weights)) ** 2 / squares if squares > 0 else 0.0


def _matrix(columns: Mapping[str, Any], names: Sequence[str], n_events: int) -> FloatArray:
    """(n_events, n_names), the named columns; NaN where there is none."""
    matrix = np.full((n_events, len(names)), np.nan)
    for at, name in enumerate(names):
        if name in columns:
            matrix[:, at] = columns[name]
    return matrix
