"""The report as one page of HTML that needs nothing beside it: images inside, no scripts, no network."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, NamedTuple

from simmorph.evaluation.report.model import cutflow_section, model_section, provenance_section, training_section
from simmorph.evaluation.report.parts import scrolling
from simmorph.evaluation.report.region import region_section
from simmorph.evaluation.report.style import STYLE
from simmorph.evaluation.verdict import DIFFERS, IN_TENSION, TENSION, WITHIN_NOISE, chance_of_tension

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.evaluation.comparison import RegionResult
    from simmorph.evaluation.metrics.estimates import Estimate
    from simmorph.evaluation.report.parts import Picture
    from simmorph.evaluation.report.region import RegionPage

COLOURS = {WITHIN_NOISE: "within", IN_TENSION: "tension", DIFFERS: "beyond"}
WORDS = {WITHIN_NOISE: "agrees within noise in", IN_TENSION: "is in tension in", DIFFERS: "differs significantly in"}
LEFT = ' class="text"'
MOST_TOLD = 3
"""With more regions than this only the first one and the worst are told at length."""

HOW_TO_READ = """
A classifier (gradient boosting; every event is judged by one that has not seen it) tries to tell each sample from the
target. An AUC of 0.5 says that it cannot. The target against itself is the null: what pure noise gives at the same
number of events, averaged over random splits of the target; its uncertainty is that of the average. The verdict is
given by one metric only, the classifier that sees the derived quantities if there are any: below 2 standard deviations
above the null the template agrees within noise, from 3 on it differs significantly, between them is tension. An AUC
significantly below the null hints at a mistake, not at a better map. Distances and differences
of correlations are positive by construction, so compare them to the null in the last column. In the plots, source and
template are scaled to the target's sum of weights; bands and error bars are statistical. Derived quantities are
recomputed from the features of each sample. The plots show all events, and the metrics an equal number of each sample:
the chi2 of a plot can see a difference that a classifier with fewer events does not.
"""


class Pictures(NamedTuple):
    """Plots that belong to no single region.

    Attributes:
        overview: the AUC of each region.
        training: losses and whatever else was observed.
    """

    overview: Sequence[Picture] = ()
    training: Sequence[Picture] = ()


def page(
    regions: Sequence[RegionPage],
    report: Mapping[str, Any],
    experiment: str,
    collisions: str = "",
    pictures: Pictures = Pictures(),  # noqa: B008
) -> str:
    """The whole page.

    Args:
        regions: what was found, the most important first.
        report: the content of `report.json`.
        experiment: the experiment's label.
        collisions: luminosity and energy, in plain text.
        pictures: plots beside those of the regions.
    """
    title = html.escape(f"{experiment}: does the template look like the target?".removeprefix(": "))
    told = _told_in_full([region.result for region in regions])
    history = report.get("training", {})
    body = [
        f"<h1>{title[0].upper()}{title[1:]}</h1>",
        f"<p>{html.escape(collisions)}</p>" if collisions else "",
        f'<p class="small">{html.escape(report["held_out"]["remark"])}</p>',
        _navigation(regions, report),
        _verdicts(regions, told, pictures.overview),
        *(region_section(number, it, is_open=number in told or not it.is_band) for number, it in enumerate(regions)),
        training_section(pictures.training, history),
        model_section(report.get("model"), history),
        cutflow_section(report.get("cutflow", {})),
        f'<h2 id="reading">How to read this</h2><p>{HOW_TO_READ}</p>',
        provenance_section(report),
    ]
    return f'<!doctype html>\n<html lang="en"><head>{_head(title)}</head><body>{"".join(body)}</body></html>\n'


def _head(title: str) -> str:
    """Nothing may be loaded but the images inside, whatever a name in the input contains."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title><style>{STYLE}</style>'
    )


def _navigation(regions: Sequence[RegionPage], report: Mapping[str, Any]) -> str:
    links = {"verdict": "verdict"}
    links |= {f"region-{number}": html.escape(region.result.name) for number, region in enumerate(regions)}
    links |= {"training": "training"} if report.get("training") else {}
    links |= {"model": "model"}
    links |= {"cutflow": "cutflow"} if report.get("cutflow") else {}
    links |= {"reading": "how to read this", "provenance": "provenance"}
    return "<nav>" + " ".join(f'<a href="#{place}">{words}</a>' for place, words in links.items()) + "</nav>"


