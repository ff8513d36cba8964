"""Open ROOT files, on this machine and on servers, with one kind of error for every bad one."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uproot

from simmorph.data.ntuples.plausibility import check_length, refuse_cut_short
from simmorph.data.ntuples.servers import is_http, is_url, patiently, require_protocol
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def opened(path: str) -> Iterator[Any]:
    """The file, open for reading."""
    with patiently(lambda: _open(path), path) as file:
        yield file


def _open(path: str) -> Any:
    file = uproot.open({_reachable(path): None}, handler=_handler(path), object_cache=None, array_cache=None)
    if is_url(path):
        refuse_cut_short(path, file.file.source.num_bytes, file.file.fEND)
    return file


def _reachable(path: str) -> str:
    """The path, once it is known that opening it makes sense; a pipe would wait for ever."""
    if is_url(path):
        require_protocol(path)
        return path
    if not Path(path).exists():
        raise InputError(path, "no such file")
    if not Path(path).is_file():
        raise InputError(path, "is not a file")
    check_length(path)
    return path


def _handler(path: str) -> Any:
    if is_http(path):
        return uproot.MultithreadedHTTPSource
    return uproot.source.fsspec.FSSpecSource if is_url(path) else uproot.MultithreadedFileSource
