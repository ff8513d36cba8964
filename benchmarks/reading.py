"""Selecting from an ntuple: only the branches needed, in chunks, against reading the tree as a whole."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import uproot

from benchmarks.measure import Row, compare
from simmorph.config.selection.files import read_selection
from simmorph.data.ntuples.reading import iterate
from simmorph.data.selection.selector import Selector
from simmorph.pipeline.toy import write_toy

if TYPE_CHECKING:
    from collections.abc import Iterator

N_EVENTS = 100_000


def rows() -> Iterator[Row]:
    """Read what the demo's selection needs."""
    branches = Selector.of(*read_selection("diphoton-demo")).branches()
    with tempfile.TemporaryDirectory() as folder:
        write_toy("hgg", Path(folder) / "toy", n_events=N_EVENTS)
        path = str(Path(folder) / "toy" / "mc_gamgam.root")

        def theirs() -> None:
            with uproot.open(path) as file:
                file["mini"].arrays()

        yield compare(
            f"read {len(branches)} branches of {N_EVENTS:,} jagged events",
            f"uproot {uproot.__version__}, all branches",
            lambda: list(iterate(path, "mini", branches)),
            theirs,
            turns=5,
        )
