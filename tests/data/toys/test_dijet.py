"""Promises of the dijet toy: its map is exact in every band, and its features drift."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from simmorph.data.events import Events
from simmorph.data.toys import TOYS
from simmorph.data.toys.dijet import BANDS, FEATURES, samples
from simmorph.evaluation.metrics.classifier.c2st import auc

Branches = dict[str, Any]
AS_TARGET = [f"truth_{name}_as_target" for name in FEATURES]


@pytest.fixture(scope="module")
def target() -> Branches:
    return next(samples(100_000, 1)[0].blocks())


@pytest.fixture(scope="module")
def source() -> Branches:
    return next(samples(100_000, 1)[1].blocks())


def events(branches: Branches, names: Any, band: str) -> Events:
    chosen = branches[f"in_{band}"]
    return Events.of(np.column_stack([branches[name][chosen] for name in names]), branches["m_jj"][chosen, None])


def test_there_are_two_files_of_the_size_asked_for() -> None:
    files = TOYS["dijet"](1234, 1)
    assert [(it.file, it.tree, it.n_events) for it in files] == [
        ("target.root", "events", 1234),
        ("source.root", "events", 1234),
    ]


def test_every_event_is_in_one_band(source: Branches) -> None:
    assert (np.sum([source[f"in_{band}"] for band in BANDS], axis=0) == 1).all()
    distance = np.abs(source["m_jj"] - 3500)
    np.testing.assert_array_equal(source["in_sr"], (distance < 100) | (source["m_jj"] == 3400))
    np.testing.assert_array_equal(source["in_sidebands"], source["in_sb1"] | source["in_sb2"])


def test_the_mass_falls_alike_in_both(source: Branches, target: Branches) -> None:
    assert ks_2samp(source["m_jj"], target["m_jj"]).pvalue > 0.01
    counts = [int(source[f"in_{band}"].sum()) for band in BANDS]
    assert counts == sorted(counts, reverse=True)
    assert source["m_jj"].min() >= 3000
    assert source["m_jj"].max() < 4000


def test_features_are_where_jets_have_them(source: Branches, target: Branches) -> None:
    for branches in (source, target):
        for name in ("tau21_j1", "tau21_j2"):
            assert 0 < branches[name].min() < branches[name].max() < 1
        assert min(branches["m_j1"].min(), branches["delta_m"].min()) > 0
        assert 50 < np.median(branches["m_j1"]) < 200
        assert np.median(branches["delta_r"]) == pytest.approx(np.pi, abs=0.2)


@pytest.mark.parametrize("band", BANDS)
def test_source_and_target_differ_and_the_known_map_mends_it(source: Branches, target: Branches, band: str) -> None:
    wanted, rng = events(target, FEATURES, band), np.random.default_rng(1)
    raw = auc(events(source, FEATURES, band), wanted, rng)
    mended = auc(events(source, AS_TARGET, band), wanted, rng)
    assert raw.value > 0.58
    assert mended.value == pytest.approx(0.5, abs=3 * mended.uncertainty)


def test_the_target_is_where_its_truth_says(target: Branches) -> None:
    for name, truth in zip(FEATURES, AS_TARGET, strict=True):
        np.testing.assert_array_equal(target[name], target[truth])


def test_features_drift_further_than_the_map_changes(source: Branches) -> None:
    """From the middle of one sideband to that of the other, in standard deviations."""
    drifts, changes = [], []
    for name, truth in zip(FEATURES, AS_TARGET, strict=True):
        means = [source[name][source[f"in_{band}"]].mean() for band in ("sb1", "sb2")]
        moves = [(source[truth] - source[name])[source[f"in_{band}"]].mean() for band in ("sb1", "sb2")]
        drifts.append(abs(means[1] - means[0]) / source[name].std())
        changes.append(abs(moves[1] - moves[0]) / source[name].std())
    assert min(drifts) > 0.1
    assert np.mean(drifts) > 4 * np.mean(changes)


def test_quark_jets_become_more_common_with_mass(source: Branches) -> None:
    shares = [source["truth_quark_jets"][source[f"in_{band}"]].mean() for band in BANDS]
    assert shares == sorted(shares)
    assert set(source["truth_quark_jets"]) == {0, 1, 2}


def test_a_longer_file_begins_with_the_shorter_one() -> None:
    for short, long in zip(samples(300, 5), samples(900, 5), strict=True):
        few, many = short.block(0, short.n_events), long.block(0, long.n_events)
        for name in few:
            np.testing.assert_array_equal(few[name], many[name][: short.n_events], err_msg=name)


def test_blocks_and_seeds_and_files_have_random_numbers_of_their_own() -> None:
    target, source = samples(100, 1)
    drawn = [target.block(0, 50), target.block(1, 50), source.block(0, 50), samples(100, 2)[0].block(0, 50)]
    assert len({tuple(block["m_jj"]) for block in drawn}) == len(drawn)
