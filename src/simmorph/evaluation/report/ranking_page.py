"""The comparison as one page of HTML to pick a method from: it needs nothing beside it."""

from __future__ import annotations

import base64
import html
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from simmorph.evaluation.report.ranking import MARGINAL
from simmorph.evaluation.report.style import STYLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.evaluation.report.ranking import RankingTable
    from simmorph.evaluation.scores import Ranked, Repeated

RANKING_STYLE = """
table.ranking { font-size: .86rem; } table.ranking td, table.ranking th { padding: .25rem .55rem; }
table.ranking th { white-space: normal; vertical-align: bottom; }
tr.null td { font-style: italic; background: #f6f7f9; border-bottom: 2px solid #999; } tr.unmorphed td { color: #555; }
td.best { background: #cfe8dc; font-weight: 600; } td.near { background: #e9f5ef; } td.worst { background: #f7dcd5; }
.scroll { overflow-x: auto; } .key span { padding: .1rem .5rem; margin-right: .8rem; }
.key .best { background: #cfe8dc; font-weight: 600; } .key .near { background: #e9f5ef; }
.key .worst { background: #f7dcd5; } .frontier { width: 900px; } .failed { color: #bd1f01; }
"""

KEY = """<p class="key small"><span class="best">best</span><span class="near">within the uncertainty of the best</span>
<span class="worst">worst</span></p>"""

HOW_TO_READ = """
<p><b>AUC.</b> A classifier (gradient boosting, unless <code>judge.classifier</code> of the recipe names another; every
event is judged by one that has not seen it) tries to tell the template, which is what a method made of the source, from
the target. 0.5 says that it cannot. The first row is the
null: the target against itself in disjoint parts of the same size, averaged over random splits. No method can be
expected below it; one that is above it by less than its uncertainty cannot be told from it here.</p>
<p><b>The same for all.</b> In each repeat a seed deals source and target into training, validation and held-out events,
the same for every method; networks start anew. Only held-out events are judged, and events outside of the region of
training. Every comparison has the same number of events. Weights count everywhere.</p>
<p><b>worst |dr|</b> is the largest deviation of a named pair's Pearson correlation from the target's; <b>mean |r| of
others</b> is the mean absolute correlation of all other pairs, and the <b>noise floor</b> what uncorrelated variables
would show at this size. <b>Movement</b> is the mean distance between an event and its image, each feature in standard
deviations of the target; <b>retention</b> the rank correlation of x and T(x) of the feature that keeps its order
least. Of two equally close maps the one that moves less, and keeps more of the order, changes less physics: a map
that draws events anew could be just as close. Reweightings and generators have neither. Where a toy knows the optimal
map, <b>off optimum</b> is the mean distance to its images, and <b>cost / optimum</b> the mean squared distance over
its own. <b>ESS</b> is the effective size of the template over that of the source: what a reweighting loses in
statistics.</p>
<p><b>One variable at a time</b> hides what goes wrong between them. All four distances are positive by construction:
compare them to those of the null.</p>
<p><b>Cost.</b> Seconds of training on the clock and of the processor, which differ where other work keeps it busy; one
thread for each method unless OMP_NUM_THREADS says otherwise. Memory is the peak of the whole process, libraries and
input included.</p>
"""


