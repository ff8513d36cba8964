"""What the target has near a context is what no result leaves."""

from __future__ import annotations

import numpy as np
import torch

from simmorph.data.events import Events
from simmorph.neural.reach import Reach

RNG = np.random.default_rng(1)


def drifting(n_events: int = 8000) -> Events:
    """A feature of width 1 that moves by 40 over the context."""
    context = RNG.uniform(0, 1, (n_events, 1))
    return Events.of(40 * context + RNG.uniform(-1, 1, (n_events, 1)), context)


def fitted(target: Events) -> Reach:
    reach = Reach(target.features.shape[1], target.context.shape[1])
    reach.fit(target)
    return reach


def test_the_target_itself_is_left_alone() -> None:
    target = drifting()
    features, held = fitted(target).hold(target.features, target.context)
    np.testing.assert_array_equal(features, target.features)
    assert not held.any()


def test_what_is_elsewhere_at_another_context_is_held_back_here() -> None:
    reach, places = fitted(drifting()), RNG.uniform(0, 1, (500, 1))
    for value in (-1e9, -20.0, 60.0, 1e300):
        features, held = reach.hold(np.full((500, 1), value), places)
        assert held.all()
        # In a cell, a 16th of the context, the feature moves by 2.5 and is 2 wide; a fifth of that is the margin.
        assert np.abs(features - 40 * places).max() < 1 + 2.5 + 0.2 * 4.5 + 0.1


def test_no_context_goes_beyond_all_of_the_target() -> None:
    target = drifting()
    features, held = fitted(target).hold(np.full((2, 1), 1e9), np.array([[-1e9], [1e9]]))
    assert held.all()
    assert features.max() <= target.features.max()


def test_in_a_hole_all_of_the_target_is_near() -> None:
    target = drifting()
    blinded = target[(target.context[:, 0] < 0.35) | (target.context[:, 0] > 0.65)]
    reach = fitted(blinded)
    features, held = reach.hold(np.array([[20.0], [20.0], [99.0]]), np.array([[0.5], [0.1], [0.5]]))
    assert held.tolist() == [False, True, True]
    assert features[2, 0] == blinded.features.max()
    assert reach.in_a_hole(torch.tensor([[0.5], [0.1]])).tolist() == [True, False]


def test_without_context_there_is_one_range() -> None:
    target = Events.of(RNG.normal(size=(300, 2)))
    features, held = fitted(target).hold(np.array([[9.0, 0.0], [0.0, 0.0]]), np.empty((2, 0)))
    assert held.tolist() == [True, False]
    assert features[0].tolist() == [target.features[:, 0].max(), 0.0]


def test_it_is_saved_in_its_tensors() -> None:
    target = drifting()
    first, second = fitted(target), Reach(1, 1)
    second.load_state_dict(first.state_dict())
    wild = RNG.normal(0, 50, (300, 1))
    for one, other in zip(first.hold(wild, target.context[:300]), second.hold(wild, target.context[:300]), strict=True):
        np.testing.assert_array_equal(one, other)
