"""Two runs of one recipe give the same bits, but for times, and checksums of files that hold times."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest
import uproot

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RECIPE = """\
# A small chain
toy: {name: hgg, output: toy, events: 5000}
select:
  - {input: toy/data.root, selection: diphoton-demo, output: data.root}
  - {input: toy/mc_gamgam.root, selection: diphoton-demo, output: mc_gamgam.root}
  - {input: toy/mc_ggH125_gamgam.root, selection: diphoton-demo, output: mc_ggH125.root}
source: mc_gamgam.root
target: data.root
features: [pt1, eta1, pt2]
weight: weight
region: in_control
method: {name: one_flow, layers: 2, hidden: [16], bins: 4, marginal_bins: 8}
training: {epochs: 3, batch_size: 512, learning_rate: 2e-3}
model: model
template: template.root
evaluate: {report: report}
limits:
  output: limits
  observable: sqrt(2 * pt1 * pt2 * (cosh(eta1 - eta2) - cos(phi1 - phi2)))
  binning: {range: [105, 160], bins: 8}
  region: in_signal
  signal: {input: mc_ggH125.root}
  background: {input: template.root, morphed: true, normalise: free}
  data: {input: data.root}
"""
PASSING = re.compile(
    r"[0-9a-f]{64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|[\d.,]+ s\b|(?<=&#34;seconds&#34;: )[\d.]+|\b\d+\.\d(?=</td>\s*</tr>)"
)
"""Checksums, names that ROOT gives files, and times in a page; a ROOT file holds a time and its random name."""

TIMES = {"written", "seconds", "fit_seconds", "train_seconds", "train_cpu_seconds", "apply_rate", "peak_memory_mb"}
"""Keys in JSON of when, how fast and in how much memory a step ran."""


def chain(folder: Path) -> None:
    folder.mkdir()
    (folder / "chain.yaml").write_text(RECIPE)
    command = [sys.executable, "-m", "simmorph", "run", "--config", "chain.yaml"]
    # Gradients and kernels of a metric are added up in an order that depends on the number of threads.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def content(path: Path, folder: Path) -> Any:
    """What a file says, but for times, checksums and the name of the folder."""
    if path.suffix == ".root":
        with uproot.open(path) as file:
            return {name: _of_object(file[name]) for name in file.keys(cycle=False)}
    if path.suffix in {".json", ".jsonl"}:
        text = PASSING.sub("", path.read_text().replace(str(folder), ""))
        lines = text.splitlines() if path.suffix == ".jsonl" else [text]
        return [_lasting(json.loads(line)) for line in lines]
    if path.suffix == ".html":
        return PASSING.sub("", path.read_text())
    return path.read_bytes()


def _of_object(item: Any) -> Any:
    if hasattr(item, "num_entries"):
        return {name: _bits(item[name].array()) for name in item.keys()}  # noqa: SIM118 - a tree is no dict
    return _bits(item.values()) if hasattr(item, "values") else _lasting(json.loads(PASSING.sub("", str(item))))


def _bits(values: Any) -> list[tuple[str, bytes]]:
    parts = ak.to_buffers(ak.Array(values))[2]
    return [(name, np.asarray(part).tobytes()) for name, part in sorted(parts.items())]


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _lasting(each) for name, each in value.items() if name not in TIMES}
    return [_lasting(each) for each in value] if isinstance(value, list) else value


def contents(folder: Path) -> Mapping[str, Any]:
    return {str(path.relative_to(folder)): content(path, folder) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_two_runs_of_one_recipe_differ_in_times_alone(tmp_path: Path) -> None:
    folders = tmp_path / "first", tmp_path / "second"
    for folder in folders:
        chain(folder)
    first, second = map(contents, folders)
    assert first.keys() == second.keys()
    assert {"model/tensors.safetensors", "template.root", "report/report.json", "limits/limits.json"} <= first.keys()
    assert [name for name in first if first[name] != second[name]] == []
