"""The page of a comparison: its advice, its tables, and what it leaves out."""

from __future__ import annotations

import html.parser
from typing import TYPE_CHECKING, Any

import pytest

from simmorph.evaluation.report.ranking import ranking_of
from simmorph.evaluation.report.ranking_page import RankingPage
from simmorph.evaluation.scores import Moved, ranked
from tests.evaluation.report.test_ranking import score, some_rows

if TYPE_CHECKING:
    from simmorph.evaluation.scores import Score


class Tables(html.parser.HTMLParser):
    """The cells and their marks of every table of a page, and its headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.headings: list[str] = []
        self.place = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.place = tag
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in {"td", "th"}:
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.place = ""

    def handle_data(self, data: str) -> None:
        if self.place in {"td", "th"}:
            self.tables[-1][-1][-1] += data
        elif self.place in {"h1", "h2", "h3"}:
            self.headings.append(data)


def page_of(scores: list[Score], **changes: Any) -> RankingPage:
    page = RankingPage("Toy", "Once.", ranking_of(ranked(scores), ["all"], "all"), "all", {}, {}, {"seed": 1})
    return page._replace(**changes)


def all_scores() -> list[Score]:
    return [one for row in some_rows() for one in row.scores]


NULL = score("target", "null", 0.5, None)


def test_cells_of_the_page_are_those_of_the_tables() -> None:
    page = page_of(all_scores())
    found = Tables(page.to_html()).tables
    for group, shown in zip(("auc", "metric", "map"), found, strict=False):
        table = page.ranking.of(group).table()  # type: ignore[arg-type]
        assert shown == [table.head, *table.texts()]
    marginal = page.ranking.of("marginal").table()
    assert found[-1] == [marginal.head, *marginal.texts()]


def test_marks_of_the_page_are_those_of_the_ranking() -> None:
    page = page_of(all_scores())
    text = page.to_html()
    for row, marks in zip(page.ranking.of("auc").table().rows, page.ranking.of("auc").table().marks, strict=True):
        if marks[1]:
            assert f'<td>{row[0]}</td>\n<td class="{marks[1]}">' in text


def test_closest_method_is_named_with_its_auc_beside_the_null() -> None:
    text = page_of(all_scores()).to_html()
    assert "<b>near_flow</b> comes closest, with an AUC of 0.5050 ± 0.0040 where" in text
    assert "the target against itself has an AUC of 0.5000 ± 0.0040." in text


def test_of_equally_close_methods_the_cheapest_are_named() -> None:
    quick = score("quick", "morph", 0.505, 0.9)
    assert quick.cost is not None
    quick = quick.model_copy(update={"cost": quick.cost.model_copy(update={"train_seconds": 1.0})})
    text = page_of([NULL, quick, score("short", "morph", 0.506, 0.1)]).to_html()
    assert "Of these, <b>short</b> moves events least." in text
    assert "Of these, <b>quick</b> is learnt fastest." in text


def test_one_method_has_no_rivals_and_no_choice() -> None:
    text = page_of([NULL, score("alone", "morph", 0.51, 0.1), score("worse", "morph", 0.9, 0.1)]).to_html()
    assert "<b>alone</b> comes closest" in text
    assert "Within the uncertainty" not in text
    assert "Of these" not in text


def test_without_a_null_nothing_is_compared_to_it() -> None:
    methods = [score("good", "morph", 0.51, 0.1), score("worse", "morph", 0.9, 0.1)]
    text = page_of(methods).to_html()
    assert "<b>good</b> comes closest, with an AUC of 0.5100 ± 0.0040." in text


def test_methods_that_all_failed_have_no_advice() -> None:
    failed = score("broken", "morph", 0.5, 0.1, regions={}, cost=None, failure="no convergence")
    page = page_of([NULL, failed])
    assert "comes closest" not in page.to_html()
    assert "Failed" in Tables(page.to_html()).headings


@pytest.mark.parametrize("names", [["x"], ["x", "y"], ["x", "y", "z"]])
def test_retention_of_several_features_has_a_table(names: list[str]) -> None:
    moved = Moved(mean=0.1, quantile_95=1, largest=2, trimmed_mean=0.1, retention=dict.fromkeys(names, 0.875))
    one = score("flow", "morph", 0.51, 0.1)
    region = one.regions["all"].model_copy(update={"moved": moved})
    found = Tables(page_of([NULL, one.model_copy(update={"regions": {"all": region}})]).to_html()).tables
    kept = [table for table in found if table[0] == ["method", *names]]
    assert kept == ([[["method", *names], ["flow", *["0.875"] * len(names)]]] if len(names) > 1 else [])


def test_tables_without_numbers_are_left_out_with_their_headings() -> None:
    one = score("weights", "reweight", 0.51, None)
    region = one.regions["all"].model_copy(update={"metrics": {}, "distances": {}})
    null = NULL.model_copy(update={"regions": {"all": region}})
    page = Tables(page_of([null, one.model_copy(update={"regions": {"all": region}})]).to_html())
    assert "One variable at a time" not in page.headings
    assert "Metrics of all variables together" not in page.headings
    assert len(page.tables) == 2


def test_models_are_listed_in_the_order_of_their_repeats() -> None:
    text = page_of(all_scores(), models={"near_flow": ["a", "b"], "broken": []}).to_html()
    assert "<b>near_flow</b>: <code>a</code>, <code>b</code>" in text
    assert "<b>broken</b>: <code>" not in text


@pytest.mark.parametrize(("experiment", "title"), [("Toy", "Toy: which method?"), ("", "Which method?")])
def test_title_names_the_experiment_if_there_is_one(experiment: str, title: str) -> None:
    page = page_of(all_scores(), experiment=experiment)
    assert Tables(page.to_html()).headings[0] == title


def test_remarks_of_a_method_are_shown_once_however_often_it_makes_them() -> None:
    repeats = [score("weights", "reweight", 0.51, None, repeat, notes=["few events decide"]) for repeat in range(3)]
    assert page_of([NULL, *repeats]).to_html().count("few events decide") == 1


def test_plots_of_all_regions_are_inside_with_words() -> None:
    text = page_of(all_scores(), plots={"all": b"one", "signal": b"two"}).to_html()
    assert text.count('src="data:image/png;base64,') == 2
    assert 'alt="AUC against mean distance moved, region signal"' in text
