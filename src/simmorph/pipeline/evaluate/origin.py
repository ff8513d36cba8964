"""Where the samples of a report come from: the cutflows that their files carry, and what the model's card says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simmorph.data.ntuples.contents import read_metadata
from simmorph.data.ntuples.servers import is_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from simmorph.card import ModelCard

NOT_SHOWN = {"probe", "history"}
"""Parts of a card that are long, and stand elsewhere in the report."""


def cutflows(files: Mapping[str, Iterable[str]]) -> dict[str, list[dict[str, Any]]]:
    """What was left after each cut of `simmorph select`, by the path of the file it wrote.

    Files that something else wrote have none, and those on a server are not opened again.

    Args:
        files: paths by sample.
    """
    found = {}
    for path in (path for paths in files.values() for path in paths if not is_url(path)):
        lines = read_metadata(path).get("cutflow")
        if lines:
            found[path] = lines
    return found


def model_facts(card: ModelCard) -> dict[str, Any]:
    """The model's card as JSON values, without what is long."""
    return card.model_dump(mode="json", exclude=NOT_SHOWN)
