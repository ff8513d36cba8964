"""The table, the plot and the page of a comparison."""

from __future__ import annotations

import csv
import html.parser
import io
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib.text import Annotation, Text

from simmorph.evaluation.metrics import DISTANCES
from simmorph.evaluation.plots.frontier import plot_frontier, points_of
from simmorph.evaluation.report.ranking import ranking_of
from simmorph.evaluation.report.ranking_page import RankingPage
from simmorph.evaluation.scores import ChosenPairs, Cost, Moved, RegionScore, Score, Value, ranked, repeated

if TYPE_CHECKING:
    from simmorph.evaluation.report.ranking import Ranking
    from simmorph.evaluation.scores import Ranked

COST = Cost(train_seconds=10.0, train_cpu_seconds=9.0, apply_rate=1e4, peak_memory_mb=500.0)


def score(title: str, kind: Any, auc: float, moved: float | None, repeat: int = 0, **changes: Any) -> Score:
    there = (
        None
        if moved is None
        else Moved(mean=moved, quantile_95=1, largest=2, trimmed_mean=moved, retention={"x_1": 0.9, "y": 0.8})
    )
    region = RegionScore(
        pairs=ChosenPairs(worst=None, worst_pair=None, others=None, noise_floor=0.01),
        events=1000, auc={"all": Value(value=auc, uncertainty=0.004)}, ess_fraction=1.0, moved=there,
        metrics={
            "mmd": Value(value=auc - 0.5, uncertainty=0.01, p_value=0.02),
            "frechet": Value(value=auc - 0.5, uncertainty=0.003),
        },
        distances={
            "x_1": {kind: Value(value=0.1, uncertainty=0.03) for kind in DISTANCES},
            "y": {kind: Value(value=0.3, uncertainty=0.04) for kind in DISTANCES},
        },
    )  # fmt: skip
    settings: dict[str, Any] = {"regions": {"all": region}, "cost": COST if kind in {"morph", "reweight"} else None}
    return Score(title=title, method=title, kind=kind, repeat=repeat, **settings | changes)


def some_rows() -> list[Ranked]:
    return ranked(
        [
            score("target", "null", 0.5, None),
            score("unmorphed", "unmorphed", 0.7, 0.0),
            *(score("near_flow", "morph", 0.504 + 0.001 * repeat, 0.4, repeat) for repeat in range(3)),
            score("short_flow", "morph", 0.507, 0.2),
            score("weights", "reweight", 0.55, None, notes=["few events decide"]),
            score("broken", "morph", 0.5, 0.1, regions={}, cost=None, failure="the loss is <not> finite"),
        ]
    )


def table() -> Ranking:
    return ranking_of(some_rows(), ["all"], "all")


def test_repeats_give_their_mean_their_spread_and_the_uncertainty_of_one() -> None:
    found = repeated([Value(value=0.50, uncertainty=0.003), Value(value=0.52, uncertainty=0.004), None, float("nan")])
    assert found is not None
    assert found.mean == pytest.approx(0.51)
    assert found.spread == pytest.approx(0.02 / 2**0.5)
    assert found.uncertainty == pytest.approx(np.sqrt(12.5) * 1e-3)
    assert found.width == found.spread
    assert repeated([None]) is None


def test_a_single_repeat_has_no_spread_and_its_own_uncertainty() -> None:
    found = repeated([Value(value=0.5, uncertainty=0.003)])
    assert found is not None
    assert found.to_json() == {"mean": 0.5, "spread": None, "uncertainty": 0.003, "values": [0.5]}
    assert found.width == 0.003


def test_text_has_a_line_for_each_method_and_says_why_one_failed() -> None:
    lines = table().to_text().splitlines()
    assert [line.split()[0] for line in lines[:7]] == [
        "method", "target", "unmorphed", "near_flow", "short_flow", "weights", "broken",
    ]  # fmt: skip
    assert "0.5050 ± 0.0010 (0.0040)" in lines[3]
    assert len({len(line) for line in lines[:7]}) == 1
    assert lines[-1] == "broken: failed: the loss is <not> finite"
    assert "worst |dr|" not in lines[0], "a column without numbers takes no room"


def test_csv_reads_back_in_full() -> None:
    rows = {row["method"]: row for row in csv.DictReader(io.StringIO(table().numbers().to_csv()))}
    assert float(rows["near_flow"]["auc all all"]) == pytest.approx(0.505)
    assert float(rows["near_flow"]["auc all all spread"]) == pytest.approx(0.001)
    assert rows["weights"]["movement"] == ""
    assert rows["weights"]["largest_movement"] == ""
    assert (rows["broken"]["repeats"], rows["broken"]["failures"]) == ("0", "the loss is <not> finite")


def test_latex_has_the_same_number_of_cells_in_every_row() -> None:
    lines = [line for line in table().of("auc", "map").table().to_latex().splitlines() if line.endswith(r"\\")]
    assert len({line.count(" & ") for line in lines}) == 1
    assert r"near\_flow" in lines[3]
    assert r"$0.5050 \pm 0.0010 (0.0040)$" in lines[3]


