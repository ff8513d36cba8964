"""Is what `evaluate` says about noise true, and what can it see? `python -m benchmarks judge [PAIRS]`.

Null pairs are two samples of one distribution; a template may have weights, signed ones too. An uncertainty is right if
the pulls of the AUC have a root mean square of 1, and a p-value if it is uniform. Then two normal samples are shifted:
the excess that is seen in 95 of 100 cases should be the one that the verdict states.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import kstest

from simmorph.data.events import Events
from simmorph.evaluation.metrics.classifier.c2st import auc
from simmorph.evaluation.metrics.noise import both
from simmorph.evaluation.metrics.registry import TESTS, distances_beside_null
from simmorph.evaluation.significance import TENSION
from simmorph.evaluation.verdict import ONE_SIDED_95

if TYPE_CHECKING:
    from collections.abc import Iterator

N_PAIRS, N_FEATURES = 200, 4
SIZES = ((300, 300), (1000, 1000), (2000, 2000), (3000, 1000))
KINDS = ("plain", "weighted", "signed", "reweighted")


def sample(kind: str, n_events: int, rng: np.random.Generator, n_features: int = N_FEATURES) -> Events:
    """Normal features, whatever the weights are."""
    features = rng.normal(size=(n_events, n_features))
    if kind == "weighted":
        return Events.of(features, weights=rng.gamma(1, 1, n_events))
    if kind == "signed":
        return Events.of(features, weights=np.where(rng.random(n_events) < 0.15, -1.0, 1.0))
    if kind == "reweighted":  # drawn wider than it is, and weighted back
        features[:, 0] *= 1.3
        return Events.of(features, weights=np.exp(-(features[:, 0] ** 2) * (1 - 1 / 1.69) / 2))
    return Events.of(features)


def null_pairs(kind: str, sizes: tuple[int, int], n_pairs: int) -> Iterator[tuple[Events, Events, np.random.Generator]]:
    """Template and target of one distribution, and random numbers for what is measured of them."""
    for number in range(n_pairs):
        rng = np.random.default_rng([number, *sizes, KINDS.index(kind)])
        yield sample(kind, sizes[0], rng), sample("plain", sizes[1], rng), rng


def aucs(n_pairs: int) -> Iterator[str]:
    """Pulls of the AUC from 1/2 and from that of the target against itself, and the correlation of these two AUCs."""
    yield "| AUC: template | events | rms (AUC - 1/2) / error | p(normal) | rms (AUC - null) / error | correlation |"
    yield "|---|---|---|---|---|---|"
    for sizes in SIZES:
        for kind in KINDS:
            found = []
            for template, target, rng in null_pairs(kind, sizes, n_pairs):
                order = rng.permutation(len(target))
                first, second = (target[order[start::2]] for start in (0, 1))
                found.append([*auc(template, target, rng), *auc(first, second, rng)])
            value, error, null, null_error = np.array(found).T
            pulls, against = (value - 0.5) / error, (value - null) / np.hypot(error, null_error)
            uniform = kstest(pulls, "norm").pvalue
            yield (
                f"| {kind} | {sizes[0]}, {sizes[1]} | {_rms(pulls)} | {uniform:.2f} | {_rms(against)} | "
                f"{np.corrcoef(value, null)[0, 1]:+.2f} ± {n_pairs**-0.5:.2f} |"
            )


def p_values(n_pairs: int, sizes: tuple[int, int] = (500, 700)) -> Iterator[str]:
    """Whether the p-values of all other metrics and distances are uniform."""
    yield (
        f"| p-values, {sizes[0]} and {sizes[1]} events | "
        + " | ".join(f"{kind}: p(uniform), below .05" for kind in KINDS)
        + " |"
    )
    yield "|---" * (1 + len(KINDS)) + "|"
    columns = [_p_values(kind, n_pairs, sizes) for kind in KINDS]
    for name in columns[0]:
        cells = [f"{kstest(its[name], 'uniform').pvalue:.2f}, {np.mean(its[name] < 0.05):.3f}" for its in columns]
        yield f"| {name} | " + " | ".join(cells) + " |"


def _p_values(kind: str, n_pairs: int, sizes: tuple[int, int]) -> dict[str, np.ndarray]:
    """(n_pairs,) p-values of every metric, and of every distance of the first feature."""
    found: dict[str, list[float]] = {}
    for template, target, rng in null_pairs(kind, sizes, n_pairs):
        tests = {name: test(template, target, rng) for name, test in TESTS.items()}
        tests |= distances_beside_null(template, target, 0, both(template, target, rng))
        for name, its in tests.items():
            found.setdefault(name, []).append(its.p_value)
    return {name: np.array(its) for name, its in found.items()}


def power(n_pairs: int) -> Iterator[str]:
    """How often a shift is seen, beside the excess that the verdict says it sees in 95 of 100 cases."""
    yield "| shifted normals, events | shift | excess of the AUC | stated: seen in 95 % from | seen in |"
    yield "|---|---|---|---|---|"
    for n_events, shifts in ((500, (0.2, 0.4, 0.6)), (2000, (0.1, 0.15, 0.2, 0.3)), (8000, (0.05, 0.08, 0.12))):
        for shift in shifts:
            found = []
            for number in range(n_pairs // 4):
                rng = np.random.default_rng([number, n_events])
                template, target = sample("plain", n_events, rng), sample("plain", n_events, rng)
                moved = template.with_features(template.features + shift * (np.arange(N_FEATURES) == 0))
                found.append(auc(moved, target, rng))
            value, error = np.array(found).T
            stated = (TENSION + ONE_SIDED_95) * error.mean()
            seen = np.mean(value - 0.5 > TENSION * error)
            yield f"| {n_events} | {shift} | {value.mean() - 0.5:.4f} | {stated:.4f} | {seen:.0%} |"


def _rms(pulls: np.ndarray) -> str:
    """The root mean square, with its error."""
    found = float(np.mean(pulls**2) ** 0.5)
    return f"{found:.2f} ± {found / (2 * len(pulls)) ** 0.5:.2f}"


def main() -> None:
    """Print three tables, row by row."""
    n_pairs = int(sys.argv[2]) if len(sys.argv) > 2 else N_PAIRS
    for lines in (aucs(n_pairs), p_values(n_pairs), power(n_pairs)):
        for line in lines:
            print(line, flush=True)
        print()
