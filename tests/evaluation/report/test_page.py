"""The page of a report and the folder around it: whole, readable by itself, and true to the numbers."""

from __future__ import annotations

import base64
import csv
import html
import html.parser
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest
from PIL import Image
from referencing import Registry, Resource

from simmorph.card import FileRecord, Origin
from simmorph.config.evaluation import EvaluateSettings
from simmorph.config.recipe import Recipe
from simmorph.data.estimates import Estimate
from simmorph.data.events import Events
from simmorph.evaluation.comparison import Plan, judges_of
from simmorph.evaluation.metrics.samples import Cut, Samples
from simmorph.evaluation.region_result import RegionResult, compare
from simmorph.evaluation.report.page import MOST_IN_FULL, WORDS, RegionPage
from simmorph.evaluation.report.page import page as write_page
from simmorph.evaluation.report.region_tables import tables_of
from simmorph.evaluation.report.write import write_report
from simmorph.model import Model
from simmorph.neural.loop.training import Training
from simmorph.pipeline.evaluate.origin import model_facts

if TYPE_CHECKING:
    from pathlib import Path

N_EVENTS = 400
FIRST = "control____b_"
VOID = {"meta", "img", "br", "hr"}
HISTORY: dict[str, Any] = {
    "base": {
        "epochs": 3, "best_epoch": 2, "seconds": 1.5, "losses": [3.0, 2.0, 1.9], "validation_losses": [3.1, 2.0, 2.1],
        "observed": {},
    },
    "game": {
        "epochs": 2, "best_epoch": 2, "seconds": 1.5, "losses": [3.0, 2.0], "validation_losses": [],
        "observed": {"constraint": [0.3, 0.1], "epsilon": [0.2, 0.2], "lambda": [0.0, 1.0]},
    },
}  # fmt: skip
CUTFLOW = [
    {"cut": "all", "events": 1000, "weighted": 998.5, "sum_squares": 1000.0},
    {"cut": "two <photons>", "events": 400, "weighted": 399.5, "sum_squares": 400.0},
]


