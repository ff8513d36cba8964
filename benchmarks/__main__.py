"""Run every benchmark and write the table: `python -m benchmarks` (`make bench`)."""

from __future__ import annotations

import os
import platform
import warnings
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: CPU time on one core


def main() -> None:
    """Print the table and keep it beside this file."""
    from benchmarks import flows, limits, reading

    # nflows cannot know how wide our network is.
    warnings.filterwarnings("ignore", "Inputs to the softmax are not scaled down", UserWarning)
    table = ["| what | peer | simmorph [CPU s] | peer [CPU s] | times faster |", "|---|---|---|---|---|"]
    for module in (flows, limits, reading):
        for row in module.rows():
            table.append(f"| {row.what} | {row.peer} | {row.seconds:.3g} | {row.peer_seconds:.3g} | {row.ratio:.1f} |")
            print(table[-1], flush=True)
    when = datetime.now(UTC).date()
    text = f"# Benchmarks\n\n`make bench` on one core of {platform.machine()}, {when}; ratios in one run.\n\n"
    (Path(__file__).parent / "table.md").write_text(text + "\n".join(table) + "\n")


if __name__ == "__main__":
    main()
