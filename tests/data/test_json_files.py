"""JSON of others: what is too large, too deep or no object is refused at once."""

from __future__ import annotations

import io
import json
import math
import sys
import time
from typing import TYPE_CHECKING

import pytest

from simmorph.data.files.json_files import MAX_BYTES, MAX_DEPTH, parse_json, read_json
from simmorph.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def test_an_object_is_read_from_a_file_and_from_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": [1, 2.5, "x", null]}')
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    assert read_json(str(path), "") == read_json("-", "") == {"a": [1, 2.5, "x", None]}


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"[" * 200_000, "w.json: is not JSON: "),
        (b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH, None),
        (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "w.json: nested deeper than 50 levels; give X"),
        (b'{"a":' + b"[" * 500 + b"]" * 500 + b"}", "w.json: nested deeper than 50 levels; give X"),
        (b"[1]", "w.json: the top level is not a JSON object; give X"),
        (b"\xff\xfe\x00", "w.json: is not JSON: "),
        (b"", "w.json: is not JSON: "),
        (bytes(MAX_BYTES + 1), "w.json: more than 200,000,000 bytes; give X"),
    ],
    ids=["brackets", "deep", "deeper", "lists", "list", "binary", "empty", "long"],
)
def test_what_cannot_be_used_is_refused_at_once(raw: bytes, says: str | None) -> None:
    start = time.process_time()
    if says is None:
        assert parse_json(raw, "w.json", "give X") == json.loads(raw)
    else:
        with pytest.raises(InputError) as caught:
            parse_json(raw, "w.json", "give X")
        assert str(caught.value).startswith(says)
    assert time.process_time() - start < 5


def test_an_integer_of_5000_digits_is_infinite_and_others_keep_their_bits() -> None:
    large, near = parse_json(f'{{"a": [{"9" * 5000}, {2**63 - 1}]}}'.encode(), "w.json", "")["a"]
    assert large == math.inf
    assert near == 2**63 - 1
