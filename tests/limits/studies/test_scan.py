"""Scans over luminosity, generated events and systematics, against limits from a closed form."""

from __future__ import annotations

import numpy as np
import pytest

from simmorph.config.studies import ScanSettings
from simmorph.data.histograms import Histogram
from simmorph.limits.report.scan_plots import ScanKind, draw_difference, draw_limits, draw_strength
from simmorph.limits.studies.scan import ScanPoint, scan_points
from simmorph.limits.templates.sample import Sample

EDGES = np.linspace(0, 1, 26)


def shape(rate: float, n_events: float) -> Histogram:
    filled = np.diff(np.exp(rate * EDGES))
    values = n_events * filled / filled.sum()
    return Histogram(EDGES, values, values, "shape")


def points_of(**settings: object) -> list[ScanPoint]:
    """25 bins with background exp(-2.5 x) and signal exp(1.5 x); the simulated reference has a million events."""
    scan = ScanSettings.model_validate({"luminosity": [100.0], "injected": 0.0, **settings})
    generated = {number: Sample.with_statistics(shape(-2.5, number)) for number in scan.generated}
    return list(scan_points(scan, signal=shape(1.5, 1e6), generated=generated, simulated=shape(-2.5, 1e6)))


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("shapesys", {10_000: 0.345, 100_000: 0.272, 1_000_000: 0.263}),
        ("normsys", {10_000: 0.286, 100_000: 0.123, 1_000_000: 0.092}),
    ],
)
def test_limits_fall_with_the_number_of_generated_events_to_what_the_systematic_leaves(
    kind: str, known: dict[int, float]
) -> None:
    points = points_of(generated=list(known), beta=[0.1], beta_type=kind)
    found = {point.generated: point.expected for point in points}
    for number, limit in known.items():
        assert found[number] == pytest.approx(limit, rel=0.01), number
    assert found[None] == found[1_000_000]


@pytest.mark.parametrize(("beta", "limit"), [(0.05, 0.150), (0.2, 0.496)])
def test_a_systematic_of_every_bin_decides_the_limit(beta: float, limit: float) -> None:
    (point, _) = points_of(generated=[1_000_000], beta=[beta])
    assert point.expected == pytest.approx(limit, rel=0.01)


def test_an_injected_signal_is_found_at_every_luminosity() -> None:
    points = points_of(generated=[1_000_000], beta=[0.1], injected=1.0, luminosity=[10.0, 1000.0])
    for point in points:
        assert point.fitted == pytest.approx(1, abs=1e-3)
    assert points[0].observed == pytest.approx(1.310, rel=0.01)
    assert points[2].observed == pytest.approx(1.214, rel=0.01)
    assert points[2].uncertainty < points[0].uncertainty


def test_figures_name_what_they_show() -> None:
    points = points_of(generated=[10_000, 100_000], beta=[0.05, 0.1], luminosity=[10.0, 100.0])
    for draw in (draw_strength, draw_limits, draw_difference):
        axes = draw(points, "mu", ScanKind("normsys", "naive")).axes[0]
        assert axes.get_xlabel()
        assert r"\mu" in axes.get_ylabel()
        legend = axes.get_legend()
        assert legend is not None
        assert {"(normsys)", "(naive)"} <= set(legend.get_title().get_text().replace(",", "").split())
