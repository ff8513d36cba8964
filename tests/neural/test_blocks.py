"""A network's result for an event does not depend on what else it is asked."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from simmorph.neural.blocks import BLOCK, in_blocks
from simmorph.neural.networks import Perceptron, initialise

KERNELS = [
    {"MKL_ENABLE_INSTRUCTIONS": "AVX512", "ATEN_CPU_CAPABILITY": "avx512"},
    {"MKL_ENABLE_INSTRUCTIONS": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
    {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "ATEN_CPU_CAPABILITY": "default"},
]
"""Settings under which torch and MKL compute as they do on older processors."""
ROWS = np.random.default_rng(1).normal(size=(2 * BLOCK + 5, 3))


def a_network(n_outputs: int = 2) -> Perceptron:
    network = Perceptron(3, (64, 64), n_outputs)
    initialise(network, 1)
    return network.double()


@pytest.mark.parametrize("n_outputs", [1, 2, 3, 23])
@pytest.mark.parametrize("n_events", [1, 7, BLOCK - 1, BLOCK, BLOCK + 1])
@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_a_row_comes_out_the_same_in_any_call(n_events: int, n_outputs: int, precision: torch.dtype) -> None:
    network = a_network(n_outputs).to(precision)

    def outputs(first: int, n_rows: int) -> np.ndarray:
        return in_blocks(lambda it: network(it.to(precision)), ROWS[first : first + n_rows], network)

    everything = outputs(0, len(ROWS))
    for first in (3, 8):
        np.testing.assert_array_equal(outputs(first, n_events), everything[first : first + n_events])


@pytest.mark.parametrize("kernels", KERNELS, ids=lambda it: it["MKL_ENABLE_INSTRUCTIONS"])
def test_it_does_so_on_other_processors(kernels: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "any_call"]
    run = subprocess.run(command, env=os.environ | kernels, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_the_number_of_threads_does_not_matter_and_is_left_as_it_was() -> None:
    network = a_network()
    before = torch.get_num_threads()
    results = []
    try:
        for n_threads in (1, 2, 3):
            torch.set_num_threads(n_threads)
            results.append(in_blocks(network, ROWS[:BLOCK], network))
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_no_events_give_no_rows() -> None:
    network = a_network()
    assert in_blocks(network, np.empty((0, 3)), network).shape == (0, 2)
