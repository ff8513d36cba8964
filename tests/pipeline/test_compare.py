"""Many methods through one command: the same events, kept scores, failures that stay alone."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.config.compare import CompareRecipe
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.data.splits import HOLDOUT, part_of
from simmorph.errors import ConfigError, InputError, UsageError
from simmorph.evaluation.scores import Score
from simmorph.model import Model
from simmorph.pipeline.check import check_recipe
from simmorph.pipeline.compare.inputs import main_region, read_inputs
from simmorph.pipeline.compare.run import CompareResult, compare
from simmorph.pipeline.compare.tasks import Task
from simmorph.pipeline.compare.workers import results
from tests.conftest import read_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

N_EVENTS = 2000
SHIFT = 0.7
DIVERGES = {"name": "classifier", "label": "diverges", "training": {"learning_rate": 1e30, "clip_gradient": None}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source that is shifted in x, and the target; weighted, with a region."""
    folder = tmp_path_factory.mktemp("compare")
    for name, shift in {"source": SHIFT, "target": 0.0}.items():
        rng = np.random.default_rng(len(name) + int(10 * shift))
        columns = {
            "x": rng.normal(size=N_EVENTS) + shift,
            "y": rng.exponential(size=N_EVENTS),
            "m": rng.uniform(size=N_EVENTS),
            "weight": rng.uniform(0.5, 1.5, N_EVENTS),
        }
        with create_ntuple(folder / f"{name}.root", "events") as ntuple:
            ntuple.extend(columns)
    return folder


def recipe_of(folder: Path, output: Path, **changes: Any) -> CompareRecipe:
    content: dict[str, Any] = {
        "source": str(folder / "source.root"),
        "target": str(folder / "target.root"),
        "features": ["x", "y"],
        "context": ["m"],
        "weight": "weight",
        "region": "m < 0.8",
        "training": {"epochs": 1, "batch_size": 512, "holdout": 0.4, "seed": 3},
        "methods": [{"name": "classifier", "label": "weights", "hidden": [8]}],
        "judge": {"regions": {"low": "m < 0.8", "high": "m >= 0.8"}, "inputs": {"all": ["x", "y", "m"], "y": ["y"]}},
        "output": output,
    }
    return CompareRecipe.model_validate(content | changes)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("output") / "compare"


@pytest.fixture(scope="module")
def result(folder: Path, output: Path) -> CompareResult:
    methods = [{"name": "classifier", "label": "weights", "hidden": [8]}, DIVERGES]
    return compare(recipe_of(folder, output, methods=methods))


def test_what_is_odd_about_the_samples_is_said(folder: Path, tmp_path: Path, result: CompareResult) -> None:
    assert result.report["warnings"] == []
    columns = read_columns([str(folder / "source.root")], "events", ["x", "y", "m", "weight"])
    columns |= {"run": np.ones(N_EVENTS, np.int64), "event": np.arange(N_EVENTS)}
    columns["y"][::4] = -999
    with create_ntuple(tmp_path / "odd.root", "events") as ntuple:
        ntuple.extend(columns)
        ntuple.extend(columns)
    inputs = read_inputs(recipe_of(folder, tmp_path / "out", source=str(tmp_path / "odd.root")))
    says = (
        f"source: {N_EVENTS} events are there twice, by run and event number, in {tmp_path}/odd.root: is a file a copy?"
    )
    assert says in inputs.remarks
    assert "source: y is -999 in 1000 of 4000 events, far outside of all others: a placeholder?" in inputs.remarks
    assert len(inputs.remarks) == 2


def test_null_source_and_baselines_are_always_rows(result: CompareResult) -> None:
    assert list(result.report["methods"]) == ["target", "unmorphed", "quantile", "copula", "weights", "diverges"]


def test_every_method_is_judged_on_as_many_events_in_every_region(result: CompareResult) -> None:
    for region in ("low", "high"):
        scores = [score.regions[region] for row in result.rows for score in row.scores]
        assert len({score.events for score in scores}) == 1
        assert all(set(score.auc) == {"all", "y"} for score in scores)


