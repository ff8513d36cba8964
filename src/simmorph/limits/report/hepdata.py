"""Limits, CLs and spectra as a HEPData submission: a folder of YAML that hepdata.net takes as an archive.

Format: https://hepdata-submission.readthedocs.io (schema 1.1). A page of PyYAML does, and
spares users a library that makes thumbnails and archives.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from simmorph.limits.fits.inference import BANDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from simmorph.data.events import FloatArray
    from simmorph.limits.fits.inference import Limits
    from simmorph.limits.report.plots import Scan, Spectrum

SUBMISSION = "submission.yaml"


def write_submission(folder: Path, limits: Limits, scan: Scan, spectra: Mapping[str, Spectrum]) -> None:
    """Write the submission and its tables into an empty folder.

    Args:
        folder: of the submission.
        limits: observed and expected.
        scan: CLs against the parameter.
        spectra: of each channel, by the name of its table.
    """
    level = f"{100 * limits.level:g}% CL"
    tables = {
        "limits": (f"Upper limits on {limits.parameter} at {level}", _limits(limits)),
        "cls_scan": (f"CLs against {limits.parameter}, observed and expected without a signal", _scan(limits, scan)),
    }
    for name, spectrum in spectra.items():
        words = f"Data and fitted yields {spectrum.channel}".rstrip()
        tables[name] = (words, _spectrum(spectrum))
    documents: list[dict[str, Any]] = [{"comment": "Upper limits by the CLs method with asymptotic formulae"}]
    for name, (words, table) in tables.items():
        _dump(folder / f"{name}.yaml", [table])
        documents.append({"name": name, "description": words, "keywords": [], "data_file": f"{name}.yaml"})
    _dump(folder / SUBMISSION, documents)


def _dump(path: Path, documents: Sequence[dict[str, Any]]) -> None:
    """Write YAML documents into one file, one after the other."""
    with path.open("w", encoding="utf-8") as file:
        yaml.safe_dump_all(documents, file, sort_keys=False)


def _limits(limits: Limits) -> dict[str, Any]:
    """The table of observed and expected limits, a row each."""
    header = {"name": f"Upper limit on {limits.parameter}"}
    kinds = ["observed", *(f"expected, {band:+d} sigma" if band else "expected, median" for band in BANDS)]
    values = [{"value": float(value)} for value in (limits.observed, *limits.expected)]
    return {
        "independent_variables": [{"header": {"name": "Kind"}, "values": [{"value": kind} for kind in kinds]}],
        "dependent_variables": [{"header": header, "values": values}],
    }


def _scan(limits: Limits, scan: Scan) -> dict[str, Any]:
    """The table of CLs against the parameter; the bands stand as asymmetric uncertainties of the median."""
    expected = []
    for low2, low1, median, high1, high2 in scan.expected:
        one = _asymmetric(low1 - median, high1 - median, "1 sigma")
        two = _asymmetric(low2 - median, high2 - median, "2 sigma")
        # HEPData refuses uncertainties that are all zero, as they are where CLs is 1.
        expected.append({"value": float(median)} | ({"errors": [one, two]} if high2 > low2 else {}))
    return {
        "independent_variables": [{"header": {"name": limits.parameter}, "values": _values(scan.values)}],
        "dependent_variables": [
            {"header": {"name": "CLs, observed"}, "values": _values(scan.observed)},
            {"header": {"name": "CLs, expected"}, "values": expected},
        ],
    }


def _spectrum(spectrum: Spectrum) -> dict[str, Any]:
    """The table of data, fitted background and fitted signal in the bins of one channel."""
    edges, data, fitted = spectrum.data.edges, spectrum.data, spectrum.fitted
    bins = [{"low": float(low), "high": float(high)} for low, high in itertools.pairwise(edges)]
    return {
        "independent_variables": [{"header": {"name": spectrum.label}, "values": bins}],
        "dependent_variables": [
            {"header": {"name": "Data"}, "values": _values(data.values, data.uncertainties)},
            {"header": {"name": "Fitted background"}, "values": _values(fitted.background, fitted.uncertainty)},
            {"header": {"name": "Fitted signal"}, "values": _values(fitted.signal)},
        ],
    }


def _values(values: FloatArray, uncertainties: FloatArray | None = None) -> list[dict[str, Any]]:
    """Numbers as HEPData wants them, with symmetric uncertainties where these are above 0."""
    spreads = np.zeros_like(values) if uncertainties is None else uncertainties
    return [
        {"value": float(value)} | ({"errors": [{"symerror": float(spread)}]} if spread > 0 else {})
        for value, spread in zip(values, spreads, strict=True)
    ]


def _asymmetric(minus: float, plus: float, label: str) -> dict[str, Any]:
    """An asymmetric uncertainty as HEPData wants it; `minus` is negative."""
    return {"asymerror": {"minus": float(minus), "plus": float(plus)}, "label": label}
