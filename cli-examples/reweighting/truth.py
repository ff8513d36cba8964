"""What is true of the toy: how well any classifier can do, and what a perfect reweighting would be worth.

python truth.py TOY_FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from simmorph.data.events import Events
from simmorph.data.samples import SampleReader
from simmorph.evaluation.metrics.classifier.c2st import rank_auc


def main(toy: Path) -> None:
    source, target = (
        SampleReader([str(toy / f"{name}.root")], "events", ["truth_ratio"]).read().columns["truth_ratio"]
        for name in ("source", "target")
    )
    best = rank_auc(target, np.ones(len(target)), source, np.ones(len(source)))
    worth = Events.of(np.zeros((len(source), 1)), weights=source).effective_size / len(source)
    print(f"AUC of the best possible classifier {best.value:.4f} +- {best.uncertainty:.4f}")
    print(f"true weights of the source: mean {source.mean():.3f}, largest {source.max():.0f}, ESS/N {worth:.4f}")
    outside, rare = np.isinf(target).mean(), (target > 1000).mean()
    print(f"target where the source has no events {outside:.4f}, with a ratio of more than 1000 {rare:.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
