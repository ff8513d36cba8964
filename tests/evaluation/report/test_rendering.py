"""Pages from templates: every text is escaped, every value is there, and nothing is loaded."""

from __future__ import annotations

import base64
import html.parser
import re
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError

from simmorph.evaluation.report.ranking_page import RankingPage
from simmorph.evaluation.report.rendering import Picture, rendered, sentence
from tests.evaluation.report.test_ranking import score, table

HOSTILE = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "{% for x in y %}", "</style><b>",
    "' onmouseover='alert(1)", "&lt;b&gt;", "javascript:alert(1)", "--><!--", "]]>",
]  # fmt: skip


class Reader(html.parser.HTMLParser):
    """Collects tags, attributes and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def comparison(name: str) -> str:
    """The page of a comparison in which everything that a user names has one name."""
    return RankingPage(
        name, name, table(), "all", {name: b"image"}, {name: [name]}, {"recipe": {name: name}}
    ).to_html()  # fmt: skip


KNOWN = Reader(comparison("a name"))


@pytest.mark.parametrize("name", HOSTILE)
def test_names_add_neither_tags_nor_attributes_and_are_read_as_they_are_written(name: str) -> None:
    page = Reader(comparison(name))
    assert page.tags == KNOWN.tags
    assert page.attributes == KNOWN.attributes
    assert page.text.count(name) >= 4
    assert "script" not in page.tags


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30))
def test_any_name_leaves_the_page_as_it_is(name: str) -> None:
    page = Reader(comparison(name))
    assert (page.tags, page.attributes) == (KNOWN.tags, KNOWN.attributes)
    assert name in page.text


def test_the_browser_is_forbidden_to_load_anything_but_the_images_inside() -> None:
    page = comparison("a name")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert policy[1] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert not re.search(r"url\(|@import|https?:", page)


def test_a_value_that_is_missing_is_an_error_and_no_empty_place() -> None:
    with pytest.raises(UndefinedError, match="'page' is undefined"):
        rendered("comparison.html", "title")


@pytest.mark.parametrize("name", ["base", "parts", "report", "region", "verdict", "comparison"])
def test_templates_are_files_of_the_package_and_switch_no_escaping_off(name: str) -> None:
    text = (resources.files("simmorph.evaluation.report") / "templates" / f"{name}.html").read_text()
    assert not re.search(r"\|\s*safe|autoescape|Markup", text)


def test_a_picture_holds_its_image_and_its_words() -> None:
    picture = Picture(b"\x89PNG", "what it shows", "how to read it", "wide")
    head, data = picture.source.split(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(data, validate=True) == b"\x89PNG"


@pytest.mark.parametrize(("text", "found"), [("", ""), ("a b", "A b"), ("éa", "Éa"), ("AUC", "AUC"), ("1 a", "1 a")])
def test_a_sentence_begins_with_a_capital(text: str, found: str) -> None:
    assert sentence(text) == found


def test_a_failure_with_markup_is_text() -> None:
    failed = score("broken", "morph", 0.5, 0.1, regions={}, cost=None, failure="<b>no</b> {{ loss }}")
    assert failed.failure is not None
    page = Reader(comparison(failed.failure))
    assert "<b>no</b> {{ loss }}" in page.text
