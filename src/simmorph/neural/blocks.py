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
"""Rows in each evaluation. Kernels choose their order of summation by the size of a matrix, so it never changes."""


@torch.no_grad()
def in_blocks(function: Callable[[Tensor], Tensor], rows: FloatArray, module: nn.Module) -> FloatArray:
    """The function of each row, in float64, the same to the bit however the rows are cut into calls.

    Every block has the same number of rows, the last one filled up with zeros, and runs on one thread: kernels split
    their work, and with it the order of rounding, by the number of threads.

    Args:
        function: takes (BLOCK, n_columns) tensors and returns (BLOCK, n_outputs) ones, row by row.
        rows: (n_events, n_columns).
        module: whose device to use; it is put into evaluation mode.
    """
    module.eval()
    device = next(itertools.chain(module.parameters(), module.buffers())).device
    outputs = []
    with one_thread():
        for start in range(0, max(len(rows), 1), BLOCK):
            block = np.zeros((BLOCK, rows.shape[1]))
            part = rows[start : start + BLOCK]
            block[: len(part)] = part
            outputs.append(function(torch.as_tensor(block, device=device))[: len(part)].cpu().numpy())
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
