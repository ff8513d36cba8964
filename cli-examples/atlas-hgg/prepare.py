"""Split each sample into the official categories: central unconverted photons, and the rest.

    python prepare.py cli-examples/atlas-hgg/data OUTPUT_FOLDER

The files hold the histogram of all events and that of events with two unconverted photons in |eta| < 0.75. The rest is
their difference; so are its variances, because the second is a part of the first.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import uproot
from uproot.writing.identify import to_TAxis, to_TH1x

ALL, CENTRAL = "hist_mYY_bin1", "hist_mYY_cat_bin1"


def main(folder: Path, output: Path) -> None:
    for path in sorted(folder.glob("*.root")):
        with uproot.open(path) as source, uproot.recreate(output / path.name) as file:
            (values, edges), central = source[ALL].to_numpy(), source[CENTRAL].values()
            variances, central_variances = source[ALL].variances(), source[CENTRAL].variances()
            file["central_unconverted"] = histogram(central, central_variances, edges)
            # Sums of weights in single precision: where the category is all there is, nothing is left.
            file["rest"] = histogram(values - central, np.maximum(variances - central_variances, 0.0), edges)


def histogram(values: np.ndarray, variances: np.ndarray, edges: np.ndarray) -> object:
    """A ROOT histogram with sums of squared weights."""
    axis = to_TAxis("xaxis", "", len(values), edges[0], edges[-1])
    contents, squares = (np.concatenate([[0.0], each, [0.0]]) for each in (values, variances))
    return to_TH1x(None, "m_yy", contents, values.sum(), values.sum(), variances.sum(), 0.0, 0.0, squares, axis)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
