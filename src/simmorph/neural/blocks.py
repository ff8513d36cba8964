"""Evaluate a network on many events, with a result that depends on each event alone."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

    from simmorph.data.events import FloatArray

BLOCK = 2048
"""Events in each evaluation. Kernels choose their order of summation by the size of a matrix, so it never changes."""
PADDING = 64
"""Rows of zeros behind the events of a block. Kernels round otherwise in the rows that are left over behind the last of
their tiles, which are at most 64 rows high; no event is there."""


@torch.no_grad()
def in_blocks(function: Callable[[Tensor], Tensor], rows: FloatArray, module: nn.Module) -> FloatArray:
    """The function of each row, in float64, the same to the bit however the rows are cut into calls.

    Three things decide in which order a kernel adds up, and so how it rounds: the shape of its matrices, where in
    memory they begin, and the number of threads. So every block has the same number of rows, begins where torch lets
    its tensors begin (at a multiple of 64 bytes), and runs on one thread. A function may use elementwise operations,
    reductions over the columns and products of whole matrices whose rows are `aligned`; in a batch of small matrices
    each begins elsewhere.

    Args:
        function: takes (BLOCK + PADDING, n_columns) tensors and returns as many rows, each made from the same row.
        rows: (n_events, n_columns).
        module: whose device to use; it is put into evaluation mode.
    """
    module.eval()
    device = next(itertools.chain(module.parameters(), module.buffers())).device
    outputs = []
    with one_thread():
        for start in range(0, max(len(rows), 1), BLOCK):
            block = torch.zeros(BLOCK + PADDING, rows.shape[1], dtype=torch.float64)
            part = rows[start : start + BLOCK]
            block[: len(part)] = torch.tensor(part)
            outputs.append(function(block.to(device))[: len(part)].cpu().numpy())
    return np.concatenate(outputs).astype(np.float64)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch work on one thread only, as it did before afterwards."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
