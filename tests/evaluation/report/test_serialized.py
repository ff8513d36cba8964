"""Histograms as JSON: other libraries read the numbers that were counted."""

from __future__ import annotations

import json

import numpy as np
import pytest
from boost_histogram.serialization import from_uhi

from simmorph.data.estimates import Estimate
from simmorph.data.histograms import Histogram
from simmorph.evaluation.metrics.classifier.density_ratio import DensityRatio
from simmorph.evaluation.plots.binned import Distribution
from simmorph.evaluation.report.serialized import histograms_json

EDGES = np.array([0.0, 1.0, 3.0])


def histogram(*values: float) -> Histogram:
    return Histogram(EDGES, np.array(values), 2 * np.abs(values))


SHOWN = {
    "x": Distribution("x", histogram(3, 4), histogram(2, 5), histogram(1, 6)),
    "y": Distribution("y", histogram(7, 8), histogram(9, -1)),
}
RATIO = DensityRatio(Estimate(1, 0), Estimate(0, 0), {}, {}, histogram(0.4, 0.6))


def read() -> dict[str, dict[str, object]]:
    text = histograms_json(SHOWN, {"x": "x [GeV]"}, {"template_vs_target": RATIO})
    found: dict[str, dict[str, object]] = json.loads(text)
    return found


def test_every_sample_of_every_variable_and_every_comparison_is_there() -> None:
    assert set(read()) == {
        "x/target", "x/source", "x/template", "y/target", "y/template", "log_weight/template_vs_target",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("x/source", histogram(1, 6)),
        ("y/template", histogram(9, -1)),
        ("log_weight/template_vs_target", RATIO.histogram),
    ],
)
def test_edges_values_and_variances_survive(name: str, counted: Histogram) -> None:
    found = from_uhi(read()[name])
    assert found.axes[0].edges.tolist() == EDGES.tolist()
    assert found.values().tolist() == counted.values.tolist()
    assert np.asarray(found.variances()).tolist() == counted.variances.tolist()


@pytest.mark.parametrize(("name", "label"), [("x", "x [GeV]"), ("y", "y")])
def test_axes_have_names_and_labels(name: str, label: str) -> None:
    axis = from_uhi(read()[f"{name}/target"]).axes[0]
    assert axis.__dict__ == {"name": name, "label": label}


def test_a_number_that_json_does_not_know_is_refused() -> None:
    broken = {"x": Distribution("x", histogram(np.nan, 1), histogram(1, 1))}
    with pytest.raises(ValueError, match="JSON"):
        histograms_json(broken, {}, {})
