"""The report folder: plots, the numbers behind them, tables, and one page that shows them all.

A region has a folder of its own with PNG and PDF of each plot, its numbers as CSV, tables as CSV and LaTeX, and the
histograms as JSON. The page holds its images and needs no other file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simmorph.data.files.outputs import write_csv
from simmorph.evaluation.plots import training
from simmorph.evaluation.plots.binned import Distribution, distribution
from simmorph.evaluation.plots.classifier import plot_regions
from simmorph.evaluation.plots.style import heading, save, style
from simmorph.evaluation.report.drawn import Drawing, Drawn, file_name
from simmorph.evaluation.report.page import Pictures, RegionPage, page
from simmorph.evaluation.report.region_tables import tables_of
from simmorph.evaluation.report.rendering import Picture
from simmorph.evaluation.report.serialized import histograms_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from simmorph.config.evaluation import EvaluateSettings
    from simmorph.evaluation.metrics.samples import Samples
    from simmorph.evaluation.region_result import RegionResult
    from simmorph.evaluation.report.drawn import Rows


def write_report(
    folder: Path, regions: Sequence[RegionResult], report: Mapping[str, Any], settings: EvaluateSettings
) -> None:
    """Write plots and tables of every region and the page.

    With bands of a variable beside named regions, a band gets a ROC curve and ratios alone. An axis is logarithmic in
    all regions or in none.

    Args:
        folder: an empty folder.
        regions: the results.
        report: the content of `report.json`.
        settings: what stands above the plots, and the pairs to name.
    """
    shown = {result.name: _distributions(result.samples) for result in regions}
    is_log = {name for found in shown.values() for name, one in found.items() if one.is_steep}
    with style():
        pages = []
        for number, result in enumerate(regions):
            axes = {name: known["axis"] for name, known in report.get("variables", {}).items()}
            context = _distributions(result.samples.of_context())
            drawing = Drawing(result, settings, shown[result.name], is_log, report.get("periodic", ()), axes, context)
            is_band = number > 0 and result.name not in settings.regions
            pages.append(_region(folder, drawing, is_band=is_band))
        pictures = Pictures(_overview(folder, regions, settings), [*_training(folder, report, settings)])
    html = page(pages, report, settings.label, _collisions(settings), pictures)
    (folder / "report.html").write_text(html, encoding="utf-8")


def _region(folder: Path, drawing: Drawing, *, is_band: bool) -> RegionPage:
    """Write the plots and tables of one region; of a band only what its verdict is based on is drawn."""
    result = drawing.result
    place = folder / file_name(result.name)
    place.mkdir()
    pictures: dict[str, list[Picture]] = {}
    for drawn in drawing.in_brief() if is_band else drawing.in_full():
        pictures.setdefault(drawn.part, []).append(_picture(place, drawn))
    tables = tables_of(result, drawing.settings.pairs)
    for name, table in tables.items():
        (place / f"{name}.csv").write_text(table.to_csv(), encoding="utf-8")
        (place / f"{name}.tex").write_text(table.to_latex(), encoding="utf-8")
    histograms = histograms_json(drawing.shown, drawing.labels, result.density_ratio)
    (place / "histograms.json").write_text(histograms, encoding="utf-8")
    return RegionPage(result, pictures, tables, place.name, is_band)


def _distributions(samples: Samples) -> dict[str, Distribution]:
    """Every variable by its name."""
    return {name: distribution(samples, column) for column, name in enumerate(samples.names)}


def _overview(folder: Path, regions: Sequence[RegionResult], settings: EvaluateSettings) -> list[Picture]:
    """The AUC of all regions, if there are several."""
    if len(regions) == 1:
        return []
    verdicts = {result.name: result.verdict for result in regions}
    rows = [
        {"region": name}
        | {
            key: value
            for sample, found in (("source", it.source), ("template", it.template), ("null", it.null))
            if found is not None
            for key, value in ((sample, found.value), (f"{sample}_uncertainty", found.uncertainty))
        }
        for name, it in verdicts.items()
    ]
    figure = plot_regions(verdicts, heading(settings))
    alt = "AUC of source and template in each region, beside the null"
    caption = "A template that agrees lies at 0.5 within its error bar; the grey bands are the target against itself."
    return [_picture(folder, Drawn("regions", "", figure, rows, alt, caption, "wide"))]


def _training(folder: Path, report: Mapping[str, Any], settings: EvaluateSettings) -> Iterator[Picture]:
    """The losses of all stages in one plot; stages in which more was observed have one of their own."""
    history, head = report.get("training", {}), heading(settings)
    plain = training.plain_stages(history)
    if plain:
        alt = f"Loss of each epoch of the training stages {', '.join(plain)}"
        yield _picture(
            folder, Drawn("training", "", training.plot_losses(plain, head), training.loss_rows(plain), alt, "", "wide")
        )
    for stage, record in training.observed_stages(history).items():
        figure = training.plot_trajectories(record, stage, head)
        alt = f"Loss, and what else was observed, in each epoch of the training stage {stage}"
        name = f"training-{file_name(stage)}"
        yield _picture(folder, Drawn(name, "", figure, training.trajectory_rows(record), alt, "", "middle"))


def _collisions(settings: EvaluateSettings) -> str:
    """Luminosity and energy as plain text."""
    energy = f"√s = {settings.energy_tev:g} TeV" if settings.energy_tev else ""
    luminosity = f"{settings.luminosity_fb:g} fb⁻¹" if settings.luminosity_fb else ""
    return ", ".join(word for word in (energy, luminosity) if word)


def _picture(folder: Path, drawn: Drawn) -> Picture:
    """Save a plot, and return it as the page shows it."""
    png = _saved(folder / drawn.name, drawn.figure, drawn.rows)
    return Picture(png, drawn.alt, drawn.caption, drawn.size)


def _saved(path: Path, figure: Figure, rows: Rows) -> bytes:
    """Save a plot as PNG and PDF with its numbers beside it; returns the PNG."""
    if rows:
        write_csv(path.with_name(path.name + ".csv"), rows[0], ([row[name] for name in rows[0]] for row in rows))
    return save(figure, path)["png"]
