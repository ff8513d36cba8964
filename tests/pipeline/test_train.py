"""From ntuples to a model folder, also when it is interrupted."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.config.recipe import Recipe, load_recipe
from simmorph.model import Model
from simmorph.model_folder import read_card
from simmorph.pipeline.train import EpochLog, read_samples, train_model
from tests.pipeline.conftest import _columns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FLOW = "{name: one_flow, layers: 2, hidden: [8], bins: 4}"
TRAINING = "{epochs: 4, batch_size: 700, seed: 3, device: cpu, validation: 0.2}"


def _checksum(model: Path) -> str:
    return hashlib.sha256((model / "tensors.safetensors").read_bytes()).hexdigest()


def test_training_writes_a_model_that_knows_its_inputs(
    write_recipe: Callable[..., Path], simmorph: Callable[..., Any], tmp_path: Path
) -> None:
    outcome = simmorph("train", "--config", write_recipe(region="in_control"), "--json")
    assert outcome.code == 0, outcome.stderr
    card = read_card(tmp_path / "model")
    record = card.source.files[0]
    assert record.sha256 == hashlib.sha256((tmp_path / "source.root").read_bytes()).hexdigest()
    assert record.n_entries == 2000
    assert card.learning.region == "in_control"
    assert [variable.unit for variable in card.features] == ["GeV", "GeV", "rad"]
    result = json.loads(outcome.stdout)
    assert result["tensors_sha256"] == card.tensors_sha256
    assert result["n_source"] == card.source.n_events < 2000 * 0.7


def test_command_line_takes_the_place_of_the_recipe(
    write_recipe: Callable[..., Path], simmorph: Callable[..., Any], tmp_path: Path
) -> None:
    recipe = write_recipe(source="nowhere.root")
    options = ["--source", tmp_path / "source.root", "-o", tmp_path / "other", "--set", "training.seed=9"]
    assert simmorph("train", "-c", recipe, *options, "-q").code == 0
    assert read_card(tmp_path / "other").learning.training.seed == 9
    assert not (tmp_path / "model").exists()


def test_an_existing_model_is_refused_before_training(
    write_recipe: Callable[..., Path], simmorph: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    outcome = simmorph("train", "-c", write_recipe(source="nowhere.root"))
    assert outcome.code == 2
    assert "already exists" in outcome.stderr


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"features": "[pt1, isolatoin]"}, 4, "did you mean 'isolation'"),
        ({"weight": "weigth"}, 4, "did you mean 'weight'"),
        ({"region": "in_controll"}, 4, "did you mean 'in_control'"),
        ({"region": "pt1 > 1e9"}, 5, "none of 2000 events is in the region"),
        ({"region": "pt1 + 1"}, 3, "is not true or false"),
        ({"region": "__import__('os')"}, 3, "region"),
        ({"source": "nowhere.root"}, 4, "nowhere.root: no file there"),
        ({"tree": "mini"}, 4, "there is no tree 'mini'"),
        ({"method": "{name: quantil}"}, 3, "did you mean 'quantile'"),
        ({"region": "pt1 > 100", "training": "{holdout: 0.8}"}, 4, "too few to train on"),
    ],
)
def test_a_mistake_is_one_line_with_its_exit_code(
    write_recipe: Callable[..., Path],
    simmorph: Callable[..., Any],
    tmp_path: Path,
    *,
    changes: dict[str, str],
    code: int,
    message: str,
) -> None:
    outcome = simmorph("train", "-c", write_recipe(**changes))
    assert (outcome.code, outcome.stdout, outcome.stderr.count("\n")) == (code, "", 1), outcome.stderr
    assert message in outcome.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {
        "source.root", "target.root", "recipe.yaml", "source.root.provenance.json", "target.root.provenance.json"
    }  # fmt: skip


def _spoil(columns: dict[str, Any], how: str) -> None:
    if how == "nan":
        columns["pt1"][::100] = np.nan
    elif how == "negative":
        columns["weight"][::100] *= -1
    else:
        columns["pt1"] = columns["pt1"] * np.float32(1000)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("nan", "source: 'pt1' is not finite in"),
        ("negative", "weights are negative"),
        ("unit", "the median of |pt1| is"),
    ],
)
def test_samples_that_cannot_be_trained_on_are_refused(
    write_recipe: Callable[..., Path],
    write_ntuple: Callable[..., Path],
    flat_columns: Callable[..., Any],
    simmorph: Callable[..., Any],
    *,
    tmp_path: Path,
    how: str,
    message: str,
) -> None:
    recipe = write_recipe()
    columns = flat_columns()
    _spoil(columns, how)
    write_ntuple(tmp_path / "source.root", columns, units={})
    outcome = simmorph("train", "-c", recipe)
    assert outcome.code == 4
    assert message in outcome.stderr
    assert not (tmp_path / "model").exists()


def test_several_files_are_one_sample_and_ids_count_within_each(
    write_recipe: Callable[..., Path],
    write_ntuple: Callable[..., Path],
    flat_columns: Callable[..., Any],
    tmp_path: Path,
) -> None:
    write_ntuple(tmp_path / "part2.root", flat_columns(seed=7, n_events=500))
    recipe = write_recipe(source=f"[{tmp_path}/source.root, {tmp_path}/part*.root]")
    samples = read_samples(load_recipe(recipe))
    assert len(samples.source) == 2500
    assert samples.source.ids.max() == 1999
    assert [record.n_entries for record in samples.origin.source] == [2000, 500]


def test_without_a_weight_every_event_counts_one(write_recipe: Callable[..., Path]) -> None:
    samples = read_samples(load_recipe(write_recipe(weight="null")))
    np.testing.assert_array_equal(samples.source.weights, 1.0)


def test_log_of_epochs_forgets_what_was_given_up(tmp_path: Path) -> None:
    log = EpochLog(tmp_path / "log.jsonl", goes_on=tmp_path / "none.jsonl")
    for epoch in (1, 2, 3):
        log.add({"stage": "fit", "epoch": epoch})
    resumed = EpochLog(tmp_path / "new.jsonl", goes_on=tmp_path / "log.jsonl")
    resumed.add({"stage": "fit", "epoch": 2})
    assert [record["epoch"] for record in resumed.records] == [1, 2]
    assert (tmp_path / "new.jsonl").read_text() == resumed.text()


def _flow_recipe(write_recipe: Callable[..., Path]) -> Recipe:
    return load_recipe(write_recipe(method=FLOW, training=TRAINING))


def test_stopped_and_resumed_training_ends_with_the_same_bits(
    write_recipe: Callable[..., Path], simmorph: Callable[..., Any], tmp_path: Path
) -> None:
    recipe = write_recipe(method=FLOW, training=TRAINING)
    assert simmorph("train", "-c", recipe, "-o", tmp_path / "whole").code == 0
    codes: list[int] = []
    while len(codes) < 40 and codes[-1:] != [0]:
        codes.append(simmorph("train", "-c", recipe, "--max-minutes", "1e-9").code)
        if codes[-1]:
            assert (tmp_path / "model.checkpoint").is_dir()
            assert not (tmp_path / "model").exists()
    assert codes[:2] == [85, 85]
    assert codes[-1] == 0
    assert _checksum(tmp_path / "model") == _checksum(tmp_path / "whole")
    logs = [(tmp_path / name / "training.jsonl").read_text().splitlines() for name in ("model", "whole")]
    losses = [[json.loads(line)["loss"] for line in log] for log in logs]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 4
    assert not (tmp_path / "model.checkpoint").exists()
    assert not (tmp_path / "model.log.jsonl").exists()


def test_training_twice_gives_the_same_bits(write_recipe: Callable[..., Path], tmp_path: Path) -> None:
    recipe = _flow_recipe(write_recipe)
    epochs: list[int] = []
    train_model(recipe, progress=lambda record: epochs.append(record["epoch"]))
    first = _checksum(tmp_path / "model")
    train_model(recipe, force=True)
    assert _checksum(tmp_path / "model") == first
    assert epochs == [1, 2, 3, 4]
    assert Model.load(tmp_path / "model").probe_is_exact


def test_sigterm_saves_a_checkpoint_and_exits_with_85(write_recipe: Callable[..., Path], tmp_path: Path) -> None:
    recipe = write_recipe(method=FLOW, training="{epochs: 100000, batch_size: 500, patience: null, device: cpu}")
    command = [sys.executable, "-m", "simmorph", "train", "-c", str(recipe)]
    job = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    log = tmp_path / "model.log.jsonl"
    started = time.monotonic()
    while not log.exists() and job.poll() is None and time.monotonic() - started < 900:
        time.sleep(0.05)
    job.send_signal(signal.SIGTERM)
    _, stderr = job.communicate(timeout=900)
    assert job.returncode == 85, stderr
    assert "run the same command again" in stderr
    assert (tmp_path / "model.checkpoint" / "fit.safetensors").is_file()
    assert not (tmp_path / "model").exists()


def test_a_log_that_cannot_be_written_is_one_line(
    write_recipe: Callable[..., Path], simmorph: Callable[..., Any], tmp_path: Path
) -> None:
    method, training = "{name: one_flow, layers: 2, hidden: [4], bins: 4}", "{epochs: 1, device: cpu}"
    outcome = simmorph(
        "train", "-c", write_recipe(method=method, training=training), "-o", tmp_path / "source.root" / "model"
    )
    assert (outcome.code, outcome.stderr.count("\n")) == (1, 1), outcome.stderr
    assert "choose another output" in outcome.stderr


def test_an_interrupted_training_leaves_no_log(write_recipe: Callable[..., Path], tmp_path: Path) -> None:
    method, training = "{name: one_flow, layers: 2, hidden: [4], bins: 4}", "{epochs: 5, device: cpu}"

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_model(load_recipe(write_recipe(method=method, training=training)), progress=interrupt)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith("model")]


@pytest.mark.parametrize("kind", [np.uint64, np.int64, np.float64])
def test_values_that_differ_in_their_last_digits_alone_are_refused(
    write_recipe: Callable[..., Path], write_ntuple: Callable[..., Path], simmorph: Callable[..., Any], kind: Any
) -> None:
    """As times in nanoseconds do; of integers above 2^53 double precision does not even hold these digits."""
    recipe = write_recipe()
    folder = recipe.parent
    for name in ("source", "target"):
        columns = _columns()
        columns["pt1"] = (2**62 + 100 * np.arange(len(columns["pt1"]))).astype(kind)
        write_ntuple(folder / f"{name}.root", columns)
    outcome = simmorph("train", "-c", recipe)
    assert (outcome.code, outcome.stderr.count("\n")) == (4, 1)
    assert "'pt1' differs in its last digits alone, from 4.6116860184273879e+18 to " in outcome.stderr


def test_copies_and_placeholders_are_said_before_they_are_learnt(
    write_recipe: Callable[..., Path],
    write_ntuple: Callable[..., Path],
    flat_columns: Callable[..., Any],
    simmorph: Callable[..., Any],
    tmp_path: Path,
) -> None:
    recipe = write_recipe(source=f"[{tmp_path}/odd.root, {tmp_path}/copy.root]")
    columns = {**flat_columns(), "run": np.full(2000, 301912)}
    columns["isolation"][::3] = -999
    for name in ("odd.root", "copy.root"):
        write_ntuple(tmp_path / name, columns)
    twice = f"source: 2000 events are there twice, by run and event number, in {tmp_path}/copy.root: is a file a copy?"
    found = "isolation is -999 in 667 of 2000 events, far outside of all others: a placeholder?"
    checked = simmorph("check", "-c", recipe)
    assert checked.code == 0
    assert f"odd source: {tmp_path}/odd.root: {found}" in checked.stdout
    outcome = simmorph("train", "-c", recipe, "--json")
    assert f"warning: {twice}" in outcome.stderr
    warnings = json.loads(outcome.stdout)["warnings"]
    assert twice in warnings
    assert any("source: isolation is -999 in " in warning for warning in warnings)
    assert not any("target" in warning for warning in warnings)


def test_selections_of_a_recipe_are_tried_on_their_files(
    write_recipe: Callable[..., Path], simmorph: Callable[..., Any], tmp_path: Path
) -> None:
    out, source = tmp_path / "selected.root", tmp_path / "source.root"
    recipe = write_recipe(source=out, select=f"[{{input: {source}, selection: s.yaml, output: {out}}}]")
    selection = tmp_path / "s.yaml"
    recipe.write_text(recipe.read_text().replace("s.yaml", str(selection)))
    selection.write_text("tree: events\nunits: {energy: GeV}\nvariables: {pt: pt1}\ncuts: {hard: pt > 30}\n")
    assert f"ok  {source}: 2,000 entries with all branches" in simmorph("check", "-c", recipe).stdout
    selection.write_text("tree: events\nunits: {energy: GeV}\nvariables: {pt: pt1}\ncuts: {hard: pt2 > 30}\n")
    outcome = simmorph("check", "-c", recipe)
    assert (outcome.code, outcome.stderr.count("\n")) == (4, 1)
    assert "lacks 'pt2', which 'pt2 > 30' needs" in outcome.stderr
