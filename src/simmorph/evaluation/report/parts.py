"""Pieces that pages are made of."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from simmorph.evaluation.report.tables import Table


class Picture(NamedTuple):
    """A plot as the page shows it.

    Attributes:
        png: the image.
        alt: what it shows, for who cannot see it.
        caption: how to read it, below the image.
        size: `narrow` (three in a row), `middle` (two), or `wide`.
    """

    png: bytes
    alt: str
    caption: str = ""
    size: str = "narrow"

    def to_html(self) -> str:
        """The image with its caption."""
        data = base64.b64encode(self.png).decode()
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        image = f'<img alt="{html.escape(self.alt)}" src="data:image/png;base64,{data}">'
        return f'<figure class="{self.size}">{image}{caption}</figure>'


def row_of(pictures: Iterable[Picture]) -> str:
    """Pictures side by side."""
    return f'<div class="plots">{"".join(picture.to_html() for picture in pictures)}</div>'


def scrolling(*tables: str) -> str:
    """Tables that scroll where they are wider than the page."""
    return "".join(f'<div class="scroll">{table}</div>' for table in tables)


def shown(tables: Mapping[str, Table], *names: str) -> str:
    """Those of the named tables that there are."""
    return scrolling(*(tables[name].to_html() for name in names if name in tables))


def folded(summary: str, content: str) -> str:
    """Content that is read only by who asks for it; on paper it is open."""
    return f"<details><summary>{html.escape(summary)}</summary>{content}</details>" if content else ""


def paragraph(text: str) -> str:
    """Text in small print."""
    return f'<p class="small">{html.escape(text)}</p>'


def facts(rows: Mapping[str, str]) -> str:
    """Names and what they stand for, one below the other; the empty ones are left out."""
    found = "".join(f"<dt>{html.escape(key)}</dt><dd>{html.escape(text)}</dd>" for key, text in rows.items() if text)
    return f"<dl>{found}</dl>"


def plain_table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "", text: Sequence[int] = ()) -> str:
    """A table of texts.

    Args:
        head: the names of the columns.
        rows: its cells.
        caption: what it shows.
        text: columns of words, which are set to the left and may wrap.
    """
    kinds = ["text" if place in text else "" for place in range(len(head))]

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f'<{tag} class="{kind}">{html.escape(cell)}</{tag}>' if kind else f"<{tag}>{html.escape(cell)}</{tag}>"
            for cell, kind in zip(row, kinds, strict=True)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    named = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return scrolling(f"<table>{named}<thead><tr>{cells('th', head)}</tr></thead><tbody>{body}</tbody></table>")
