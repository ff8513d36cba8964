"""The output folder of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simmorph import __version__
from simmorph.data.outputs import whole_file, write_json
from simmorph.evaluation.ranking import ranking_table
from simmorph.pipeline.compare.inputs import main_region, regions_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from simmorph.config.compare import CompareRecipe
    from simmorph.evaluation.ranking import RankingTable
    from simmorph.evaluation.scores import Ranked
    from simmorph.pipeline.compare.inputs import CompareInputs

RESULT = "compare.json"


def report_of(recipe: CompareRecipe, inputs: CompareInputs, rows: Sequence[Ranked]) -> dict[str, Any]:
    """The content of `compare.json`."""
    table = table_of(recipe, rows)
    return {
        "region": main_region(recipe),
        "methods": {row.title: _row(row, table) for row in rows},
        "provenance": {
            "simmorph": __version__,
            "files": {"source": inputs.source.files, "target": inputs.target.files},
            "recipe": recipe.model_dump(mode="json"),
        },
    }


def table_of(recipe: CompareRecipe, rows: Sequence[Ranked]) -> RankingTable:
    """The table that is printed and written."""
    return ranking_table(rows, list(regions_of(recipe)), main_region(recipe))


def _row(row: Ranked, table: RankingTable) -> dict[str, Any]:
    numbers = {column.name: column.measure(row) for column in table.columns}
    return {
        "method": row.method or None,
        "kind": row.kind,
        "numbers": {name: found.to_json() for name, found in numbers.items() if found is not None},
        "scores": [score.model_dump(mode="json") for score in row.scores],
        "failures": list(row.failures),
    }


def write_comparison(folder: Path, recipe: CompareRecipe, rows: Sequence[Ranked], report: dict[str, Any]) -> None:
    """Write the tables and `compare.json`, this last."""
    table = table_of(recipe, rows)
    for name, text in {"table.csv": table.to_csv(), "table.tex": table.to_latex()}.items():
        with whole_file(folder / name, force=True) as temporary:
            temporary.write_text(text)
    with whole_file(folder / RESULT, force=True) as temporary:
        write_json(temporary, report)
