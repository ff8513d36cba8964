"""What is piped into a command, or why there is nothing."""

from __future__ import annotations

import sys

from simmorph.errors import InputError

NAME = "-"
"""Stands for stdin among the inputs of every command."""
_PIPE = "pipe something into the command, or name a file"


def lines() -> list[str]:
    """The lines, without the space around them.

    Raises:
        InputError: stdin is closed or no text.
    """
    if sys.stdin is None:
        raise InputError("stdin", "is closed", _PIPE)
    try:
        return [line.strip() for line in sys.stdin]
    except (OSError, ValueError) as error:
        raise InputError("stdin", f"cannot be read: {error}", _PIPE) from error


def content(max_bytes: int) -> bytes:
    """The bytes, up to this many.

    Raises:
        InputError: stdin is closed.
    """
    if sys.stdin is None:
        raise InputError("stdin", "is closed", _PIPE)
    try:
        return sys.stdin.buffer.read(max_bytes)
    except (OSError, ValueError) as error:
        raise InputError("stdin", f"cannot be read: {error}", _PIPE) from error
