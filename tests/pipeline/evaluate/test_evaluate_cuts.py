"""Bands, conditions and acceptance, from a recipe to the numbers of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.stats import norm

from simmorph.config.recipe import Recipe
from simmorph.data.expressions.expression import parse
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.errors import ConfigError
from simmorph.evaluation.comparison import Plan, judges_of
from simmorph.evaluation.metrics.maps.acceptance import acceptance
from simmorph.evaluation.region_result import RegionResult, compare
from simmorph.evaluation.report.region_tables import tables_of
from simmorph.evaluation.report.tables import Shown
from simmorph.pipeline.evaluate.cuts import automatic_acceptance, bands
from simmorph.pipeline.evaluate.inputs import read_inputs

if TYPE_CHECKING:
    from pathlib import Path

N_EVENTS = 2000
CRACK = (1.37, 1.52)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map that pushes pt below the cut at 25 now and then, and eta into the crack."""
    folder = tmp_path_factory.mktemp("cuts")
    rng = np.random.default_rng(1)

    def sample() -> dict[str, np.ndarray]:
        eta = rng.uniform(-2.37, 2.37, 3 * N_EVENTS)
        eta = eta[(np.abs(eta) < CRACK[0]) | (np.abs(eta) > CRACK[1])][:N_EVENTS]
        mass = rng.uniform(100, 160, N_EVENTS)
        return {"pt": 25 + rng.exponential(20, N_EVENTS), "eta": eta, "mass": mass, "njet": rng.poisson(1, N_EVENTS)}

    source, target = sample(), sample()
    morphed: dict[str, np.ndarray] = {"pt_morphed": source["pt"] - 0.5, "eta_morphed": source["eta"] * 0.98}
    status: dict[str, np.ndarray] = {"weight_morphed": np.ones(N_EVENTS), "morph_status": np.zeros(N_EVENTS, np.int32)}
    columns: dict[str, dict[str, np.ndarray]] = {
        "source": source,
        "target": target,
        "template": {**source, **morphed, **status},
    }
    for name, content in columns.items():
        with create_ntuple(folder / f"{name}.root", "events") as ntuple:
            ntuple.extend(content)
    return folder


def recipe_of(folder: Path, **evaluate: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "source": str(folder / "source.root"),
            "target": str(folder / "target.root"),
            "template": folder / "template.root",
            "features": ["pt", "eta"],
            "context": ["mass"],
            "method": {"name": "quantile"},
            "evaluate": evaluate,
        }
    )


def result_of(recipe: Recipe, cut: str = "") -> RegionResult:
    samples = read_inputs(recipe, None).samples(cut)
    plan = Plan(judges_of(samples, recipe.evaluate.judges), 600, [1])
    return compare("all", cut, samples, plan, is_trained_on=False)


@pytest.fixture(scope="module")
def result(folder: Path) -> RegionResult:
    return result_of(recipe_of(folder, conditions=["njet"], judges=["trees", "network_2x32"]))


def test_every_metric_has_a_significance_and_a_p_value_against_its_null(result: RegionResult) -> None:
    found = result.to_json()
    assert {"auc", "auc_network_2x32", "mmd", "frechet"} <= found["metrics"].keys()
    for compared in found["metrics"].values():
        assert "p_value" not in compared["target_vs_target"]
        for name in ("source_vs_target", "template_vs_target"):
            assert 0 <= compared[name]["p_value"] <= 1
            assert compared[name]["significance"] == pytest.approx(norm.isf(compared[name]["p_value"]), abs=0.01)
    assert set(found["findings"]) == {"differs", "tension", "within", "sentence"}
    assert len(found["findings"]["within"]) + len(found["findings"]["tension"]) >= len(found["metrics"]) - 1


def test_the_verdict_stays_with_the_trees_whatever_other_judges_there_are(result: RegionResult) -> None:
    assert result.verdict.metric == "auc"
    assert result.to_json()["judge"] == "trees"


def test_movement_tells_the_lowest_retention_with_its_uncertainty(result: RegionResult) -> None:
    found = result.to_json()["movement"]
    assert found["lowest_retention"]["value"] == pytest.approx(1, abs=1e-6)
    assert {"retention", "retention_uncertainty"} <= found["features"]["pt"].keys()


def test_the_targets_range_and_gaps_are_the_acceptance_if_the_recipe_names_none(result: RegionResult) -> None:
    cuts = {name: found.cut for name, found in result.acceptance.items()}
    assert cuts["eta in the target's range"] == "-2.37 <= eta <= 2.37"
    assert cuts["pt in the target's range"].startswith("25 <= pt <= ")
    assert "1.37 < eta < 1.52" in cuts["eta outside the target's gaps"]
    assert "< eta < -1.37" in cuts["eta outside the target's gaps"]
    below = result.acceptance["pt in the target's range"]
    lost = 1 - np.exp(-0.5 / 20)
    assert below.leaving is not None
    assert below.leaving.value == pytest.approx(lost, abs=4 * np.sqrt(lost / N_EVENTS))
    assert below.passing["template"].value == pytest.approx(1 - lost, abs=4 * np.sqrt(lost / N_EVENTS))
    assert below.passing["target"].value == 1
    in_crack = result.acceptance["eta outside the target's gaps"]
    assert in_crack.leaving is not None
    assert in_crack.leaving.value > 5 * in_crack.leaving.uncertainty


