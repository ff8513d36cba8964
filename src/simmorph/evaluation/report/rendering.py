"""Pages from templates: one file each, images inside, and every text of the input escaped."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined


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

    @property
    def source(self) -> str:
        """The image as an address that holds all of it."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


def rendered(template: str, title: str, **values: Any) -> str:
    """The page that a template of the folder `templates` makes of some values; its title begins with a capital."""
    return _environment().get_template(template).render(title=sentence(title), **values)


@cache
def _environment() -> Environment:
    """The templates of this package; HTML is escaped, and a value that is missing is an error, not an empty place."""
    loader = PackageLoader("simmorph.evaluation.report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, lstrip_blocks=True)
    environment.filters |= {"sentence": sentence, "json": lambda value: json.dumps(value, indent=2)}
    return environment


def sentence(text: str) -> str:
    """With a capital at its beginning."""
    return text[:1].upper() + text[1:]
