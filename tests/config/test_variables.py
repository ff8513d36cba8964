"""The labels of variables on plots."""

from __future__ import annotations

import pytest

from simmorph.config.variables import NamedVariables


@pytest.mark.parametrize(
    ("name", "units", "axis"),
    [
        ("pt", {}, "momentum [MeV]"),
        ("pt", {"pt": "GeV"}, "momentum [MeV]"),
        ("m", {"m": "GeV"}, "mass [GeV]"),
        ("m", {}, "mass"),
        ("n", {}, "n"),
        ("metric_score", {}, "metric_score"),
        ("phi", {"phi": "rad"}, "phi [rad]"),
    ],
)
def test_an_axis_shows_label_and_unit_as_far_as_they_are_known(name: str, units: dict[str, str], axis: str) -> None:
    given = {"pt": {"label": "momentum", "unit": "MeV"}, "m": {"label": "mass"}}
    assert NamedVariables.model_validate({"variables": given}).axis_label(name, units) == axis
