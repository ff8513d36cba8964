"""Read a model of any format that is known; its content says which one it is, not its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from simmorph.data.files import stdin
from simmorph.data.files.json_files import parse_json, read_bytes
from simmorph.errors import InputError
from simmorph.limits.formats.combine.card import is_card
from simmorph.limits.formats.combine.model import read_card
from simmorph.limits.formats.histfactory_xml import read_xml
from simmorph.limits.formats.hs3.reading import is_hs3, read_hs3
from simmorph.limits.formats.source import ModelFile, Source

if TYPE_CHECKING:
    from collections.abc import Callable

MEND = "give a pyhf workspace or HS3 (JSON), a combination of HistFactory (XML), or a card of CMS Combine"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Format(NamedTuple):
    """A format of models.

    Attributes:
        knows: whether a file begins, or looks, like one.
        read: its content.
    """

    knows: Callable[[bytes], bool]
    read: Callable[[Source], ModelFile]


def _read_json(source: Source) -> ModelFile:
    """A pyhf workspace, or HS3."""
    content = parse_json(source.raw, source.name, MEND)
    return read_hs3(content, source) if is_hs3(content) else ModelFile(content, source.name)


def _refuse_root(source: Source) -> ModelFile:
    what = "is a ROOT file, and models in RooFit workspaces are not read"
    raise InputError(
        source.name, what, "write it as HS3: ROOT.RooJSONFactoryWSTool(workspace).exportJSON('model.json')"
    )


FORMATS = (
    Format(lambda raw: raw[:1] in {b"{", b"["}, _read_json),
    Format(lambda raw: raw[:1] == b"<", read_xml),
    Format(lambda raw: raw[:4] == b"root", _refuse_root),
    Format(is_card, read_card),
)
"""All formats; the first one that knows a file reads it."""


def read_model(path: str, measurement: str | None = None) -> ModelFile:
    """The model in a file, or on stdin for `-`.

    Args:
        path: the file.
        measurement: which of its measurements is wanted; the first one if None.

    Raises:
        InputError: there is no such file, it is of no known format, or it is malformed.
    """
    raw = read_bytes(path, MEND)
    name, folder = ("stdin", Path()) if path == stdin.NAME else (path, Path(path).parent)
    text = raw.removeprefix(BYTE_ORDER_MARK).lstrip()
    for known in FORMATS:
        if known.knows(text):
            return known.read(Source(raw.removeprefix(BYTE_ORDER_MARK), name, folder, measurement))
    raise InputError(name, "is not a model of any format that is known", MEND)
