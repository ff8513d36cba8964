"""What the page shows of one region."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, NamedTuple

from simmorph.evaluation.report.parts import folded, paragraph, row_of, shown
from simmorph.evaluation.report.tables import DISTANCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.evaluation.comparison import RegionResult
    from simmorph.evaluation.report.parts import Picture
    from simmorph.evaluation.report.tables import Table


class RegionPage(NamedTuple):
    """What the page shows of one region.

    Attributes:
        result: the numbers.
        pictures: the plots by the part of the section they belong to: `roc`, `correlations`, `derived`, `features`,
            `movement`, `weights`, `profiles`.
        tables: the tables by name.
        folder: where the files of the plots and tables are, seen from the page.
        is_band: whether it is one of many, which nobody has named.
    """

    result: RegionResult
    pictures: Mapping[str, Sequence[Picture]]
    tables: Mapping[str, Table]
    folder: str
    is_band: bool = False

    @property
    def title(self) -> str:
        """Its name, as text of a page."""
        return html.escape(f"Region {self.result.name}")


def region_section(number: int, region: RegionPage, *, is_open: bool) -> str:
    """The section of one region; one that is closed opens when it is jumped to."""
    content = "".join(
        [
            _what(region),
            _classifier(region),
            _correlations(region),
            _variables(region),
            _movement(region),
            _weights(region),
            _profiles(region),
            _acceptance(region),
            _distances(region),
        ]
    )
    state = " open" if is_open else ""
    return f'<details class="region" id="region-{number}"{state}><summary>{region.title}</summary>{content}</details>'


def _what(region: RegionPage) -> str:
    result = region.result
    cut = f"Cut: <code>{html.escape(result.cut)}</code>. " if result.cut else ""
    trained = "The map was learnt here. " if result.is_trained_on else ""
    files = f"All plots (PNG, PDF), the numbers behind them (CSV, <code>histograms.json</code>) and all tables (CSV, \
LaTeX) are in <code>{html.escape(region.folder)}/</code>."
    return f'<p class="small">{cut}{trained}{files}</p>'


def _classifier(region: RegionPage) -> str:
    """The ROC curves beside the sizes of the samples, and every metric."""
    roc = row_of(region.pictures.get("roc", ()))[: -len("</div>")]
    findings = f"<p>{html.escape(_sentence(region.result.findings.sentence()))}</p>"
    return (
        f"<h3>Can a classifier tell template from target?</h3>{roc}<div>{shown(region.tables, 'events')}</div></div>"
        f"{shown(region.tables, 'metrics')}{findings}"
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _correlations(region: RegionPage) -> str:
    pictures = region.pictures.get("correlations", ())
    tables = shown(region.tables, "pearson") + folded("Spearman's rank correlations", shown(region.tables, "spearman"))
    return f"<h3>Correlations</h3>{row_of(pictures)}{tables}"


def _variables(region: RegionPage) -> str:
    """Derived quantities first, since nobody has trained on them."""
    derived, features = region.pictures.get("derived", ()), region.pictures.get("features", ())
    made = f"<h3>Derived quantities</h3>{paragraph(DERIVED)}{row_of(derived)}" if derived else ""
    return f"{made}<h3>Features</h3>{paragraph(VARIABLES)}{row_of(features)}"


DERIVED = (
    "Computed from the features of each sample, of the template from its morphed ones. The map was not trained on them "
    "one by one: they close only if the correlations do."
)
VARIABLES = (
    "Target: points; source: dashed; template: line. Below: the ratio to the target, and the pull, which is the "
    "difference to the target in units of both statistical uncertainties. The chi2 is the sum of the squared pulls."
)


def _movement(region: RegionPage) -> str:
    pictures = region.pictures.get("movement", ())
    if "movement" not in region.tables:
        return ""
    return f"<h3>What the map does to events</h3>{shown(region.tables, 'movement')}{row_of(pictures)}"


def _weights(region: RegionPage) -> str:
    """The classifier's weights beside their table."""
    pictures = region.pictures.get("weights", ())
    table = shown(region.tables, "density_ratio")
    if not table:
        return ""
    text = paragraph(
        "Each event of a sample is given the weight that would turn the sample into the target, as far as the "
        "classifier can tell. Tails are events that one sample has and the other lacks; the null is what noise makes."
    )
    return f"<h3>Where template and target differ: weights of the classifier</h3>{text}{row_of(pictures)}{table}"


def _profiles(region: RegionPage) -> str:
    """Closure in the conditions, and whether the conditions agree themselves."""
    pictures = region.pictures.get("profiles", ())
    conditions = shown(region.tables, *(name for name in region.tables if name.startswith("context_")))
    profiles = folded("All profiles: chi2 and p-values", shown(region.tables, "profiles"))
    if not (conditions or profiles):
        return ""
    return f"<h3>Closure against conditions</h3>{row_of(pictures)}{profiles}{conditions}"


def _acceptance(region: RegionPage) -> str:
    table = shown(region.tables, "acceptance")
    return f"<h3>Acceptance</h3>{table}" if table else ""


def _distances(region: RegionPage) -> str:
    findings = f"<p>{html.escape(_sentence(region.result.distance_findings.sentence()))}</p>"
    tables = folded("All distances", shown(region.tables, *DISTANCES))
    return f"<h3>Distances, variable by variable</h3>{findings}{tables}"
