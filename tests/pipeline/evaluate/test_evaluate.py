"""From ntuples to a report: what is left out, what is written, and what is refused."""

from __future__ import annotations

import csv
import html.parser
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.config.recipe import Recipe
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.data.splits import HOLDOUT, part_of
from simmorph.errors import InputError, UsageError
from simmorph.evaluation.metrics.samples import COMPARISONS
from simmorph.pipeline.evaluate.inputs import read_inputs
from simmorph.pipeline.evaluate.run import EvaluateResult, evaluate
from simmorph.pipeline.train import train_model

if TYPE_CHECKING:
    from pathlib import Path

N_EVENTS = 3000
SHIFT = 0.5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source that is shifted in x, with some negative weights, the template that undoes it, and the target."""
    folder = tmp_path_factory.mktemp("evaluate")
    rng = np.random.default_rng(1)

    def sample(shift: float) -> dict[str, np.ndarray]:
        x = rng.normal(size=N_EVENTS) + shift
        return {
            "x": x,
            "phi": np.remainder(rng.normal(size=N_EVENTS) * 2 + np.pi, 2 * np.pi) - np.pi,
            "weight": rng.choice([1.0, -1.0], N_EVENTS, p=[0.95, 0.05]) if shift else np.ones(N_EVENTS),
            "in_control": rng.uniform(size=N_EVENTS) < 0.5,
        }

    source, target = sample(SHIFT), sample(0.0)
    status = np.zeros(N_EVENTS, np.int32)
    status[:7], status[7:12], status[12:15] = 1, 2, 4
    morphed = np.where(status == 1, np.nan, source["x"] - SHIFT)
    template = {"x_morphed": morphed, "phi_morphed": source["phi"], "weight_morphed": source["weight"]}
    columns = {"source": source, "target": target, "template": {**source, **template, "morph_status": status}}
    for name, content in columns.items():
        with create_ntuple(folder / f"{name}.root", "events") as ntuple:
            ntuple.extend(content)
    with create_ntuple(folder / "friend.root", "morphed") as ntuple:
        ntuple.extend({**template, "morph_status": status})
    return folder


def recipe_of(folder: Path, report: str = "report", **changes: Any) -> Recipe:
    content: dict[str, Any] = {
        "source": str(folder / "source.root"),
        "target": str(folder / "target.root"),
        "template": folder / "template.root",
        "features": ["x", "phi"],
        "weight": "weight",
        "region": "in_control",
        "method": {"name": "quantile"},
        "evaluate": {
            "report": folder / report,
            "derived": {"radius": "hypot(x, phi)"},
            "regions": {"control": "in_control", "signal": "not in_control"},
            "label": "Toy <experiment>",
        },
    }
    return Recipe.model_validate(content | changes)


@pytest.fixture(scope="module")
def result(folder: Path) -> EvaluateResult:
    return evaluate(recipe_of(folder))


def test_report_has_every_metric_of_every_comparison_at_the_top_and_in_each_region(result: EvaluateResult) -> None:
    report = json.loads((result.folder / "report.json").read_text())
    assert report["region"] == "control"
    assert report["metrics"] == report["regions"]["control"]["metrics"]
    for region in ("control", "signal"):
        metrics = report["regions"][region]["metrics"]
        assert {"auc", "auc_with_derived", "pearson_worst", "wasserstein_worst"} <= metrics.keys()
        for compared in metrics.values():
            assert tuple(compared) == COMPARISONS
            assert all(estimate["uncertainty"] >= 0 for estimate in compared.values())


def test_template_that_undoes_the_shift_is_like_the_null_and_the_source_is_not(result: EvaluateResult) -> None:
    auc = result.report["metrics"]["auc"]
    assert auc["source_vs_target"]["value"] > 0.58
    assert result.regions[0].verdict.significance < 2
    verdict = result.regions[0].verdict
    assert result.report["verdict"] == ("agrees" if verdict.sensitivity < verdict.needed else "no_power")
    first = result.report["regions"]["control"]
    assert first["excess_limit_95"] > max(first["excess"]["value"], 0)


def test_derived_quantity_is_recomputed_from_morphed_features(folder: Path) -> None:
    inputs = read_inputs(recipe_of(folder), None)
    template = inputs.samples("").template
    assert np.allclose(template.features[:, 2], np.hypot(template.features[:, 0], template.features[:, 1]))


def test_rows_that_were_not_morphed_are_left_out_of_source_and_template_and_counted(folder: Path) -> None:
    inputs = read_inputs(recipe_of(folder), None)
    counts, samples = inputs.counts()["source"], inputs.samples("")
    assert (counts["not_morphed"], counts["outside_training_range_but_kept"]) == (12, 3)
    assert len(samples.source) == len(samples.template) == counts["used"] == N_EVENTS - 12
    assert np.allclose(samples.moved.features[:, 0], samples.source.features[:, 0] - SHIFT)


def test_cut_is_taken_on_the_template_after_the_map(folder: Path) -> None:
    samples = read_inputs(recipe_of(folder), None).samples("x > 1")
    assert samples.template.features[:, 0].min() > 1
    assert samples.source.features[:, 0].min() > 1
    assert len(samples.template) < len(samples.source) == len(samples.moved)


def test_negative_weights_are_kept(folder: Path) -> None:
    samples = read_inputs(recipe_of(folder), None).samples("")
    assert (samples.template.weights < 0).any()
    assert np.array_equal(samples.template.weights, samples.source.weights)


def test_friend_is_as_good_as_a_full_template(folder: Path) -> None:
    full, friend = (
        read_inputs(recipe_of(folder, template=folder / name), None).samples("in_control").template.features
        for name in ("template.root", "friend.root")
    )
    assert np.array_equal(full, friend)


def test_exactly_the_rows_that_training_has_seen_are_left_out(folder: Path, tmp_path: Path) -> None:
    recipe = recipe_of(folder, model=tmp_path / "model", weight=None)
    card = train_model(recipe).card
    inputs = read_inputs(recipe, card)
    for table in (inputs.source, inputs.target):
        how = card.learning.training
        held_out = part_of(table.ids, how.seed, how.validation, how.holdout) == HOLDOUT
        assert np.array_equal(table.seen, table.columns["in_control"] & ~held_out)
    control, signal = inputs.samples("in_control"), inputs.samples("not in_control")
    assert len(control.target) == np.sum(inputs.target.columns["in_control"] & ~inputs.target.seen)
    assert len(control.spare) == inputs.target.seen.sum()
    assert len(signal.target) == np.sum(~inputs.target.columns["in_control"])
    assert np.array_equal(control.moved.ids, control.source.ids)
    assert not inputs.source.seen[control.source.ids].any()


@pytest.mark.parametrize(
    ("changes", "is_noted"),
    [
        ({}, False),
        ({"source": "source.root", "evaluate": {"label": "X"}}, False),
        ({"region": "not in_control"}, True),
        ({"training": {"seed": 2}}, True),
        ({"training": {"device": "cpu"}}, False),
    ],
)
def test_recipe_with_other_settings_than_those_of_the_model_is_noted(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], is_noted: bool
) -> None:
    monkeypatch.chdir(folder)
    learnt: dict[str, Any] = {"model": tmp_path / "model", "weight": None}
    train_model(recipe_of(folder, **learnt))
    settings = {"report": tmp_path / "r"} | changes.pop("evaluate", {})
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if text.startswith("comparing"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(recipe_of(folder, **learnt, evaluate=settings, **changes), progress=say)
    assert said[:-1] == is_noted * [
        "the model has other settings than the recipe: its own region (in_control) and hold-out part are used"
    ]


class Sources(html.parser.HTMLParser):
    """Collects what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loaded += [value or "" for key, value in attrs if key in {"src", "href"}]


