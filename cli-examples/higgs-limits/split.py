"""Deal the real HIGGS rows into the three samples of the chain, so that no event is used twice.

    python split.py higgs.root build/higgs-limits/real

Half of the background goes to the generator. Of what is left, half teaches the classifier, and half is the background
in the data, with 200 signal events beside it. A quarter of the signal is its template: at a strength of 1 it has 200
events.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from simmorph.data.ntuples.contents import describe
from simmorph.data.ntuples.reading import iterate
from simmorph.data.ntuples.writing import create_ntuple

SEED, N_SIGNAL = 1, 200


def main(path: str, folder: Path) -> None:
    ((_, columns),) = iterate(path, "events", list(describe(path, "events").branches), step=10**9)
    is_signal = columns["label"] == 1
    part = np.random.default_rng(SEED).choice(4, len(is_signal))
    in_data = is_signal & (part == 3)
    in_data &= np.cumsum(in_data) <= N_SIGNAL
    parts = {
        "to-learn": ~is_signal & (part < 2),
        "to-classify-background": ~is_signal & (part == 2),
        "to-classify-signal": is_signal & (part % 2 == 0),
        "signal": is_signal & (part == 1),
        "data": (~is_signal & (part == 3)) | in_data,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, chosen in parts.items():
        with create_ntuple(folder / f"{name}.root", "events", force=True) as ntuple:
            weight = np.full(chosen.sum(), N_SIGNAL / chosen.sum() if name == "signal" else 1.0)
            ntuple.extend({**{branch: values[chosen] for branch, values in columns.items()}, "weight": weight})
        print(f"{chosen.sum():6,} events  {folder / name}.root")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
