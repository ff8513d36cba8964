"""Make the data of this example: a part of the simulated events, each weighing more, and all of the data.

    python prepare.py mc_part3.root data_part1.root OUTPUT_FOLDER [EVERY]

takes every fifth event of each of the nine simulated trees (or every EVERY-th: 1 keeps them all, in 3.6 MB), and
multiplies its weight by five.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import uproot

MASS = "CMS_hgg_mass"
EVERY = 5


def main(simulation: str, data: str, output: Path, every: int = EVERY) -> None:
    copy(simulation, output / "simulation.root", every)
    copy(data, output / "data.root", 1)


def copy(path: str, output: Path, every: int) -> None:
    """Copy mass and weight of every so-manieth event of each tree."""
    with uproot.open(path) as source, uproot.recreate(output, compression=uproot.LZMA(9)) as file:
        for name in source.keys(cycle=False):
            events = source[name].arrays([MASS, "weight"], library="np")
            kept = {MASS: events[MASS][::every], "weight": np.float32(every) * events["weight"][::every]}
            file.mktree(name, {branch: values.dtype for branch, values in kept.items()}).extend(kept)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), *map(int, sys.argv[4:]))
