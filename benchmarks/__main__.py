"""Run every benchmark and write the table: `python -m benchmarks` (`make bench`).

Names of modules run these alone and write nothing: `python -m benchmarks flows`. `python -m benchmarks judge` takes no
times: it tells whether the uncertainties and p-values of `evaluate` are right.
"""

from __future__ import annotations

import os
import platform
import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: CPU time on one core

EXPLAINED = """\
Both are run in turns: times
are those of the fastest turn, and the ratio is the median of the ratios of the turns. Flows have the same hidden layers
on both sides (nflows' `num_blocks` counts those after the first: two blocks are three hidden layers)."""


def main() -> None:
    """Print the table and keep it beside this file."""
    from benchmarks import flows, judge, limits, reading, selecting

    if sys.argv[1:2] == ["judge"]:
        judge.main()
        return

    # nflows cannot know how wide our network is.
    warnings.filterwarnings("ignore", "Inputs to the softmax are not scaled down", UserWarning)
    table = [
        "| what | peer | simmorph [CPU s] | peer [CPU s] | times faster | middle half of the turns |",
        "|---|---|---|---|---|---|",
    ]
    modules = {"flows": flows, "limits": limits, "reading": reading, "selecting": selecting}
    chosen = sys.argv[1:] or list(modules)
    for module in map(modules.__getitem__, chosen):
        for row in module.rows():
            table.append(row.to_text())
            print(table[-1], flush=True)
    if len(chosen) < len(modules):
        return
    when = datetime.now(UTC).date()
    text = f"# Benchmarks\n\n`make bench` on one core of {platform.machine()}, {when}. {EXPLAINED}\n\n"
    (Path(__file__).parent / "table.md").write_text(text + "\n".join(table) + "\n")


if __name__ == "__main__":
    main()
