"""How often intervals and limits hold the true strength, for the trainings that `trainings.py` wrote down.

    python coverage.py trainings-10000.jsonl --treatment corrected --strength 1

Each pseudo-experiment has a training of its own, with the events that it learnt from and half as many other ones: the
data are 50,000 background events and a signal, drawn from the true densities. `replicas` takes the spread of ten other
trainings, which is what bootstrap replicas estimate; `naive` counts the drawn events alone.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from simmorph.data.histograms import Histogram
from simmorph.limits.model.building import workspace_of
from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.modifiers.normsys import NormSys
from simmorph.limits.modifiers.staterror import StatError
from simmorph.limits.studies.coverage import Coverage, Toys, coverage, from_truth
from simmorph.limits.templates.correction import Given
from simmorph.limits.templates.sample import ReplicaSpread, Sample, Templates

EDGES = {"m_bb": np.linspace(0.3, 1.8, 26), "score": np.linspace(0.55, 0.925, 26)}
N_BACKGROUND, N_SIGNAL, BETA, N_REPLICAS = 50_000, 4_000, 0.1, 10
"""Background events of the data in the range, signal events before the cut, uncertainty of the background's yield."""


def histogram(counts: list[float], name: str, observable: str) -> Histogram:
    values = np.array(counts, np.float64)
    return Histogram(EDGES[observable], values, values, name)


class Study:
    """The trainings of one number of events to learn from, seen by one observable.

    Args:
        lines: what `trainings.py` wrote.
        observable: m_bb or score.
        statistics: whether the number of drawn events is an uncertainty.
    """

    def __init__(self, lines: list[dict[str, Any]], observable: str, *, statistics: bool = True) -> None:
        self.statistics, self.observable = statistics, observable
        self.truth, *self.trainings = lines
        background = np.array(self.truth["background"][observable])
        self.background = N_BACKGROUND * background / background.sum()
        signal = histogram(self.truth["signal"][observable], "signal", observable)
        self.signal = signal.scaled(N_SIGNAL / self.truth["n_true"])

    def part(self, training: dict[str, Any], name: str) -> Histogram:
        return histogram(training[name][self.observable], "background", self.observable)

    def template(self, training: dict[str, Any]) -> Histogram:
        drawn = self.part(training, "drawn")
        return drawn.scaled(N_BACKGROUND / drawn.values.sum())

    def background_of(self, number: int, treatment: str) -> Sample:
        """The background of a training, with what a treatment says of it."""
        training = self.trainings[number]
        sample = Sample.with_statistics(self.template(training)).and_modifiers(NormSys.of_size("beta", BETA))
        if treatment == "corrected":
            given = Given(self.part(training, "learnt"), self.part(training, "held_out"))
            sample = Sample(sample.histogram, False, sample.modifiers, given=given).corrected(self.signal.values)
            kept = (it for it in sample.modifiers if self.statistics or not isinstance(it, StatError))
            return replace(sample, modifiers=tuple(kept))
        if treatment == "replicas":
            n_others = min(N_REPLICAS, len(self.trainings) - 1)
            others = [self.trainings[(number + 1 + i) % len(self.trainings)] for i in range(n_others)]
            shapes = ReplicaSpread(True, False).variations(sample.histogram, [self.template(it) for it in others])
            return sample.and_modifiers(*shapes)
        return sample

    def coverage(self, treatment: str, strength: float, n_each: int) -> Coverage:
        expected = self.background + strength * self.signal.values
        experiments = []
        for number in range(len(self.trainings)):
            samples = (Sample(self.signal, True), self.background_of(number, treatment))
            used = np.ones(len(expected), np.bool_)
            spec = workspace_of(Templates(samples, self.signal, True, used), "mu")
            experiments.append(from_truth(measurement_of(spec), expected))
        return coverage(experiments, Toys(n_each * len(experiments), strength))


@click.command()
@click.argument("trainings", type=click.Path(exists=True, path_type=Path))
@click.option("--treatment", default="corrected", type=click.Choice(["corrected", "replicas", "naive"]))
@click.option("--observable", default="m_bb", type=click.Choice(list(EDGES)))
@click.option("--strength", default=1.0)
@click.option("--no-statistics", is_flag=True, help="Leave out the number of drawn events where it is corrected.")
@click.option("--toys", default=4, help="Pseudo-experiments for each training.")
def main(trainings: Path, **how: Any) -> None:
    lines = [json.loads(line) for line in trainings.read_text().splitlines()]
    study = Study(lines, how["observable"], statistics=not how["no_statistics"])
    found = study.coverage(how["treatment"], how["strength"], how["toys"])
    held = f"68 % interval {found.interval.to_text()}, 95 % limit {found.limit.to_text()}"
    pulls = f"pull width {found.pull_width.to_text()}, mean {found.pull_mean.to_text()}"
    what = f"{how['observable']}, {how['treatment']}, mu = {how['strength']:g}, {found.n_kinds} trainings"
    print(f"{what}: {held}, {pulls}, quoted {found.quoted:.3g}, {found.n_failed} failed")


if __name__ == "__main__":
    main()
