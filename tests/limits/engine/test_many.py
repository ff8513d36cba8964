"""Fits of many data sets at once are those of each alone, for models of all kinds."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.errors import InputError
from simmorph.limits.engine.many.expansions import Sums
from simmorph.limits.engine.many.points import Objectives
from simmorph.limits.model.engines import PyhfLikelihood
from simmorph.limits.model.likelihood import Data
from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.toys.draws import draws
from tests.limits.conftest import workspace
from tests.limits.engine.test_random_models import random_model

N_TOYS = 12


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("poi", [None, 0.7])
def test_minima_are_those_of_fits_one_by_one(seed: int, poi: float | None) -> None:
    likelihood = measurement_of(random_model(seed)).likelihood
    true = likelihood.at(0.5)
    data = draws(likelihood, true, (seed,), range(N_TOYS))
    start = np.tile(true[likelihood.yields.shared], (N_TOYS, 1))
    found = likelihood.fits(data, start, poi=poi)
    for row, each in enumerate(zip(*data, strict=True)):
        try:
            alone = likelihood.fit(Data(*each), start=true, poi=poi)
        except InputError:
            assert not np.isfinite(found.deviance[row])
            continue
        assert found.deviance[row] == pytest.approx(alone.deviance, abs=1e-6)
        assert found.is_valid[row] == alone.is_valid
        if poi is not None:
            assert found.slope[row] == pytest.approx(alone.slope, abs=1e-3)


@pytest.mark.parametrize("seed", range(0, 24, 3))
def test_deviances_and_derivatives_are_those_of_each_alone(seed: int) -> None:
    likelihood = measurement_of(random_model(seed)).likelihood
    data = draws(likelihood, likelihood.at(0.5), (seed,), range(4))
    shared = likelihood.at(0.6)[likelihood.yields.shared] * np.linspace(0.9, 1.1, 4)[:, None]
    bounds = likelihood.bounds()
    each = [Data(*row) for row in zip(*data, strict=True)]
    known = likelihood.constraint(each[0])._replace(
        measured=np.array([likelihood.constraint(it).measured for it in each])
    )
    found = Objectives(Sums(likelihood.yields), known, data.main, bounds).at(shared)
    for row, its in enumerate(each):
        alone = likelihood.problem(its, bounds).objective.at(shared[row])
        assert found.deviance[row] == pytest.approx(alone.deviance, rel=1e-10)
        np.testing.assert_allclose(found.gradient[row], alone.gradient, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(found.hessian[row], alone.hessian, rtol=1e-8, atol=1e-6)
        np.testing.assert_allclose(found.rough[row], alone.rough, rtol=1e-8, atol=1e-8)


def test_the_engine_of_pyhf_fits_them_one_by_one() -> None:
    ready = measurement_of(
        workspace([5.0, 3.0], [20.0, 30.0], [22, 31], {"name": "u", "type": "shapesys", "data": [3, 4]})
    )
    ours = ready.likelihood
    other = PyhfLikelihood(ours.model, ours.yields)
    data = draws(ours, ours.at(1.0), (3,), range(3))
    start = np.tile(ours.at(1.0)[ours.yields.shared], (3, 1))
    found, reference = (it.fits(data, start, poi=1.5) for it in (ours, other))
    np.testing.assert_allclose(found.deviance, reference.deviance, atol=1e-4)
    np.testing.assert_allclose(found.slope, reference.slope, atol=1e-2)
