"""Make the ntuple of real HIGGS rows from the public file, once; what it wrote is in data/higgs.root.

    python prepare.py higgs_uci_16k.parquet data/higgs.root

The 18 continuous variables that do not tell the orientation of the event (no azimuths, no b-tags), and the label: 1 for
signal, 0 for background. Needs pyarrow.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet

from simmorph.data.ntuples.writing import create_ntuple
from simmorph.data.toys.higgs import NAMES


def main(parquet: str, output: Path) -> None:
    table = pyarrow.parquet.read_table(parquet)
    columns = {name: table[name].to_numpy().astype(np.float32) for name in NAMES}
    columns["label"] = table["label"].to_numpy().astype(np.int8)
    with create_ntuple(output, "events", force=True) as ntuple:
        ntuple.extend(columns)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
