"""Headings, labels, panels and files that all plots share."""

from __future__ import annotations

import io
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from simmorph.config.evaluation import EvaluateSettings
from simmorph.evaluation.plots.style import (
    COMPARISON_STYLE,
    DOTS_PER_INCH,
    NULL,
    SERIES,
    SOURCE,
    TEMPLATE,
    Heading,
    band,
    heading,
    images,
    length_of,
    panels_of,
    plain,
    style,
    without_unit,
)


@pytest.mark.parametrize(
    ("luminosity", "energy", "collisions"),
    [
        (10.06, 13, r"10.06 fb$^{-1}$ (13 TeV)"),
        (None, 13.6, "13.6 TeV"),
        (140.0, None, r"140 fb$^{-1}$"),
        (None, None, ""),
    ],
)
def test_heading_says_what_is_known_of_the_collisions(
    luminosity: float | None, energy: float | None, collisions: str
) -> None:
    assert Heading.of("Toy", luminosity, energy, "SR") == Heading("Toy", collisions, "SR")
    settings = EvaluateSettings(label="Toy", luminosity_fb=luminosity, energy_tev=energy)
    assert heading(settings, "SR") == Heading("Toy", collisions, "SR")


def test_title_of_several_panels_joins_what_there_is() -> None:
    figure = Figure()
    Heading("Toy", "13 TeV", "region SR").over_all(figure)
    assert figure.get_suptitle() == "Toy, region SR, 13 TeV"
    nameless = Figure()
    Heading().over_all(nameless)
    assert nameless.get_suptitle() == ""


@pytest.mark.parametrize("width", [4.0, 6.0, 12.0])
def test_title_is_never_wider_than_the_figure(width: float) -> None:
    head = Heading("A long name of an experiment", r"10.06 fb$^{-1}$ (13 TeV)", "region of low energies & high masses")
    with style():
        figure = Figure(figsize=(width, 4))
        head.over_all(figure)
        figure.draw_without_rendering()
        title = figure.texts[0].get_window_extent()
    assert title.x1 <= figure.bbox.x1
    assert title.x0 >= figure.bbox.x0


@pytest.mark.parametrize("text", ["costs $5 and $6", "$", "x_1 $y$", "no sign"])
def test_plain_text_is_drawn_as_it_is_written(text: str) -> None:
    figure = Figure()
    drawn = figure.text(0, 0, plain(text))
    figure.draw_without_rendering()
    assert drawn.get_text().replace(r"\$", "$") == text


def test_a_figure_becomes_a_png_of_its_size_and_a_pdf() -> None:
    found = images(Figure(figsize=(3, 2)))
    assert list(found) == ["png", "pdf"]
    with Image.open(io.BytesIO(found["png"])) as picture:
        assert picture.size == (3 * DOTS_PER_INCH, 2 * DOTS_PER_INCH)
    assert found["pdf"].startswith(b"%PDF-")
    assert b"CreationDate" not in found["pdf"]


def test_the_same_figure_has_the_same_bytes() -> None:
    def draw() -> dict[str, bytes]:
        figure = Figure()
        figure.subplots().plot([1, 2, 3])
        return images(figure)

    assert draw() == draw()


def test_style_ends_with_its_block() -> None:
    before = dict(mpl.rcParams)
    with style():
        assert mpl.rcParams["font.size"] == 12
        assert not mpl.rcParams["legend.frameon"]
    assert dict(mpl.rcParams) == before


def test_colours_of_samples_differ_and_belong_to_the_series() -> None:
    assert len(set(SERIES)) == len(SERIES) == 10
    assert {SOURCE, TEMPLATE, NULL} <= set(SERIES)
    drawn = [(colour, line) for _, colour, line in COMPARISON_STYLE.values()]
    assert all(first[0] != second[0] and first[1] != second[1] for first, second in combinations(drawn, 2))


@pytest.mark.parametrize("n_panels", [1, 2, 3, 4, 7])
def test_panels_are_inside_the_figure_and_do_not_overlap(n_panels: int) -> None:
    figure, panels = panels_of(n_panels, (4.0, 3.0))
    boxes = [axes.get_position() for axes in panels]
    assert len(boxes) == n_panels
    assert all(box.x0 > 0 and box.x1 < 1 and box.y0 > 0 and box.y1 < 1 for box in boxes)
    assert not any(first.overlaps(second) for first, second in combinations(boxes, 2))
    assert figure.get_figwidth() == 4.0 * min(n_panels, 3)


def test_panels_have_the_same_size_whatever_their_number() -> None:
    sizes = []
    for n_panels in (1, 2, 5):
        figure, panels = panels_of(n_panels, (4.0, 3.0), 2)
        box = panels[-1].get_position()
        sizes.append((box.width * figure.get_figwidth(), box.height * figure.get_figheight()))
    assert sizes == [pytest.approx(sizes[0])] * 3


@pytest.mark.parametrize(
    ("label", "without"), [("x [GeV]", "x"), ("x", "x"), ("x [GeV] y", "x [GeV] y"), (r"$\phi$ [rad]", r"$\phi$")]
)
def test_the_unit_is_what_stands_in_brackets_at_the_end(label: str, without: str) -> None:
    assert without_unit(label) == without


def test_a_formula_is_as_long_as_its_letters() -> None:
    assert length_of("mass") == 4
    assert length_of(r"$\eta_{1}$") == 2
    assert length_of(r"$p_\mathrm{T}$") < len(r"$p_\mathrm{T}$") / 2


def test_a_band_reaches_one_uncertainty_to_either_side() -> None:
    axes = Figure().subplots()
    band(axes, np.array([0.0, 1.0, 2.0]), np.array([5.0, 6.0]), np.array([1.0, 0.5]), "red")
    drawn = axes.patches[0].get_data()  # type: ignore[attr-defined]
    assert drawn.values.tolist() == [6.0, 6.5]
    assert drawn.baseline.tolist() == [4.0, 5.5]
