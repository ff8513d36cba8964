"""Train the generator many times, each on events of its own, and write down what a limit sees of each: histograms.

    python trainings.py CLASSIFIER OUTPUT.jsonl --learnt 10000 --trainings 240

For each training: draw events of the background to learn from, and half as many that it does not learn from; train the
generator of `generator.yaml` on the first; draw from it; and fill m_bb (after the cut on the classifier's score) and
the score with the learnt, the held-out and the drawn events. One line of JSON a training; those that are there stay, so
that the command goes on where it was stopped.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
import yaml

import simmorph
from simmorph.data.toys.higgs import BACKGROUND, NAMES, SIGNAL

HERE = Path(__file__).parent
CUT = 0.55
EDGES = {"m_bb": np.linspace(0.3, 1.8, 26), "score": np.linspace(CUT, 0.925, 26)}
BLOCK = 100_000
MANY = 50_000
"""Above these the batches are larger, or the study would take days."""


def histograms(classifier: simmorph.Model, variables: np.ndarray[Any, Any]) -> dict[str, list[float]]:
    """The counts of both observables."""
    score = classifier.apply(dict(zip(NAMES, variables.T, strict=True)))["morph_score"]
    passed = variables[score > CUT, NAMES.index("m_bb")]
    return {
        "m_bb": np.histogram(passed, EDGES["m_bb"])[0].tolist(),
        "score": np.histogram(score, EDGES["score"])[0].tolist(),
    }


def added(parts: list[dict[str, list[float]]]) -> dict[str, list[float]]:
    return {name: np.sum([part[name] for part in parts], axis=0).tolist() for name in EDGES}


def truth(classifier: simmorph.Model, n_events: int) -> dict[str, Any]:
    """Background and signal, each from so many events of their densities, whose histograms are not known otherwise."""
    rng = np.random.default_rng(7)
    found: dict[str, Any] = {"n_true": n_events}
    for name, process in (("background", BACKGROUND), ("signal", SIGNAL)):
        parts = [histograms(classifier, process.draw(BLOCK, rng)[0]) for _ in range(n_events // BLOCK)]
        found[name] = added(parts)
    return found


def training(classifier: simmorph.Model, number: int, n_learnt: int, n_drawn: int) -> dict[str, Any]:
    """What a limit sees of one training."""
    rng = np.random.default_rng([n_learnt, number])
    learnt, held_out = (BACKGROUND.draw(n, rng)[0] for n in (n_learnt, n_learnt // 2))
    recipe = yaml.safe_load((HERE / "generator.yaml").read_text())
    of_training = {"seed": number} | ({"batch_size": 1024, "epochs": 10} if n_learnt > MANY else {})
    recipe = {key: recipe[key] for key in ("features", "method")} | {"training": recipe["training"] | of_training}
    model = simmorph.train(recipe, None, dict(zip(NAMES, learnt.T, strict=True)))
    parts = []
    for start in range(0, n_drawn, BLOCK):
        ids = np.arange(start, min(start + BLOCK, n_drawn))
        parts.append(histograms(classifier, model.generate(np.empty((len(ids), 0)), ids)))
    return {
        "number": number,
        "learnt": histograms(classifier, learnt),
        "held_out": histograms(classifier, held_out),
        "drawn": added(parts),
    }


@click.command()
@click.argument("classifier", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--learnt", default=10_000, show_default=True)
@click.option("--drawn", default=1_000_000, show_default=True)
@click.option("--true", default=4_000_000, show_default=True, help="Events that stand for the truth.")
@click.option("--trainings", default=100, show_default=True)
def main(classifier: Path, output: Path, **how: int) -> None:
    torch.set_num_threads(1)
    model = simmorph.Model.load(classifier)
    lines = [json.loads(line) for line in output.read_text().splitlines()] if output.exists() else []
    with output.open("a") as file:
        if not lines:
            file.write(json.dumps(truth(model, how["true"])) + "\n")
        done = {line.get("number") for line in lines}
        for number in range(1, how["trainings"] + 1):
            if number not in done:
                file.write(json.dumps(training(model, number, how["learnt"], how["drawn"])) + "\n")
                file.flush()
                print(f"training {number}", file=sys.stderr)


if __name__ == "__main__":
    main()