def test_a_baseline_undoes_a_shift_that_the_source_has_and_the_null_has_not(result: CompareResult) -> None:
    numbers = {name: row["numbers"] for name, row in result.report["methods"].items() if row["numbers"]}
    aucs = {name: found["auc low all"] for name, found in numbers.items()}
    assert aucs["unmorphed"]["mean"] > 0.58
    for name in ("target", "quantile", "copula"):
        assert abs(aucs[name]["mean"] - 0.5) < 4 * aucs[name]["uncertainty"], name
    assert numbers["quantile"]["movement"]["mean"] == pytest.approx(SHIFT, rel=0.2)
    assert numbers["quantile"]["retention"]["mean"] > 0.99
    assert numbers["unmorphed"]["movement"]["mean"] == 0


def test_a_reweighting_moves_nothing_and_costs_statistics(result: CompareResult) -> None:
    numbers = result.report["methods"]["weights"]["numbers"]
    assert "movement" not in numbers
    assert "retention" not in numbers
    assert numbers["ess_fraction"]["mean"] < 1
    assert min(numbers[name]["mean"] for name in ("train_seconds", "apply_rate", "peak_memory_mb")) > 0


def test_a_method_that_fails_has_a_row_that_says_so_and_the_others_are_done(result: CompareResult) -> None:
    assert result.report["methods"]["diverges"]["failures"] != []
    assert result.report["methods"]["diverges"]["numbers"] == {}
    assert list(result.failures) == ["diverges"]
    assert "diverges: failed: " in result.to_text()
    assert result.bugs == ()


