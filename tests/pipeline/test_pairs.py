"""Source and target that are the same events: trained on as pairs, and judged by how far events are from partners."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import uproot
import yaml

from simmorph.model_folder import read_card

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

N_EVENTS = 6000
RENAMED = {"target_features": {"y": "full_y"}}


def write(path: Path, columns: dict[str, Any]) -> None:
    with uproot.recreate(path) as file:
        file["events"] = columns


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fast and full simulation of the same events, in another order, of which each has some that the other lacks."""
    folder, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(1)
    run, event = np.repeat([1, 2], N_EVENTS // 2), np.tile(np.arange(N_EVENTS // 2), 2)
    c, x, y = rng.uniform(-1, 1, N_EVENTS), rng.normal(size=N_EVENTS), rng.normal(size=N_EVENTS)
    fast = {"run": run, "event": event, "x": x, "y": y, "c": c}
    full = {"run": run, "event": event.astype(np.uint64), "x": 1.3 * x + 0.3 * c, "full_y": 0.9 * y + 0.2 * x, "c": c}
    rows = [rng.permutation(N_EVENTS)[200:] for _ in range(2)]
    write(folder / "fast.root", {name: values[rows[0]] for name, values in fast.items()})
    write(folder / "full.root", {name: values[rows[1]] for name, values in full.items()})
    write(folder / "row-by-row.root", {name: values[rows[0]] for name, values in full.items()})
    return folder


def recipe(folder: Path, tmp_path: Path, **changes: object) -> Path:
    keys: dict[str, object] = {
        "source": str(folder / "fast.root"),
        "target": str(folder / "full.root"),
        "features": ["x", "y"],
        "context": ["c"],
        "pairs": {"by": ["run", "event"], **RENAMED},
        "method": {"name": "paired", "hidden": [16], "layers": 2, "marginal_bins": 8},
        "training": {"epochs": 15, "batch_size": 256, "learning_rate": 0.005, "seed": 1, "device": "cpu"},
        "model": str(tmp_path / "model"),
        "template": str(tmp_path / "template.root"),
        "evaluate": {"report": str(tmp_path / "report")},
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in (keys | changes).items() if value is not None}))
    return path


def test_the_chain_finds_each_event_and_says_how_near(
    folder: Path, tmp_path: Path, simmorph: Callable[..., Any]
) -> None:
    outcome = simmorph("run", "--config", recipe(folder, tmp_path))
    assert outcome.code == 0, outcome.stderr
    assert any("have no partner, and are left out" in it for it in read_card(tmp_path / "model").warnings)
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    region = report["regions"][report["region"]]
    partners = region["partners"]
    template = uproot.open(f"{tmp_path}/template.root:events").arrays(library="np")
    full = uproot.open(f"{folder}/full.root:events").arrays(library="np")
    by_number = {key: row for row, key in enumerate(zip(full["run"], full["event"], strict=True))}
    rows = [by_number.get(key, -1) for key in zip(template["run"], template["event"].astype(np.uint64), strict=True)]
    known = np.array(rows) >= 0
    off = np.stack(
        [
            (template[f"{name}_morphed"] - full[branch][rows])[known] / full[branch].std()
            for name, branch in (("x", "x"), ("y", "full_y"))
        ]
    )
    everywhere = np.linalg.norm(off, axis=0).mean()
    assert partners["after"]["value"] == pytest.approx(everywhere, rel=0.2)
    assert partners["after"]["value"] < 0.1 < partners["before"]["value"]
    assert region["metrics"]["auc"]["template_vs_target"]["value"] == pytest.approx(0.5, abs=0.05)
    assert partners["n_events"] < 0.3 * N_EVENTS
    held_out = report["held_out"]["events"]
    assert held_out["source"]["used"] + held_out["target"]["used"] < 0.35 * 2 * N_EVENTS / 2


def test_rows_are_pairs_if_the_recipe_says_so(folder: Path, tmp_path: Path, simmorph: Callable[..., Any]) -> None:
    pairs = {"by": "entry", **RENAMED}
    target = str(folder / "row-by-row.root")
    by_row = recipe(folder, tmp_path, target=target, pairs=pairs)
    checked = simmorph("check", "-c", by_row)
    assert (checked.code, "odd" in checked.stdout) == (0, False), checked.stderr + checked.stdout
    assert simmorph("train", "-c", by_row, "-q").code == 0
    assert not [warning for warning in read_card(tmp_path / "model").warnings if "partner" in warning]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pairs": None}, "'paired' learns from the same events in source and target"),
        ({"pairs": {"by": "x", **RENAMED}}, "branch 'x', by which `pairs` tells events apart, is not a whole number"),
        ({"pairs": {"by": "number", **RENAMED}}, "lacks 'number', by which `pairs` tells events apart"),
        ({"pairs": {"by": "event", **RENAMED}}, "events have the number of another one"),
        ({"pairs": {"by": "event", "target_features": {"z": "full_y"}}}, "'z', which is no feature"),
        ({"reweight": {}}, "leave `reweight` out"),
    ],
)
def test_what_makes_no_pairs_is_refused_with_one_line(
    folder: Path, tmp_path: Path, simmorph: Callable[..., Any], changes: dict[str, object], message: str
) -> None:
    outcome = simmorph("train", "-c", recipe(folder, tmp_path, **changes), "-q")
    assert outcome.code in (3, 4)
    assert message in outcome.stderr
    assert len(outcome.stderr.strip().splitlines()) == 1


def test_methods_without_pairs_are_judged_by_them_too(
    folder: Path, tmp_path: Path, simmorph: Callable[..., Any]
) -> None:
    path = recipe(folder, tmp_path, method={"name": "quantile"})
    assert simmorph("run", "-c", path, "-q").code == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    partners = report["regions"][report["region"]]["partners"]
    assert 0.05 < partners["after"]["value"] < partners["before"]["value"]


def test_compare_shows_the_distance_to_partners(folder: Path, tmp_path: Path, simmorph: Callable[..., Any]) -> None:
    path = recipe(
        folder,
        tmp_path,
        **dict.fromkeys(("method", "model", "template", "evaluate")),
        methods=[{"name": "paired", "hidden": [16], "layers": 2, "marginal_bins": 8}],
        output=str(tmp_path / "comparison"),
    )
    outcome = simmorph("compare", "-c", path, "--json", "-q")
    assert outcome.code == 0, outcome.stderr
    report = json.loads((tmp_path / "comparison" / "compare.json").read_text())["methods"]
    found = {
        title: row["numbers"]["partner_distance"] for title, row in report.items() if title in ("paired", "copula")
    }
    assert found["paired"]["mean"] < 0.3 * found["copula"]["mean"]
