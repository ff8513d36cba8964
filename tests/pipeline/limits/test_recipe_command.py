"""Limits of a recipe through the command: treated variations, and inputs that are not what was written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.data.ntuples.writing import create_ntuple
from simmorph.limits.templates.smoothing import smoothed_variation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECIPE = """\
# variations that are smoothed, normalised and pruned
limits:
  observable: x
  binning: {{range: [0, 1], bins: 12}}
  signal: {{input: {folder}/signal.root, weight: 0.01}}
  background: {{input: {folder}/background.root, weight: nominal}}
  prune: {{normalisation: 0.005, shape: 0.002}}
  systematics:
  - {{name: plain, type: histosys, samples: background, up: {{weight: up}}, down: {{weight: down}}}}
  - {{name: smooth, type: histosys, samples: background, up: {{weight: up}}, down: {{weight: down}}, smooth: 353qh}}
  - {{name: shape, type: histosys, samples: background, up: {{weight: up}}, down: {{weight: down}}, normalise: true}}
  - {{name: nothing, type: normsys, samples: background, size: 0.001}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    x = rng.beta(1, 2, 30_000)
    noise = rng.normal(0, 0.5, len(x))
    columns = {"x": x, "nominal": np.full(len(x), 0.1)}
    columns |= {"up": 0.1 * (1.02 + 0.2 * x + noise), "down": 0.1 * (0.98 - 0.2 * x - noise)}
    for name, its in {"background": columns, "signal": {"x": rng.beta(6, 3, 5000)}}.items():
        with create_ntuple(tmp_path / f"{name}.root", "events") as ntuple:
            ntuple.extend(its)
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(folder=tmp_path))
    return tmp_path / "recipe.yaml"


def test_variations_are_treated_as_the_recipe_says_and_the_result_lists_it(
    recipe: Path, simmorph: Callable[..., Any]
) -> None:
    output = recipe.with_name("out")
    outcome = simmorph("limits", "--config", recipe, "-o", output, "--json", "-q")
    assert outcome.code == 0, outcome.stderr
    listed = json.loads(outcome.stdout)["uncertainties"]
    assert listed["smooth"].endswith("smoothed by 353QH")
    assert listed["shape"].endswith("normalised to the nominal template")
    assert any("nothing" in name and "left out: 0.001 of the sum" in words for name, words in listed.items())
    (channel,) = json.loads((output / "workspace.json").read_text())["channels"]
    background = next(it for it in channel["samples"] if it["name"] == "background")
    nominal = np.array(background["data"])
    ups = {it["name"]: np.array(it["data"]["hi_data"]) for it in background["modifiers"] if it["type"] == "histosys"}
    assert not [it for it in background["modifiers"] if it["type"] == "normsys"]
    plain = ups["plain"]
    np.testing.assert_allclose(ups["smooth"], smoothed_variation(plain, nominal), rtol=1e-9)
    np.testing.assert_allclose(ups["shape"], plain * nominal.sum() / plain.sum(), rtol=1e-9)
    assert np.abs(np.diff(ups["smooth"] / nominal, 2)).max() < np.abs(np.diff(plain / nominal, 2)).max()


def test_an_input_that_was_changed_is_said(recipe: Path, simmorph: Callable[..., Any]) -> None:
    path = recipe.with_name("signal.root")
    path.write_bytes(path.read_bytes() + b"\0")
    says = f"{path} has another content than signal.root.provenance.json says: it is damaged, or was changed"
    outcome = simmorph("limits", "--config", recipe, "--json")
    assert f"warning: {says}" in outcome.stderr
    assert says in json.loads(outcome.stdout)["warnings"]


def test_codes_that_the_workspace_cannot_hold_are_said(recipe: Path, simmorph: Callable[..., Any]) -> None:
    command = ["limits", "--config", recipe, "--interpolation", "normsys=code1"]
    says = "workspace.json cannot hold how sides are joined: its limits are others without normsys=code1"
    assert says not in simmorph(*command).stderr
    assert says in simmorph(*command, "-o", recipe.with_name("out")).stderr
    again = simmorph("limits", recipe.with_name("out") / "workspace.json")
    assert "has another content" not in again.stderr
