"""The unit of what is computed follows from the units of what it is computed from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.data.expressions.expression import parse, parse_all
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.data.units import ENERGY, NUMBER, RADIANS, agreed, dimension_of, read_units, units_of_derived
from simmorph.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = {"pt": ENERGY, "E": ENERGY, "phi": RADIANS, "strange": None}


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("pt", "GeV"),
        ("pt[0]", "GeV"),
        ("-abs(pt) + 5", "GeV"),
        ("sum(where(eta > 1, pt, 0))", "GeV"),
        ("max(pt[0], E[0], 20)", "GeV"),
        ("hypot(pt * cos(phi), pt * sin(phi))", "GeV"),
        ("sqrt(2 * pt * E * (cosh(eta) - cos(phi - pi)))", "GeV"),
        ("pt ** 2 + E * pt", "GeV^2"),
        ("1 / pt", "1/GeV"),
        ("sqrt(pt)", "GeV^0.5"),
        ("pt / E", ""),
        ("log(pt)", ""),
        ("count(pt)", ""),
        ("pt > 20", ""),
        ("eta", ""),
        ("phi - pi", "rad"),
        ("delta_phi(phi, 0)", "rad"),
        ("arctan2(pt, E)", "rad"),
        ("where(phi > pi, phi - 2 * pi, phi)", "rad"),
        ("-pi", ""),
        ("mean(pt) + entry(E, 0, 0)", "GeV"),
        ("arccos(pt / E)", "rad"),
    ],
)
def test_units_follow_from_the_formula(text: str, unit: str) -> None:
    dimension = dimension_of(parse(text), KNOWN)
    assert dimension is not None
    assert dimension.unit("GeV") == unit


@pytest.mark.parametrize(
    "text", ["pt + pt ** 2", "strange", "2 * strange", "pt ** eta", "sqrt(strange)", "min(pt, eta)"]
)
def test_what_cannot_be_said_has_no_unit(text: str) -> None:
    assert dimension_of(parse(text), KNOWN) is None


def test_a_unit_does_not_change_what_is_computed() -> None:
    """Scaling all energies by a factor scales the result by its power: the definition of a dimension."""
    columns = {"pt": np.array([40.0, 90.0]), "E": np.array([50.0, 120.0]), "phi": np.array([0.3, 2.0])}
    scaled = {**columns, "pt": 1000 * columns["pt"], "E": 1000 * columns["E"]}
    for text in ("sqrt(2 * pt * E * (1 - cos(phi)))", "pt ** 2 / E", "hypot(pt, E) / (pt + E)", "pt * E"):
        formula = parse(text)
        dimension = dimension_of(formula, KNOWN) or NUMBER
        expected = formula.evaluate(columns) * 1000.0 ** float(dimension.energy)
        np.testing.assert_allclose(formula.evaluate(scaled), expected)


def test_units_of_derived_quantities_need_one_unit_of_energies() -> None:
    derived = parse_all({"m": "sqrt(2 * e1 * e2 * (1 - cos(phi)))", "x": "m / e1", "y": "m + unknown"}, "derived")
    units = {"e1": "MeV", "e2": "MeV", "phi": "rad"}
    assert units_of_derived(derived, units) == {"m": "MeV"}
    assert units_of_derived(derived, {**units, "e2": "GeV"}) == {}
    assert units_of_derived(derived, {}) == {}


def test_units_are_read_where_they_were_written(tmp_path: Path) -> None:
    files: dict[str, dict[str, Any]] = {"with": {"units": {"pt": "GeV"}}, "old": {"units": "GeV"}, "without": {}}
    for name, metadata in files.items():
        with create_ntuple(tmp_path / name, "events", metadata=metadata) as ntuple:
            ntuple.extend({"pt": np.ones(2)})
    assert [read_units(str(tmp_path / name)) for name in ("with", "old", "without")] == [{"pt": "GeV"}, {}, {}]


def test_units_that_contradict_are_refused_with_who_says_what() -> None:
    assert agreed({"the recipe": {"x": "mm"}, "a.root": {"pt": "GeV"}}) == {"x": "mm", "pt": "GeV"}
    with pytest.raises(InputError, match=r"b.root: 'pt' is in MeV, and in GeV according to a.root; bring all"):
        agreed({"a.root": {"pt": "GeV"}, "b.root": {"pt": "MeV"}})
