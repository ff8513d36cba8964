"""Make two samples of real electrons: one half as it is, the other half distorted on purpose.

    python prepare.py electrons.root OUTPUT_FOLDER

Both electrons of an event go to the same half. The distortions are what a simulation gets wrong, one of each kind:

    sigma_eta_eta   scale: 6 % too large in the barrel, 3 % in the endcaps
    iso_ecal        scale and width: 15 % too large, and smeared by 25 %
    iso_hcal        scale: 12 % too small
    h_over_e        zeros: a quarter of them became small positive values
    iso_track       zeros: a fifth of them became small positive values
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from simmorph.data.ntuples.writing import create_ntuple
from simmorph.data.samples import SampleReader

COLUMNS = ["event_index", "pt", "eta", "sigma_eta_eta", "h_over_e", "iso_track", "iso_ecal", "iso_hcal"]
END_OF_BARREL = 1.479


def main(electrons: str, output: Path) -> None:
    table = SampleReader([electrons], "electrons", COLUMNS).read()
    columns = {name: table.columns[name].astype(np.float64) for name in COLUMNS[1:]}
    columns["event_index"] = table.columns["event_index"]
    rng = np.random.default_rng(545)
    is_source = rng.permutation(columns["event_index"].max() + 1)[columns["event_index"]] % 2 == 0
    target = {name: column[~is_source] for name, column in columns.items()}
    source = distorted({name: column[is_source] for name, column in columns.items()}, rng)
    for name, sample in {"source": source, "target": target}.items():
        with create_ntuple(output / f"{name}.root", "events", force=True) as ntuple:
            ntuple.extend({key: as_stored(column) for key, column in sample.items()})


def distorted(electrons: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    in_barrel = np.abs(electrons["eta"]) < END_OF_BARREL
    n_electrons = len(in_barrel)
    return {
        **electrons,
        "sigma_eta_eta": electrons["sigma_eta_eta"] * np.where(in_barrel, 1.06, 1.03),
        "iso_ecal": electrons["iso_ecal"] * 1.15 * np.exp(0.25 * rng.normal(size=n_electrons)),
        "iso_hcal": electrons["iso_hcal"] * 0.88,
        "h_over_e": without_some_zeros(electrons["h_over_e"], 0.25, 0.01, rng),
        "iso_track": without_some_zeros(electrons["iso_track"], 0.20, 0.8, rng),
    }


def without_some_zeros(values: np.ndarray, share: float, scale: float, rng: np.random.Generator) -> np.ndarray:
    lifted = (values == 0) & (rng.uniform(size=len(values)) < share)
    return np.where(lifted, rng.exponential(scale, len(values)), values)


def as_stored(column: np.ndarray) -> np.ndarray:
    return column.astype(np.float32) if column.dtype.kind == "f" else column


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
