"""Open ROOT files, on this machine and on servers, with one kind of error for every bad one."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uproot

from simmorph.data.ntuples.files import is_url
from simmorph.data.ntuples.plausibility import check_length
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_XROOTD_DEFAULTS = {
    "XRD_CONNECTIONRETRY": "2",
    "XRD_CONNECTIONWINDOW": "5",
    "XRD_REQUESTTIMEOUT": "10",
    "XRD_STREAMERRORWINDOW": "5",
    "XRD_STREAMTIMEOUT": "5",
}
"""XRootD retries for minutes by default when a server vanishes; what the user has set stays."""


@contextlib.contextmanager
def opened(path: str) -> Iterator[Any]:
    """The file, open for reading."""
    with told(path):
        file = uproot.open({_reachable(path): None}, handler=_handler(path), object_cache=None, array_cache=None)
    with file:
        yield file


def _reachable(path: str) -> str:
    """The path, once it is known that opening it makes sense; a pipe would wait for ever."""
    if path.startswith("root://"):
        for name, value in _XROOTD_DEFAULTS.items():
            os.environ.setdefault(name, value)
        if importlib.util.find_spec("fsspec_xrootd") is None:
            raise InputError(path, "XRootD is not installed", "pip install 'simmorph[xrootd]'")
    elif not is_url(path):
        if not Path(path).exists():
            raise InputError(path, "no such file")
        if not Path(path).is_file():
            raise InputError(path, "is not a file")
        with told(path):
            check_length(path)
    return path


def _handler(path: str) -> Any:
    if path.startswith(("http://", "https://")):
        return uproot.MultithreadedHTTPSource
    return uproot.source.fsspec.FSSpecSource if is_url(path) else uproot.MultithreadedFileSource


@contextlib.contextmanager
def told(*places: object) -> Iterator[None]:
    """Turn whatever uproot raises on a bad file, a dozen kinds of exception, into one that says where."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        where = ", ".join(str(place) for place in places)
        raise InputError(where, f"cannot be read: {type(error).__name__} {reason}".rstrip()) from error
