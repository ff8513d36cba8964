"""Scans over luminosity, generated events and systematics, against limits from a closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from simmorph.config.studies import ScanSettings
from simmorph.data.histograms import Histogram
from simmorph.limits.report.scan_plots import ScanKind, draw_difference, draw_limits, draw_strength
from simmorph.limits.studies.scan import Scan, ScanPoint
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
    return every_point(Scan(scan, shape(1.5, 1e6), generated, shape(-2.5, 1e6)))


def every_point(scan: Scan) -> list[ScanPoint]:
    return [scan.point(at) for at in scan.grid()]


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
    assert 0 < (points[2].uncertainty or 0) < (points[0].uncertainty or 0)


def test_figures_name_what_they_show() -> None:
    points = points_of(generated=[10_000, 100_000], beta=[0.05, 0.1], luminosity=[10.0, 100.0])
    for draw in (draw_strength, draw_limits, draw_difference):
        axes = draw(points, "mu", ScanKind("normsys", "naive")).axes[0]
        assert axes.get_xlabel()
        assert r"\mu" in axes.get_ylabel()
        legend = axes.get_legend()
        assert legend is not None
        assert {"(normsys)", "(naive)"} <= set(legend.get_title().get_text().replace(",", "").split())


@pytest.mark.parametrize("luminosity", [20.0, 2000.0])
@pytest.mark.parametrize("beta", [0.01, 0.05])
def test_one_bin_has_the_gaussian_limit(luminosity: float, beta: float) -> None:
    """sigma^2 = b + (beta b)^2 + b^2 / n_generated, in units of the signal; the median limit is 1.96 sigma.

    The systematic is a power of 1 - beta, which is a straight line as long as it is small.
    """
    edges = np.array([0.0, 1.0])
    scan = ScanSettings(
        luminosity=(luminosity,), background_per_fb=1000.0, signal_fraction=0.5, generated=(400,), beta=(beta,),
        beta_type="normsys", injected=0.0,
    )  # fmt: skip
    one = Histogram(edges, np.array([400.0]), np.array([400.0]), "one")
    (found, _) = every_point(Scan(scan, one, {400: Sample.with_statistics(one)}, one))
    background = 1000 * luminosity
    sigma = np.sqrt(background + (beta * background) ** 2 + background**2 / 400) / (0.5 * background)
    assert found.uncertainty == pytest.approx(sigma, rel=0.01)
    assert found.expected == pytest.approx(stats.norm.isf(0.025) * sigma, rel=0.04)
    assert found.fitted == pytest.approx(0, abs=1e-3)
    assert found.observed == pytest.approx(found.expected, rel=1e-3)


def test_every_point_of_the_grid_is_there_once_and_in_order() -> None:
    grid: dict[str, object] = {"luminosity": [10.0, 100.0], "generated": [1000, 10_000], "beta": [0.1, 0.2]}
    points = points_of(**grid)
    wanted = [(lum, n, beta) for lum in (10.0, 100.0) for beta in (0.1, 0.2) for n in (1000, 10_000, None)]
    assert [tuple(it.at) for it in points] == wanted
    assert all(it.expected > 0 for it in points)


def test_neither_the_number_of_signal_events_nor_that_of_closure_events_matters_but_for_statistics() -> None:
    scan = ScanSettings(luminosity=(100.0,), generated=(10_000,), beta=(0.1,), injected=1.0)
    generated = {10_000: Sample.with_statistics(shape(-2.5, 10_000))}
    scans = [Scan(scan, shape(1.5, n), generated, shape(-2.5, n)) for n in (1e3, 1e7)]
    first, second = (it.point(it.grid()[0]) for it in scans)
    assert list(first) == pytest.approx(list(second), rel=1e-6)


def test_figures_have_the_points_at_their_luminosity_and_size() -> None:
    points = points_of(generated=[1000, 10_000], beta=[0.1], luminosity=[10.0, 100.0], injected=1.0)
    limits = draw_limits(points, "mu", ScanKind("shapesys", "naive")).axes[0]
    drawn = {str(line.get_label()).split("\u202f")[0]: np.asarray(line.get_ydata()).tolist() for line in limits.lines}
    for label, size in (("1", 1000), ("10", 10_000), ("simulated", None)):
        assert drawn[label] == [it.expected for it in points if it.generated == size]
    (difference, _) = draw_difference(points, "mu", ScanKind("shapesys", "naive")).axes[0].lines
    at_100 = {it.generated: it.expected for it in points if it.luminosity == 100.0}
    heights = [at_100[size] - at_100[None] for size in (1000, 10_000)]
    assert np.asarray(difference.get_xydata()).tolist() == [[1000.0, heights[0]], [10_000.0, heights[1]]]
    assert heights[0] > heights[1] > 0


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (ScanKind("shapesys", "replicas"), "in each bin (shapesys)\ntraining: spread of replicas"),
        (ScanKind("normsys", "training"), "of all bins together (normsys)\ntraining: number of its events"),
    ],
)
def test_a_legend_says_how_the_systematic_acts(kind: ScanKind, words: str) -> None:
    assert kind.title(0.05) == rf"$\beta$ = 5 % {words}"
