"""The report folder: plots, the numbers behind them, tables, and one page that shows them all."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from simmorph.evaluation.histograms import distribution
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

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from simmorph.config.evaluation import EvaluateSettings
    from simmorph.evaluation.comparison import RegionResult

Rows = list[dict[str, float]]
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
    with style():
        for result in regions:
            place = folder / _file_name(result.name)
            place.mkdir()
            plots = {name: _saved(place / name, *drawn) for name, drawn in _drawn(result, settings)}
            tables = tables_of(result, settings.pairs)
            for name, table in tables.items():
                (place / f"{name}.csv").write_text(table.to_csv())
                (place / f"{name}.tex").write_text(table.to_latex())
            pages.append(RegionPage(result, plots, tables))
    (folder / "report.html").write_text(page(pages, report, settings.label))


def _drawn(result: RegionResult, settings: EvaluateSettings) -> Iterator[tuple[str, tuple[Figure, Rows]]]:
    """Every plot by its file name, with the numbers behind it."""
    samples, region = result.samples, f"region {result.name}"
    labels = [label_of(name, settings.labels) for name in samples.names]
    for column, name in enumerate(samples.names):
        shown = distribution(samples, column)
        figure = plot_distribution(shown, labels[column], settings.label, region)
        yield _file_name(name), (figure, shown.rows())
    yield "roc", (plot_roc(result.judgements, settings.label, region), _roc_rows(result))
    yield "correlations", (plot_correlations(result.correlations, labels, settings.label, region), [])
    source, moved, _ = samples.rows()
    yield "map", (plot_movement(source, moved, labels[: samples.n_features], settings.label, region), [])


def _roc_rows(result: RegionResult) -> Rows:
    columns: dict[str, Any] = {}
    for name, judgement in result.judgements.items():
        columns["target_efficiency"], columns[name] = judgement.roc()
    return [
        dict(zip(columns, (float(value) for value in row), strict=True)) for row in zip(*columns.values(), strict=True)
    ]


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
