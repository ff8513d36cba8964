"""What a morphed file holds: the names of its branches and of its tree, and the bits of its status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from simmorph.data.events import Events, FloatArray, IntArray

FRIEND_TREE = "morphed"
"""The tree of a file that holds the new branches alone."""
WEIGHT, STATUS, SCORE = "weight_morphed", "morph_status", "morph_score"
DRAWN_WEIGHT = "weight"
"""The branch of the weights of events that a generator drew, unless the recipe names one."""

NOT_SELECTED, NON_FINITE, OUT_OF_RANGE, HELD, OUTSIDE_TARGET = 1, 2, 4, 8, 16
"""The bits of `morph_status`; 0 is an event that was morphed and lies within the training range. A value so far beyond
it that it is corrupt stays as it is, with OUT_OF_RANGE. HELD is an event that a map in closed form held back at the
edge of what the target has near its context, OUTSIDE_TARGET one that landed where the target had none in training, in a
feature or in all of them together."""
STATUS_BITS = {
    "not_selected": NOT_SELECTED,
    "non_finite": NON_FINITE,
    "out_of_range": OUT_OF_RANGE,
    "held": HELD,
    "outside_target": OUTSIDE_TARGET,
}
NOT_MORPHED = NOT_SELECTED | NON_FINITE

_SUFFIX = "_morphed"


def drawn_weight(weight: object) -> str:
    """The branch of the weights of events that a generator draws: that of the recipe, if it is one.

    >>> drawn_weight("w"), drawn_weight("abs(w)")
    ('w', 'weight')
    """
    return weight if isinstance(weight, str) and weight.isidentifier() else DRAWN_WEIGHT


def branch_of(feature: str) -> str:
    """The branch of a feature after the map.

    >>> branch_of("pt1")
    'pt1_morphed'
    """
    return f"{feature}{_SUFFIX}"


def features_in(branches: Iterable[str]) -> list[str]:
    """The features that a file with these branches holds after the map.

    >>> features_in(["pt1", "pt1_morphed", "weight", "weight_morphed"])
    ['pt1']
    """
    return [name.removesuffix(_SUFFIX) for name in branches if name.endswith(_SUFFIX) and name != WEIGHT]


def of_replica(branch: str, replica: str) -> str:
    """The branch that a replica of the model makes in place of one that the model makes.

    >>> of_replica("pt1_morphed", "01")
    'pt1_morphed_r01'
    """
    return f"{branch}_r{replica}"


def replicas_in(branches: Iterable[str]) -> list[str]:
    """The replicas whose branches stand in a file with these, in order.

    >>> replicas_in(["pt1_morphed", "weight_morphed_r02", "weight_morphed_r01", "HT_r03"])
    ['01', '02']
    """
    start = of_replica(WEIGHT, "")
    found = {name.removeprefix(start) for name in branches if name.startswith(start)}
    return sorted((name for name in found if name.isdecimal()), key=int)


def standing_for(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """For each name its branch after the map where the file has one, else the branch of that name.

    >>> standing_for(["pt1", "year"], ["pt1", "pt1_morphed", "year"])
    {'pt1': 'pt1_morphed', 'year': 'year'}
    """
    there = set(known)
    return {name: branch_of(name) if branch_of(name) in there else name for name in names}


def new_branches(features: Sequence[str], *, reweights: bool) -> list[str]:
    """The names of the branches that are added, in their order.

    Args:
        features: what is morphed.
        reweights: whether the model changes weights alone, and so gives each event a score.
    """
    return [*map(branch_of, features), *([SCORE] if reweights else []), WEIGHT, STATUS]


def new_columns(
    types: Mapping[str, type[np.floating[Any]]], after: Events, status: IntArray, scores: FloatArray | None = None
) -> dict[str, NDArray[Any]]:
    """The branches that are added, by name.

    Args:
        types: the features in the order of `after`, each with the precision that it is written in.
        after: the events after the map.
        status: (n_events,), bits of STATUS_BITS.
        scores: (n_events,), of a reweighting: see `score_of`.
    """
    columns: dict[str, NDArray[Any]] = {
        branch_of(name): values.astype(kind)
        for (name, kind), values in zip(types.items(), after.features.T, strict=True)
    }
    if scores is not None:
        columns[SCORE] = scores
    return {**columns, WEIGHT: after.weights, STATUS: status.astype(np.int32)}


def float_type(column: Any) -> type[np.floating[Any]]:
    """The precision that a feature is written in: single stays single, everything else is double."""
    return np.float32 if column.dtype == np.float32 else np.float64


def score_of(factors: FloatArray) -> FloatArray:
    """(n_events,), r / (1 + r) from 0 to 1, where r is the factor on an event's weight.

    It is the share of target events at that place if there were as many of both samples, and so a classifier's score:
    no other function of the event tells source and target apart better.
    """
    return factors / (1 + factors)


def spread(columns: Mapping[str, NDArray[Any]], rows: IntArray, n_entries: int) -> dict[str, NDArray[Any]]:
    """One row for each entry of a file of which some were selected: NaN and NOT_SELECTED for the others.

    Args:
        columns: the branches of the selected events.
        rows: (n_events,), their entries.
        n_entries: entries in the file.
    """
    found: dict[str, NDArray[Any]] = {}
    for name, values in columns.items():
        is_status = values.dtype.kind == "i"
        found[name] = np.full(n_entries, NOT_SELECTED if is_status else np.nan, values.dtype)
        found[name][rows] = values
    return found


def replica_output(output: Path, replica: str) -> Path:
    """The file for a replica beside that of the model: OUT.root gives OUT.replica01.root."""
    return output.with_name(f"{output.stem}.replica{replica}{output.suffix}")
