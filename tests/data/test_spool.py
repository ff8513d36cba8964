"""Pieces wait for the last of them, on disk, and come back as they were."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest

from simmorph.data.files import spool
from simmorph.data.files.outputs import OutputError
from simmorph.data.files.spool import spooled
from simmorph.data.selection.reading import BadFiles
from simmorph.errors import InputError
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_pieces_come_back_as_they_were() -> None:
    pieces: list[Any] = [
        {"a": np.arange(5, dtype=np.uint64), "b": ak.Array([[1, 2], []])},
        {"a": np.array([np.nan, -0.0], np.float32), "b": ak.Array(["x", ""])},
        {"a": ak.from_regular(ak.Array(np.ones((2, 3)))), "b": ak.Array([None, 1.5])},
        {"a": ak.to_regular(ak.Array(np.ones((2, 3))), axis=1)[1:], "b": ak.Array([[[1]], [[], [2, 3]]])[1:]},
    ]
    for before, after in zip(pieces, spooled(iter(pieces)), strict=True):
        for name in before:
            assert ak.type(after[name]) == ak.type(before[name])
            assert ak.array_equal(after[name], before[name], equal_nan=True)


def test_none_comes_before_the_last_is_there() -> None:
    made = []

    def pieces() -> Iterator[int]:
        for i in range(3):
            made.append(i)
            yield i

    assert next(spooled(pieces())) == 0
    assert made == [0, 1, 2]


def test_memory_does_not_grow_with_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "MEMORY_BYTES", 2**20)
    n_pieces, size = 100, 100_000
    tracemalloc.start()
    total = sum(float(piece.sum()) for piece in spooled(np.full(size, float(i)) for i in range(n_pieces)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == size * sum(range(n_pieces))
    assert peak < 10 * 8 * size, "of 100 pieces"


def test_a_disk_without_room_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "MEMORY_BYTES", 1)
    monkeypatch.setattr("tempfile.TemporaryFile", lambda *_, **__: open("/dev/full", "w+b"))  # noqa: PTH123, SIM115
    with pytest.raises(OutputError, match="no space left on device; let TMPDIR name a folder with room"):
        list(spooled(iter([np.zeros(10**6)])))


def test_of_a_file_that_is_found_to_be_bad_at_its_end_nothing_comes(tmp_path: Path) -> None:
    def pieces() -> Iterator[int]:
        yield 1
        raise InputError(tmp_path, "is cut short")

    bad = BadFiles("skip", silent)
    assert list(bad.whole("a.root", pieces())) == []
    assert bad.skipped == {"a.root": f"{tmp_path}: is cut short"}
    with pytest.raises(InputError):
        list(BadFiles("fail", silent).whole("a.root", pieces()))


def test_what_fails_while_the_pieces_are_used_is_not_the_fault_of_the_file() -> None:
    bad = BadFiles("skip", silent)

    def use() -> None:
        for _ in bad.whole("a.root", iter([1, 2])):
            raise InputError("elsewhere", "is bad")

    with pytest.raises(InputError, match="elsewhere"):
        use()
    assert not bad.skipped
