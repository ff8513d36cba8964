"""The report as one page of HTML that needs nothing beside it: images inside, no scripts, no network."""

from __future__ import annotations

import base64
import html
import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from simmorph.evaluation.tables import DISTANCES
from simmorph.evaluation.verdict import DIFFERS, IN_TENSION, TENSION, WITHIN_NOISE, chance_of_tension

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.evaluation.comparison import RegionResult
    from simmorph.evaluation.tables import Table

WIDE_PLOTS = ("correlations", "map")
COLOURS = {WITHIN_NOISE: "within", IN_TENSION: "tension", DIFFERS: "beyond"}

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 1180px; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; }
h2 { font-size: 1.35rem; margin-top: 2.5rem; border-bottom: 2px solid #ddd; }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
.verdict { border-left: 6px solid; padding: .7rem 1.1rem; margin: .8rem 0; background: #f6f7f9; }
.within { border-color: #2b7a5b; } .tension { border-color: #e8a33d; } .beyond { border-color: #bd1f01; }
.verdict strong { text-transform: uppercase; letter-spacing: .04em; font-size: .85rem; display: block; }
table { border-collapse: collapse; margin: .8rem 0 1.4rem; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: #555; padding-bottom: .3rem; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid #e3e3e3; white-space: nowrap; }
th { border-bottom: 2px solid #999; } th:first-child, td:first-child { text-align: left; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
figure { margin: 0; } figure img { max-width: 100%; display: block; } .narrow { width: 375px; } .wide { width: 100%; }
pre { background: #f6f7f9; padding: 1rem; font-size: .8rem; white-space: pre-wrap; overflow-wrap: anywhere; }
nav a { margin-right: 1.2rem; } .small { color: #555; font-size: .92rem; }
@media print { body { max-width: none; } h2 { break-before: page; } }
"""

HOW_TO_READ = """
A classifier (gradient boosting; every event is judged by one that has not seen it) tries to tell each sample from the
target. An AUC of 0.5 says that it cannot. The target against itself is the null: what pure noise gives at the same
number of events, averaged over random splits of the target; its uncertainty is that of the average. The verdict is
given by one metric only, the classifier that sees the derived quantities if there are any: below 2 standard deviations
above the null the template agrees within noise, from 3 on it differs significantly, between them is tension. An AUC
significantly below the null hints at a mistake, not at a better map. Distances and differences
of correlations are positive by construction, so compare them to the null in the last column. In the plots, source and
template are scaled to the target's sum of weights; bands and error bars are statistical. Derived quantities are
recomputed from the features of each sample.
"""


class RegionPage(NamedTuple):
    """What the page shows of one region.

    Attributes:
        result: the numbers.
        plots: PNG images by name.
        tables: the tables by name.
    """

    result: RegionResult
    plots: Mapping[str, bytes]
    tables: Mapping[str, Table]


def page(
    regions: Sequence[RegionPage],
    report: Mapping[str, Any],
    experiment: str,
    trajectories: Mapping[str, bytes] = MappingProxyType({}),
) -> str:
    """The whole page.

    Args:
        regions: what was found, the most important first.
        report: the content of `report.json`.
        experiment: the experiment's label.
        trajectories: PNG images of what was observed in training, by stage.
    """
    title = html.escape(f"{experiment}: does the template look like the target?".removeprefix(": "))
    links = "".join(f'<a href="#region-{number}">{_name(shown)}</a>' for number, shown in enumerate(regions))
    body = [
        f"<h1>{title[0].upper()}{title[1:]}</h1>",
        f'<p class="small">{html.escape(report["held_out"]["remark"])}</p>',
        *(_verdict(shown.result) for shown in regions),
        _tries(len(regions)),
        f'<nav>{links}<a href="#provenance">provenance</a></nav>',
        *(_region(number, shown) for number, shown in enumerate(regions)),
        _training(trajectories),
        _reading(),
        _provenance(report),
    ]
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'


def _name(shown: RegionPage) -> str:
    return html.escape(f"region {shown.result.name}")


def _verdict(result: RegionResult) -> str:
    verdict = result.verdict
    where = f"region {result.name}" + (", where the map was learnt" if result.is_trained_on else "")
    undone = (
        f" The map has undone {100 * verdict.undone:.0f} % of what gave the source away." if verdict.is_visible else ""
    )
    sentence = verdict.sentence()
    return (
        f'<div class="verdict {COLOURS[verdict.conclusion]}"><strong>{html.escape(where)}: {verdict.conclusion}'
        f"</strong>{html.escape(sentence[0].upper() + sentence[1:])}.{undone}</div>"
    )


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


def _region(number: int, shown: RegionPage) -> str:
    result, tables = shown.result, shown.tables
    cut = f"<p class='small'>Cut: <code>{html.escape(result.cut)}</code></p>" if result.cut else ""
    narrow = [name for name in shown.plots if name not in (*WIDE_PLOTS, "roc")]
    return "".join(
        [
            f'<h2 id="region-{number}">{_name(shown)}</h2>{cut}',
            tables["metrics"].to_html(),
            f'<div class="plots">{_image(shown, "roc")}<div>{tables["events"].to_html()}</div></div>',
            f'<h3>Variables</h3><div class="plots">{"".join(_image(shown, name) for name in narrow)}</div>',
            f"<h3>Correlations</h3>{_image(shown, 'correlations')}{tables['pearson'].to_html()}",
            f"<h3>The map</h3>{tables['movement'].to_html()}{_image(shown, 'map')}" if "movement" in tables else "",
            "<h3>Distances, variable by variable</h3>",
            *(tables[kind].to_html() for kind in DISTANCES),
        ]
    )


def _image(shown: RegionPage, name: str) -> str:
    data = base64.b64encode(shown.plots[name]).decode()
    alt = html.escape(f"{name}, region {shown.result.name}")
    size = "wide" if name in WIDE_PLOTS else "narrow"
    return f'<figure class="{size}"><img alt="{alt}" src="data:image/png;base64,{data}"></figure>'


def _training(trajectories: Mapping[str, bytes]) -> str:
    """What was observed in training, if anything was."""
    images = "".join(
        f'<figure><img alt="training stage {html.escape(stage)}" '
        f'src="data:image/png;base64,{base64.b64encode(image).decode()}"></figure>'
        for stage, image in trajectories.items()
    )
    return f'<h2>Training</h2><div class="plots">{images}</div>' if images else ""


def _reading() -> str:
    return f"<h2>How to read this</h2><p>{HOW_TO_READ}</p>"


def _provenance(report: Mapping[str, Any]) -> str:
    content = {"held_out": report["held_out"], **report["provenance"]}
    return f'<h2 id="provenance">Provenance</h2><pre>{html.escape(json.dumps(content, indent=2))}</pre>'
