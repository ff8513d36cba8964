"""What makes an answer doubtful, or worthless: events on both sides, samples that are swapped, cuts that the map moves.

Each is said on top of a report, by `simmorph check` as far as it is known before anything is run, and by `simmorph run`
even where it is to be quiet if there is no answer with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.data.expressions.expression import parse
from simmorph.data.morphed import NOT_MORPHED, OUT_OF_RANGE
from simmorph.data.ntuples.files import checksum_of
from simmorph.data.quality.duplicates import hashes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from simmorph.card import ModelCard
    from simmorph.data.events import BoolArray, IntArray
    from simmorph.data.samples import EventTable

SHARED, DISTINCT = 0.1, 0.9
"""Share of the smaller sample's events that is in the other one too, where so many have values of their own."""
FEW_OUTSIDE, MANY_OUTSIDE = 0.01, 0.2
"""Share of events outside the range of training that is worth a word, and that leaves no answer."""


class Doubt(NamedTuple):
    """Something that is odd.

    Attributes:
        text: what, and what to do.
        invalidates: whether there is no answer with it.
    """

    text: str
    invalidates: bool = False


def of_cuts(cuts: Mapping[str, str], features: Sequence[str], derived: Sequence[str]) -> Iterator[Doubt]:
    """Regions that are cut on what the map moves.

    Args:
        cuts: expressions by the name of the region; an empty one is none.
        features: what is moved.
        derived: what follows from it.
    """
    for name, cut in cuts.items():
        moved = sorted((parse(cut, "region").names if cut else set()) & {*features, *derived})
        if moved:
            text = f"region {name} is cut on {', '.join(moved)}, which the map moves: events enter and leave it"
            yield Doubt(f"{text}; cut on context or other branches where the samples are to be the same events")


def of_generator(source: Sequence[str] | None, method: str, *, needs_source: bool) -> Iterator[Doubt]:
    """A source that nothing is made of."""
    if source and not needs_source:
        yield Doubt(f"source: {method} draws new events and ignores the features of the source; leave `source:` out")


def of_files(source: Sequence[str], target: Sequence[str], card: ModelCard | None = None) -> Iterator[Doubt]:
    """Files that are on both sides, or on the other side than in training."""
    hashes = {sample: {checksum_of(path) for path in paths} - {""} for sample, paths in (("s", source), ("t", target))}
    if hashes["s"] & hashes["t"]:
        yield Doubt("source and target are the same file: nothing is compared; give simulation as source", True)
    elif card is not None:
        as_source, as_target = ({file.sha256 for file in its.files} - {""} for its in (card.source, card.target))
        if hashes["s"] & (as_target - as_source) or hashes["t"] & (as_source - as_target):
            yield Doubt("source and target are swapped: the model was trained with them the other way round", True)


def of_samples(source: EventTable, target: EventTable, variables: Sequence[str]) -> Iterator[Doubt]:
    """Events that are in both samples, and weights that are on the wrong side.

    Args:
        source: or its first events.
        target: the same.
        variables: whose values tell events apart.
    """
    ours, theirs = (
        np.unique(hashes_of([table.matrix([name])[:, 0] for name in variables])) for table in (source, target)
    )
    if min(len(ours) / max(len(source), 1), len(theirs) / max(len(target), 1)) >= DISTINCT:
        n_shared = len(np.intersect1d(ours, theirs, assume_unique=True))
        if n_shared >= SHARED * min(len(ours), len(theirs)):
            text = f"{n_shared} of {min(len(ours), len(theirs))} events are in source and target both"
            yield Doubt(f"{text}: they agree whatever the map does; give samples without common events", True)
    is_weighted = [len(table) > 0 and np.ptp(table.weights) > 0 for table in (source, target)]
    if is_weighted == [False, True]:
        yield Doubt("the target has weights and the source has none: are simulation and data swapped?")


def of_status(status: IntArray, used: BoolArray) -> Iterator[Doubt]:
    """Events outside the range of training, where the map is a guess.

    Args:
        status: (n_events,), the template's `morph_status`.
        used: (n_events,), whether an event is compared; what was not morphed is not.
    """
    n_outside = int(np.count_nonzero(used & ((status & OUT_OF_RANGE) > 0) & ((status & NOT_MORPHED) == 0)))
    share = n_outside / max(int(np.count_nonzero(used)), 1)
    if share > FEW_OUTSIDE:
        text = f"{share:.1%} of the events are outside the range of training, where the map is a guess"
        yield Doubt(f"{text}; train where it is applied", share > MANY_OUTSIDE)
