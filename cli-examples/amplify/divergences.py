"""How far each variable that a generator drew is from the held-out target, for every model of a comparison.

    python divergences.py build/amplify/compare

Four distances of one variable at a time: Kullback-Leibler and Hellinger in 50 bins that hold equal shares of the
target, Wasserstein in standard deviations of the target, Kolmogorov-Smirnov. Writes divergences.csv (every variable)
and prints the mean over all variables. The line `target` is noise alone: one half of the held-out target against the
other.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simmorph.data.samples import SampleReader
from simmorph.data.splits import HOLDOUT, part_of
from simmorph.evaluation.metrics.divergences import hellinger, kullback_leibler
from simmorph.evaluation.metrics.marginals import kolmogorov, wasserstein
from simmorph.model import Model

if TYPE_CHECKING:
    from simmorph.data.events import Events

MEASURES = {"KL": kullback_leibler, "Hellinger": hellinger, "Wasserstein": wasserstein, "KS": kolmogorov}


def main(folder: Path) -> None:
    models = json.loads((folder / "compare.json").read_text())["methods"]
    rows: list[dict[str, str | float]] = []
    for title, row in models.items():
        if not row["models"]:
            continue
        model = Model.load(Path(row["models"][0]))
        names = [variable.name for variable in model.card.features]
        target = held_out(model, names)
        # As many events on either side as the null has: half of the target.
        half, drawn = target[::2], model.generate(target.context, target.ids)
        if not rows:
            rows += measured("target", target[1::2], half, names)
        # The same half of the events as in the null, drawn anew.
        rows += measured(title, target.with_features(drawn)[1::2], half, names)
    write(folder / "divergences.csv", rows)
    print(f"{'mean of all variables':<32}" + "".join(f"{name:>14}" for name in MEASURES))
    for title in dict.fromkeys(row["method"] for row in rows):
        means = [np.mean([row[name] for row in rows if row["method"] == title]) for name in MEASURES]
        print(f"{title:<32}" + "".join(f"{mean:>14.5f}" for mean in means))


def held_out(model: Model, names: list[str]) -> Events:
    """The target's events that training has not seen."""
    learning = model.card.learning
    events = SampleReader(learning.target, learning.tree, names).read().events(names, [])
    settings = learning.training
    return events[part_of(events.ids, settings.seed, settings.validation, settings.holdout) == HOLDOUT]


def measured(title: str, template: Events, target: Events, names: list[str]) -> list[dict[str, str | float]]:
    """One row for each variable."""
    rows: list[dict[str, str | float]] = []
    for column, variable in enumerate(names):
        row: dict[str, str | float] = {"method": title, "variable": variable}
        for name, measure in MEASURES.items():
            row[name], row[f"{name} uncertainty"] = measure(template, target, column)
        rows.append(row)
    return rows


def write(path: Path, rows: list[dict[str, str | float]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
