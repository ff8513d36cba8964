"""Text streams of the command line, which may be pipes that close and terminals that know no Greek."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator


def print_in_any_locale(*streams: Any) -> None:
    """Let text streams write what their encoding lacks as escapes."""
    for stream in streams:
        if stream is not None:
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def until_the_reader_leaves() -> Iterator[None]:
    """The block ends well when the reader of stdout has what it wanted, as `head` has.

    Raises:
        RuntimeError: another pipe broke, of which click would say nothing.
    """
    try:
        yield
    except BrokenPipeError as error:
        if not silence_if_broken(sys.stdout):
            raise RuntimeError("a pipe to another process broke") from error
        raise click.exceptions.Exit(0) from error


def silence_if_broken(stream: Any) -> bool:
    """Whether nobody reads a stream any more; what is written to it goes nowhere from then on."""
    try:
        number = stream.fileno()
    except (AttributeError, OSError, ValueError):  # none, or one in memory
        return False
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    if not any(found & (select.POLLERR | select.POLLHUP) for _, found in poll.poll(0)):
        return False
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
    return True
