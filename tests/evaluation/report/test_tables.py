"""Tables: the same cells as text, CSV and LaTeX, and the tables of a region."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from simmorph.data.estimates import Estimate
from simmorph.data.events import Events
from simmorph.evaluation.comparison import Plan, judges_of
from simmorph.evaluation.metrics import DISTANCES, METRICS
from simmorph.evaluation.metrics.samples import COMPARISONS, NULL, Cut, Samples
from simmorph.evaluation.region_result import RegionResult, compare
from simmorph.evaluation.report.region_tables import (
    acceptance_table,
    context_table,
    density_ratio_table,
    distances_table,
    events_table,
    metrics_table,
    movement_table,
    pearson_table,
    profiles_table,
    spearman_table,
    tables_of,
)
from simmorph.evaluation.report.tables import MISSING, Shown, Table, latex_escaped

NAN = float("nan")
TABLE = Table(
    "Two samples.\nIn a region.",
    ["sample", "mean", "events", "deviation"],
    [
        ["target_1", Estimate(0.123456789, 0.00123), 14960.0, None],
        ["a, b", Estimate(NAN, NAN), 0.25, Shown(1.23456, "+1.2 sd")],
    ],
)


def read(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.to_csv())))


def test_text_is_aligned_with_the_first_column_to_the_left() -> None:
    head, first, second, empty, *caption = TABLE.to_text().splitlines()
    assert len({len(head), len(first), len(second)}) == 1
    assert first.startswith("target_1  ")
    assert second.startswith("a, b ")
    assert first.endswith(MISSING)
    assert (empty, caption) == ("", ["Two samples.", "In a region."])


def test_text_without_a_caption_ends_with_the_last_row() -> None:
    assert TABLE._replace(caption="").to_text().endswith("+1.2 sd")


def test_cells_are_rounded_for_people() -> None:
    assert TABLE.texts() == [
        ["target_1", "0.1235 ± 0.0012", "14,960", MISSING],
        ["a, b", "undefined", "0.25", "+1.2 sd"],
    ]


def test_csv_has_numbers_in_full_and_two_columns_for_an_estimate() -> None:
    rows = read(TABLE)
    assert list(rows[0]) == ["sample", "mean", "mean uncertainty", "events", "deviation"]
    assert rows[0] == {
        "sample": "target_1", "mean": "0.12345679", "mean uncertainty": "0.00123", "events": "14960", "deviation": "",
    }  # fmt: skip
    assert (rows[1]["sample"], rows[1]["deviation"]) == ("a, b", "1.23456")


def test_a_number_among_estimates_leaves_its_uncertainty_empty() -> None:
    table = Table("", ["name", "value"], [["a", Estimate(1.0, 0.1)], ["b", 2.0]])
    assert [row["value uncertainty"] for row in read(table)] == ["0.1", ""]


def test_a_table_without_rows_is_its_head() -> None:
    empty = Table("Nothing.", ["name", "value"], [])
    assert empty.to_csv() == "name,value\n"
    assert empty.to_text().splitlines()[0] == "name  value"


def test_latex_escapes_text_and_sets_numbers_as_mathematics() -> None:
    lines = TABLE.to_latex().splitlines()
    assert lines[:2] == ["% Two samples.", "% In a region."]
    assert lines[2] == r"\begin{tabular}{lrrr}"
    assert lines[6] == r"target\_1 & $0.1235 \pm 0.0012$ & $14{,}960$ & -- \\"
    assert lines[7] == r"a, b & -- & $0.25$ & $+1.2\,\mathrm{sd}$ \\"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a_b", r"a\_b"),
        ("x|y", "x$|$y"),
        ("~", r"\textasciitilde{}"),
        ("\\", r"\textbackslash{}"),
        ("a^2", r"a\textasciicircum{}2"),
    ],
)
def test_what_latex_takes_for_its_own_is_made_plain(text: str, escaped: str) -> None:
    assert latex_escaped(text) == escaped


@pytest.fixture(scope="module")
def result() -> RegionResult:
    """A source that is shifted in x, a template that is not, in a context."""
    rng = np.random.default_rng(1)

    def sample(shift: float) -> Events:
        x, noise = rng.normal(size=(2, 300))
        return Events.of(np.column_stack([x + shift, 0.7 * x + noise, np.abs(x)]), rng.uniform(size=(300, 1)))

    source, target = sample(0.8), sample(0.0)
    moved = source.with_features(source.features - [0.8, 0, 0])
    parts = {"source": source, "moved": moved, "template": moved, "target": target}
    conditions = {"m": {name: its.context[:, 0] for name, its in parts.items() if name != "moved"}}
    cut = Cut("x < 1", False, {name: its.features[:, 0] < 1 for name, its in parts.items()})
    samples = Samples(("x", "y", "size"), 2, source, moved, moved, target, target[:0], ("m",), conditions, {"low": cut})
    return compare("here", "x > -9", samples, Plan(judges_of(samples, []), 300, [1], n_splits=2), is_trained_on=True)


def test_every_metric_is_a_row_with_its_comparisons_and_its_deviation(result: RegionResult) -> None:
    rows = read(metrics_table(result))
    assert len(rows) == len(METRICS) + 1, "and the AUC with derived quantities"
    assert [row["metric"] for row in rows[:2]] == ["AUC of the classifier, features alone", "AUC with size"]
    for row, (metric, found) in zip(rows, result.metrics.items(), strict=True):
        significance = result.significances[metric]["template_vs_target"]
        for name in COMPARISONS:
            shown = row["null" if name == NULL else name.replace("_", " ")]
            assert float(shown) == pytest.approx(found[name].value, rel=1e-6)
        assert float(row["template above null [sd]"]) == pytest.approx(significance.deviations, rel=1e-6)
        assert float(row["p-value"]) == pytest.approx(significance.p_value, rel=1e-6)


@pytest.mark.parametrize("kind", DISTANCES)
def test_every_distance_is_a_table_of_all_variables(result: RegionResult, kind: str) -> None:
    table = distances_table(result, kind)
    assert table.caption == f"{DISTANCES[kind].words}."
    rows = read(table)
    assert [row["variable"] for row in rows] == ["x", "y", "size"]
    for row in rows:
        expected = result.distances[row["variable"]][kind]["source_vs_target"]
        assert float(row["source vs target"]) == pytest.approx(expected.value, rel=1e-6)
        assert float(row["source vs target uncertainty"]) == pytest.approx(expected.uncertainty, rel=1e-2)


def test_the_context_has_distances_of_its_own(result: RegionResult) -> None:
    assert [row["condition"] for row in read(context_table(result, "kolmogorov"))] == ["m"]


def test_named_pairs_come_first_and_the_others_are_averaged(result: RegionResult) -> None:
    rows = read(pearson_table(result, [["y", "x"]]))
    assert [row["pair"] for row in rows] == ["x, y", "mean |others|", "mean |others| of pure noise"]
    target = result.correlations["target"]
    assert float(rows[0]["target"]) == pytest.approx(target.matrix[0, 1])
    others = np.abs([target.matrix[0, 2], target.matrix[1, 2]]).mean()
    assert float(rows[1]["target"]) == pytest.approx(others, rel=1e-6)


def test_pairs_that_the_target_correlates_are_named_by_themselves(result: RegionResult) -> None:
    named = {row["pair"] for row in read(spearman_table(result, []))}
    assert "x, y" in named


def test_movement_has_each_feature_and_all_together(result: RegionResult) -> None:
    assert result.movement is not None
    rows = read(movement_table(result, result.movement))
    assert [row["feature"] for row in rows][:2] == ["x", "y"]
    assert float(rows[1]["mean distance [target sigma]"]) == 0
    assert float(rows[0]["retention"]) == pytest.approx(1)
    assert rows[2]["feature"].startswith("all features together")


def test_sizes_are_those_of_the_samples(result: RegionResult) -> None:
    rows = read(events_table(result))
    assert [row["sample"] for row in rows] == ["source", "template", "target"]
    assert {row["effective size"] for row in rows} == {"300"}


def test_the_weights_of_the_classifier_have_mean_spread_tails_and_quantiles(result: RegionResult) -> None:
    rows = {row["calibrated weight"]: row for row in read(density_ratio_table(result))}
    found = result.density_ratio["template_vs_target"]
    assert float(rows["mean weight"]["template vs target"]) == pytest.approx(found.mean.value, rel=1e-6)
    assert len(rows) == 2 + len(found.tails) + len(found.quantiles)


def test_profiles_have_chi2_and_p_value_of_every_variable(result: RegionResult) -> None:
    rows = read(profiles_table(result))
    assert [(row["condition"], row["variable"]) for row in rows] == [("m", "x"), ("m", "y"), ("m", "size")]
    assert float(rows[0]["source vs target p-value"]) < 1e-3 < float(rows[1]["source vs target p-value"])


def test_the_acceptance_has_what_passes_and_what_the_map_takes_across(result: RegionResult) -> None:
    (row,) = read(acceptance_table(result))
    samples = result.samples
    before, after = samples.source.features[:, 0] < 1, samples.moved.features[:, 0] < 1
    assert float(row["source"]) == pytest.approx(before.mean())
    assert float(row["entering under the map"]) == pytest.approx((~before & after).mean())
    assert float(row["leaving under the map"]) == 0
    assert row["expression"] == "x < 1"


def test_a_region_without_source_and_conditions_has_fewer_tables(result: RegionResult) -> None:
    every = tables_of(result, [])
    fewer = tables_of(replace(result, movement=None, profiles=[], context_distances={}, acceptance={}), [])
    gone = {"movement", "profiles", "acceptance", "context_wasserstein", "context_kolmogorov", "context_chi_square"}
    assert set(every) - set(fewer) == gone
    assert set(DISTANCES) <= set(fewer)