def _samples(shift: float = 0.5) -> Samples:
    """A source that is shifted in x, a template that is not, a target, and a radius that nobody trained on."""
    rng = np.random.default_rng(1)

    def sample(offset: float) -> Events:
        x, y, mass = rng.normal(offset, 1, N_EVENTS), rng.normal(size=N_EVENTS), rng.uniform(size=(N_EVENTS, 1))
        return Events.of(np.column_stack([x, y, np.hypot(x, y)]), mass)

    source, target = sample(shift), sample(0.0)
    x, y = source.features[:, 0] - shift, source.features[:, 1]
    moved = source.with_features(np.column_stack([x, y, np.hypot(x, y)]))
    parts = {"source": source, "moved": moved, "template": moved, "target": target}
    masses = {name: its.context[:, 0] for name, its in parts.items() if name != "moved"}
    passing = {name: its.features[:, 0] < 2 for name, its in parts.items()}
    return Samples(
        ("x", "y", "radius"), 2, source, moved, moved, target, target[:0],
        ("mass",), {"mass": masses}, {"low x": Cut("x < 2", False, passing)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def result() -> RegionResult:
    samples = _samples()
    plan = Plan(judges_of(samples, []), N_EVENTS, [1])
    return compare("control & <b>", "x < 2", samples, plan, is_trained_on=True)


def _model() -> dict[str, Any]:
    """The card of a real model."""
    recipe = Recipe.model_validate({"features": ["x", "y"], "context": ["mass"], "method": {"name": "quantile"}})
    rng = np.random.default_rng(1)
    source, target = (Events.of(rng.normal(size=(300, 2)), rng.normal(size=(300, 1))) for _ in range(2))
    origin = Origin((FileRecord(path="mc.root", sha256="aa", n_entries=300),), (), {"x": "GeV"})
    return model_facts(Model.fit(recipe, source, target, Training(recipe.training), origin).card)


def _report(**changes: Any) -> dict[str, Any]:
    provenance = {"simmorph": "0", "files": {"target": {"data.root": "ab" * 32}}, "recipe": {"weight": "<w>"}}
    content = {
        "held_out": {"remark": "All <are> held out."},
        "training": HISTORY,
        "model": _model(),
        "cutflow": {"data.root": CUTFLOW},
        "provenance": provenance,
    }
    return content | changes


SETTINGS = EvaluateSettings(
    label="Toy <experiment> for $5", luminosity_fb=10.06, energy_tev=13, regions={"signal": "y"}
)


@pytest.fixture(scope="module")
def folder(result: RegionResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on the region of training, and three bands of the same events."""
    folder = tmp_path_factory.mktemp("report")
    names = ("mass 0 to 1", "mass 1 to 2", "mass 2 to 3")
    regions = [result, *(replace(result, name=name, cut=name, is_trained_on=False) for name in names)]
    write_report(folder, regions, _report(), SETTINGS)
    return folder


class Page(html.parser.HTMLParser):
    """Reads a page: which tags are open, where links point, what images show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.headings: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [value for key, value in attrs if key == "id" and value]
        self.links += [value for key, value in attrs if key == "href" and value]
        if tag == "img":
            self.images.append(found)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data
        if self.open and self.open[-1] in {"h1", "h2", "h3", "summary"}:
            self.headings.append(data)


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text())


def test_every_tag_is_closed_and_every_link_leads_somewhere(page: Page) -> None:
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert not page.tags & {"script", "link", "iframe", "experiment", "b&gt;", "photons", "w", "are"}


def test_every_image_is_inside_the_page_has_a_text_and_is_legible(page: Page) -> None:
    assert len(page.images) >= 9 + 3 * 2 + 3
    for image in page.images:
        head, data = (image["src"] or "").split(",", 1)
        assert head == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as picture:
            picture.load()
            assert picture.format == "PNG"
            assert 400 <= picture.width <= 3000
            assert 200 <= picture.height <= 3000
        assert len(image["alt"] or "") > 20


def test_sections_come_in_the_order_in_which_a_physicist_asks(page: Page) -> None:
    wanted = [
        "Verdict", "Can a classifier distinguish template from target?", "Correlations", "Derived quantities",
        "Features",
        "What the map does to events", "Where template and target differ: weights of the classifier",
        "Closure against conditions", "Acceptance", "Training", "Model", "Cutflow", "How to read this", "Provenance",
    ]  # fmt: skip
    places = [page.headings.index(name) for name in wanted]
    assert places == sorted(places)


def test_verdict_on_many_regions_is_a_table_and_a_plot_and_only_two_are_told_at_length(
    folder: Path, page: Page, result: RegionResult
) -> None:
    text = (folder / "report.html").read_text()
    assert len(re.findall(r'<span class="pill', text)) == 4 > MOST_IN_FULL
    assert len(re.findall(r'<div class="verdict ', text)) <= 2
    differs = [name for name in result.findings.differs if name != result.verdict.words]
    told = f"from their nulls: {', '.join(differs)}." if differs else "No other metric differs significantly"
    assert told in page.text
    assert f"The template {WORDS[result.verdict.code]} all 4 regions." in page.text
    with (folder / "regions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["region"] for row in rows][:2] == ["control & <b>", "mass 0 to 1"]
    assert float(rows[0]["template"]) == pytest.approx(result.verdict.template.value)
    assert float(rows[0]["null_uncertainty"]) == pytest.approx(result.verdict.null.uncertainty)


def test_names_of_the_user_are_text_and_luminosity_and_energy_are_told(page: Page) -> None:
    assert "Toy <experiment> for $5: does the template look like the target?" in page.text
    assert "√s = 13 TeV, 10.06 fb⁻¹" in page.text
    assert "Region control & <b>" in page.headings
    assert "two <photons>" in page.text


def test_model_is_told_in_words(page: Page) -> None:
    assert "quantile" in page.text
    assert "moves the features of events" in page.text
    assert re.search(r"\d+ events, sum of weights \d+, from mc.root", page.text)
    assert "3.0 s" in page.text
    assert re.search(r"\d+% to stop training in time, \d+% held out for this report", page.text)


def test_cutflow_has_the_share_that_passes_each_cut(page: Page) -> None:
    assert "399.5 ± 20" in page.text
    assert "40.0%" in page.text


def test_bands_are_drawn_in_brief_and_the_first_region_in_full(folder: Path) -> None:
    full = {path.stem for path in (folder / FIRST).glob("*.png")}
    brief = {path.stem for path in (folder / "mass_0_to_1").glob("*.png")}
    variables = {"x", "y", "radius"}
    assert full >= variables | {"roc", "correlations", "displacement", "map", "weights", "profiles-mass"}
    assert brief == {"roc", "ratios"}
    for place in (folder / FIRST, folder / "mass_0_to_1"):
        assert {path.stem for path in place.glob("*.pdf")} == {path.stem for path in place.glob("*.png")}
        assert {path.stem for path in place.glob("*.png")} <= {path.stem for path in place.glob("*.csv")}


def test_histograms_are_uhi_json_and_hold_what_the_csv_holds(folder: Path) -> None:
    found = json.loads((folder / FIRST / "histograms.json").read_text())
    schemas = [
        json.loads((resources.files("uhi") / "resources" / name).read_text())
        for name in ("histogram.schema.json", "histograms.schema.json")
    ]
    registry: Any = Registry().with_resources([(it["$id"], Resource.from_contents(it)) for it in schemas])
    jsonschema.Draft7Validator(schemas[1], registry=registry).validate(found)
    assert found.keys() >= {"x/target", "x/source", "x/template", "radius/target", "log_weight/template_vs_target"}
    with (folder / FIRST / "x.csv").open() as file:
        rows = list(csv.DictReader(file))
    storage = found["x/template"]["storage"]
    assert storage["values"] == pytest.approx([float(row["template"]) for row in rows])
    errors = [float(row["template_uncertainty"]) ** 2 for row in rows]
    assert storage["variances"] == pytest.approx(errors)
    assert found["x/target"]["axes"][0]["edges"][:-1] == pytest.approx([float(row["low"]) for row in rows])


def test_training_of_every_stage_is_drawn_and_its_best_epoch_is_in_the_table(folder: Path, page: Page) -> None:
    assert {path.name for path in folder.glob("training*.png")} == {"training.png", "training-game.png"}
    with (folder / "training.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["loss"] for row in rows] == ["3.0", "2.0", "1.9"]
    assert "Stages of training." in page.text


def test_one_region_without_a_model_and_a_source_makes_a_page_too(tmp_path: Path) -> None:
    samples = _samples()
    alone = replace(samples, source=samples.source[:0], conditions={}, context_names=(), cuts={})
    result = compare("all", "", alone, Plan(judges_of(alone, []), 200, [1]), is_trained_on=False)
    write_report(tmp_path, [result], _report(training={}, model=None, cutflow={}), EvaluateSettings())
    page = Page((tmp_path / "report.html").read_text())
    assert page.open == []
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert "Training" not in page.headings
    assert "The recipe names no model" in page.text
    assert not {"map", "displacement"} & {path.stem for path in (tmp_path / "all").glob("*.png")}


MEASURING = """
<script>
for (const details of document.querySelectorAll("details")) details.open = true;
const images = [...document.images];
document.title = JSON.stringify({
  images: images.length,
  broken: images.filter(image => !(image.complete && image.naturalWidth > 100)).length,
  overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  clipped: [...document.querySelectorAll("table")].map(table => table.parentElement).filter(
    around => around.scrollWidth > around.clientWidth + 1).length,
});
</script></body>
"""
"""What tells in a browser what is clipped or missing; the page itself has no scripts."""


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Debian's chromium")
def test_a_browser_shows_every_image_and_clips_nothing(folder: Path, tmp_path: Path) -> None:
    page = (folder / "report.html").read_text()
    measured = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page).replace("</body>", MEASURING)
    (tmp_path / "page.html").write_text(measured)
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,1024", "--enable-logging=stderr",
        f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", (tmp_path / "page.html").as_uri(),
    ]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r"<title>(\{.*?\})</title>", shown.stdout)
    assert found
    seen = json.loads(found[1])
    assert seen["images"] == page.count("<img ") > 0
    assert (seen["broken"], seen["overflow"], seen["clipped"]) == (0, 0, 0)
    assert "CONSOLE" not in shown.stderr


def _pages(*results: RegionResult) -> str:
    return write_page([RegionPage(it, {}, {}, it.name) for it in results], _report(), "Toy")


def _with_excess(result: RegionResult, name: str, excess: float) -> RegionResult:
    """The same region with an AUC that is this many standard deviations above a half."""
    metric = result.verdict.metric
    null = Estimate(0.5, 0.003)
    compared = {
        **result.metrics[metric],
        "target_vs_target": null,
        "template_vs_target": Estimate(0.5 + 0.005 * excess, 0.005),
        "source_vs_target": Estimate(0.6, 0.005),
    }
    return replace(result, name=name, metrics={**result.metrics, metric: compared})


@pytest.mark.parametrize(
    ("excesses", "summary"),
    [
        ((0.0, 1.9), "The template agrees within noise in both regions."),
        ((5.0, 4.0, 3.1), "The template differs significantly in all 3 regions."),
        ((0.0, 2.5, 1.0), "Of 3 regions, the template agrees within noise in 2 and is in tension in 1."),
        (
            (0.0, 2.5, 9.0),
            "Of 3 regions, the template agrees within noise in 1, is in tension in 1 and differs significantly in 1.",
        ),
    ],
)
def test_summary_counts_the_regions_of_each_conclusion(
    result: RegionResult, excesses: tuple[float, ...], summary: str
) -> None:
    found = Page(_pages(*(_with_excess(result, f"r{number}", it) for number, it in enumerate(excesses))))
    assert summary in " ".join(found.text.split())


def test_the_worst_of_many_regions_is_shown_in_full_beside_the_first(result: RegionResult) -> None:
    regions = [_with_excess(result, f"r{number}", excess) for number, excess in enumerate((0.0, 1.0, 7.0, 2.5, 1.5))]
    text = _pages(*regions)
    boxes = re.findall(r'<div class="verdict (\w+)">\s*<strong>region (\w+)', text)
    assert boxes == [("within", "r0"), ("beyond", "r2")]
    assert re.findall(r'<span class="pill (\w+)">', text) == ["within", "within", "beyond", "tension", "within"]


def test_one_region_has_neither_summary_nor_table_of_regions(result: RegionResult) -> None:
    text = _pages(result)
    assert "The template agrees within noise in" not in text
    assert "pill" not in re.sub(r"<style>.*?</style>", "", text, flags=re.S)
    assert "One\nregion is" not in text
    assert "1 region is judged" in " ".join(Page(text).text.split())


def test_numbers_of_the_table_of_regions_are_those_of_the_verdicts(result: RegionResult) -> None:
    regions = [_with_excess(result, name, excess) for name, excess in (("a", 0.5), ("b", 4.0))]
    text = _pages(*regions)
    for region in regions:
        verdict = region.verdict
        for number in (verdict.template.to_text(), f"{verdict.significance:+.1f}", f"{verdict.excess.value:+.4f}"):
            assert number in text


def test_tables_of_a_region_are_on_the_page_cell_by_cell(result: RegionResult) -> None:
    tables = tables_of(result, [])
    text = write_page([RegionPage(result, {}, tables, "all")], _report(), "Toy")
    for table in tables.values():
        for row in table.texts():
            cells = "".join(rf"<td[^>]*>{re.escape(html.escape(cell, quote=False))}</td>\s*" for cell in row)
            assert re.search(cells, text.replace("&#39;", "'").replace("&#34;", '"')), row


def test_sections_without_content_are_left_out_with_their_headings(result: RegionResult) -> None:
    page = Page(_pages(result))
    for heading in ("Acceptance", "Closure against conditions", "What the map does to events", "Derived quantities"):
        assert heading not in page.headings
    assert "Features" in page.headings
