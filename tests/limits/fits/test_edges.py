"""Small models at the edges of what a likelihood can do; truth by Minuit, strategy 2, from several starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simmorph.errors import InputError
from simmorph.limits.fits.cautions import cautions
from simmorph.limits.fits.inference import AsymptoticCls, Limits, discovery, upper_limits
from simmorph.limits.fits.strength import FittedStrength, fitted_strength
from simmorph.limits.model.workspace import Measurement, measurement_of

MODELS = Path(__file__).parents[1] / "data"


def model(name: str) -> Measurement:
    return measurement_of(json.loads((MODELS / f"{name}.json").read_text()))


def found(name: str) -> tuple[AsymptoticCls, Limits, FittedStrength]:
    ready = model(name)
    test = AsymptoticCls(ready.likelihood, ready.data)
    return test, upper_limits(test), fitted_strength(ready.likelihood, ready.data)


def test_a_parameter_at_a_bound_is_let_go_again() -> None:
    test, limits, strength = found("bound_to_leave")
    assert limits.observed == pytest.approx(4.706, abs=1e-3)
    assert (strength.value, strength.uncertainty) == pytest.approx((2.532, 1.036), abs=1e-3)
    assert discovery(test, test.data).observed == pytest.approx(0.633, abs=1e-3)


def test_a_background_from_data_has_the_strength_of_the_tutorial_of_root() -> None:
    test, _, strength = found("bound_to_leave_datadriven")
    assert (strength.value, strength.uncertainty) == pytest.approx((1.1146, 0.1847), abs=1e-4)
    shape = test.likelihood.model.config.par_names.index("Bkg2Shape[1]")
    assert strength.fit.parameters[shape] == pytest.approx(8.73, abs=0.01)


def test_a_strength_may_be_as_negative_as_the_likelihood_allows() -> None:
    _, _, strength = found("strength_edge")
    assert (strength.value, strength.uncertainty) == pytest.approx((-2.4847, 0.5246), abs=1e-3)
    assert strength.edge == ""


def test_the_lower_of_two_minima_counts_at_each_limit() -> None:
    _, limits, strength = found("two_minima_opposite_signs")
    assert limits.observed == pytest.approx(0.97209, abs=1e-4)
    assert limits.expected[3] == pytest.approx(1.5970, abs=1e-4)
    assert len(strength.to_json()["mu_hat_minima"]) == 2


def test_a_degenerate_strength_is_not_determined() -> None:
    test, limits, strength = found("degenerate")
    assert not strength.is_determined
    assert strength.up == pytest.approx(5.81, abs=0.01)
    assert strength.to_text().endswith("not determined by the data")
    assert strength.to_json()["mu_hat_uncertainty"] is None
    assert any("not determined" in line for line in cautions(test, limits, strength))


def test_few_events_are_told_and_a_strength_at_its_edge_has_one_side() -> None:
    test, limits, strength = found("zero_observed")
    assert limits.observed == pytest.approx(1.797, abs=1e-3)
    assert (strength.down, strength.to_json()["mu_hat_uncertainty"]) == (None, None)
    assert strength.to_json()["mu_hat_is"] == "at the edge of bin 1 of channel 'c'"
    said = list(cautions(test, limits, strength))
    assert any(line.startswith(("only 3 events", "only 2.")) for line in said)


@pytest.mark.parametrize(
    ("name", "observed", "value"), [("empty_bins", 2.3795, 0.5), ("negative_sample_positive_total", 1.6758, 0.31197)]
)
def test_empty_bins_and_negative_samples_are_valid(name: str, observed: float, value: float) -> None:
    _, limits, strength = found(name)
    assert limits.observed == pytest.approx(observed, abs=1e-3)
    assert strength.value == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "words"), [("lumi_without_auxdata", "lumi 'lumi'"), ("normsys_down_zero", "normsys 'x' of 'small'")]
)
def test_what_cannot_be_a_model_names_the_modifier(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        model(name)
