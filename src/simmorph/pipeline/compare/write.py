"""The output folder of a comparison.

`compare.json` has everything and is written last, so that its presence means a whole folder; the tables, the plot and
`report.html` show it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.data.files.outputs import whole_file
from simmorph.evaluation.plots.frontier import plot_frontier, points_of
from simmorph.evaluation.plots.style import images, style
from simmorph.evaluation.report.drawn import file_name
from simmorph.evaluation.report.ranking import METRICS_CAPTION, ranking_of
from simmorph.evaluation.report.ranking_page import RankingPage
from simmorph.evaluation.report.tables import Cell, Table
from simmorph.pipeline.compare.inputs import main_region, regions_of
from simmorph.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from simmorph.config.compare import CompareRecipe
    from simmorph.evaluation.report.ranking import Ranking
    from simmorph.evaluation.scores import Ranked, RegionScore
    from simmorph.pipeline.compare.inputs import CompareInputs

RESULT = "compare.json"


def report_of(
    recipe: CompareRecipe, inputs: CompareInputs, rows: Sequence[Ranked], models: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """The content of `compare.json`.

    Args:
        recipe: of the comparison.
        inputs: whose files are listed with their hashes.
        rows: of the table.
        models: the model folders by title of the row.
    """
    ranking = ranked_by(recipe, rows)
    return {
        "region": main_region(recipe),
        "warnings": list(inputs.remarks),
        "methods": {row.title: {**_row(row, ranking), "models": list(models[row.title])} for row in rows},
        "provenance": {
            "simmorph": __version__,
            "files": {
                "source": inputs.source.checksums() if recipe.source else {},
                "target": inputs.target.checksums(),
            },
            "recipe": recipe.model_dump(mode="json"),
        },
    }


def ranked_by(recipe: CompareRecipe, rows: Sequence[Ranked]) -> Ranking:
    """Every number that is printed and written."""
    return ranking_of(rows, list(regions_of(recipe)), main_region(recipe))


def _row(row: Ranked, ranking: Ranking) -> dict[str, Any]:
    """One row: every number over the repeats with its significance, and the scores that they come from."""
    numbers = {}
    for column in ranking.columns:
        found, above = column.measure(row), ranking.significance(column, row)
        if found is not None:
            numbers[column.name] = found.to_json() | (above.to_json() if above else {})
    return {
        "method": row.method or None,
        "kind": row.kind,
        "numbers": numbers,
        "scores": [score.model_dump(mode="json") for score in row.scores],
        "failures": list(row.failures),
    }


def write_comparison(folder: Path, recipe: CompareRecipe, rows: Sequence[Ranked], report: dict[str, Any]) -> None:
    """Write tables, plot and page, and `compare.json` last."""
    ranking, region = ranked_by(recipe, rows), main_region(recipe)
    contents = {
        "table.csv": ranking.numbers().to_csv().encode(),
        "table.tex": ranking.of("auc", "map").table(ranking.caption).to_latex().encode(),
        "metrics.tex": ranking.of("metric").table(METRICS_CAPTION).to_latex().encode(),
        "marginals.tex": ranking.of("marginal").table(ranking.caption).to_latex().encode(),
    }
    shown = [score.regions[region] for row in rows for score in row.scores]
    if shown:
        files = _frontier_files(recipe)
        for name, file in files.items():
            contents |= _frontier(recipe, rows, name, file)
        models = {title: row["models"] for title, row in report["methods"].items()}
        plots = {name: contents[f"{file}.png"] for name, file in files.items()}
        page = RankingPage(
            recipe.judge.label, _what(recipe, shown), ranking, region, plots, models, report["provenance"]
        )
        contents["report.html"] = page.to_html().encode()
    contents[RESULT] = (json.dumps(report, indent=2, allow_nan=False) + "\n").encode()
    for name, content in contents.items():
        with whole_file(folder / name, force=True) as temporary:
            temporary.write_bytes(content)


def _frontier_files(recipe: CompareRecipe) -> dict[str, str]:
    """What the plot of each region is called: `frontier` that of the main one, which comes first."""
    main = main_region(recipe)
    others = {name: f"frontier-{file_name(name)}" for name in regions_of(recipe) if name != main}
    return {main: "frontier", **others}


def _frontier(recipe: CompareRecipe, rows: Sequence[Ranked], region: str, file: str) -> dict[str, bytes]:
    """The plot of one region in two formats, and the numbers behind it, by file name."""
    inputs = next(iter(next(score.regions[region].auc for row in rows for score in row.scores)))
    where = f"region {region}" if len(regions_of(recipe)) > 1 else ""
    with style():
        figure = plot_frontier(rows, region, inputs, ", ".join(filter(None, [recipe.judge.label, where])))
        drawn = {f"{file}.{kind}": content for kind, content in images(figure).items()}
    return {**drawn, f"{file}.csv": _frontier_csv(rows, region, inputs).encode()}


def _frontier_csv(rows: Sequence[Ranked], region: str, inputs: str) -> str:
    """The numbers behind the plot."""
    cells: list[list[Cell]] = []
    for point in points_of(rows, region, inputs):
        moved = [point.movement.mean, point.movement.spread] if point.movement else [float("nan")] * 2
        numbers = [*moved, point.auc.mean, point.auc.spread, point.auc.uncertainty]
        cells.append([point.title, *(number if np.isfinite(number) else None for number in numbers)])
    return Table("", ["method", "movement", "movement spread", "auc", "auc spread", "auc uncertainty"], cells).to_csv()


def _what(recipe: CompareRecipe, shown: Sequence[RegionScore]) -> str:
    """What was compared, in a sentence or two."""
    repeats = "once" if recipe.seeds == 1 else f"{recipe.seeds} times, each with another seed"
    region = f" in the region {recipe.region}" if recipe.region else ""
    return (
        f"Every method was trained{region} and judged {repeats}, on held-out events only: "
        f"{max(score.events for score in shown):,} events of each sample are compared."
    )
