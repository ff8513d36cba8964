"""What a page says of the model: its card in words, its variables, and where the samples come from."""

from __future__ import annotations

from typing import Any

import pytest

from simmorph.evaluation.report.model import cutflow_table, files_table, history_table, model_in_words
from simmorph.methods import METHODS

HISTORY: dict[str, Any] = {
    "base": {
        "epochs": 3, "best_epoch": 2, "seconds": 1.25,
        "pace": {"epochs": 3, "epoch_steps": 20, "batch_size": 512, "learning_rate": 0.002},
    },
    "game": {"epochs": 10, "best_epoch": 0, "seconds": 1234.0},
}  # fmt: skip


def chain(name: str, steps: list[str], **changes: Any) -> dict[str, Any]:
    return {"name": name, "steps": [{"name": step} for step in steps], "relative_to": None, "proposed": False} | changes


def variable(name: str, unit: str = "GeV") -> dict[str, Any]:
    return {"name": name, "unit": unit, "low": 0.123456789, "high": 1234567.0}


def card(**changes: Any) -> dict[str, Any]:
    sample = {"n_events": 12345, "sum_of_weights": 9876.5, "files": [{"path": "mc.root"}, {"path": "mc2.root"}]}
    training = {"validation": 0.1, "holdout": 0.25, "epochs": 7, "device": None, "seed": 3, "optimizer": "adam"}
    learning = {
        "reweight": None, "method": {"name": "one_flow", "bins": 8, "options": {"depth": 2}}, "region": "x < 2",
        "training": training,
    }  # fmt: skip
    content = {
        "learning": learning, "kind": "morph", "source": sample, "target": sample | {"files": []}, "warnings": ["few"],
        "numbers": {"capped_share": 0.01}, "versions": {"torch": "2"}, "tensors_sha256": "ab",
        "features": [variable("pt"), variable("phi", "rad")], "context": [variable("mass")],
        "preprocessing": {"features": {"chains": [
            chain("pt", ["log", "standardise"], proposed=True), chain("phi", ["periodic"], relative_to="pt"),
        ]}},
    }  # fmt: skip
    return content | changes


def facts(**changes: Any) -> dict[str, str]:
    found: dict[str, str] = model_in_words(card(**changes), HISTORY)["facts"]
    return found


def test_method_is_named_with_its_options_and_what_it_does() -> None:
    assert facts()["Method"] == "one_flow (bins: 8, options: {depth: 2}): moves the features of events"
    assert facts(kind="generate")["Method"].endswith("draws new events")


@pytest.mark.parametrize("kind", sorted({method.kind for method in METHODS.values()}))
def test_every_kind_of_method_has_its_words(kind: str) -> None:
    assert len(facts(kind=kind)["Method"].split(": ")[-1]) > 10


def test_samples_are_told_by_size_weight_and_files() -> None:
    assert facts()["Source"] == "12,345 events, sum of weights 9,876.5, from mc.root, mc2.root"
    assert facts()["Target"].endswith("from arrays")
    assert facts(source={"n_events": 0, "files": []})["Source"] == "none"


def test_training_is_shown_without_options_that_are_not_set() -> None:
    found = facts()
    assert found["Training"] == "epochs 7, optimizer adam"
    assert found["Kept apart"] == "10% to stop training in time, 25% held out for this report"
    assert found["Training took"] == "1,235.2 s"
    assert found["Seed"] == "3"


def test_region_and_reweighting_are_named_where_there_are_any() -> None:
    assert facts()["Trained in"] == "x < 2"
    assert facts()["Reweighting before"] == ""
    learning = card()["learning"] | {"region": "", "reweight": {"name": "histogram"}}
    found = facts(learning=learning)
    assert found["Trained in"] == "all events"
    assert found["Reweighting before"] == "histogram (default options)"


def test_numbers_of_the_map_versions_and_hash_are_there() -> None:
    found = facts()
    assert found["Numbers of the map"] == "capped share 0.01"
    assert found["Written by"] == "torch 2"
    assert found["Tensors"] == "sha256 ab"


def test_each_variable_has_its_role_range_and_steps_in_words() -> None:
    rows = model_in_words(card(), {})["variables"].texts()
    assert [row[:3] for row in rows] == [
        ["pt", "feature", "GeV"],
        ["phi", "feature", "rad"],
        ["mass", "context", "GeV"],
    ]
    assert rows[0][3:5] == ["0.12346", "1.2346e+06"]
    assert rows[0][5].startswith("logarithm, then shifted and scaled")
    assert rows[0][5].endswith("(proposed)")
    assert rows[1][5].startswith("taken relative to pt, angle on a circle")
    assert rows[2][5] == "nothing"


def test_a_step_without_words_has_its_name() -> None:
    steps = {"features": {"chains": [chain("pt", ["unheard_of"])]}}
    assert model_in_words(card(preprocessing=steps), {})["variables"].texts()[0][5] == "unheard_of"
    empty = {"features": {"chains": [chain("pt", [])]}}
    assert model_in_words(card(preprocessing=empty), {})["variables"].texts()[0][5] == "nothing"


def test_stages_of_training_have_a_row_each() -> None:
    rows = [["base", "3", "2", "20", "512", "0.002", "1.2"], ["game", "10", "", "", "", "", "1234.0"]]
    assert history_table(HISTORY).texts() == rows


def test_cutflow_has_the_share_that_passes_each_cut_of_those_before_it() -> None:
    lines = [
        {"cut": "all", "events": 1000, "weighted": 998.5, "sum_squares": 1024.0},
        {"cut": "two photons", "events": 400, "weighted": 399.5, "sum_squares": 400.0},
        {"cut": "none", "events": 0, "weighted": 0.0, "sum_squares": 0.0},
        {"cut": "after none", "events": 0, "weighted": 0.0, "sum_squares": 0.0},
    ]
    table = cutflow_table("data.root", lines)
    assert table.caption == "data.root"
    assert table.texts() == [
        ["all", "1,000", "998.5 ± 32", "100.0%"],
        ["two photons", "400", "399.5 ± 20", "40.0%"],
        ["none", "0", "0 ± 0", "0.0%"],
        ["after none", "0", "0 ± 0", "-"],
    ]


def test_files_are_named_with_their_hashes() -> None:
    table = files_table({"target": {"data.root": "ab", "root://server/data.root": None}})
    assert table.texts() == [
        ["target", "data.root", "ab"],
        ["target", "root://server/data.root", "on a server, not hashed"],
    ]