class RankingPage(NamedTuple):
    """What the page shows.

    Attributes:
        experiment: its label.
        what: what was compared, in a sentence.
        table: all numbers.
        region: that the numbers besides the AUC are measured in.
        plots: the frontier of each region as a PNG image.
        models: folders of the trained models by method.
        provenance: the content of the last section.
    """

    experiment: str
    what: str
    table: RankingTable
    region: str
    plots: Mapping[str, bytes]
    models: Mapping[str, Sequence[str]]
    provenance: Mapping[str, Any]

    def to_html(self) -> str:
        """The whole page."""
        title = html.escape(f"{self.experiment}: which method?".removeprefix(": "))
        title = title[0].upper() + title[1:]
        body = [
            f"<h1>{title}</h1>",
            f'<p class="small">{html.escape(self.what)}</p>',
            self._advice(),
            self._failures(),
            f'<h2>Closeness</h2><p class="small">{html.escape(self.table.caption)}</p>{KEY}',
            f'<div class="scroll">{self.table.of("auc").to_html()}</div>',
            "<h2>Closeness against movement</h2>",
            *(f'<figure class="frontier">{_image(region, plot)}</figure>' for region, plot in self.plots.items()),
            "<h2>Correlations, movement, statistics and cost</h2>",
            f'<div class="scroll">{self.table.but("auc").but(MARGINAL).to_html()}</div>',
            self._retention(),
            f'<h2>One variable at a time</h2><div class="scroll">{self.table.of(MARGINAL).to_html()}</div>',
            self._notes(),
            f"<h2>How to read this</h2>{HOW_TO_READ}",
            self._models(),
            f'<h2 id="provenance">Provenance</h2><pre>{html.escape(json.dumps(self.provenance, indent=2))}</pre>',
        ]
        head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}{RANKING_STYLE}</style>'
        return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'

    def _advice(self) -> str:
        """The closest methods, and of these the one that moves least and the one that is learnt fastest."""
        close = self.table.closest()
        if not close:
            return ""
        best = close[0]
        auc, null = self.table.columns[0].measure(best), self._null()
        sentences = [f"<b>{html.escape(best.title)}</b> comes closest, with {_told(auc)}"]
        sentences[0] += f" where the target against itself has {_told(null)}." if null else "."
        if len(close) > 1:
            names = ", ".join(html.escape(row.title) for row in close[1:])
            sentences.append(f"Within the uncertainty of that: {names}.")
            sentences += self._choices(close)
        return f'<div class="verdict within"><strong>closest</strong>{" ".join(sentences)}</div>'

    def _choices(self, close: Sequence[Ranked]) -> list[str]:
        """Which of equally close methods does it at the least cost."""
        found = []
        wanted = {"movement": "moves events least", "train_seconds": "is learnt fastest"}
        for name, words in wanted.items():
            column = next(column for column in self.table.columns if column.name == name)
            known = {row.title: number for row in close if (number := column.measure(row)) is not None}
            if len(known) > 1:
                least = min(known, key=lambda title: known[title].mean)
                found.append(f"Of these, <b>{html.escape(least)}</b> {words}.")
        return found

    def _null(self) -> Repeated | None:
        rows = [row for row in self.table.rows if row.kind == "null"]
        return self.table.columns[0].measure(rows[0]) if rows else None

    def _failures(self) -> str:
        items = "".join(_item(row.title, html.escape(why)) for row in self.table.rows for why in row.failures)
        return f'<h2 class="failed">Failed</h2><ul class="failed">{items}</ul>' if items else ""

    def _retention(self) -> str:
        """The retention of each feature."""
        rows = [row for row in self.table.rows if row.kind == "morph" and row.scores]
        moved = {row.title: row.scores[0].regions[self.region].moved for row in rows}
        names = next((list(found.retention) for found in moved.values() if found is not None), [])
        if len(names) < 2:
            return ""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in ["method", *names])
        cells = {row.title: "".join(f"<td>{self._kept(row, name)}</td>" for name in names) for row in rows}
        body = "".join(f"<tr><td>{html.escape(title)}</td>{kept}</tr>" for title, kept in cells.items())
        caption = "<caption>Retention: the rank correlation of x and T(x), feature by feature.</caption>"
        return f'<div class="scroll"><table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'

    def _kept(self, row: Ranked, feature: str) -> str:
        found = row.moved(self.region, lambda moved: moved.retention.get(feature))
        return "--" if found is None else f"{found.mean:.3f}"

    def _notes(self) -> str:
        """What the methods say of themselves."""
        notes = {(row.title, note): None for row in self.table.rows for score in row.scores for note in score.notes}
        items = "".join(_item(title, html.escape(note)) for title, note in notes)
        return f"<h3>Remarks of the methods</h3><ul>{items}</ul>" if items else ""

    def _models(self) -> str:
        """Where the trained models are, for `simmorph apply --model`."""
        shown = {
            title: ", ".join(f"<code>{html.escape(path)}</code>" for path in paths)
            for title, paths in self.models.items()
            if paths
        }
        items = "".join(_item(title, paths) for title, paths in shown.items())
        intro = "<p>Folders for <code>simmorph apply --model</code>, that of the first repeat first.</p>"
        return f"<h2>The trained models</h2>{intro}<ul class='small'>{items}</ul>"


def _image(region: str, png: bytes) -> str:
    data = base64.b64encode(png).decode()
    alt = html.escape(f"AUC against mean distance moved, region {region}")
    return f'<img alt="{alt}" src="data:image/png;base64,{data}">'


def _item(title: str, text: str) -> str:
    return f"<li><b>{html.escape(title)}</b>: {text}</li>"


def _told(found: Repeated | None) -> str:
    if found is None:
        return "no AUC"
    return f"an AUC of {found.mean:.4f} ± {found.width:.4f}"
