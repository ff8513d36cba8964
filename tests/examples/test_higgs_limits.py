"""The example of limits with a generated background, with settings that make it quick."""

from __future__ import annotations

import csv
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from simmorph.config.recipe import load_recipe
from simmorph.pipeline.limits.run import load_limits_recipe
from tests.examples.test_examples import EXAMPLES, read_json, run_example

if TYPE_CHECKING:
    from pathlib import Path

    from simmorph.config.limits import LimitsRecipe
    from simmorph.config.recipe import Recipe

FOLDER = EXAMPLES / "higgs-limits"


@pytest.mark.slow
def test_the_quick_chain_ends_in_a_limit_a_scan_and_coverage(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "amplify" / "data", tmp_path / "cli-examples" / "amplify" / "data")
    shown = run_example("higgs-limits", tmp_path, QUICK="1")
    work = tmp_path / "build" / "higgs-limits"
    rows = list(csv.DictReader((work / "scan-m_bb" / "scan.csv").read_text().splitlines()))
    assert len(rows) == 2 * 3
    assert {(row["beta_type"], row["amplification"]) for row in rows} == {("shapesys", "replicas")}
    assert (work / "scan-m_bb" / "scan-limit.png").stat().st_size > 10_000
    corrected = read_json(work / "limits-m_bb" / "limits.json")["corrections"]["background"]
    assert corrected["strength_uncertainty"] > 0.8 * corrected["strength_uncertainty_of_simulation"]
    assert {"spurious_before", "spurious_after"} <= corrected.keys()
    quoted = dict(re.findall(r"^m_bb, (\w+), mu = 1, 3 trainings: .* quoted ([\d.]+)", shown, re.MULTILINE))
    assert quoted.keys() == {"corrected", "replicas", "naive"}
    assert float(quoted["corrected"]) > float(quoted["naive"])
    observed = read_json(work / "real" / "m_bb-auto" / "limits.json")
    assert observed["data"] == "observed"
    assert "of the training of background" in observed["uncertainties"]


def test_both_observables_are_scanned_as_in_the_paper() -> None:
    recipes: list[Recipe | LimitsRecipe] = [load_limits_recipe(FOLDER / f"{name}.yaml") for name in ("m_bb", "score")]
    cuts = {"m_bb": "morph_score > 0.55", "morph_score": None}
    for recipe, (observable, region) in zip(recipes, cuts.items(), strict=True):
        settings, scan = recipe.limits, recipe.scan
        assert settings is not None
        assert scan is not None
        assert (settings.observable, settings.region) == (observable, region)
        assert settings.binning is not None
        assert len(settings.binning.all_edges) == 26
        assert (scan.luminosity[0], scan.luminosity[-1], scan.background_per_fb) == (10, 1000, 1000)
        assert (scan.signal_fraction, scan.beta, scan.beta_type) == (0.05, (0.05, 0.1, 0.2), "shapesys")
    assert recipes[0].scan == recipes[1].scan


@pytest.mark.parametrize("kind", ["", "real-"])
def test_generator_and_classifier_learn_from_different_events(kind: str) -> None:
    generator, classifier = (load_recipe(FOLDER / f"{kind}{name}.yaml") for name in ("generator", "classifier"))
    assert generator.features == classifier.features
    assert not {*(generator.target or [])} & {*(classifier.source or []), *(classifier.target or [])}
