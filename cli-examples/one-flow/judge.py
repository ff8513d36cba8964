"""Judge the compared maps of the one-flow toy by deep trees, as hard as the paper does.

    python judge.py FOLDER

reads the toy (FOLDER/toy) and the models that `simmorph compare` keeps (FOLDER/compare/models), and prints for events
that no training has seen how well trees of some hundred leaves tell the template from the target: by all seven
variables, by the four shapes, and by the three kinematic ones, which no map of the shapes changes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from simmorph.data.events import Events
from simmorph.data.samples import SampleReader
from simmorph.data.splits import HOLDOUT, part_of
from simmorph.data.trees import Rows, TreeShape, grow
from simmorph.evaluation.metrics.classifier.c2st import rank_auc
from simmorph.model import Model

SHAPES, KINEMATICS = ["v1A", "v2A", "v1B", "v2B"], ["pt", "eta", "noise"]
TREES = TreeShape(trees=150, leaves=127, leaf_events=50, shrinkage=0.05)
TRUTH = [f"truth_{name}_as_target" for name in SHAPES]


def main(folder: Path) -> None:
    folders = [path for path in sorted(folder.glob("compare/models/*-0-*")) if path.is_dir()]
    models = {path.name.rsplit("-", 2)[0]: Model.load(path) for path in folders}
    training = next(iter(models.values())).card.learning.training
    samples = {}
    for name in ("source", "target"):
        path = str(folder / "toy" / f"{name}.root")
        columns = SampleReader([path], "events", [*SHAPES, *KINEMATICS, *TRUTH]).read().columns
        ids = np.arange(len(columns["pt"]))
        unseen = part_of(ids, training.seed, training.validation, training.holdout) == HOLDOUT
        samples[name] = {key: column[unseen] for key, column in columns.items()} | {"ids": ids[unseen]}
    source, target = (events_of(samples[name], SHAPES) for name in ("source", "target"))
    templates = {name: model.transform(source).events for name, model in models.items()}
    factors = next(iter(templates.values())).weights
    rows = {
        "unmorphed": source,
        "reweighted kinematics": source.with_weights(factors),
        **templates,
        "exact map": events_of(samples["source"], TRUTH).with_weights(factors),
    }
    print(f"{'deep trees, AUC':<24}{'all':>8}{'shape':>8}{'kinematics':>12}{'ESS/N':>8}")
    # The same for all that have the same weights.
    raw, left = (auc(rows[name], target, slice(4, 7)) for name in ("unmorphed", "reweighted kinematics"))
    for name, template in rows.items():
        all_, shape = (auc(template, target, columns) for columns in (slice(7), slice(4)))
        fraction = template.effective_size / len(template)
        print(f"{name:<24}{all_:>8.4f}{shape:>8.4f}{raw if template is source else left:>12.4f}{fraction:>8.3f}")


def events_of(columns: dict[str, np.ndarray], shapes: list[str]) -> Events:
    features, context = (np.column_stack([columns[name] for name in names]) for names in (shapes, KINEMATICS))
    return Events.of(features, context, None, columns["ids"])


def auc(template: Events, target: Events, columns: slice) -> float:
    """Of the second half of both samples, by trees that have learnt from the first half."""
    samples = [np.hstack([events.features, events.context])[:, columns] for events in (template, target)]
    inputs, labels = np.vstack(samples), np.repeat([True, False], [len(sample) for sample in samples])
    weights = np.concatenate([events.weights / events.weights.mean() for events in (template, target)])
    learn, judge = np.array_split(np.random.default_rng(1).permutation(len(inputs)), 2)
    scores = grow(Rows(inputs[learn], labels[learn], weights[learn]), TREES).scores(inputs[judge])
    of_template, of_target = labels[judge], ~labels[judge]
    weights = weights[judge]
    return rank_auc(scores[of_template], weights[of_template], scores[of_target], weights[of_target]).value


if __name__ == "__main__":
    main(Path(sys.argv[1]))
