"""What leaves an answer doubtful is said, and what is in order is not."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.card import FileRecord
from simmorph.cli.main import run
from simmorph.data.morphed import NOT_MORPHED, OUT_OF_RANGE
from simmorph.data.ntuples.files import checksum_of
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.data.samples import EventTable
from simmorph.errors import SimmorphError
from simmorph.pipeline.evaluate import doubts

if TYPE_CHECKING:
    from pathlib import Path

    from simmorph.data.events import FloatArray

N_EVENTS = 2000


def table(values: FloatArray, weights: FloatArray | None = None) -> EventTable:
    size = len(values)
    weights = np.ones(size) if weights is None else weights
    return EventTable({"x": values}, weights, np.arange(size), {"f": size}, np.zeros(size, np.bool_))


def normal(seed: int, size: int = N_EVENTS) -> FloatArray:
    return np.random.default_rng(seed).normal(size=size)


def of_samples(source: EventTable, target: EventTable) -> list[tuple[str, bool]]:
    return [(it.text, it.invalidates) for it in doubts.of_samples(source, target, ["x"])]


def test_samples_of_different_events_are_in_order() -> None:
    assert of_samples(table(normal(1)), table(normal(2))) == []


@pytest.mark.parametrize("n_shared", [300, N_EVENTS])
def test_events_in_both_samples_leave_no_answer_in_whatever_order(n_shared: int) -> None:
    source = normal(1)
    target = np.concatenate([source[:n_shared][::-1], normal(2, N_EVENTS - n_shared)])
    [(text, invalidates)] = of_samples(table(source), table(target))
    assert text.startswith(f"{n_shared} of {N_EVENTS} events are in source and target both")
    assert invalidates


def test_counts_that_agree_by_chance_are_no_shared_events() -> None:
    rng = np.random.default_rng(1)
    source, target = (table(rng.poisson(5, N_EVENTS).astype(np.float64)) for _ in range(2))
    assert of_samples(source, target) == []


def test_weights_on_the_side_of_the_target_are_odd() -> None:
    weights = np.random.default_rng(3).uniform(size=N_EVENTS)
    [(text, invalidates)] = of_samples(table(normal(1)), table(normal(2), weights))
    assert "swapped?" in text
    assert not invalidates
    assert of_samples(table(normal(1), weights), table(normal(2))) == []


@pytest.mark.parametrize(("n_outside", "found"), [(10, []), (100, [False]), (900, [True])])
def test_many_events_outside_the_range_of_training_are_a_guess(n_outside: int, found: list[bool]) -> None:
    status = np.where(np.arange(N_EVENTS) < n_outside, OUT_OF_RANGE, 0)
    status[-5:] = OUT_OF_RANGE | NOT_MORPHED
    said = list(doubts.of_status(status, np.arange(N_EVENTS) < N_EVENTS - 5))
    assert [it.invalidates for it in said] == found


def test_regions_that_the_map_moves_are_named_with_what_it_moves() -> None:
    cuts = {"all": "", "control": "in_control", "hard": "x > 2 and in_control", "heavy": "m > 100"}
    said = [it.text for it in doubts.of_cuts(cuts, ["x", "y"], ["m"])]
    assert [text.split(",")[0] for text in said] == ["region hard is cut on x", "region heavy is cut on m"]


def test_a_source_that_a_generator_ignores_is_odd() -> None:
    [said] = doubts.of_generator(["mc.root"], "flow", needs_source=False)
    assert "flow draws new events" in said.text
    assert not [*doubts.of_generator(None, "flow", needs_source=False)]
    assert not [*doubts.of_generator(["mc.root"], "quantile", needs_source=True)]


def test_files_on_the_wrong_side_of_the_model_are_swapped(tmp_path: Path) -> None:
    paths = []
    for name in ("mc", "data"):
        with create_ntuple(tmp_path / f"{name}.root", "events") as ntuple:
            ntuple.extend({"x": normal(len(name))})
        paths.append(str(tmp_path / f"{name}.root"))
    mc, data = ([path] for path in paths)
    card: Any = SimpleNamespace(
        source=SimpleNamespace(files=[FileRecord(path=paths[0], sha256=checksum_of(paths[0]), n_entries=N_EVENTS)]),
        target=SimpleNamespace(files=[FileRecord(path=paths[1], sha256=checksum_of(paths[1]), n_entries=N_EVENTS)]),
    )
    assert [*doubts.of_files(mc, data, card)] == []
    assert [it.invalidates for it in doubts.of_files(data, mc, card)] == [True]
    assert [it.text.split(":")[0] for it in doubts.of_files(mc, mc)] == ["source and target are the same file"]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A target that is the source, under another name; a template that is shifted."""
    x = normal(1)
    columns: dict[str, dict[str, Any]] = {
        "source": {"x": x, "n": np.arange(N_EVENTS)},
        "target": {"x": x[::-1].copy()},
        "template": {
            "x_morphed": x + 0.5, "weight_morphed": np.ones(N_EVENTS), "morph_status": np.zeros(N_EVENTS, np.int32),
        },
    }  # fmt: skip
    for name, its in columns.items():
        with create_ntuple(tmp_path / f"{name}.root", "events") as ntuple:
            ntuple.extend(its)
    path = tmp_path / "x.yaml"
    samples = "".join(f"{name}: {tmp_path / name}.root\n" for name in columns)
    path.write_text(f"# one feature\n{samples}features: [x]\nmethod: {{name: quantile}}\n")
    return path