def test_the_folder_has_tables_a_plot_of_each_region_page_and_what_they_are_made_of(result: CompareResult) -> None:
    written = {path.name for path in result.folder.iterdir()}
    files = {
        "compare.json",
        "table.csv",
        "table.tex",
        "marginals.tex",
        "metrics.tex",
        "report.html",
        "frontier.png",
        "frontier.pdf",
        "frontier.csv",
        "frontier-high.png",
        "frontier-high.pdf",
        "frontier-high.csv",
    }
    assert written == files | {"shards", "models"}
    assert json.loads((result.folder / "compare.json").read_text()) == json.loads(json.dumps(result.to_json()))
    with (result.folder / "table.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(result.rows)
    for shard in (result.folder / "shards").iterdir():
        assert Score.model_validate_json(shard.read_text()).failure is None


def test_a_model_of_the_table_can_be_loaded(result: CompareResult) -> None:
    (path,) = result.report["methods"]["weights"]["models"]
    assert Model.load(Path(path)).card.learning.method.name == "classifier"


def test_what_is_up_to_date_is_not_made_again(folder: Path, output: Path, result: CompareResult) -> None:
    lines: list[str] = []
    again = compare(recipe_of(folder, output), progress=lines.append)
    assert lines == ["5 of 5 scores are up to date"]
    assert again.report["methods"]["weights"] == result.report["methods"]["weights"]


def test_a_changed_option_trains_only_its_method_again(folder: Path, output: Path, result: CompareResult) -> None:
    lines: list[str] = []
    methods = [{"name": "classifier", "label": "weights", "hidden": [4]}]
    compare(recipe_of(folder, output, methods=methods), progress=lines.append)
    assert lines[0] == "4 of 5 scores are up to date"
    assert [line.partition(",")[0] for line in lines[1:]] == ["weights"]


def test_another_region_is_judged_without_training_again(folder: Path, output: Path, result: CompareResult) -> None:
    again = compare(recipe_of(folder, output, judge={"regions": {"all": "m >= 0"}}))
    row = again.report["methods"]["weights"]
    assert row["models"] == result.report["methods"]["weights"]["models"]
    assert row["scores"][0]["cost"] == result.report["methods"]["weights"]["scores"][0]["cost"]
    assert set(row["scores"][0]["regions"]) == {"all"}


def test_a_subset_of_the_methods_keeps_the_null_and_the_baselines(folder: Path, output: Path, result: Any) -> None:
    methods = [{"name": "classifier", "label": "weights", "hidden": [8]}, {"name": "one_flow"}]
    some = compare(recipe_of(folder, output, methods=methods), only=["weights"])
    assert list(some.report["methods"]) == ["target", "unmorphed", "quantile", "copula", "weights"]
    with pytest.raises(UsageError, match="did you mean 'weights'"):
        compare(recipe_of(folder, output), only=["weight"])


def test_seen_events_are_those_that_training_takes_in_its_region(folder: Path, tmp_path: Path) -> None:
    recipe = recipe_of(folder, tmp_path / "out")
    inputs = read_inputs(recipe).split(recipe.training_of(recipe.methods[0], 1))
    for table in (inputs.source, inputs.target):
        part = part_of(table.ids, 4, 0.1, 0.4)
        np.testing.assert_array_equal(table.seen, (part != HOLDOUT) & (table.columns["m"] < 0.8))
    assert len(inputs.unseen_source()) == int((~inputs.source.seen).sum())


def test_the_region_of_training_stands_for_a_method(folder: Path, tmp_path: Path) -> None:
    regions = {"high": "m >= 0.8", "low": "m < 0.8"}
    assert main_region(recipe_of(folder, tmp_path, judge={"regions": regions})) == "low"
    assert main_region(recipe_of(folder, tmp_path, judge={"regions": {"high": "m > 0.8"}})) == "high"
    assert main_region(recipe_of(folder, tmp_path, judge={})) == "training"


def test_a_generator_needs_no_source(folder: Path, tmp_path: Path) -> None:
    methods = [{"name": "flow", "layers": 2, "hidden": [8]}]
    drawn = compare(recipe_of(folder, tmp_path / "out", methods=methods, source=None, judge={}))
    assert list(drawn.report["methods"]) == ["target", "flow"]
    numbers = drawn.report["methods"]["flow"]["numbers"]
    assert numbers["auc training all"]["uncertainty"] > 0
    assert "movement" not in numbers
    with pytest.raises(ConfigError, match="source"):
        compare(recipe_of(folder, tmp_path / "other", source=None))


def test_the_distance_to_the_optimal_map_is_told_where_a_toy_knows_it(tmp_path: Path) -> None:
    recipe = CompareRecipe.model_validate(
        {
            "toy": {"name": "gaussian", "output": tmp_path / "toy", "events": 3000},
            "source": str(tmp_path / "toy" / "source.root"),
            "target": str(tmp_path / "toy" / "target.root"),
            "features": ["x1", "x2", "x3"],
            "methods": [{"name": "quantile"}],
            "output": tmp_path / "out",
        }
    )
    rows = compare(recipe).report["methods"]
    costs = {name: row["numbers"]["optimal_cost"]["mean"] for name, row in rows.items() if name != "target"}
    assert costs["unmorphed"] == 0
    assert costs["copula"] == pytest.approx(1, abs=0.1)
    off = {name: rows[name]["numbers"]["optimal_distance"]["mean"] for name in costs}
    assert off["copula"] < off["quantile"] < off["unmorphed"]


def test_weights_are_used(folder: Path, tmp_path: Path) -> None:
    recipe = recipe_of(folder, tmp_path / "out")
    source, _ = read_inputs(recipe).training_samples()
    assert source.weights.std() > 0.2
    with pytest.raises(InputError, match="wait"):
        read_inputs(recipe.model_copy(update={"weight": "wait"}))


def test_unknown_options_are_refused_before_anything_is_trained(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"methods, weights.*did you mean 'hidden'"):
        compare(recipe_of(folder, tmp_path / "out", methods=[{"name": "classifier", "label": "weights", "hiden": 3}]))
    assert not (tmp_path / "out").exists()


def test_check_looks_at_every_method_and_at_the_inputs(folder: Path, tmp_path: Path) -> None:
    findings = {it.subject: it.finding for it in check_recipe(recipe_of(folder, tmp_path)).findings}
    assert findings["method 'weights'"].startswith("classifier")
    assert f"{N_EVENTS:,} entries" in findings[str(folder / "target.root")]
    with pytest.raises(InputError, match="lacks 'q'"):
        check_recipe(recipe_of(folder, tmp_path, judge={"regions": {"high": "q > 1"}}))


def test_a_folder_of_something_else_is_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("do not delete")
    with pytest.raises(UsageError, match="something else"):
        compare(recipe_of(folder, tmp_path))


def test_a_bug_is_kept_with_its_traceback_and_the_others_go_on(folder: Path, tmp_path: Path) -> None:
    recipe = recipe_of(folder, tmp_path / "out")
    without_place_for_its_model = Task("weights", 0, recipe.methods[0])
    outcomes = list(results(read_inputs(recipe), [without_place_for_its_model, Task("unmorphed", 0, None)], 1))
    assert "ValueError" in outcomes[0].bug
    assert outcomes[0].score.failure is not None
    assert outcomes[1].score.failure is None


@pytest.mark.slow
def test_processes_give_the_same_scores_as_one(folder: Path, tmp_path: Path, result: CompareResult) -> None:
    methods = [{"name": "classifier", "label": "weights", "hidden": [8]}, DIVERGES]
    both = compare(recipe_of(folder, tmp_path / "out", methods=methods, jobs=2))
    for one, other in zip(result.rows, both.rows, strict=True):
        assert [score.regions for score in one.scores] == [score.regions for score in other.scores], one.title
        assert one.failures == other.failures


RECIPE = """# stopped on the way
source: {folder}/source.root
target: {folder}/target.root
features: [x, y]
training: {{epochs: 100000, patience: null, device: cpu}}
methods: [{{name: classifier}}, {{name: classifier, label: other}}]
judge: {{max_events: 200}}
jobs: 2
output: out
"""


def children_of(process: int) -> set[int]:
    """The processes that a process has started."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return {int(child) for task in tasks for child in task.read_text().split()}


def workers_of(process: int) -> set[int]:
    """Those of its processes that train."""
    return {child for child in children_of(process) if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()}


@pytest.fixture
def running(folder: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A comparison of which all is done but two methods that never end."""
    (tmp_path / "compare.yaml").write_text(RECIPE.format(folder=folder))
    command = [sys.executable, "-m", "simmorph", "compare", "-c", "compare.yaml", "-q"]
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    deadline = time.monotonic() + 120
    with subprocess.Popen(command, cwd=tmp_path, **streams) as process:
        while time.monotonic() < deadline and len(list(tmp_path.glob("out/shards/*.json"))) < 4:
            time.sleep(0.2)
        yield process
        process.kill()


def finished_in(folder: Path) -> set[str]:
    return {Score.model_validate_json(path.read_text()).title for path in folder.glob("out/shards/*.json")}


def gone(processes: set[int]) -> bool:
    """Whether these processes end within some seconds."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(Path(f"/proc/{process}").exists() for process in processes):
        time.sleep(0.1)
    return not any(Path(f"/proc/{process}").exists() for process in processes)


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize(("stop", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stop_leaves_finished_scores_and_no_process(
    running: subprocess.Popen[str], tmp_path: Path, stop: int, code: int
) -> None:
    workers = workers_of(running.pid)
    os.kill(running.pid, stop)
    _, said = running.communicate(timeout=60)
    assert running.returncode == code, said
    assert len(said.strip().splitlines()) == 1
    assert len(workers) == 2
    assert gone(workers)
    assert finished_in(tmp_path) == {"target", "unmorphed", "quantile", "copula"}


@pytest.mark.slow
@needs_proc
def test_a_process_that_is_killed_costs_its_method_alone(running: subprocess.Popen[str], tmp_path: Path) -> None:
    for worker in workers_of(running.pid):
        os.kill(worker, signal.SIGKILL)
    printed, said = running.communicate(timeout=60)
    assert running.returncode == 1, said
    assert printed.count("its process died with exit code -9, as if out of memory") == 2
    assert "copula" in printed
