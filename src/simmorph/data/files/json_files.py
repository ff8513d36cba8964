"""Read JSON that somebody else may have written: bounded in size, in depth and in the digits of its integers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from simmorph.data.files import stdin
from simmorph.errors import InputError

MAX_BYTES = 200_000_000
MAX_DEPTH = 50
MAX_DIGITS = 19
"""Of an integer; one with more is read as a floating-point number."""

_LONG_NUMBER = re.compile(rb"\d{20}")


def read_json(path: str, mend: str) -> dict[str, Any]:
    """The JSON object in a file, or on stdin for `-`.

    Args:
        path: the file.
        mend: what to give instead.

    Raises:
        InputError: there is no such file, or it is not a JSON object.
    """
    return parse_json(read_bytes(path, mend), "stdin" if path == stdin.NAME else path, mend)


def read_bytes(path: str, mend: str) -> bytes:
    """The content of a file, or of stdin for `-`, up to one byte more than MAX_BYTES.

    Args:
        path: the file.
        mend: what to give instead.

    Raises:
        InputError: there is no such file.
    """
    if path == stdin.NAME:
        return stdin.content(MAX_BYTES + 1)
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(path, (error.strerror or str(error)).lower(), mend) from error


def parse_json(raw: bytes, where: object, mend: str) -> dict[str, Any]:
    """The JSON object in a text.

    Args:
        raw: the text.
        where: it is from, for messages.
        mend: what to give instead.

    Raises:
        InputError: it is too long, too deep, not JSON, or no object.
    """
    if len(raw) > MAX_BYTES:
        raise InputError(where, f"more than {MAX_BYTES:,} bytes", mend)
    try:
        content = json.loads(raw, parse_int=_number if _LONG_NUMBER.search(raw) else None)
    except (ValueError, RecursionError) as error:
        raise InputError(where, f"is not JSON: {error}", mend) from error
    if not isinstance(content, dict):
        raise InputError(where, "the top level is not a JSON object", mend)
    _check_depth(content, where, mend)
    return content


def _number(text: str) -> int | float:
    return int(text) if len(text) <= MAX_DIGITS else float(text)


def _check_depth(content: Any, where: object, mend: str) -> None:
    """Refuse what functions that call themselves could not follow."""
    level, depth = [content], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise InputError(where, f"nested deeper than {MAX_DEPTH} levels", mend)
        blocks = (it.values() if isinstance(it, dict) else it for it in level)
        level = [inner for block in blocks for inner in block if isinstance(inner, (dict, list))]
