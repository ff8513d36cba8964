"""A template and all that is uncertain of it change together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simmorph.data.histograms import Histogram
from simmorph.limits.modifiers.normsys import NormSys
from simmorph.limits.modifiers.staterror import StatError
from simmorph.limits.templates.sample import ReplicaSpread, Sample, Templates

EDGES = np.arange(5.0)
YIELDS = np.array([40.0, 30.0, 20.0, 10.0])


def histogram(values: np.ndarray[tuple[int], np.dtype[np.float64]], name: str = "background") -> Histogram:
    return Histogram(EDGES, np.asarray(values, np.float64), np.asarray(values, np.float64), name)


def sample(n_replicas: int = 4) -> Sample:
    """A background with statistics, a normalisation and the spread of its replicas, which are higher by 0, 1, 2 ..."""
    nominal = histogram(YIELDS)
    replicas = tuple(histogram(YIELDS + i * np.array([1.0, 1.0, -1.0, 0.0])) for i in range(n_replicas))
    spread = ReplicaSpread(shape_only=False, same_events=True)
    return Sample(
        nominal,
        False,
        (StatError.of(nominal), NormSys("scale", 1.1, 0.9)),
        tuple(spread.variations(nominal, replicas)),
        replicas,
        spread,
        truth=YIELDS[::-1].copy(),
    )


def shifts(of: Sample) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(n_variations, n_bins), what the training leaves uncertain."""
    return np.array([it.up - of.histogram.values for it in of.training])


def test_the_variations_of_the_training_have_the_variance_of_the_replicas() -> None:
    before = sample()
    spread = np.var([it.values for it in before.replicas], axis=0, ddof=1)
    np.testing.assert_allclose(np.sum(shifts(before) ** 2, axis=0), spread, atol=2e-3 * spread.max())
    assert [it.name for it in before.training] == [f"background_training_{i + 1}" for i in range(len(before.training))]


def test_everything_is_scaled_with_the_yields() -> None:
    before, after = sample(), sample().scaled(3.0)
    np.testing.assert_allclose(after.histogram.values, 3 * YIELDS)
    np.testing.assert_allclose(shifts(after), 3 * shifts(before))
    assert [it.values.tolist() for it in after.replicas] == [(3 * it.values).tolist() for it in before.replicas]
    assert after.truth is not None
    assert after.truth.tolist() == [30.0, 60.0, 90.0, 120.0]
    statistics, scale = after.modifiers
    assert statistics.to_pyhf(after.histogram.values)["data"] == pytest.approx(3 * np.sqrt(YIELDS))
    assert scale == NormSys("scale", 1.1, 0.9)


def test_everything_is_cut_to_the_bins_that_are_used() -> None:
    bins = np.array([False, True, True, False])
    whole = Templates((Sample(histogram(YIELDS / 10, "signal"), True), sample()), histogram(YIELDS), False, bins)
    used = whole.in_likelihood()
    signal, background = used.samples
    assert used.used.tolist() == [True, True]
    assert used.data.edges.tolist() == [1.0, 2.0, 3.0]
    assert signal.histogram.values.tolist() == [3.0, 2.0]
    assert background.truth is not None
    assert background.truth.tolist() == [20.0, 30.0]
    assert [it.values.tolist() for it in background.replicas] == [[30.0 + i, 20.0 - i] for i in range(4)]
    np.testing.assert_allclose(shifts(background), shifts(sample())[:, bins])
    assert background.modifiers[0].to_pyhf(background.histogram.values)["data"] == pytest.approx(np.sqrt([30, 20]))


def test_with_other_yields_the_shifts_of_the_training_stay() -> None:
    before = sample()
    after = before.moved_to(histogram(YIELDS + 5, "other"))
    np.testing.assert_allclose(shifts(after), shifts(before))
    assert after.histogram.name == "background"
    assert after.histogram.variances.tolist() == (YIELDS + 5).tolist()


@pytest.mark.parametrize("number", [0, 3])
def test_a_replica_that_is_the_template_is_not_part_of_the_spread(number: int) -> None:
    after = sample().as_replica(number)
    others = np.delete([it.values for it in sample().replicas], number, axis=0)
    assert after.histogram.values.tolist() == sample().replicas[number].values.tolist()
    spread = np.var(others, axis=0, ddof=1)
    np.testing.assert_allclose(np.sum(shifts(after) ** 2, axis=0), spread, atol=2e-3 * spread.max())


def test_where_no_spread_is_left_the_uncertainty_of_the_template_is_kept() -> None:
    before = sample(n_replicas=2)
    np.testing.assert_allclose(shifts(before.as_replica(1)), shifts(before))


def test_variations_of_what_is_scaled_to_sidebands_have_its_yield_there() -> None:
    bins = np.array([True, False, False, True])
    before = sample()
    found = before.normalised(bins)
    for it in found.training:
        assert it.up[bins].sum() == pytest.approx(YIELDS[bins].sum())
        assert it.down[bins].sum() == pytest.approx(YIELDS[bins].sum())
    (first, *_), (was, *_) = found.training, before.training
    assert first.up[1] / first.up[0] == pytest.approx(was.up[1] / was.up[0])


def test_replicas_move_the_bins_of_all_channels_together() -> None:
    east, west = sample(), sample()
    # One change moves both channels, the other way round.
    west = replace(west, replicas=tuple(replace(it, values=2 * YIELDS - it.values) for it in west.replicas))
    joint = ReplicaSpread(shape_only=False, same_events=True).joint([east, west])
    assert [it.name for it in joint[0].training] == [it.name for it in joint[1].training]
    first = [shifts(it)[0] for it in joint]
    np.testing.assert_allclose(first[1], -first[0], rtol=1e-6)
    np.testing.assert_allclose(np.abs(first[0]), np.abs(shifts(east)[0]), rtol=0.05)
