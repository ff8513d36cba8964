"""Workspace, numbers and plots of a limit, written into a folder."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from simmorph.data.files.outputs import write_csv, write_json
from simmorph.evaluation.plots.style import NO_HEADING, Heading, save, style
from simmorph.limits.fits.impacts import Impact
from simmorph.limits.fits.inference import BANDS
from simmorph.limits.model.workspace import WORKSPACE
from simmorph.limits.report.correction_plots import HEADER, draw_correction, table_of
from simmorph.limits.report.drawn import DRAWN
from simmorph.limits.report.hepdata import write_submission
from simmorph.limits.report.impact_plots import draw_impacts
from simmorph.limits.report.plots import Scan, Spectrum, draw_scan, draw_spectrum

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from simmorph.limits.fits.inference import Limits
    from simmorph.limits.review.correlations import FitCorrelations
    from simmorph.limits.review.findings import Finding
    from simmorph.limits.templates.correction import Correction

NUMBERS = "limits.json"
HEPDATA = "hepdata"


@dataclass(frozen=True, eq=False)
class Report:
    """What is written down of a limit.

    Attributes:
        workspace: the pyhf workspace.
        numbers: all results, ready for JSON.
        limits: observed and expected.
        scan: CLs against the parameter.
        spectra: the observable's distribution in each channel.
        impacts: of the nuisance parameters, if they were asked for.
        heading: what stands above the plots.
        corrections: of backgrounds, by their names, if there were any.
        correlations: of the fit; all of them stand in a file of their own.
        findings: what else was found.
    """

    workspace: dict[str, Any]
    numbers: dict[str, Any]
    limits: Limits
    scan: Scan
    spectra: Sequence[Spectrum] = ()
    impacts: Sequence[Impact] = ()
    heading: Heading = NO_HEADING
    corrections: Mapping[str, Correction] = field(default_factory=dict)
    correlations: FitCorrelations | None = None
    findings: Sequence[Finding] = ()

    def write(self, folder: Path) -> None:
        """Write everything into an empty folder; each plot as PNG, PDF, CSV of the numbers in it, and for HEPData."""
        write_json(folder / WORKSPACE, self.workspace)
        write_json(folder / NUMBERS, self.numbers)
        with style():
            save(draw_scan(self.scan, self.limits, self.heading), folder / "cls_scan")
            for spectrum in self.spectra:
                save(draw_spectrum(spectrum, self.heading), folder / _name(spectrum))
            if self.impacts:
                save(draw_impacts(self.impacts, self.limits.parameter, self.heading), folder / "impacts")
            for name, correction in self.corrections.items():
                figure = draw_correction(correction, self.limits.parameter, self._label(name), self.heading)
                save(figure, folder / f"correction_{_as_file(name)}")
        header = [self.limits.parameter, "observed", *(f"expected_{band:+d}sigma" for band in BANDS)]
        rows = np.column_stack([self.scan.values, self.scan.observed, self.scan.expected])
        _write_table(folder / "cls_scan.csv", header, rows)
        for spectrum in self.spectra:
            _write_table(folder / f"{_name(spectrum)}.csv", *_table_of(spectrum))
        for name, correction in self.corrections.items():
            _write_table(folder / f"correction_{_as_file(name)}.csv", HEADER, table_of(correction))
        (folder / HEPDATA).mkdir()
        write_submission(folder / HEPDATA, self.limits, self.scan, {_name(it): it for it in self.spectra})
        if self.impacts:
            _write_table(folder / "impacts.csv", Impact._fields, self.impacts)
        self._write_findings(folder)

    def _write_findings(self, folder: Path) -> None:
        """Plot and table of each finding."""
        own = [] if self.correlations is None else [self.correlations]
        if self.correlations is not None:
            write_json(folder / f"{self.correlations.name}.json", self.correlations.to_json())
        for finding in [*own, *self.findings]:
            with style():
                save(DRAWN[type(finding)](finding, self.heading), folder / finding.name)
            _write_table(folder / f"{finding.name}.csv", *finding.table())

    def _label(self, background: str) -> str:
        """The axis label of a background's observable: that of its channel, which stands before its name."""
        labels = [it.label for it in self.spectra if not it.channel or background.startswith(f"{it.channel}, ")]
        return labels[0] if labels else ""


def with_bounds(spec: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """The workspace with a range of the parameter that suits its limits, for programs that search only inside it.

    pyhf's own default, 0 to 10, would silently give 10 where the limit is larger. The range ends at ten times the
    largest limit, and fits begin at the median expected one.

    Args:
        spec: a workspace whose first measurement is meant.
        limits: found with it.
    """
    highest = 10 * max(limits.observed, *limits.expected)
    bounds = {"name": limits.parameter, "inits": [limits.expected[2]], "bounds": [[0.0, highest]]}
    measurement = spec["measurements"][0]
    others = [it for it in measurement["config"]["parameters"] if it["name"] != limits.parameter]
    config = {**measurement["config"], "parameters": [*others, bounds]}
    return {**spec, "measurements": [{**measurement, "config": config}]}


def _name(spectrum: Spectrum) -> str:
    """The name of a spectrum's files."""
    return f"spectrum_{_as_file(spectrum.channel)}" if spectrum.channel else "spectrum"


def _as_file(name: str) -> str:
    """A name without what no file name should hold."""
    return re.sub(r"[^\w.+-]+", "_", name)


def _table_of(spectrum: Spectrum) -> tuple[list[str], Any]:
    """Header and rows of a spectrum's CSV, a row a bin; several samples of the background have a column each."""
    data, fitted = spectrum.data, spectrum.fitted
    samples = fitted.samples if len(fitted.samples) > 1 else {}
    header = ["low", "high", "data", "data_uncertainty", "background", "background_uncertainty", "signal"]
    header += ["total_uncertainty", "pull"]
    columns = [data.edges[:-1], data.edges[1:], data.values, data.uncertainties]
    columns += [fitted.background, fitted.uncertainty, fitted.signal, fitted.total_uncertainty, spectrum.pulls]
    return [*header, *samples], np.column_stack([*columns, *samples.values()])


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Iterable[float | str | None]]) -> None:
    """Write a CSV with eight significant digits; text stays as it is, and what is None is empty."""
    write_csv(path, header, ([_cell(it) for it in row] for row in rows))


def _cell(value: float | str | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:.8g}"