def test_check_says_what_evaluate_would(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "-c", str(recipe)]) == 0
    assert f"odd samples: {N_EVENTS} of {N_EVENTS} events are in source and target both" in capsys.readouterr().out


def test_what_leaves_no_answer_is_said_though_it_is_to_be_quiet_and_fails_a_pipeline(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "-c", str(recipe), "-o", str(recipe.parent / "report"), "-q"]
    assert run(command) == 0
    shown = capsys.readouterr()
    assert "warning: 2000 of 2000 events are in source and target both" in shown.err
    assert shown.out.startswith("warning: 2000 of 2000 events are in source and target both")
    assert "region all: no answer: 2000 of 2000 events are in source and target both" in shown.out
    page = (recipe.parent / "report" / "report.html").read_text()
    assert page.index('<div class="warning invalid">') < page.index('<div class="verdict beyond">')
    assert "<strong>region all, where the map was learnt: no answer</strong>" in page
    report = json.loads((recipe.parent / "report" / "report.json").read_text())
    assert {report["verdict"], report["worst"]["verdict"], report["regions"]["all"]["verdict"]} == {"invalid"}
    assert report["sentence"] == report["regions"]["all"]["sentence"]
    assert run([*command, "--force", "--fail-on", "differs"]) == 6


@pytest.mark.parametrize(
    ("shift", "least", "code"),
    [(0.0, "differs", 0), (0.0, "tension", 0), (0.0, "no_power", 6), (0.5, "differs", 6), (0.5, "tension", 6)],
)
def test_a_pipeline_fails_by_the_verdict(
    recipe: Path, capsys: pytest.CaptureFixture[str], shift: float, least: str, code: int
) -> None:
    size = 600  # too few to tell, if nothing differs
    columns: dict[str, dict[str, Any]] = {
        "source.root": {"x": normal(5, size)},
        "target.root": {"x": normal(6, size)},
        "template.root": {
            "x_morphed": normal(22, size) + shift, "weight_morphed": np.ones(size),
            "morph_status": np.zeros(size, np.int32),
        },
    }  # fmt: skip
    for name, its in columns.items():
        (recipe.parent / name).unlink()
        with create_ntuple(recipe.parent / name, "events") as ntuple:
            ntuple.extend(its)
    report = str(recipe.parent / "report")
    assert run(["evaluate", "-c", str(recipe), "-o", report, "-q", "--fail-on", least]) == code
    said = capsys.readouterr().err
    assert ("the verdict is" in said) == (code == 6)


def test_a_verdict_that_fails_is_a_mistake_with_a_code_of_its_own() -> None:
    codes = [kind.exit_code for kind in SimmorphError.__subclasses__()]
    assert codes.count(6) == 1
