"""Workspace, numbers and plots of a limit, written into a folder."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.data.outputs import write_json
from simmorph.limits.impacts import draw_impacts
from simmorph.limits.inference import BANDS
from simmorph.limits.plots import Scan, Spectrum, draw_scan, draw_spectrum

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from simmorph.limits.impacts import Impact
    from simmorph.limits.inference import Limits

WORKSPACE = "workspace.json"
NUMBERS = "limits.json"


@dataclass(frozen=True, eq=False)
class Report:
    """What is written down of a limit.

    Attributes:
        workspace: the pyhf workspace.
        numbers: all results, ready for JSON.
        limits: observed and expected.
        scan: CLs against the parameter.
        spectrum: the observable's distribution, if it is known.
        impacts: of the nuisance parameters, if they were asked for.
    """

    workspace: dict[str, Any]
    numbers: dict[str, Any]
    limits: Limits
    scan: Scan
    spectrum: Spectrum | None
    impacts: Sequence[Impact] = ()

    def write(self, folder: Path) -> None:
        """Write everything into an empty folder; each plot as PNG, PDF, and CSV of the numbers in it."""
        write_json(folder / WORKSPACE, self.workspace)
        write_json(folder / NUMBERS, self.numbers)
        _write_plot(folder / "cls_scan", draw_scan(self.scan, self.limits))
        header = [self.limits.parameter, "observed", *(f"expected_{band:+d}sigma" for band in BANDS)]
        rows = np.column_stack([self.scan.values, self.scan.observed, self.scan.expected])
        _write_table(folder / "cls_scan.csv", header, rows)
        if self.spectrum is not None:
            _write_plot(folder / "spectrum", draw_spectrum(self.spectrum))
            _write_table(folder / "spectrum.csv", *_table_of(self.spectrum))
        if self.impacts:
            _write_plot(folder / "impacts", draw_impacts(self.impacts, self.limits.parameter))


def _table_of(spectrum: Spectrum) -> tuple[list[str], Any]:
    data, fitted = spectrum.data, spectrum.fitted
    header = ["low", "high", "data", "data_uncertainty", "background", "background_uncertainty", "signal"]
    columns = [data.edges[:-1], data.edges[1:], data.values, data.uncertainties]
    return header, np.column_stack([*columns, fitted.background, fitted.uncertainty, fitted.signal])


def _write_plot(path: Path, figure: Figure) -> None:
    figure.savefig(path.with_suffix(".png"), dpi=150)
    figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None})


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Iterable[float]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([f"{value:.8g}" for value in row] for row in rows)
