"""The folder of a limit: JSON, tables and plots of the same numbers."""

from __future__ import annotations

import csv
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simmorph.data.histograms import Histogram
from simmorph.limits.fits.impacts import Impact
from simmorph.limits.fits.inference import AsymptoticCls, Limits, upper_limits
from simmorph.limits.fits.postfit import FittedYields
from simmorph.limits.model.workspace import WORKSPACE, measurement_of
from simmorph.limits.report.plots import Spectrum, scan_of
from simmorph.limits.report.report import HEPDATA, NUMBERS, Report, with_bounds
from tests.limits.conftest import model_of_pyhf, workspace, workspaces

if TYPE_CHECKING:
    from pathlib import Path

IMPACTS = (Impact("scale", 0.5, 0.8, 0.4, -0.3, 0.5, 0.8), Impact("norm", None, None, 0.2, -0.2, 1.1, 0.1))
REFERENCE = workspace([12, 11], [50, 52], [51, 48], {"name": "u", "type": "shapesys", "data": [3, 7]})
POSITIVE = st.floats(1e-6, 1e6)


def spectrum(channel: str) -> Spectrum:
    counts = np.array([51.0, 48.0])
    fitted = FittedYields(
        np.array([50.5, 47.25]), np.array([3.0, 7.0]), np.array([0.5, 0.75]), {}, np.array([2.5, 6.0])
    )
    return Spectrum(Histogram(np.array([0.0, 1.0, 3.0]), counts, counts), fitted, "x", channel=channel)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    folder = tmp_path_factory.mktemp("limits")
    ready = measurement_of(REFERENCE)
    test = AsymptoticCls(ready.likelihood, ready.data)
    limits = upper_limits(test)
    numbers = {"observed": limits.observed, "expected": list(limits.expected)}
    scan = scan_of(test, limits, 5)
    report = Report(REFERENCE, numbers, limits, scan, [spectrum("a/b: c"), spectrum("")], IMPACTS)
    report.write(folder)
    return report, folder


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def column(path: Path, name: str) -> list[float]:
    return [float(row[name]) for row in table(path)]


def test_every_plot_has_its_numbers_beside_it(written: tuple[Report, Path]) -> None:
    names = {path.name for path in written[1].iterdir()}
    plots = ("cls_scan", "spectrum", "spectrum_a_b_c", "impacts")
    assert names == {f"{it}.{kind}" for it in plots for kind in ("png", "pdf", "csv")} | {NUMBERS, WORKSPACE, HEPDATA}
    for plot in plots:
        assert (written[1] / f"{plot}.png").read_bytes().startswith(b"\x89PNG")
        assert (written[1] / f"{plot}.pdf").read_bytes().startswith(b"%PDF")


def test_json_gives_workspace_and_numbers_back_to_the_last_digit(written: tuple[Report, Path]) -> None:
    report, folder = written
    assert json.loads((folder / WORKSPACE).read_text()) == REFERENCE
    numbers = json.loads((folder / NUMBERS).read_text())
    assert numbers == {"observed": report.limits.observed, "expected": list(report.limits.expected)}


def test_the_table_of_cls_is_the_scan_of_pyhf(written: tuple[Report, Path]) -> None:
    report, folder = written
    values = column(folder / "cls_scan.csv", "mu")
    assert values == pytest.approx(report.scan.values.tolist(), rel=1e-7)
    model, data = model_of_pyhf(REFERENCE)
    for at in (1, 3):
        observed, expected = pyhf.infer.hypotest(values[at], data, model, return_expected_set=True)
        row = table(folder / "cls_scan.csv")[at]
        assert float(row["observed"]) == pytest.approx(float(observed), rel=2e-3)
        for band, cls in zip((-2, -1, 0, 1, 2), expected, strict=True):
            assert float(row[f"expected_{band:+d}sigma"]) == pytest.approx(float(cls), rel=2e-3)


def test_the_table_of_a_spectrum_has_what_was_fitted_and_pulls_that_follow_from_it(
    written: tuple[Report, Path],
) -> None:
    rows = table(written[1] / "spectrum_a_b_c.csv")
    assert rows == table(written[1] / "spectrum.csv")
    for row in rows:
        number = {name: float(value) for name, value in row.items()}
        total = number["background"] + number["signal"]
        assert number["pull"] == pytest.approx((number["data"] - total) / math.sqrt(number["data"]), abs=1e-7)
        assert number["data_uncertainty"] == pytest.approx(math.sqrt(number["data"]), rel=1e-7)
    assert [(row["low"], row["high"]) for row in rows] == [("0", "1"), ("1", "3")]


def test_the_table_of_impacts_has_every_one(written: tuple[Report, Path]) -> None:
    rows = table(written[1] / "impacts.csv")
    assert [row["parameter"] for row in rows] == ["scale", "norm"]
    assert [float(row["up"]) for row in rows] == [0.4, 0.2]
    assert [row["constraint"] for row in rows] == ["0.8", ""]
    assert [float(row["value"]) for row in rows] == [0.5, 1.1]


def test_what_was_not_asked_for_is_not_written(tmp_path: Path, written: tuple[Report, Path]) -> None:
    report = written[0]
    Report(report.workspace, report.numbers, report.limits, report.scan).write(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {NUMBERS, WORKSPACE, HEPDATA, "cls_scan.csv", "cls_scan.png", "cls_scan.pdf"}


@settings(max_examples=15, deadline=None, derandomize=True)
@given(workspaces(), POSITIVE, st.lists(POSITIVE, min_size=5, max_size=5).map(sorted))
def test_the_range_for_other_programs_holds_every_limit_and_changes_nothing_else(
    spec: dict[str, Any], observed: float, expected: list[float]
) -> None:
    before = json.dumps(spec)
    found = json.loads(json.dumps(with_bounds(spec, Limits("mu", 0.95, observed, tuple(expected)))))
    assert json.dumps(spec) == before
    assert {key: found[key] for key in ("channels", "observations")} == {
        key: spec[key] for key in ("channels", "observations")
    }
    config = model_of_pyhf(found)[0].config
    low, high = config.suggested_bounds()[config.poi_index]
    start = config.suggested_init()[config.poi_index]
    assert low <= start <= high
    assert start == expected[2]
    assert all(low < it < high for it in (observed, *expected))
