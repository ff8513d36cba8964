"""Certified runs: which lumi sections of which runs of data are good."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np

from simmorph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simmorph.data.events import BoolArray, IntArray

MAX_BYTES = 20_000_000
Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class GoodRuns:
    """A list of certified runs.

    Attributes:
        ranges: first and last good lumi section of each stretch, by run.
    """

    ranges: Mapping[int, Ranges]

    @classmethod
    def read(cls, path: str) -> GoodRuns:
        """The list in a file.

        Raises:
            ConfigError: it is neither a golden JSON nor a good-runs list in XML, or it is empty.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise ConfigError(path, (error.strerror or str(error)).lower(), "name a list of certified runs") from error
        if len(content) > MAX_BYTES or b"<!ENTITY" in content:
            raise ConfigError(path, "is too large or has entities", "is this a list of certified runs?")
        is_xml = content.lstrip().startswith(b"<")
        try:
            found = dict(_of_xml(content) if is_xml else _of_json(json.loads(content)))
        except (ValueError, TypeError, AttributeError, RecursionError, ET.ParseError) as error:
            what = f"is no list of certified runs: {str(error)[:100]}"
            raise ConfigError(path, what, 'write it like {"273158": [[1, 1279]]}') from error
        if not any(found.values()):
            raise ConfigError(path, "certifies no run", "is this the right list?")
        return cls(found)

    def passes(self, runs: IntArray, sections: IntArray) -> BoolArray:
        """(n_events,), whether the lumi section of each event is certified."""
        passed = np.zeros(len(runs), np.bool_)
        for run in np.unique(runs):
            mine = runs == run
            for first, last in self.ranges.get(int(run), ()):
                passed |= mine & (sections >= first) & (sections <= last)
        return passed


def _of_json(content: Any) -> Iterator[tuple[int, Ranges]]:
    for run, stretches in content.items():
        yield int(run), tuple(_stretch(first, last) for first, last in stretches)


def _of_xml(content: bytes) -> Iterator[tuple[int, Ranges]]:
    root = ET.fromstring(content)  # noqa: S314 - its size is bounded and it has no entities
    found: dict[int, Ranges] = {}
    for block in root.iter("LumiBlockCollection"):
        run = int(block.findtext("Run", ""))
        stretches = tuple(_stretch(int(it.get("Start", "")), int(it.get("End", ""))) for it in block.iter("LBRange"))
        found[run] = found.get(run, ()) + stretches
    yield from found.items()


def _stretch(first: Any, last: Any) -> tuple[int, int]:
    if type(first) is not int or type(last) is not int or first > last:
        raise ValueError(f"{[first, last]} is not a first and a last lumi section")
    return first, last
