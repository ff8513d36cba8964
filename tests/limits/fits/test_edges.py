"""Small models at the edges of what a likelihood can do; truth by Minuit, strategy 2, from several starts."""

from __future__ import annotations

import json
import math
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
    assert discovery(test).observed == pytest.approx(0.633, abs=1e-3)


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


def spectrum(background: list[float], counts: list[float], *, high: float = 1.1, signal: float = 5.0) -> Measurement:
    """A signal in the first bin, over a background with one uncertainty."""
    norm = {"name": "norm", "type": "normsys", "data": {"hi": high, "lo": 0.9}}
    strengths = [signal] + [0.0] * (len(counts) - 1)
    samples = [
        {"name": "signal", "data": strengths, "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "background", "data": background, "modifiers": [norm]},
    ]
    return measurement_of(
        {
            "version": "1.0.0",
            "channels": [{"name": "mass", "samples": samples}],
            "observations": [{"name": "mass", "data": counts}],
            "measurements": [{"name": "limit", "config": {"poi": "mu", "parameters": []}}],
        }
    )


def test_an_empty_bin_over_an_uncertain_background_is_an_edge_and_determined() -> None:
    ready = spectrum([20.0, 50.0], [0.0, 50.0])
    strength = fitted_strength(ready.likelihood, ready.data)
    assert strength.is_determined
    assert "edge" in strength.to_text()
    assert strength.value == pytest.approx(-4, abs=0.01)
    # The background falls along and keeps the bin empty, which costs theta^2 (1 + .1^2 50) in -2 ln L.
    assert strength.up == pytest.approx(20 * 0.1 / math.sqrt(1.5) / 5, rel=0.01)
    assert strength.curvature is None


def test_the_upper_side_is_found_where_nothing_but_signal_is_expected() -> None:
    ready = spectrum([0.0, 50.0], [0.0, 50.0])
    strength = fitted_strength(ready.likelihood, ready.data)
    # -2 ln L = 2 nu in an empty bin: it has risen by 1 where half an event is expected.
    assert strength.up == pytest.approx(0.1, rel=0.01)


def test_variations_that_overflow_are_one_line() -> None:
    with pytest.raises(InputError):
        AsymptoticCls(*spectrum([20.0, 50.0], [19.0, 50.0], high=1e200)[:2])