def test_page_needs_nothing_beside_it(result: EvaluateResult) -> None:
    text = (result.folder / "report.html").read_text()
    found = Sources()
    found.feed(text)
    shown = [link for link in found.loaded if link.startswith("data:image/png;base64,")]
    # Of each region three variables, ROC, heat maps, arrows, the map and the weights; and the AUC of both regions.
    assert len(shown) == len([*result.folder.rglob("*.png")]) >= 2 * (3 + 5) + 1
    assert all(link.startswith(("data:", "#")) for link in found.loaded)
    assert not {"script", "link", "experiment"} & found.tags
    assert "Toy &lt;experiment&gt;" in text
    assert "not known which events training has seen" in text


def test_every_plot_has_png_pdf_and_its_numbers(result: EvaluateResult) -> None:
    for region in ("control", "signal"):
        place = result.folder / region
        for name in ("x", "phi", "radius", "roc", "correlations", "map"):
            assert (place / f"{name}.png").read_bytes().startswith(b"\x89PNG")
            assert (place / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        with (place / "x.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert rows[0].keys() >= {"low", "high", "target", "source", "template", "template_uncertainty"}
        assert (place / "pearson.tex").read_text().count(r"\pm") >= 3


def test_equal_inputs_give_equal_numbers(folder: Path, result: EvaluateResult) -> None:
    again = evaluate(recipe_of(folder, "again"))
    assert again.report["regions"] == result.report["regions"]


def test_report_is_replaced_by_force_only(folder: Path, result: EvaluateResult) -> None:
    with pytest.raises(UsageError, match="already exists"):
        evaluate(recipe_of(folder))


def test_template_of_another_source_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has 3000 rows, and the source has 6000"):
        evaluate(
            recipe_of(
                folder,
                source=[str(folder / "source.root"), str(folder / "target.root")],
                evaluate={"report": tmp_path / "r"},
            )
        )
    with create_ntuple(tmp_path / "other.root", "events", metadata={"inputs": [{"sha256": "0"}]}) as ntuple:
        ntuple.extend({"x_morphed": np.zeros(2)})
    with pytest.raises(InputError, match="another source"):
        evaluate(recipe_of(folder, template=tmp_path / "other.root", evaluate={"report": tmp_path / "r"}))
    assert not (tmp_path / "r").exists()


def test_too_few_events_are_one_clear_line(folder: Path, tmp_path: Path) -> None:
    settings = {"report": tmp_path / "r", "regions": {"tail": "x > 3"}}
    with pytest.raises(InputError, match=r"region 'tail'.*are needed"):
        evaluate(recipe_of(folder, evaluate=settings))


def test_target_alone_does_not_need_to_have_regions(folder: Path, tmp_path: Path) -> None:
    found = evaluate(recipe_of(folder, region=None, evaluate={"report": tmp_path / "r", "max_events": 500}))
    assert found.report["region"] == "all"
    assert found.report["regions"]["all"]["compared_events"] == 500
    assert (
        "a random split of 3,000 target events into two disjoint sets of 500" in found.report["regions"]["all"]["null"]
    )


@pytest.mark.parametrize("template", ["template.root", "friend.root"])
def test_one_feature_with_context_makes_a_whole_report(folder: Path, tmp_path: Path, template: str) -> None:
    settings = {"report": tmp_path / "r", "max_events": 400}
    recipe = recipe_of(
        folder, template=folder / template, features=["x"], context=["phi"], region=None, evaluate=settings
    )
    found = evaluate(recipe)
    assert found.report["regions"]["all"]["judged_by"] == "auc"
    with (tmp_path / "r" / "all" / "map.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["feature"] for row in rows} == {"x"}
    assert (tmp_path / "r" / "all" / "correlations.png").exists()


def test_reweighter_moves_no_event_and_still_changes_the_template(folder: Path, tmp_path: Path) -> None:
    source = read_inputs(recipe_of(folder), None).source
    ratio = np.exp(SHIFT**2 / 2 - SHIFT * source.columns["x"])
    columns = {"x_morphed": source.columns["x"], "phi_morphed": source.columns["phi"]}
    with create_ntuple(tmp_path / "weights.root", "events") as ntuple:
        ntuple.extend(
            {**columns, "weight_morphed": source.weights * ratio, "morph_status": np.zeros(N_EVENTS, np.int32)}
        )
    settings = {"report": tmp_path / "r"}
    found = evaluate(recipe_of(folder, template=tmp_path / "weights.root", region=None, evaluate=settings))
    auc = found.report["metrics"]["auc"]
    assert found.report["regions"]["all"]["movement"]["largest"] == 0
    assert auc["template_vs_target"]["value"] < auc["source_vs_target"]["value"] - 0.05


def test_correlations_and_map_have_their_numbers_beside_them(result: EvaluateResult) -> None:
    with (result.folder / "control" / "correlations.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["first"], row["second"]) for row in rows] == [("x", "phi"), ("x", "radius"), ("phi", "radius")]
    with (result.folder / "control" / "map.csv").open() as file:
        moved = [row for row in csv.DictReader(file) if row["feature"] == "x"]
    assert sum(float(row["events"]) for row in moved) == pytest.approx(len(result.regions[0].samples.moved), rel=0.01)


def test_copies_and_placeholders_are_remarked_on(folder: Path, tmp_path: Path) -> None:
    columns = {name: np.array(column) for name, column in read_inputs(recipe_of(folder), None).target.columns.items()}
    columns = {name: columns[name] for name in ("x", "phi", "in_control")} | {"weight": np.ones(N_EVENTS)}
    columns["x"][:100] = -999
    for name in ("target.root", "copy.root"):
        with create_ntuple(tmp_path / name, "events") as ntuple:
            ntuple.extend({**columns, "runNumber": np.ones(N_EVENTS), "eventNumber": np.arange(N_EVENTS)})
    both = [str(tmp_path / name) for name in ("target.root", "copy.root")]
    found = read_inputs(recipe_of(folder, target=both), None).doubts
    assert tuple(doubt.text for doubt in found if doubt.text.startswith("target: ")) == (
        f"target: {N_EVENTS} events are there twice, by run and event number, in {both[1]}: is a file a copy?",
        f"target: x is -999 in 200 of {2 * N_EVENTS} events, far outside of all others: a placeholder?",
    )