def test_the_closest_methods_are_those_within_the_uncertainty_of_the_best() -> None:
    assert [row.title for row in table().closest()] == ["near_flow", "short_flow"]


def test_best_and_worst_are_marked_among_the_methods_alone() -> None:
    shown = table().of("auc").table()
    marked = {row[0]: (row[1][:6], marks[1]) for row, marks in zip(shown.texts(), shown.marks, strict=True)}
    assert marked["near_flow"] == ("0.5050", "best")
    assert marked["short_flow"] == ("0.5070", "near")
    assert marked["weights"] == ("0.5500", "worst")
    assert marked["target"] == ("0.5000", "")
    assert shown.kinds[-2:] == ["reweight", "morph"]


def test_every_metric_has_its_deviation_from_the_null() -> None:
    shown, rows = table(), {row.title: row for row in some_rows()}
    columns = {column.name: column for column in shown.columns}
    near, null = rows["near_flow"], rows["target"]
    frechet = shown.significance(columns["frechet"], near)
    assert frechet is not None
    assert frechet.deviations == pytest.approx(0.005 / (2**0.5 * 0.003))
    by_relabelling = shown.significance(columns["mmd"], near)
    assert by_relabelling is not None
    assert by_relabelling.p_value == pytest.approx(0.02)
    assert shown.significance(columns["frechet"], null) is None
    assert shown.significance(columns["movement"], near) is None
    texts = {row[0]: row for row in shown.of("metric").table().texts()}
    assert texts["near_flow"][-1] == "0.0050 ± 0.0010 (0.0030) +1.2 sd"
    assert texts["target"][-1] == "0.0000 (0.0030)"
    written = {row["method"]: row for row in csv.DictReader(io.StringIO(shown.numbers().to_csv()))}
    assert float(written["near_flow"]["frechet significance"]) == pytest.approx(frechet.deviations)
    assert written["target"]["frechet significance"] == ""


def test_distances_of_one_variable_are_shown_as_their_mean_and_the_largest() -> None:
    columns = {column.name: column for column in table().columns}
    row = some_rows()[1]
    mean, largest = (columns[f"marginal {which} hellinger"].measure(row) for which in ("mean", "largest"))
    assert mean is not None
    assert largest is not None
    assert (mean.mean, mean.uncertainty) == pytest.approx((0.2, 0.025))
    assert (largest.mean, largest.uncertainty) == pytest.approx((0.3, 0.04))


class Reader(html.parser.HTMLParser):
    """Collects what a page would load, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value for key, value in attrs if key in {"src", "href"} and value]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_beside_it_and_says_which_method_to_take() -> None:
    page = RankingPage(
        "A <toy>", "Held-out events.", table(), "all", {"all": b"image"}, {"near_flow": ["a/b"]}, {"seed": 1}
    )
    reader = Reader()
    reader.feed(page.to_html())
    assert all(source.startswith("data:") for source in reader.sources)
    assert '<td class="best">0.5050 ' in page.to_html()
    assert "near_flow comes closest" in reader.text
    assert "short_flow moves events least" in reader.text
    assert "few events decide" in reader.text
    assert "the loss is <not> finite" in reader.text
    assert "A <toy>: which method?" in reader.text


def many_rows() -> list[Ranked]:
    rng = np.random.default_rng(1)
    names = [f"a_method_{number}" for number in range(14)]
    scores = [score("target", "null", 0.5, None), score("unmorphed", "unmorphed", 0.7, 0.0)]
    scores += [score(name, "morph", 0.505 + 0.02 * rng.uniform(), 0.3 + 0.1 * rng.uniform()) for name in names]
    return ranked([*scores, score("weights", "reweight", 0.52, None)])


def test_names_in_the_plot_overlap_neither_each_other_nor_leave_it() -> None:
    figure = plot_frontier(many_rows(), "all", "all", "A toy")
    figure.draw_without_rendering()
    labels = [text for axes in figure.axes for text in axes.findobj(Annotation) if text.get_text()]
    assert {label.get_text() for label in labels} >= {"a_method_0", "weights"}
    boxes = [Text.get_window_extent(label) for label in labels]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_every_method_with_an_auc_has_a_point() -> None:
    points = points_of(some_rows(), "all", "all")
    assert [point.title for point in points] == ["unmorphed", "near_flow", "short_flow", "weights"]
    assert [point.movement is None for point in points] == [False, False, False, True]


@pytest.mark.parametrize("titles", [{"target", "weights"}, {"target", "near_flow"}, {"near_flow"}])
def test_a_plot_of_few_methods_is_drawn(titles: set[str]) -> None:
    figure = plot_frontier([row for row in some_rows() if row.title in titles], "all", "all")
    assert len(figure.axes) == 1
