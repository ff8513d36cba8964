"""The submission to HEPData: documents of its schema, with the numbers of the limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest
import yaml

from simmorph.data.histograms import Histogram
from simmorph.limits.fits.inference import AsymptoticCls, Limits, upper_limits
from simmorph.limits.fits.postfit import FittedYields
from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.report.hepdata import SUBMISSION, write_submission
from simmorph.limits.report.plots import Scan, Spectrum, scan_of

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = {"type": "number"}
HEADER = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
ERROR = {
    "type": "object",
    "properties": {
        "symerror": {"type": "number", "exclusiveMinimum": 0},
        "asymerror": {"type": "object", "required": ["minus", "plus"], "properties": {"minus": NUMBER, "plus": NUMBER}},
        "label": {"type": "string"},
    },
    "additionalProperties": False,
    "oneOf": [{"required": ["symerror"]}, {"required": ["asymerror"]}],
}
VALUE = {
    "type": "object",
    "properties": {
        "value": {"type": ["number", "string"]},
        "low": NUMBER,
        "high": NUMBER,
        "errors": {"type": "array", "minItems": 1, "items": ERROR},
    },
    "additionalProperties": False,
    "oneOf": [{"required": ["value"]}, {"required": ["low", "high"]}],
}
VARIABLES = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["header", "values"],
        "properties": {"header": HEADER, "values": {"type": "array", "items": VALUE}},
        "additionalProperties": False,
    },
}
TABLE = {
    "type": "object",
    "required": ["independent_variables", "dependent_variables"],
    "properties": {"independent_variables": VARIABLES, "dependent_variables": VARIABLES},
    "additionalProperties": False,
}
"""What the schema of a table asks for (https://hepdata-submission.readthedocs.io, version 1.1)."""
LIMITS = Limits("mu", 0.9, 1.5, (0.5, 0.7, 1.0, 1.4, 1.9))
SCAN = Scan(
    np.array([0.0, 1.0]),
    np.array([1.0, 0.25]),
    np.array([[1.0] * 5, [0.01, 0.04, 0.1, 0.3, 0.6]]),
)
SPECTRUM = Spectrum(
    Histogram(np.array([100.0, 120.0, 160.0]), np.array([16.0, 0.0]), np.array([16.0, 0.0])),
    FittedYields(np.array([12.0, 3.0]), np.array([2.0, 0.0]), np.array([3.0, -1.0]), {}, np.array([2.0, 0.5])),
    "m_yy [GeV]",
    channel="near",
)


@pytest.fixture
def written(tmp_path: Path) -> dict[str, Any]:
    """Each table by its name, after both documents of the submission were checked."""
    write_submission(tmp_path, LIMITS, SCAN, {"spectrum_near": SPECTRUM})
    head, *entries = yaml.safe_load_all((tmp_path / SUBMISSION).read_text())
    assert set(head) == {"comment"}
    assert all(set(it) == {"name", "description", "keywords", "data_file"} for it in entries)
    assert {it["data_file"] for it in entries} | {SUBMISSION} == {path.name for path in tmp_path.iterdir()}
    return {it["name"]: yaml.safe_load((tmp_path / it["data_file"]).read_text()) for it in entries}


def column(table: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """The values of a dependent variable."""
    values: list[dict[str, Any]] = table["dependent_variables"][number]["values"]
    return values


@pytest.mark.parametrize("name", ["limits", "cls_scan", "spectrum_near"])
def test_every_table_has_the_form_that_hepdata_takes(written: dict[str, Any], name: str) -> None:
    jsonschema.validate(written[name], TABLE)
    variables = [*written[name]["independent_variables"], *written[name]["dependent_variables"]]
    assert len({len(it["values"]) for it in variables}) == 1


def test_limits_are_named_by_their_band(written: dict[str, Any]) -> None:
    kinds = [it["value"] for it in written["limits"]["independent_variables"][0]["values"]]
    numbers = dict(zip(kinds, [it["value"] for it in column(written["limits"], 0)], strict=True))
    assert numbers["observed"] == 1.5
    assert numbers["expected, median"] == 1.0
    assert numbers["expected, -2 sigma"] == 0.5
    assert numbers["expected, +1 sigma"] == 1.4


def test_bands_are_distances_to_the_median(written: dict[str, Any]) -> None:
    at_0, at_1 = column(written["cls_scan"], 1)
    assert at_0 == {"value": 1.0}  # HEPData refuses an uncertainty of 0
    one, two = at_1["errors"]
    assert at_1["value"] == 0.1
    assert (one["label"], two["label"]) == ("1 sigma", "2 sigma")
    assert one["asymerror"] == pytest.approx({"minus": -0.06, "plus": 0.2})
    assert two["asymerror"] == pytest.approx({"minus": -0.09, "plus": 0.5})
    assert [it["value"] for it in column(written["cls_scan"], 0)] == [1.0, 0.25]


def test_a_spectrum_has_its_bins_and_no_error_where_there_is_none(written: dict[str, Any]) -> None:
    table = written["spectrum_near"]
    (bins,) = table["independent_variables"]
    assert bins["header"] == {"name": "m_yy [GeV]"}
    assert bins["values"] == [{"low": 100.0, "high": 120.0}, {"low": 120.0, "high": 160.0}]
    assert column(table, 0) == [{"value": 16.0, "errors": [{"symerror": 4.0}]}, {"value": 0.0}]
    assert column(table, 1) == [{"value": 12.0, "errors": [{"symerror": 2.0}]}, {"value": 3.0}]
    assert column(table, 2) == [{"value": 3.0}, {"value": -1.0}]


def test_the_level_stands_in_the_description(tmp_path: Path) -> None:
    write_submission(tmp_path, LIMITS, SCAN, {})
    _, limits, _ = yaml.safe_load_all((tmp_path / SUBMISSION).read_text())
    assert limits["description"] == "Upper limits on mu at 90% CL"


def test_a_scan_of_the_reference_is_written_to_the_last_digit(tmp_path: Path, reference: dict[str, Any]) -> None:
    ready = measurement_of(reference)
    test = AsymptoticCls(ready.likelihood, ready.data)
    limits = upper_limits(test)
    scan = scan_of(test, limits, 5)
    write_submission(tmp_path, limits, scan, {})
    table = yaml.safe_load((tmp_path / "cls_scan.yaml").read_text())
    jsonschema.validate(table, TABLE)
    assert [it["value"] for it in table["independent_variables"][0]["values"]] == scan.values.tolist()
    assert [it["value"] for it in column(table, 0)] == scan.observed.tolist()
    assert scan.values[-1] == pytest.approx(1.2 * limits.expected[4])
