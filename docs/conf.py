"""The documentation site: `make docs` builds it into build/docs."""

from __future__ import annotations

import importlib
import pkgutil
import re
import tomllib
from itertools import groupby, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from sphinx.ext.apidoc import main as write_api

import simmorph
from simmorph.cli.main import COMMANDS
from simmorph.cli.main import simmorph as group
from simmorph.config.documents import Section
from simmorph.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
SOURCE_URL = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Source"]

project = "simmorph"
author = "The simmorph developers"
release = version = simmorph.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
html_theme = "furo"
html_title = f"simmorph {version}"
html_theme_options = {"source_repository": SOURCE_URL, "source_branch": "main", "source_directory": "docs/"}
html_show_sourcelink = False
html_copy_source = False
exclude_patterns = ["_templates"]
suppress_warnings = ["ref.python"]  # annotations give the short name of a class, which another module may use too
default_role = "code"
myst_heading_anchors = 3
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "show-inheritance": True, "exclude-members": "model_config"}
python_use_unqualified_type_names = True

SHARED = {"index": "README.md", "contributing": "CONTRIBUTING.md", "changelog": "CHANGELOG.md"}
"""The pages of the site that are files of the project: written once, shown in both."""

WIDTH = 88
"""Of text in a block of the theme, which is as wide as that."""
LINK = re.compile(r"(?P<image>!\[[^\]]*)?\]\((?P<name>(?!\w+:|#)[^)\s]+)\)")


def linked(text: str) -> str:
    """The text of a file of the project with its links as the site has them: to its pages, or to the repository."""
    pages = {name: f"{page}.md" for page, name in SHARED.items()}

    def link(found: re.Match[str]) -> str:
        if found["image"]:
            return f"{found['image']}](../{found['name']})"
        address = pages.get(found["name"], f"{SOURCE_URL}/blob/main/{found['name']}")
        return f"]({address})"

    return LINK.sub(link, text)


def commands() -> str:
    """The help of every command, in the order of an analysis."""
    context = click.Context(group, info_name="simmorph")
    texts = ((name, group.get_command(context, name)) for name in COMMANDS)
    return "\n".join(
        f"## {name}\n\n```text\n{command.get_help(click.Context(command, context, name, terminal_width=WIDTH))}\n```\n"
        for name, command in texts
        if command is not None
    )


def methods() -> str:
    """Every method, in the order of METHODS."""
    return "\n".join(
        f"## {name}\n\n```{{eval-rst}}\n.. autoclass:: {kind.__module__}.{kind.__name__}\n   :no-index:\n"
        "   :no-members:\n```\n"
        for name, kind in METHODS.items()
    )


def fill(_app: Sphinx, page: str, text: list[str]) -> None:
    """Put a file of the project, every command or every method where its page is."""
    if page in SHARED:
        text[0] = f"{linked((ROOT / SHARED[page]).read_text())}\n{text[0]}"
    elif page in {"commands", "methods"}:
        text[0] += commands() if page == "commands" else methods()


def marked(text: str) -> str:
    """A paragraph whose names between backticks are code, and whose other marks stay as they are."""
    parts = re.split(r"`+([^`]+)`+", text)
    plain = (re.sub(r"(?<=\S)[*|\\]|[*|\\](?=\S)|_(?=\W)", r"\\\g<0>", part) for part in parts[::2])
    code = (f"``{' '.join(part.split())}``\\ " for part in parts[1::2])
    return "".join(part for pair in zip_longest(plain, code, fillvalue="") for part in pair)


def restructured(lines: list[str]) -> Iterator[str]:
    """The lines of a docstring, which is written as it reads in a terminal, as reStructuredText."""
    for blank, found in groupby(lines, key=lambda line: not line.strip()):
        paragraph = list(found)
        start = paragraph[0].lstrip()
        if blank or start.startswith(">>>"):
            yield from paragraph
        elif start.startswith("|"):
            yield from ("::", "", *(f"    {line}" for line in paragraph))
        else:
            yield from marked("\n".join(paragraph)).split("\n")


def prepare(_app: Sphinx, what: str, _name: str, _thing: Any, _options: Any, lines: list[str]) -> None:
    """Make a docstring ready for Napoleon, which takes what stands before a colon for the type of an attribute."""
    is_field = bool(lines) and lines[0].startswith("Alias for field number")
    first = [""] if what in {"attribute", "data", "property"} else []
    lines[:] = [] if is_field else [*first, *restructured(lines)]


def shorten(
    _app: Sphinx, _what: str, _name: str, thing: Any, _options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """The signature without the bounds of numbers; none for a block of YAML, whose keys follow one by one."""
    if isinstance(thing, type) and issubclass(thing, Section):
        return "", returns
    return signature and re.sub(r"Annotated\[(.*?), FieldInfo\(.*?\]\)\]", r"\1", signature), returns


def write_api_pages(_app: Sphinx) -> None:
    """Write a page for each module into docs/api; all are imported first, since autodoc alters classes."""
    for module in pkgutil.walk_packages(simmorph.__path__, "simmorph."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    here = Path(__file__).parent
    options = ["--separate", "--module-first", "--no-toc", "--force", "--remove-old", "-q"]
    write_api(
        [*options, f"--templatedir={here}/_templates/apidoc", f"--output-dir={here}/api", *map(str, simmorph.__path__)]
    )


def setup(app: Sphinx) -> None:
    """What Sphinx calls."""
    app.connect("builder-inited", write_api_pages)
    app.connect("source-read", fill)
    app.connect("autodoc-process-docstring", prepare, priority=400)
    app.connect("autodoc-process-signature", shorten)
