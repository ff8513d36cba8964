"""Promises of the toy of Gaussians: the truth is the optimal map."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from simmorph.data.toys import TOYS
from simmorph.data.toys.gaussian import SOURCE, TARGET, optimal, optimal_cost, samples
from simmorph.data.toys.samples import BLOCK

FILES = ["source.root", "target.root", "source_drift.root", "target_drift.root"]


def branches(file: str, n_events: int = 50_000) -> dict[str, Any]:
    return next(next(it for it in samples(n_events, 1) if it.file == file).blocks())


def columns(content: dict[str, Any], ending: str = "") -> np.ndarray:
    return np.column_stack([content[f"x{number}{ending}"] for number in (1, 2, 3)])


def test_there_are_four_files_of_the_size_asked_for() -> None:
    assert [(it.file, it.tree, it.n_events) for it in TOYS["gaussian"](1234, 1)] == [
        (file, "events", 1234) for file in FILES
    ]


@pytest.mark.parametrize("population", [SOURCE, TARGET])
def test_moments_are_those_of_the_table(population: Any) -> None:
    values = columns(branches(f"{population.name}.root"))
    np.testing.assert_allclose(values.mean(axis=0), population.shift * np.array([1, -1, 1]), atol=0.02)
    np.testing.assert_allclose(values.var(axis=0), population.variances, rtol=0.03)
    found = np.corrcoef(values.T)[np.triu_indices(3, 1)]
    np.testing.assert_allclose(found, population.correlations, atol=0.02)


def test_covariances_are_positive_at_every_context() -> None:
    for population in (SOURCE, TARGET):
        assert np.linalg.eigvalsh(population.covariances(np.linspace(-1, 1, 21))).min() > 0.05


@pytest.mark.parametrize("context", [-0.9, 0.0, 0.7])
def test_the_optimal_map_gives_the_moments_of_the_target_and_is_a_gradient(context: float) -> None:
    place = np.array([context])
    origin = optimal(SOURCE.means(place), place)
    np.testing.assert_allclose(origin, TARGET.means(place))
    matrix = np.stack([optimal(SOURCE.means(place) + step, place)[0] - origin[0] for step in np.eye(3)])
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    assert np.linalg.eigvalsh(matrix).min() > 0
    np.testing.assert_allclose(matrix @ SOURCE.covariances(place)[0] @ matrix.T, TARGET.covariances(place)[0])


@pytest.mark.parametrize("drifts", [False, True])
def test_the_cost_of_the_truth_is_that_of_the_formula(drifts: bool) -> None:
    content = branches("source_drift.root" if drifts else "source.root")
    cost = np.mean(np.sum((columns(content, "_optimal") - columns(content)) ** 2, axis=1))
    assert cost == pytest.approx(optimal_cost(drifts=drifts), rel=0.02)
    metadata = next(it.metadata for it in samples(10, 1) if it.file.endswith("drift.root") == drifts)
    assert metadata["optimal_cost"] == optimal_cost(drifts=drifts)


def test_no_assignment_is_cheaper_than_the_truth() -> None:
    content = branches("source.root", 500)
    source, moved = columns(content), columns(content, "_optimal")
    costs = cdist(source, moved, "sqeuclidean")
    rows, best = linear_sum_assignment(costs)
    np.testing.assert_array_equal(best, rows)


def test_the_target_is_its_own_optimum_and_blocks_do_not_depend_on_the_length() -> None:
    content = branches("target_drift.root", 1000)
    np.testing.assert_array_equal(columns(content), columns(content, "_optimal"))
    longer = next(it for it in samples(BLOCK + 10, 1) if it.file == "target_drift.root")
    np.testing.assert_array_equal(columns(next(longer.blocks()))[:1000], columns(content))
