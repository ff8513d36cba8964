"""How close maps come: ours and what others would do, in the same CPU time, on samples that are hard for maps.

`python -m benchmarks.maps --sets moons,bimodal --methods one_flow,zuko --events 8400`. Each learns from that many
events of source and target, and 8,000 fresh ones are judged by boosted trees in five folds: an AUC of 0.5 is perfect.
Peers get the seconds that the first of our methods took, or `--seconds`. `--set` changes a key of our recipes.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import xgboost
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from benchmarks.map_peers import PEERS, gb_reweighter
from benchmarks.samples import PROBLEMS, Problem
from simmorph.config.documents import Document, validate
from simmorph.config.learning import Learning
from simmorph.data.events import Events
from simmorph.methods.registry import METHODS
from simmorph.model import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from simmorph.data.events import BoolArray, FloatArray

N_JUDGED, N_FOLDS = 8000, 5
TREES = {"max_depth": 4, "eta": 0.1, "objective": "binary:logistic", "nthread": 1, "min_child_weight": 10}
N_TREES = 100


class Judged(NamedTuple):
    """How well a map did."""

    auc: float
    error: float
    seconds: float

    def to_text(self) -> str:
        return f"{self.auc:.3f} +- {self.error:.3f} | {self.seconds:.1f}"


def main() -> None:
    """Print a row for each set and method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(PROBLEMS), help=f"of {', '.join(PROBLEMS)}")
    parser.add_argument("--methods", default=f"one_flow,{','.join(PEERS)},null", help="ours, peers, and null")
    parser.add_argument("--events", type=int, default=8400, help="of each sample, to learn from")
    parser.add_argument("--seconds", type=float, help="of CPU, for each peer")
    parser.add_argument("--seeds", type=int, default=1, help="repetitions with other events")
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="KEY=VALUE")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print("| set | events | method | AUC | CPU s |\n|---|---|---|---|---|")
    for name in asked.sets.split(","):
        for method, judged in measured(PROBLEMS[name], asked):
            print(f"| {name} | {asked.events} | {method} | {judged.to_text()} |", flush=True)


def measured(problem: Problem, asked: argparse.Namespace) -> Iterator[tuple[str, Judged]]:
    """The mean over the seeds of each method on a pair of samples, ours first."""
    samples = [Pair.draw(problem, asked.events, 10 * seed) for seed in range(1, asked.seeds + 1)]
    seconds = asked.seconds
    for method in sorted(asked.methods.split(","), key=lambda name: name not in METHODS):
        found = [pair.judged(method, seconds or 10.0, asked.assignments) for pair in samples]
        mean = Judged(*np.mean(found, axis=0))
        seconds = seconds or mean.seconds
        yield method, mean._replace(error=mean.error / len(found) ** 0.5)


class Pair(NamedTuple):
    """A source and a target to learn from, and fresh ones to judge by; two targets for the null."""

    problem: Problem
    learnt: tuple[Events, Events]
    fresh: tuple[Events, Events]
    other_target: Events

    @classmethod
    def draw(cls, problem: Problem, n_events: int, seed: int) -> Pair:
        """Events of their own for each part."""
        learnt = _events(problem, n_events, seed, 0), _events(problem, n_events, seed, 1)
        fresh = _events(problem, N_JUDGED, seed + 1, 0), _events(problem, N_JUDGED, seed + 1, 1)
        return cls(problem, learnt, fresh, _events(problem, N_JUDGED, seed + 2, 1))

    def judged(self, method: str, seconds: float, assignments: Sequence[str]) -> Judged:
        """The AUC of a method's template of the fresh events."""
        source, target = self.fresh
        if method == "null":
            return Judged(*auc(self.other_target, target), 0.0)
        started = time.process_time()
        transform = self._ours(method, assignments) if method in METHODS else self._peer(method, seconds)
        took = time.process_time() - started
        return Judged(*auc(transform(source), target), took)

    def _ours(self, method: str, assignments: Sequence[str]) -> Callable[[Events], Events]:
        features, context = columns_of(self.problem)
        recipe = {"features": features, "context": context, "method": {"name": method}, "training": {"holdout": 0}}
        recipe |= {"reweight": {}} if self.problem.reweight else {}
        document = Document("benchmark", recipe).with_overrides(assignments)
        model = Model.fit(validate(document, Learning), *self.learnt)
        return lambda events: model.transform(events).events

    def _peer(self, name: str, seconds: float) -> Callable[[Events], Events]:
        torch.manual_seed(1)
        source, target = self.learnt
        if not self.problem.reweight or name == "hep_ml":
            return PEERS[name](source, target, seconds)
        weigh = gb_reweighter(_context_of(source), _context_of(target), seconds)

        def weighted(events: Events) -> Events:
            return events.with_weights(weigh(_context_of(events)).weights)

        morph = PEERS[name](weighted(source), target, seconds)
        return lambda events: morph(weighted(events))


def columns_of(problem: Problem) -> tuple[list[str], list[str]]:
    """Features and context."""
    context = list(problem.context)
    return [name for name in problem.make(1, 1, 1) if name not in context], context


def _events(problem: Problem, n_events: int, seed: int, t: int) -> Events:
    features, context = columns_of(problem)
    return Events.of_columns(problem.make(n_events, seed, t), features, context, np.ones(n_events), np.arange(n_events))


def _context_of(events: Events) -> Events:
    return Events.of(events.context, None, events.weights, events.ids)


def auc(template: Events, target: Events) -> tuple[float, float]:
    """The AUC of boosted trees that judge events that they were not shown, and its error (DeLong's, times sqrt(2)).

    The weights of the template are brought to those of the target, since trees learn from sums of weights.
    """
    inputs = np.vstack([np.hstack([events.features, events.context]) for events in (template, target)])
    labels = np.repeat([0, 1], [len(template), len(target)])
    weights = np.concatenate([events.weights * (len(events) / np.sum(events.weights)) for events in (template, target)])
    scores = np.empty(len(labels))
    for shown, left_out in StratifiedKFold(N_FOLDS, shuffle=True, random_state=1).split(inputs, labels):
        matrix = xgboost.DMatrix(inputs[shown], labels[shown], weight=weights[shown])
        scores[left_out] = xgboost.train(TREES, matrix, N_TREES).predict(xgboost.DMatrix(inputs[left_out]))
    value = float(roc_auc_score(labels, scores, sample_weight=weights))
    return value, (
        2 * (_placement_variance(scores, weights, labels == 0) + _placement_variance(scores, weights, labels == 1))
    ) ** 0.5


def _placement_variance(scores: FloatArray, weights: FloatArray, chosen: BoolArray) -> float:
    """The variance of the mean, over the chosen events, of the share of the others that score lower."""
    others = np.argsort(scores[~chosen])
    below = np.concatenate([[0.0], np.cumsum(weights[~chosen][others])]) / np.sum(weights[~chosen])
    placed = below[np.searchsorted(scores[~chosen][others], scores[chosen])]
    shares = weights[chosen] / np.sum(weights[chosen])
    return float(np.sum(shares**2 * (placed - np.sum(shares * placed)) ** 2))


if __name__ == "__main__":
    main()
