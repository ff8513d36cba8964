"""The report folder: plots, the numbers behind them, tables, and one page that shows them all."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.evaluation.histograms import Distribution, distribution, moved_counts
from simmorph.evaluation.page import RegionPage, page
from simmorph.evaluation.plots import (
    label_of,
    plot_correlations,
    plot_distribution,
    plot_movement,
    plot_roc,
    style,
)
from simmorph.evaluation.tables import tables_of
from simmorph.evaluation.trajectories import observed_stages, plot_trajectories, trajectory_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from matplotlib.figure import Figure

    from simmorph.config.evaluation import EvaluateSettings
    from simmorph.evaluation.comparison import RegionResult

Rows = Sequence[Mapping[str, float | str]]
NamedPlot = tuple[str, tuple["Figure", Rows]]
"""A plot's file name, the plot, and the numbers behind it."""
DOTS_PER_INCH = 110


def write_report(
    folder: Path, regions: Sequence[RegionResult], report: Mapping[str, Any], settings: EvaluateSettings
) -> None:
    """Write plots and tables of every region and the page.

    Args:
        folder: an empty folder.
        regions: the results.
        report: the content of `report.json`.
        settings: labels, and the pairs to name.
    """
    pages = []
    shown = {result.name: _distributions(result) for result in regions}
    is_log = {name for found in shown.values() for name, one in found.items() if one.is_steep}
    with style():
        for result in regions:
            place = folder / _file_name(result.name)
            place.mkdir()
            drawn = [*_variables(result, shown[result.name], is_log, settings), *_overviews(result, settings)]
            plots = {name: _saved(place / name, *one) for name, one in drawn}
            tables = tables_of(result, settings.pairs)
            for name, table in tables.items():
                (place / f"{name}.csv").write_text(table.to_csv())
                (place / f"{name}.tex").write_text(table.to_latex())
            pages.append(RegionPage(result, plots, tables))
        trajectories = dict(_trajectories(folder, report, settings))
    (folder / "report.html").write_text(page(pages, report, settings.label, trajectories))


def _trajectories(folder: Path, report: Mapping[str, Any], settings: EvaluateSettings) -> Iterator[tuple[str, bytes]]:
    """The plot of each stage of training in which something beside the loss was observed, by the name of the stage."""
    for stage, history in observed_stages(report.get("training", {})).items():
        figure = plot_trajectories(history, stage, settings.label)
        yield stage, _saved(folder / f"training-{_file_name(stage)}", figure, trajectory_rows(history))


def _distributions(result: RegionResult) -> dict[str, Distribution]:
    """Every variable by its name."""
    return {name: distribution(result.samples, column) for column, name in enumerate(result.samples.names)}


def _variables(
    result: RegionResult, shown: Mapping[str, Distribution], is_log: Collection[str], settings: EvaluateSettings
) -> Iterator[NamedPlot]:
    """The plot of each variable; its axis is logarithmic in all regions or in none."""
    for name, found in shown.items():
        label, region = label_of(name, settings.labels), f"region {result.name}"
        figure = plot_distribution(found, label, settings.label, region, is_log=name in is_log)
        yield _file_name(name), (figure, found.rows())


def _overviews(result: RegionResult, settings: EvaluateSettings) -> Iterator[NamedPlot]:
    """The plots of all variables together, by their file names."""
    samples, heads = result.samples, (settings.label, f"region {result.name}")
    labels = [label_of(name, settings.labels) for name in samples.names]
    verdict = result.verdict
    roc = plot_roc(result.rocs, result.metrics[verdict.metric], verdict.words, *heads)
    yield "roc", (roc, _roc_rows(result))
    yield "correlations", (plot_correlations(result.correlations, labels, *heads), _correlation_rows(result))
    if not samples.has_source:
        return
    source, moved, _ = samples.rows()
    yield "map", (plot_movement(source, moved, labels[: samples.n_features], *heads), _map_rows(result))


def _roc_rows(result: RegionResult) -> Rows:
    columns = {"target_efficiency": next(iter(result.rocs.values()))[0]}
    columns |= {name: kept for name, (_, kept) in result.rocs.items()}
    return [
        dict(zip(columns, (float(value) for value in row), strict=True)) for row in zip(*columns.values(), strict=True)
    ]


def _correlation_rows(result: RegionResult) -> Rows:
    """One row for each pair of variables."""
    rows: list[dict[str, float | str]] = []
    for first, second in combinations(range(len(result.samples.names)), 2):
        row: dict[str, float | str] = {"first": result.samples.names[first], "second": result.samples.names[second]}
        for sample, found in result.correlations.items():
            estimate = found.of(first, second)
            row |= {sample: estimate.value, f"{sample}_uncertainty": estimate.uncertainty}
        rows.append(row)
    return rows


def _map_rows(result: RegionResult) -> Rows:
    """One row for each populated bin of each feature's map."""
    source, moved, _ = result.samples.rows()
    rows: list[dict[str, float | str]] = []
    for name, before, after in zip(result.samples.names, source.features.T, moved.features.T, strict=False):
        counts, edges = moved_counts(before, after)
        for start, end in np.argwhere(counts > 0):
            low, high = (
                {
                    f"{side}_{sample}": float(edges[place + offset])
                    for sample, place in (("source", start), ("morphed", end))
                }
                for offset, side in enumerate(("low", "high"))
            )
            rows.append({"feature": name, **low, **high, "events": float(counts[start, end])})
    return rows


def _saved(path: Path, figure: Figure, rows: Rows) -> bytes:
    """Save a plot as PNG and PDF with its numbers beside it; returns the PNG."""
    figure.savefig(path.with_name(path.name + ".pdf"), metadata={"CreationDate": None})
    image = path.with_name(path.name + ".png")
    figure.savefig(image, dpi=DOTS_PER_INCH)
    if rows:
        with path.with_name(path.name + ".csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return image.read_bytes()


def _file_name(name: str) -> str:
    """A name that is safe as a file's, whatever the user calls a region or variable."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
