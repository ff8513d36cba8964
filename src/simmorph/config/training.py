"""The recipe's `training:` block."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simmorph.config.documents import INCIDENTAL, Section

Fraction = Annotated[float, Field(ge=0, lt=1)]
PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Auto = Literal["auto"]
"""What the method, the number of events and the number of features decide."""
NegativeWeights = Literal["refuse", "absolute", "tilt", "positive", "resample"]
HiddenLayers = tuple[PositiveInt, ...]
"""Sizes of the hidden layers of a network."""


class TrainingSettings(Section):
    """How a method is trained.

    Events are split into three parts by a hash of seed and entry number: the network trains on the first, early
    stopping looks at the validation part, and only the rest is used to judge. Keys marked as INCIDENTAL do not make it
    another learning: a model is not trained again when they change.
    """

    epochs: PositiveInt | Auto = "auto"
    """Passes over the training part of the larger sample; auto takes as many as give the steps that the method needs,
    and a warning says where a number gives less than half of them."""
    batch_size: PositiveInt | Auto = "auto"
    """Events of each sample in one step; auto goes by the method and by how many events there are."""
    learning_rate: PositiveFloat | Auto = "auto"
    """Step size of the optimizer at the start; auto takes the method's own."""
    final_learning_rate: Annotated[float, Field(ge=0)] = 0.0
    """Step size at the end."""
    schedule: Literal["cosine", "square_root", "constant"] = "cosine"
    """How the step size falls over all epochs."""
    optimizer: Literal["adamw", "rmsprop"] = "adamw"
    """Adam with decoupled weight decay, or RMSProp."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled weight decay of the optimizer."""
    clip_gradient: PositiveFloat | None = 5.0
    """Largest norm of the gradient of one step; null for no limit."""
    patience: PositiveInt | Auto | None = "auto"
    """Epochs without a better validation loss after which training goes back to the best weights and ends: a schedule
    that lowers the learning rate is run through from there in half as many epochs. Auto is a quarter of all epochs, and
    10 at least; null trains all epochs."""
    select_on: Literal["loss", "auc"] = "loss"
    """What decides which epoch's weights are kept: the validation loss, or the AUC of gradient
    boosting between template and target on the validation part. The loss of a flow can stand still while that falls."""
    negative_weights: NegativeWeights = "refuse"
    """What to do with negative weights in a sample to train on, which has no likelihood then: refuse the sample; take
    their absolute values (absolute); tilt those so that means, widths and correlations are right again (tilt); replace
    each weight by the mean weight at the event's variables (positive); or share them among neighbours (resample). What
    each biases is printed. `apply` and `evaluate` keep signed weights as they are."""
    seeds: PositiveInt = 1
    """Size of an ensemble: as many methods, each from other random numbers. Each event is morphed or drawn by one of
    them, so that their densities are averaged; weights are averaged."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Start of every random number."""
    device: Annotated[Literal["auto", "cpu", "cuda"], INCIDENTAL] = "auto"
    """Where to train; auto takes a GPU if there is one."""
    compile: Annotated[Literal["never", "auto", "always"], INCIDENTAL] = "auto"
    """Whether torch compiles the loss, which takes minutes and a C++ compiler; auto does so where training is long
    enough to pay for it."""
    validation: Fraction = 0.1
    """Part of the events that early stopping looks at."""
    holdout: Fraction = 0.3
    """Part of the events that training never sees; `evaluate` judges on these."""
    max_minutes: Annotated[PositiveFloat | None, INCIDENTAL] = None
    """Save a checkpoint and exit with code 85 after this time."""

    @model_validator(mode="after")
    def _leave_events_to_train_on(self) -> TrainingSettings:
        if self.validation + self.holdout > 0.95:
            raise ValueError("validation and holdout together leave less than 5 % of the events to train on")
        return self
