"""Promises of events drawn from a generator: from a recipe without a source to files, reports and errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from simmorph.data.events import Events
from simmorph.data.ntuples.contents import describe, read_metadata
from simmorph.errors import UsageError
from simmorph.model import Model
from simmorph.pipeline.generate import generate_events
from tests.conftest import read_columns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Outcome

    Simmorph = Callable[..., Outcome]
    Drawn = dict[str, Any]

MADEMOG = "{name: mademog, components: 4, hidden: [16]}"
QUICK = "{epochs: 8, batch_size: 128, learning_rate: 1e-2}"


class Trained(NamedTuple):
    """A recipe and its model."""

    recipe: Path
    model: Path


@pytest.fixture
def trained(write_recipe: Callable[..., Path], simmorph: Simmorph, tmp_path: Path) -> Callable[..., Trained]:
    """Train a generator on a target alone."""

    def train(**changes: object) -> Trained:
        keys = {"features": "[pt1, isolation]", "method": MADEMOG, "training": QUICK, **changes}
        recipe = write_recipe(**keys)
        text = "".join(line for line in recipe.read_text().splitlines(True) if not line.startswith("source:"))
        recipe.write_text(text)
        outcome = simmorph("train", "--config", recipe, "-q")
        assert outcome.code == 0, outcome.stderr
        return Trained(recipe, tmp_path / "model")

    return train


def drawn_events(path: Path, *names: str) -> Drawn:
    return read_columns([str(path)], "events", list(names) or list(describe(str(path), "events").branches))


def test_a_recipe_without_a_source_trains_a_generator(trained: Callable[..., Trained], simmorph: Simmorph) -> None:
    folder = trained().model
    card = Model.load(folder).card
    assert card.kind == "generate"
    assert card.source.n_events == 0
    assert card.target.n_events > 1000
    assert "source      none" in simmorph("inspect", folder).stdout


def test_a_map_without_a_source_says_what_is_missing(write_recipe: Callable[..., Path], simmorph: Simmorph) -> None:
    recipe = write_recipe(source="null")
    outcome = simmorph("train", "--config", recipe)
    assert outcome.code == 3
    assert "key 'source' is missing" in outcome.stderr


def test_events_are_drawn_into_branches_of_their_names(
    trained: Callable[..., Trained], simmorph: Simmorph, tmp_path: Path
) -> None:
    output = tmp_path / "drawn.root"
    outcome = simmorph("apply", "--n-events", 5000, "--model", trained().model, "-o", output)
    assert outcome.code == 0, outcome.stderr
    assert "5000 events drawn" in outcome.stdout
    drawn, target = drawn_events(output), drawn_events(tmp_path / "target.root", "pt1", "isolation", "weight")
    assert set(drawn) == {"pt1", "isolation", "weight"}
    assert (drawn["weight"] == 1).all()
    assert drawn["pt1"].min() >= 25
    for name in ("pt1", "isolation"):
        assert drawn[name].mean() == pytest.approx(np.average(target[name], weights=target["weight"]), rel=0.15)
    assert np.mean(drawn["isolation"] == 0) == pytest.approx(np.mean(target["isolation"] == 0), abs=0.1)
    assert describe(str(output), "events").branches["pt1"] == describe(str(tmp_path / "target.root")).branches["pt1"]
    assert read_metadata(output)["generated"] == 5000
    assert json.loads(output.with_name("drawn.root.provenance.json").read_text())["method"]["name"] == "mademog"


def test_an_event_depends_on_its_number_and_the_seed_alone(trained: Callable[..., Trained], tmp_path: Path) -> None:
    model = trained().model
    files: dict[str, tuple[int, dict[str, Any]]] = {
        "whole": (1000, {}),
        "short": (300, {}),
        "pieces": (1000, {"step": 7}),
        "other": (300, {"seed": 5}),
    }
    found = {}
    for name, (n_events, how) in files.items():
        generate_events(model, tmp_path / f"{name}.root", n_events, **how)
        found[name] = drawn_events(tmp_path / f"{name}.root")
    for branch in found["whole"]:
        np.testing.assert_array_equal(found["pieces"][branch], found["whole"][branch])
        np.testing.assert_array_equal(found["short"][branch], found["whole"][branch][:300])
    assert not np.isin(found["other"]["pt1"], found["short"]["pt1"]).any()


def test_contexts_are_drawn_in_proportion_to_their_weights(trained: Callable[..., Trained], tmp_path: Path) -> None:
    model = trained(features="[isolation]", context="[pt1]").model
    generate_events(model, tmp_path / "drawn.root", 20_000)
    drawn, target = (drawn_events(tmp_path / f"{name}.root", "pt1", "weight") for name in ("drawn", "target"))
    mean, spread = np.average(target["pt1"], weights=target["weight"]), target["pt1"].std()
    assert drawn["pt1"].mean() == pytest.approx(mean, abs=4 * spread / np.sqrt(20_000))
    assert np.isin(drawn["pt1"], target["pt1"]).all()


def test_contexts_of_negative_weight_make_events_of_negative_weight(
    trained: Callable[..., Trained],
    write_ntuple: Callable[..., Path],
    flat_columns: Callable[..., Drawn],
    tmp_path: Path,
) -> None:
    model = trained(features="[isolation]", context="[pt1]").model
    columns = flat_columns(3)
    columns["weight"] = np.where(columns["pt1"] > 40, -1.0, 2.0)
    contexts = write_ntuple(tmp_path / "contexts.root", columns)
    result = generate_events(model, tmp_path / "drawn.root", 5000, inputs=[str(contexts)])
    assert result.contexts_from == [str(contexts)]
    drawn = drawn_events(tmp_path / "drawn.root")
    np.testing.assert_array_equal(drawn["weight"], np.where(drawn["pt1"] > 40, -1.0, 1.0))
    assert 0 < np.mean(drawn["weight"] < 0) < 1


def test_the_contexts_of_the_training_region_are_the_default(trained: Callable[..., Trained], tmp_path: Path) -> None:
    model = trained(features="[isolation]", context="[pt1]", region="pt1 > 40").model
    generate_events(model, tmp_path / "drawn.root", 500)
    assert drawn_events(tmp_path / "drawn.root", "pt1")["pt1"].min() > 40


def test_new_features_stand_beside_each_event_of_an_input(
    trained: Callable[..., Trained], simmorph: Simmorph, tmp_path: Path
) -> None:
    model, source = trained(features="[isolation]", context="[pt1]").model, tmp_path / "source.root"
    copy = tmp_path / "copy.root"
    copy.write_bytes(source.read_bytes())
    outcome = simmorph("apply", source, copy, "--model", model, "-o", tmp_path / "out.root")
    assert outcome.code == 0, outcome.stderr
    found, n_source = drawn_events(tmp_path / "out.root"), describe(str(source)).n_entries
    np.testing.assert_array_equal(found["weight_morphed"], found["weight"])
    np.testing.assert_array_equal(found["pt1"][:n_source], found["pt1"][n_source:])
    new = found["isolation_morphed"]
    assert not np.array_equal(new, found["isolation"])
    # Equal entries of two files are different events.
    same = new[:n_source][new[:n_source] > 0] == new[n_source:][new[:n_source] > 0]
    assert same.mean() < 0.01


def test_an_input_needs_only_the_context(
    trained: Callable[..., Trained], write_ntuple: Callable[..., Path], simmorph: Simmorph, tmp_path: Path
) -> None:
    model = trained(features="[isolation]", context="[pt1]", weight="null").model
    contexts = write_ntuple(tmp_path / "contexts.root", {"pt1": np.linspace(30, 80, 50)})
    outcome = simmorph("apply", contexts, "--model", model, "-o", tmp_path / "out.root")
    assert outcome.code == 0, outcome.stderr
    assert np.isfinite(drawn_events(tmp_path / "out.root", "isolation_morphed")["isolation_morphed"]).all()
    before = contexts.read_bytes()
    outcome = simmorph("apply", contexts, "--model", model, "--n-events", 10, "-o", contexts, "--force")
    assert (outcome.code, contexts.read_bytes()) == (2, before)
    assert "is also an input" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "INPUT: is missing"),
        (["--n-events", "0"], "0 is not in the range"),
        (["--n-events", "10", "--friend"], "--friend: new events come from no ntuple"),
        (["--n-events", "10", "--selection", "diphoton-demo"], "--selection: new events come from no ntuple"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    arguments: list[str], message: str, trained: Callable[..., Trained], simmorph: Simmorph, tmp_path: Path
) -> None:
    outcome = simmorph("apply", "--model", trained().model, "-o", tmp_path / "out.root", *arguments)
    assert outcome.code == 2
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def test_a_map_draws_no_events(write_recipe: Callable[..., Path], simmorph: Simmorph, tmp_path: Path) -> None:
    assert simmorph("train", "--config", write_recipe()).code == 0
    with pytest.raises(UsageError, match="'quantile' changes events and draws none"):
        generate_events(tmp_path / "model", tmp_path / "drawn.root", 10)


def test_an_existing_output_stays(trained: Callable[..., Trained], tmp_path: Path) -> None:
    (tmp_path / "drawn.root").write_text("mine")
    with pytest.raises(UsageError, match="already exists"):
        generate_events(trained().model, tmp_path / "drawn.root", 10)
    assert (tmp_path / "drawn.root").read_text() == "mine"


def test_the_density_is_in_physical_units(trained: Callable[..., Trained], tmp_path: Path) -> None:
    model = Model.load(trained(features="[pt1]").model)
    grid = np.linspace(25.001, 400, 20_001)[:, None]
    density = model.log_density(Events.of(grid))
    assert density is not None
    assert np.trapezoid(np.exp(density), grid[:, 0]) == pytest.approx(1, abs=0.03)


def test_a_chain_without_a_source_ends_in_a_report_without_one(
    trained: Callable[..., Trained], simmorph: Simmorph, tmp_path: Path
) -> None:
    recipe = trained().recipe
    with recipe.open("a") as file:
        file.write(f"template: {tmp_path / 'template.root'}\nn_events: 1500\n")
        file.write(f"apply:\n  - {{n_events: 100, seed: 3, output: {tmp_path / 'more.root'}}}\n")
        file.write(f"evaluate:\n  report: {tmp_path / 'report'}\n  derived: {{s: pt1 + isolation}}\n")
        file.write("  regions: {hard: pt1 > 45}\n")
    assert "ok  source: none: events are drawn" in simmorph("check", "--config", recipe).stdout
    outcome = simmorph("run", "--config", recipe, "--json")
    assert outcome.code == 0, outcome.stderr
    assert describe(str(tmp_path / "template.root")).n_entries == 1500
    assert describe(str(tmp_path / "more.root")).n_entries == 100
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    found = report["regions"]["all"]
    assert set(found["metrics"]["auc"]) == {"template_vs_target", "target_vs_target"}
    assert found["movement"] is None
    assert set(found["pearson"]) >= {"target", "template"}
    assert set(found["distances"]["pt1"]) >= {"wasserstein", "kolmogorov", "kullback_leibler", "hellinger"}
    assert "source" not in report["held_out"]["events"]
    assert "unmorphed" not in report["sentence"]
    assert not (tmp_path / "report" / "all" / "map.pdf").exists()
    assert (tmp_path / "report" / "all" / "hellinger.csv").exists()
    page = (tmp_path / "report" / "report.html").read_text()
    assert "What the map does to events" not in page
    assert "up to date" in simmorph("run", "--config", recipe).stdout


def test_a_region_that_events_from_a_generator_cannot_be_cut_on_is_refused(
    trained: Callable[..., Trained], simmorph: Simmorph, tmp_path: Path
) -> None:
    recipe = trained(region="in_control").recipe
    assert simmorph("apply", "--n-events", 800, "--model", tmp_path / "model", "-o", tmp_path / "drawn.root").code == 0
    given = ("--template", tmp_path / "drawn.root", "-o", tmp_path / "report")
    # What is drawn lies in the region of training, whatever that is a cut on.
    assert simmorph("evaluate", "--config", recipe, *given).code == 0
    with recipe.open("a") as file:
        file.write("evaluate: {regions: {other: in_control == 0}}\n")
    outcome = simmorph("evaluate", "--config", recipe, *given, "--force")
    assert outcome.code == 3
    assert "which events from a generator do not have" in outcome.stderr
