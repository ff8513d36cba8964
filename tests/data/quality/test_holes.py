"""Holes of the context are found and said; what is only thin is none."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.config.learning import Learning, MethodSettings
from simmorph.data.events import Events
from simmorph.data.quality.holes import find_holes, remarks_on_holes
from simmorph.model import Model

RNG = np.random.default_rng(1)
BLINDED = np.concatenate([RNG.uniform(0, 0.35, 2000), RNG.uniform(0.65, 1, 2000)])


def test_a_blinded_region_is_found_with_the_events_that_it_lacks() -> None:
    (hole,) = find_holes(BLINDED)
    assert (hole.low, hole.high) == pytest.approx((0.35, 0.65), abs=0.002)
    assert hole.expected == pytest.approx(0.3 * 2000 / 0.35, rel=0.3)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("draw", ["uniform", "exponential", "normal", "standard_cauchy"])
def test_a_context_without_a_hole_has_none(draw: str, seed: int) -> None:
    assert find_holes(getattr(np.random.default_rng(seed), draw)(size=3000)) == []


def test_counts_and_point_masses_are_no_holes() -> None:
    jets = RNG.poisson(2.0, 5000).astype(float)
    assert find_holes(jets) == []
    assert find_holes(np.where(RNG.random(5000) < 0.3, -999.0, RNG.exponential(size=5000))) == []


def test_a_hole_that_a_repeated_value_lies_in_is_none() -> None:
    assert find_holes(np.concatenate([BLINDED, np.full(500, 0.5)])) == []


def test_one_sentence_says_which_context_where_and_what_the_map_does() -> None:
    features = RNG.normal(size=(4000, 1))
    samples = {name: Events.of(features, BLINDED[:, None]) for name in ("source", "target")}
    (remark,) = remarks_on_holes(samples, ["m"], "the map guesses")
    assert remark.startswith("context 'm': no events of source and target from 0.35 to 0.65, where about 1,")
    assert remark.endswith(" of the target would be expected; the map guesses")
    alone = samples | {"source": Events.of(features, RNG.uniform(0, 1, (4000, 1)))}
    assert "no events of target from" in remarks_on_holes(alone, ["m"], "")[0]


@pytest.mark.parametrize(
    ("method", "said"), [("copula", "the map goes across as smoothly as it can"), ("quantile", "")]
)
def test_training_warns_once_if_the_map_looks_at_the_context(method: str, said: str) -> None:
    source, target = (Events.of(RNG.normal(size=(4000, 1)), BLINDED[:, None]) for _ in range(2))
    learning = Learning(features=["x"], context=["m"], method=MethodSettings(name=method))
    warnings = [it for it in Model.fit(learning, source, target).card.warnings if "context 'm'" in it]
    assert len(warnings) == bool(said)
    assert all(said in warning for warning in warnings)