def test_every_number_is_in_a_table_of_every_format(result: RegionResult) -> None:
    tables = tables_of(result, [])
    assert {"spearman", "density_ratio", "profiles", "context_kolmogorov", "acceptance", "chi_square"} <= tables.keys()
    for table in tables.values():
        assert all(len(row) == len(table.head) for row in table.rows)
        assert len(table.to_csv().splitlines()) == len(table.rows) + 1
        assert table.to_latex().count(r"\\") == len(table.rows) + 1
        assert [len(row) for row in table.texts()] == [len(table.head)] * len(table.rows)
    for name in ("metrics", "chi_square"):
        assert tables[name].head[-2:] == ["template above null [sd]", "p-value"]
        significance = tables[name].rows[0][-2]
        assert isinstance(significance, Shown)
        assert tables[name].texts()[0][-2] == f"{significance.value:+.1f}"
        assert f",{significance.value:.8g}," in tables[name].to_csv()


def test_given_cuts_take_the_place_of_automatic_ones(folder: Path) -> None:
    samples = read_inputs(recipe_of(folder, acceptance={"hard": "pt > 40 and mass > 110"}), None).samples("")
    found = acceptance(samples)
    assert list(found) == ["hard"]
    assert not found["hard"].is_automatic
    assert found["hard"].passing["target"].value == pytest.approx(np.exp(-15 / 20) * 50 / 60, abs=0.05)


def test_profiles_are_against_context_and_the_conditions_named(result: RegionResult) -> None:
    assert [(one.condition, one.variable) for one in result.profiles] == [
        ("mass", "pt"),
        ("mass", "eta"),
        ("njet", "pt"),
        ("njet", "eta"),
    ]


def test_the_closure_of_the_conditions_is_told(result: RegionResult) -> None:
    assert set(result.context_distances) == {"mass"}
    context = result.to_json()["context"]
    assert "No map changes a context value" in context["remark"]
    found = context["distances"]["mass"]["kolmogorov"]
    assert found["source_vs_target"]["value"] == pytest.approx(found["template_vs_target"]["value"], abs=0.06)
    assert abs(found["template_vs_target"]["significance"]) < 3


def test_bands_are_cuts_that_every_event_in_range_passes_once(folder: Path) -> None:
    inputs = read_inputs(recipe_of(folder, bands={"mass": [100, 120, 140, 160], "njet": 2}), None)
    cuts = inputs.bands({"mass": [100, 120, 140, 160], "pt": 4})
    assert list(cuts)[:3] == ["mass 100 to 120", "mass 120 to 140", "mass 140 to 160"]
    for variable, n_bins in (("mass", 3), ("pt", 4)):
        passed = [inputs.target.passes(parse(cut)) for name, cut in cuts.items() if name.startswith(variable)]
        assert len(passed) == n_bins
        assert np.sum(passed, axis=0).tolist() == [1] * N_EVENTS
    sizes = [inputs.target.passes(parse(cut)).sum() for name, cut in cuts.items() if name.startswith("pt")]
    assert max(sizes) - min(sizes) <= 2


def test_bands_of_a_variable_with_an_odd_name_can_be_cut_on() -> None:
    (cut, *_) = bands("cutBased >= 0", [0, 1, 2], np.zeros(3)).values()
    found = parse(cut).evaluate({"cutBased >= 0": np.array([0.5, 1.5])})
    assert np.asarray(found).tolist() == [True, False]


def test_too_few_values_for_bands_are_refused_with_a_mend() -> None:
    with pytest.raises(ConfigError, match="too few different values"):
        bands("njet", 5, np.array([0.0, 1.0, 2.0] * 10))


@pytest.mark.parametrize(
    ("block", "fault"),
    [
        ({"bands": {"mass": [120, 100]}}, "rise"),
        ({"bands": {"mass": 1}}, "2"),
        ({"judges": ["forest"]}, "trees"),
        ({"acceptance": {"a": 3}}, "string"),
    ],
)
def test_a_wrong_block_is_refused(folder: Path, block: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        recipe_of(folder, **block)


def test_a_wrong_expression_names_its_key(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"evaluate\.acceptance\.odd"):
        read_inputs(recipe_of(folder, acceptance={"odd": "pt >"}), None)


def test_automatic_cuts_hold_every_event_of_the_target() -> None:
    rng = np.random.default_rng(2)
    columns = {"a": rng.normal(size=3000), "b c": rng.choice([0.0, 1.0], 3000), "d": np.full(3000, 0.1)}
    cuts = automatic_acceptance(list(columns), columns)
    for cut in cuts.values():
        assert np.asarray(parse(cut.expression).evaluate(columns)).all(), cut
