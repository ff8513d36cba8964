"""Cuts before and after a map."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.data.events import Events
from simmorph.evaluation.metrics.maps.acceptance import acceptance
from simmorph.evaluation.metrics.samples import Cut, Samples


def above(events: Events, edge: float) -> np.ndarray:
    return np.asarray(events.features[:, 0] > edge)


@pytest.fixture
def samples() -> Samples:
    """A map that takes one event of four out of the cut and one in."""
    source = Events.of(np.array([[1.0], [2.0], [3.0], [4.0]]))
    moved = source.with_features(np.array([[2.6], [2.1], [2.4], [5.0]]))
    target = Events.of(np.array([[3.0], [4.0], [1.0], [6.0], [7.0]]))
    shown = {"source": source, "moved": moved, "template": moved, "target": target}
    cut = Cut("x > 2.5", False, {name: above(events, 2.5) for name, events in shown.items()})
    return Samples(("x",), 1, source, moved, moved, target, target[:0], cuts={"high": cut})


def test_fractions_are_those_of_the_weights(samples: Samples) -> None:
    found = acceptance(samples)["high"]
    assert [found.passing[name].value for name in ("source", "template", "target")] == [0.5, 0.5, 0.8]
    assert found.leaving == found.entering == pytest.approx((0.25, 0.25))
    assert found.passing["source"].uncertainty == pytest.approx(np.sqrt(0.5 * 0.5 / 4))


def test_signed_weights_are_subtracted(samples: Samples) -> None:
    source = samples.source.with_weights(np.array([1.0, 1.0, 1.0, -0.5]))
    signed = Samples(("x",), 1, source, source, source, samples.target, samples.target[:0], cuts=samples.cuts)
    assert acceptance(signed)["high"].passing["source"].value == pytest.approx(0.5 / 2.5)


def test_a_fraction_of_all_or_none_is_uncertain_by_an_event(samples: Samples) -> None:
    everything = {name: np.ones(len(rows), bool) for name, rows in samples.cuts["high"].passing.items()}
    cut = Cut("x > 0", True, everything)
    found = acceptance(
        Samples(("x",), 1, *(samples.source,) * 3, samples.target, samples.target[:0], cuts={"all": cut})
    )["all"]
    assert found.passing["target"] == pytest.approx((1, 0.2))
    assert found.leaving == pytest.approx((0, 0.25))
    assert found.is_automatic


def test_without_a_source_nothing_leaves(samples: Samples) -> None:
    nothing = samples.source[:0]
    passing = {name: samples.cuts["high"].passing[name] for name in ("template", "target")}
    drawn = Samples(
        ("x",),
        1,
        nothing,
        samples.template,
        nothing,
        samples.target,
        nothing,
        cuts={"a": Cut("x > 2.5", True, passing)},
    )
    found = acceptance(drawn)["a"]
    assert (found.leaving, found.entering) == (None, None)
    assert found.to_json()["leaving"] is None