def _told_in_full(results: Sequence[RegionResult]) -> set[int]:
    """Which regions are told in full: all if there are few, else the first and the worst."""
    if len(results) <= MOST_TOLD:
        return set(range(len(results)))
    return {0, max(range(len(results)), key=lambda number: results[number].verdict.significance)}


def _verdicts(regions: Sequence[RegionPage], told: set[int], overview: Sequence[Picture]) -> str:
    """The answer: in a sentence, region by region in a table, and at length."""
    results = [region.result for region in regions]
    return "".join(
        [
            '<h2 id="verdict">Verdict</h2>',
            f"<p><b>{_summary(results)}</b></p>" if len(results) > 1 else "",
            *(_verdict(results[number]) for number in sorted(told)),
            _table(results) if len(results) > 1 else "",
            *(picture.to_html() for picture in overview),
            _tries(len(results)),
        ]
    )


def _summary(results: Sequence[RegionResult]) -> str:
    """How many regions of each conclusion there are."""
    conclusions = [result.verdict.conclusion for result in results]
    n_all, counted = len(results), {it: conclusions.count(it) for it in WORDS if it in conclusions}
    if len(counted) == 1:
        which = "both" if n_all == 2 else f"all {n_all}"
        return f"The template {WORDS[conclusions[0]]} {which} regions."
    parts = [f"{WORDS[conclusion]} {number}" for conclusion, number in counted.items()]
    return f"Of {n_all} regions, the template {', '.join(parts[:-1])} and {parts[-1]}."


def _verdict(result: RegionResult) -> str:
    verdict = result.verdict
    where = f"region {result.name}" + (", where the map was learnt" if result.is_trained_on else "")
    undone = (
        f" The map has undone {100 * verdict.undone:.0f} % of what gave the source away." if verdict.is_visible else ""
    )
    sentence = verdict.sentence()
    return (
        f'<div class="verdict {COLOURS[verdict.conclusion]}"><strong>{html.escape(where)}: {verdict.conclusion}'
        f"</strong>{html.escape(sentence[0].upper() + sentence[1:])}.{undone}"
        f"<p>{html.escape(_others(result))}</p></div>"
    )


def _others(result: RegionResult) -> str:
    """What else differs significantly: the verdict goes by one metric, and must not hide the others."""
    metrics = [name for name in result.findings.differs if name != result.verdict.words]
    told = f"Other metrics that differ significantly from their nulls: {', '.join(metrics)}."
    variables = result.distance_findings.differs
    alone = f" Variables that do so one by one: {', '.join(variables)}."
    return (told if metrics else "No other metric differs significantly from its null.") + (alone if variables else "")


def _table(results: Sequence[RegionResult]) -> str:
    """The verdict on each region in a line."""
    head = [
        "region",
        "verdict",
        "events compared",
        "source",
        "template",
        "null",
        "template minus null",
        "standard deviations",
    ]
    if results[0].verdict.source is None:
        head.remove("source")
    rows = "".join(_line(number, result) for number, result in enumerate(results))
    words = html.escape(results[0].verdict.words)
    caption = (
        f"<caption>{words}: 0.5 if the samples cannot be told apart; the null is the target against itself.</caption>"
    )
    cells = "".join(f"<th{LEFT}>{name}</th>" if name == "verdict" else f"<th>{name}</th>" for name in head)
    return scrolling(f"<table>{caption}<thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table>")


def _line(number: int, result: RegionResult) -> str:
    verdict = result.verdict
    trained = " (trained here)" if result.is_trained_on else ""
    name = f'<a href="#region-{number}">{html.escape(result.name)}</a>{trained}'
    estimates: list[Estimate] = [it for it in (verdict.source, verdict.template, verdict.null) if it is not None]
    excess = f"{verdict.excess.value:+.4f} ± {verdict.excess.uncertainty:.4f}"
    cells = [f"{result.n_compared:,}", *(it.to_text() for it in estimates), excess, f"{verdict.significance:+.1f}"]
    pill = f'<span class="pill {COLOURS[verdict.conclusion]}">{verdict.conclusion}</span>'
    return f"<tr><td>{name}</td><td{LEFT}>{pill}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _tries(n_regions: int) -> str:
    """How often noise alone would look like a difference."""
    chance = 100 * chance_of_tension(n_regions)
    regions = "One region is" if n_regions == 1 else f"{n_regions} regions are"
    which = "it" if n_regions == 1 else "at least one of them"
    return (
        f'<p class="small">{regions} judged, each by one number and by itself: noise alone puts '
        f"{which} beyond {TENSION:.0f} standard deviations in {chance:.1f} "
        "% of the cases.</p>"
    )
