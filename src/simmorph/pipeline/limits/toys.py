"""Pseudo-experiments of `simmorph limits`: drawn, fitted side by side, and kept as they come.

Every pseudo-experiment has random numbers of its own, and they are fitted in bunches that do not depend on the number
of processes: so the numbers do not either, and what was finished before Ctrl-C is not made again.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simmorph.limits.fits.goodness import lowest_deviances
from simmorph.limits.model.likelihood import Data
from simmorph.limits.toys.draws import Origin, draws
from simmorph.limits.toys.statistic import profiles
from simmorph.pipeline.partial import until_stopped
from simmorph.pipeline.processes import outcomes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simmorph.data.events import FloatArray, IntArray
    from simmorph.limits.model.likelihood import Likelihood
    from simmorph.limits.toys.plan import Stage
    from simmorph.pipeline.partial import FinishedParts
    from simmorph.progress import Progress

BUNCH = 200
"""How many pseudo-experiments are fitted at a time."""

Row = list[float]
"""What the fits of one pseudo-experiment found; empty if they failed."""


class ToyOptions(NamedTuple):
    """How many pseudo-experiments are made, and how."""

    calculator: str = "asymptotics"
    """Asymptotic formulae, or `toys`."""
    number: int = 2000
    """How many, for the limits."""
    seed: int = 1
    """Of all random numbers."""
    goodness: int = 0
    """How many for the goodness of fit; 0 stands for as many as for limits by `toys`."""

    @property
    def is_wanted(self) -> bool:
        """Whether limits are to come from pseudo-experiments."""
        return self.calculator == "toys"

    @property
    def are_made(self) -> bool:
        """Whether there are any pseudo-experiments, for limits or for the goodness of fit."""
        return self.n_goodness > 0

    @property
    def n_goodness(self) -> int:
        """How many for the goodness of fit."""
        return self.goodness or (self.number if self.is_wanted else 0)


class Bunch(NamedTuple):
    """Some pseudo-experiments of one origin.

    Attributes:
        stage: its number.
        origin: its place in the stage.
        first: the number of the first one.
        number: how many.
        seed: of all random numbers.
        starts: (n_starts, n_parameters), where fits begin: at the true ones first.
        knots: strengths at which they are fitted besides; none for the goodness of fit, which takes one free fit.
    """

    stage: int
    origin: int
    first: int
    number: int
    seed: int
    starts: FloatArray
    knots: FloatArray

    @property
    def key(self) -> tuple[int, int, int]:
        """What tells it from others."""
        return self.stage, self.origin, self.first

    @property
    def numbers(self) -> range:
        """The numbers of its pseudo-experiments."""
        return range(self.first, self.first + self.number)

    def data(self, likelihood: Likelihood) -> Data:
        """The pseudo-experiments."""
        return draws(likelihood, self.starts[0], (self.seed, self.stage, self.origin), self.numbers)

    def fitted(self, likelihood: Likelihood) -> list[Row]:
        """A row for each."""
        data = self.data(likelihood)
        if not len(self.knots):
            return [[it] if np.isfinite(it) else [] for it in lowest_deviances(likelihood, data, self.starts[0])]
        return profiles(likelihood, data, self.starts, self.knots).rows()


def bunches_of(stage: Stage, seed: int) -> list[Bunch]:
    """All of a stage, in an order in which any first part of them has its share of each origin."""
    found = [
        (first / origin.number, Bunch(stage.number, place, first, number, seed, origin.starts, stage.knots))
        for place, origin in enumerate(stage.origins)
        for first in range(0, origin.number, BUNCH)
        for number in [min(BUNCH, origin.number - first)]
    ]
    return [bunch for _, bunch in sorted(found, key=lambda it: it[0])]


class Finished(NamedTuple):
    """Bunches that were fitted.

    Attributes:
        bunches: which.
        rows: those of each.
    """

    bunches: list[Bunch]
    rows: list[list[Row]]

    @property
    def number(self) -> int:
        """How many pseudo-experiments they are."""
        return sum(it.number for it in self.bunches)

    def data(self, likelihood: Likelihood) -> Data:
        """All of their pseudo-experiments, in rows."""
        main, auxiliary = zip(*(it.data(likelihood) for it in self.bunches), strict=True)
        return Data(np.concatenate(main), np.concatenate(auxiliary))

    def numbers(self) -> IntArray:
        """(n,), the number of each in its origin."""
        return np.concatenate([np.array(it.numbers) for it in self.bunches])

    def origins(self, stage: Stage) -> list[Origin]:
        """Those of the stage, with the number of pseudo-experiments that are there."""
        counts = [sum(it.number for it in self.bunches if it.origin == place) for place in range(len(stage.origins))]
        return [it._replace(number=n) for it, n in zip(stage.origins, counts, strict=True) if n]


@dataclass
class Workshop:
    """Where pseudo-experiments are fitted.

    Attributes:
        likelihood: of the model.
        jobs: how many of these at a time.
        done: what is finished.
        progress: called now and then.
        stopped: what stopped the work before its end: Ctrl-C, SIGTERM, or the time limit.
    """

    likelihood: Likelihood
    jobs: int
    done: FinishedParts
    progress: Progress
    stopped: BaseException | None = field(default=None, init=False)

    def fit(self, bunches: Sequence[Bunch], also: Sequence[Bunch] = (), *, is_short: bool = False) -> Finished:
        """Fit those that are not known; if something stops that, there are fewer.

        Args:
            bunches: that are wanted.
            also: those that will be wanted next.
            is_short: whether no other processes are needed.
        """
        known: dict[tuple[int, int, int], list[Row]] = {tuple(key): rows for key, rows in self.done.parts}
        missing = [bunch for bunch in [*bunches, *also] if bunch.key not in known]
        jobs = 1 if is_short else self.jobs
        own = self.likelihood.apart()

        def fill() -> None:
            with contextlib.closing(outcomes(partial(_ready, own), missing, jobs)) as found:
                for number, outcome in enumerate(found, 1):
                    known[outcome.task.key] = outcome.get()
                    self.done.add([outcome.task.key, known[outcome.task.key]])
                    if 10 * number // len(missing) > 10 * (number - 1) // len(missing):
                        self.progress(f"{number} of {len(missing)} bunches of pseudo-experiments are fitted")

        if self.stopped is None:
            self.stopped = until_stopped(fill)
        if self.stopped is not None:
            self.progress(self.done.where())
        made = [bunch for bunch in bunches if bunch.key in known]
        return Finished(made, [known[bunch.key] for bunch in made])


def _ready(likelihood: Likelihood) -> Callable[[Bunch], list[Row]]:
    """What fits a bunch, in this process or another one."""
    return partial(_fitted, likelihood)


def _fitted(likelihood: Likelihood, bunch: Bunch) -> list[Row]:
    return bunch.fitted(likelihood)
