"""The classifiers of two-sample tests: gradient boosting, shallow or deep, and the networks of two papers.

Adding one: write a function of a Trial and its name in CLASSIFIERS. It is trained on the events that are shown, and on
nothing else; what stops it early is a part of those.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simmorph.data.events import BoolArray, Events, FloatArray
from simmorph.data.trees import Binned, Rows, TreeShape, grow

if TYPE_CHECKING:
    from torch import Tensor

    from simmorph.neural.loop.batches import Batch
    from simmorph.neural.networks import Perceptron

SHALLOW = TreeShape(trees=40, leaves=0, leaf_events=50, shrinkage=0.3, depth=3)
DEEP = TreeShape(trees=500, leaves=0, leaf_events=50, shrinkage=0.1, depth=8)
PATIENCE = 30
STOPPING_SHARE = 0.2
"""Share of the events of a training that decides when it stops: never those that the classifier judges."""
OF_NETWORKS: dict[str, Any] = {"learning_rate": 1e-3, "validation": STOPPING_SHARE, "holdout": 0.0}
LARGEST_INPUT = 10.0
"""Inputs of networks are cut off at this many standard deviations."""


class Trial(NamedTuple):
    """What a classifier is trained with, and what it is to judge.

    Attributes:
        inputs: (n_events, n_inputs).
        labels: (n_events,), whether the event is shown as one of the template.
        weights: (n_events,), not negative.
        left_out: (n_events,), the events to judge; all others are to learn from.
        seed: the start of all random numbers.
        binned: the inputs, if other folds are to be learnt from too.
    """

    inputs: FloatArray
    labels: BoolArray
    weights: FloatArray
    left_out: BoolArray
    seed: int
    binned: Binned | None = None

    @property
    def shown(self) -> BoolArray:
        """(n_events,), the events to learn from."""
        return np.asarray(~self.left_out & (self.weights > 0))


Scorer = Callable[[Trial], FloatArray]
"""Scores the events left out, (n_left_out,), larger for the template's, by a classifier trained on the others."""


def trees(trial: Trial) -> FloatArray:
    """40 trees of 8 leaves, not stopped early: quick, and hard to fool by noise.

    Every recipe's verdict rests on it. Small trees see differences of single variables and of a few of them together;
    one that takes many variables at once they hardly see.
    """
    binned = trial.binned or Binned(trial.inputs)
    forest = binned.grow(trial.labels, np.where(trial.left_out, 0.0, trial.weights), SHALLOW)
    return forest.scores(trial.inputs[trial.left_out])


def deep_trees(trial: Trial) -> FloatArray:
    """Up to 500 trees of depth 8 at a learning rate of 0.1, stopped early: near to the setting of a published toy.

    (Daumann et al., Comput. Softw. Big Sci. 8 (2024) 15, arXiv 2403.18582: up to 999 trees of depth 10.)
    """
    stopping = np.random.default_rng(trial.seed).random(len(trial.inputs)) < STOPPING_SHARE
    parts = _rows(trial, trial.shown & ~stopping), _rows(trial, trial.shown & stopping)
    return grow(parts[0], DEEP, parts[1], PATIENCE).scores(trial.inputs[trial.left_out])


def _rows(trial: Trial, chosen: BoolArray) -> Rows:
    """The chosen events as the trees take them."""
    return Rows(trial.inputs[chosen], trial.labels[chosen], trial.weights[chosen])


def _network(trial: Trial, hidden: tuple[int, ...], settings: dict[str, Any]) -> FloatArray:
    """A perceptron trained with the binary cross-entropy; a part set aside decides which epoch's weights are kept.

    Inputs are standardised by the rows trained on.

    Args:
        trial: what to learn from and what to judge.
        hidden: units of each hidden layer.
        settings: keys of a recipe's `training:` block.

    Returns:
        (n_left_out,), log(s / (1 - s)) of each event left out, with s the network's probability of the template.
    """
    from simmorph.config.training import TrainingSettings  # noqa: PLC0415
    from simmorph.neural.blocks import in_blocks, one_thread  # noqa: PLC0415
    from simmorph.neural.loop.minimize import minimize  # noqa: PLC0415
    from simmorph.neural.loop.training import Training  # noqa: PLC0415
    from simmorph.neural.networks import Perceptron, initialise  # noqa: PLC0415

    scaled = _standardised(trial.inputs, trial.shown)
    how = Training(TrainingSettings(seed=trial.seed, device="cpu", compile="never", clip_gradient=None, **settings))
    network = Perceptron(trial.inputs.shape[1], hidden, 1)
    initialise(network, trial.seed)
    classes = [np.flatnonzero(trial.shown & (trial.labels == label)) for label in (True, False)]
    data = how.parts(*(Events.of(scaled[rows], None, trial.weights[rows], rows) for rows in classes))
    # Layers this small gain nothing from threads, and rounding would depend on their number.
    with one_thread():
        minimize(network, partial(_cross_entropy, network), data, how)
    return in_blocks(network.double(), scaled[trial.left_out], network)[:, 0]


def _standardised(inputs: FloatArray, shown: BoolArray) -> FloatArray:
    """(n_events, n_inputs), with mean 0 and standard deviation 1 over the events shown, cut off at LARGEST_INPUT."""
    spread = inputs[shown].std(axis=0)
    scaled = (inputs - inputs[shown].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return np.asarray(np.clip(scaled, -LARGEST_INPUT, LARGEST_INPUT))


def _cross_entropy(network: Perceptron, template: Batch, target: Batch) -> Tensor:
    """The weighted binary cross-entropy of a network that returns log(s / (1 - s)); each class counts half."""
    from torch.nn.functional import softplus  # noqa: PLC0415

    of_template = template.weights * softplus(-network(template.features)[:, 0])
    of_target = target.weights * softplus(network(target.features)[:, 0])
    return 0.5 * (of_template.mean() + of_target.mean())


CLASSIFIERS: dict[str, Scorer] = {
    "trees": trees,
    "deep_trees": deep_trees,
    # Gendreau-Distler, Le Pottier, Wang, "Transforming Simulation to Data Without Pairing": batches of 1000; their
    # epochs and rate are not printed, so it learns until the events set aside stop it.
    "network_2x32": partial(
        _network,
        hidden=(32, 32),
        settings={"epochs": 60, "batch_size": 1000, "schedule": "constant", "patience": 8, **OF_NETWORKS},
    ),
    # Mastandrea, Nachman, arXiv 2212.06155: 3 layers of 32, 20 epochs of batches of 128, cosine annealing from 1e-3.
    "network_3x32": partial(
        _network,
        hidden=(32, 32, 32),
        settings={"epochs": 20, "batch_size": 128, "schedule": "cosine", "patience": None, **OF_NETWORKS},
    ),
}
"""Every classifier by the name that it has in a recipe."""
