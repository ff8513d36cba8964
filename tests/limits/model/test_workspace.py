"""Workspaces that would give a silently wrong limit are refused with one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyhf
import pytest

from simmorph.errors import InputError
from simmorph.limits.fits.inference import AsymptoticCls, upper_limits
from simmorph.limits.model.workspace import measurement_of, of_parameter
from tests.limits.conftest import model_of_pyhf

if TYPE_CHECKING:
    from collections.abc import Callable

    Workspace = dict[str, Any]
    Change = Callable[[Workspace], object]


def sample(spec: Workspace, i: int) -> Any:
    return spec["channels"][0]["samples"][i]


BROKEN: dict[str, tuple[Change, str]] = {
    "a yield that is not a number": (lambda s: sample(s, 1)["data"].__setitem__(0, float("nan")), "is nan in bin 1"),
    "an infinite yield": (lambda s: sample(s, 0)["data"].__setitem__(1, float("inf")), "is inf in bin 2"),
    "a negative total": (
        lambda s: sample(s, 1)["data"].__setitem__(1, -0.1),
        "bin 2 of channel 'channel' expects -0.1 events without a signal, and 48 were seen",
    ),
    "no background in a bin": (lambda s: sample(s, 1)["data"].__setitem__(0, 0.0), "expects 0 events without a signal"),
    "a factor of zero": (
        lambda s: sample(s, 1)["modifiers"].append({"name": "x", "type": "normsys", "data": {"hi": 2.0, "lo": 0.0}}),
        "normsys 'x' of 'background' in 'channel' is 0",
    ),
    "a luminosity without a measurement": (
        lambda s: sample(s, 0)["modifiers"].append({"name": "lumi", "type": "lumi", "data": None}),
        "look at lumi 'lumi'",
    ),
    "no signal anywhere": (lambda s: sample(s, 0).update(data=[0.0, 0.0]), "zero in every bin, so there is no limit"),
    "an uncertainty that is not a number": (
        lambda s: sample(s, 1)["modifiers"][0]["data"].__setitem__(0, float("nan")),
        "shapesys 'u' of 'background'",
    ),
    "a count that is not a number": (
        lambda s: s["observations"][0]["data"].__setitem__(0, float("nan")),
        "observed count of channel 'channel' is nan",
    ),
    "a negative count": (lambda s: s["observations"][0]["data"].__setitem__(0, -1), "is -1 in bin 1"),
    "too few counts": (lambda s: s["observations"][0].update(data=[51]), "has 2 bins and 1 observed counts"),
    "no observation": (lambda s: s["observations"][0].update(name="other"), "has no observation"),
    "samples of different lengths": (lambda s: sample(s, 0).update(data=[1, 2, 3]), "another sample has 3"),
    "an uncertainty of another length": (
        lambda s: sample(s, 1)["modifiers"][0].update(data=[1, 2, 3]),
        "pyhf cannot build its model",
    ),
    "another parameter of interest": (
        lambda s: s["measurements"][0]["config"].update(poi="nu"),
        "the parameter of interest 'nu' changes no sample; did you mean 'u'",
    ),
    "no parameter of interest": (
        lambda s: s["measurements"][0]["config"].update(poi=""),
        "the parameter of interest '' changes no sample",
    ),
    "no measurement": (lambda s: s.update(measurements=[]), "not a pyhf workspace|no measurement"),
    "no channels": (lambda s: s.pop("channels"), "not a pyhf workspace: 'channels' is a required property"),
    "an unknown version": (lambda s: s.update(version="7.0.0"), "not a pyhf workspace"),
    "a yield that is a word": (lambda s: sample(s, 0)["data"].__setitem__(0, "12"), "not a pyhf workspace"),
    "an unknown modifier": (lambda s: sample(s, 1)["modifiers"][0].update(type="wiggle"), "not a pyhf workspace"),
    "a matrix of yields": (lambda s: sample(s, 0).update(data=[[12, 11]]), "not a pyhf workspace"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_workspace_with_a_fault_is_refused_in_one_line(reference: Workspace, fault: str) -> None:
    change, message = BROKEN[fault]
    change(reference)
    with pytest.raises(InputError, match=message) as refusal:
        measurement_of(reference, "broken.json")
    assert str(refusal.value).startswith("broken.json: ")
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400


def test_a_measurement_is_chosen_by_name(reference: Workspace) -> None:
    other = {"name": "other", "config": {"poi": "mu", "parameters": []}}
    reference["measurements"].append(other)
    assert measurement_of(reference).name == "limit"
    assert measurement_of(reference, name="other").name == "other"
    with pytest.raises(InputError, match="no measurement 'otter'; did you mean 'other'"):
        measurement_of(reference, name="otter")


def test_zero_counts_and_zero_yields_of_one_sample_are_fine(reference: Workspace) -> None:
    sample(reference, 0)["data"][0] = 0.0
    reference["observations"][0]["data"][1] = 0
    ready = measurement_of(reference)
    assert ready.data.main.tolist() == [51.0, 0.0]


def test_limits_on_another_parameter_are_those_of_pyhf_with_it_as_poi(reference: Workspace) -> None:
    second = {"name": "second", "data": [3.0, 14.0], "modifiers": [{"name": "nu", "type": "normfactor", "data": None}]}
    reference["channels"][0]["samples"].append(second)
    changed = of_parameter(reference, "nu", "two.json")
    assert reference["measurements"][0]["config"]["poi"] == "mu"
    ready = measurement_of(changed)
    limits = upper_limits(AsymptoticCls(ready.likelihood, ready.data))
    assert limits.parameter == "nu"
    model, data = model_of_pyhf(changed)
    assert model.config.poi_name == "nu"
    cls, expected = pyhf.infer.hypotest(limits.observed, data, model, return_expected=True)
    assert cls == pytest.approx(0.05, rel=5e-3)
    assert pyhf.infer.hypotest(limits.expected[2], data, model, return_expected=True)[1] == pytest.approx(
        0.05, rel=5e-3
    )
    assert expected > 0


@pytest.mark.parametrize("name", ["uncorrelated", "mv"])
def test_only_a_normalisation_can_be_of_interest(reference: Workspace, name: str) -> None:
    with pytest.raises(InputError, match=rf"two.json: no normalisation '{name}' that could be of interest; .*'mu'"):
        of_parameter(reference, name, "two.json")


def test_what_is_no_workspace_is_left_to_those_who_say_so() -> None:
    assert of_parameter({"channels": 3}, "mu", "it") == {"channels": 3}
