"""A network's result for an event does not depend on what else it is asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from simmorph.neural.blocks import BLOCK, in_blocks
from simmorph.neural.networks import Perceptron, initialise


def a_network() -> Perceptron:
    network = Perceptron(3, (64, 64), 2)
    initialise(network, 1)
    return network.double()


@pytest.mark.parametrize("n_events", [1, 7, BLOCK - 1, BLOCK, BLOCK + 1])
def test_a_row_comes_out_the_same_in_any_call(n_events: int) -> None:
    network = a_network()
    rows = np.random.default_rng(1).normal(size=(2 * BLOCK + 5, 3))
    everything = in_blocks(network, rows, network)
    np.testing.assert_array_equal(in_blocks(network, rows[3 : 3 + n_events], network), everything[3 : 3 + n_events])


def test_the_number_of_threads_does_not_matter_and_is_left_as_it_was() -> None:
    network = a_network()
    rows = np.random.default_rng(1).normal(size=(BLOCK, 3))
    before = torch.get_num_threads()
    results = []
    try:
        for n_threads in (1, 2, 3):
            torch.set_num_threads(n_threads)
            results.append(in_blocks(network, rows, network))
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_no_events_give_no_rows() -> None:
    network = a_network()
    assert in_blocks(network, np.empty((0, 3)), network).shape == (0, 2)
