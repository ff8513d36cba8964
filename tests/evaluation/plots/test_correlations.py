"""The heat maps of correlations: which coefficient stands in which cell, and what stands beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.data.events import Events
from simmorph.evaluation.metrics.correlations import Correlations, correlations
from simmorph.evaluation.plots.correlations import MOST_ABREAST, MOST_NUMBERED, plot_correlations
from simmorph.evaluation.plots.style import Heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABELS = ["x [GeV]", "y", "z"]


def found(seed: int, n_variables: int = 3) -> Correlations:
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(400, n_variables)) @ rng.normal(size=(n_variables, n_variables))
    return correlations(Events.of(mixed))


PEARSON = {"target": found(1), "source": found(2), "template": found(3)}
SPEARMAN = {"target": found(4), "source": found(5), "template": found(6)}


def drawn(axes: Axes) -> Any:
    """The matrix of a heat map, NaN where nothing is drawn."""
    matrix: Any = axes.images[0].get_array()
    return np.ma.filled(matrix, np.nan)


def test_pearson_stands_below_the_diagonal_and_spearman_above_it() -> None:
    matrix = drawn(plot_correlations(PEARSON, SPEARMAN, LABELS).axes[0])
    below, above = np.tril_indices(3, -1), np.triu_indices(3, 1)
    assert matrix[below] == pytest.approx(PEARSON["target"].matrix[below])
    assert matrix[above] == pytest.approx(SPEARMAN["target"].matrix[above])
    assert np.isnan(matrix.diagonal()).all()


@pytest.mark.parametrize(("place", "sample"), [(1, "source"), (2, "template")])
def test_other_samples_are_shown_by_their_difference_to_the_target(place: int, sample: str) -> None:
    axes = [axes for axes in plot_correlations(PEARSON, SPEARMAN, LABELS).axes if axes.images and axes.get_title()]
    assert axes[place].get_title() == f"{sample} minus target"
    below = np.tril_indices(3, -1)
    difference = PEARSON[sample].matrix - PEARSON["target"].matrix
    assert drawn(axes[place])[below] == pytest.approx(difference[below])


def test_numbers_in_the_cells_are_those_of_the_colours() -> None:
    axes = plot_correlations(PEARSON, SPEARMAN, LABELS).axes[0]
    written = {(round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in axes.texts}
    assert len(written) == 6
    for (row, column), text in written.items():
        assert float(text) == pytest.approx(drawn(axes)[row, column], abs=0.006)
        assert text != "-0.00"


def test_labels_have_no_units_and_stand_at_both_axes_of_the_first_map() -> None:
    axes = plot_correlations(PEARSON, SPEARMAN, LABELS).axes[0]
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == ["x", "y", "z"]


@pytest.mark.parametrize(("n_variables", "is_numbered"), [(MOST_NUMBERED, True), (MOST_NUMBERED + 1, False)])
def test_cells_of_many_variables_have_no_numbers(n_variables: int, is_numbered: bool) -> None:
    of_samples = {"target": found(1, n_variables)}
    axes = plot_correlations(of_samples, of_samples, [f"x{number}" for number in range(n_variables)]).axes[0]
    assert bool(axes.texts) == is_numbered


@pytest.mark.parametrize(("n_variables", "is_abreast"), [(3, True), (MOST_ABREAST + 1, False)])
def test_maps_of_many_variables_stand_below_each_other(n_variables: int, is_abreast: bool) -> None:
    of_samples = {name: found(seed, n_variables) for seed, name in enumerate(("target", "source", "template"))}
    figure = plot_correlations(of_samples, of_samples, [f"x{number}" for number in range(n_variables)])
    places = [axes.get_position() for axes in figure.axes if axes.get_title()]
    assert len({round(place.y0, 6) for place in places}) == (1 if is_abreast else 3)
    assert len({round(place.x0, 6) for place in places}) == (3 if is_abreast else 1)


def test_without_a_source_there_are_two_maps() -> None:
    pair = {name: PEARSON[name] for name in ("target", "template")}
    figure = plot_correlations(pair, pair, LABELS, Heading("Toy", "13 TeV", "region SR"))
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["target", "template minus target"]
    assert figure.get_suptitle() == "Toy, region SR, 13 TeV"
