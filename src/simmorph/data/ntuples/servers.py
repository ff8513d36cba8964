"""Files on servers: an outage is told from a bad file, waited for, and in the end named as what it is."""

from __future__ import annotations

import contextlib
import errno
import http.client
import importlib.util
import os
import re
import time
from typing import TYPE_CHECKING, Any, TypeVar

from simmorph.errors import InputError, SimmorphError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Found = TypeVar("Found")

DELAYS_S = (1.0, 4.0, 15.0)
"""After so long each, a server that does not answer is asked once more."""

_XROOTD_DEFAULTS = {
    "XRD_CONNECTIONRETRY": "2",
    "XRD_CONNECTIONWINDOW": "5",
    "XRD_REQUESTTIMEOUT": "10",
    "XRD_STREAMERRORWINDOW": "5",
    "XRD_STREAMTIMEOUT": "5",
}
"""XRootD retries for minutes by default when a server vanishes; what the user has set stays."""
_BAD_FILE = re.compile(r"\[(3000|3011|3015|3016|3019)\]")
"""In messages of XRootD: no such file, no file, a folder, a wrong checksum (XProtocol.hh, kXR_NotFound and others)."""
_STATUS = re.compile(r"(?:response was|responded with status) (\d{3})")
"""In messages of uproot: the status of an HTTP response."""
_NO_ENTRY = {401, 403, 407}
_NOT_NOW = {408, 425, 429}
_OF_NETWORK = {
    errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENOTCONN,
    errno.ESTALE, errno.EREMOTEIO, errno.EMFILE, errno.ENFILE,
}  # fmt: skip
"""Of the way to a server, or to a file system on one; and of files that too many are open."""


def is_url(path: str) -> bool:
    """Whether this names a file on a server."""
    return "://" in path


def is_http(path: str) -> bool:
    """Whether it is read by HTTP."""
    return path.startswith(("http://", "https://"))


def require_protocol(url: str) -> None:
    """Make ready what reads a URL.

    Raises:
        InputError: it is not installed.
    """
    if url.startswith("root://"):
        for name, value in _XROOTD_DEFAULTS.items():
            os.environ.setdefault(name, value)
        if importlib.util.find_spec("fsspec_xrootd") is None:
            raise InputError(url, "XRootD is not installed", "pip install 'simmorph[xrootd]'")


@contextlib.contextmanager
def told(*places: object) -> Iterator[None]:
    """Turn whatever uproot raises on a bad file, a dozen kinds of exception, into one that says where.

    Args:
        *places: the file or URL, and where in it.

    Raises:
        InputError: the file is bad.
        UnreachableError: it is on a server that does not answer, or does not let us in.
    """
    try:
        yield
    except SimmorphError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        where = ", ".join(str(place) for place in places)
        what = f"{type(error).__name__} {reason}".rstrip()
        if is_outage(error):
            raise UnreachableError(where, f"the server cannot be read from: {what}", "run it again later") from error
        raise InputError(where, f"cannot be read: {what}") from error


def patiently(work: Callable[[], Found], *places: object) -> Found:
    """What some work returns; it is done again, after longer and longer, while a server does not answer.

    Args:
        work: to be done.
        *places: see `told`.

    Raises:
        InputError: the file is bad.
        UnreachableError: the server has not answered after all of DELAYS_S.
    """
    for delay in DELAYS_S:
        try:
            with told(*places):
                return work()
        except UnreachableError:
            time.sleep(delay)
    with told(*places):
        return work()


def is_outage(error: BaseException | None) -> bool:
    """Whether an error in reading is of a server or of the way to it, and not of the file.

    A server that asks for other credentials counts too: of what it does not show, nothing bad is known.
    """
    while error is not None:
        kind = _is_outage(error)
        if kind is not None:
            return kind
        error = error.__cause__ or error.__context__
    return False


def _is_outage(error: BaseException) -> bool | None:
    """The same of one error in a chain; None where it says nothing."""
    if isinstance(error, FileNotFoundError):
        return False
    if status := _STATUS.search(str(error)):
        number = int(status[1])
        return number >= 500 or number in _NO_ENTRY | _NOT_NOW
    if isinstance(error, http.client.HTTPException):
        return type(error) is not http.client.HTTPException  # uproot's own, of a length that the server does not tell
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    if isinstance(error, OSError):
        return _is_outage_of_system(error)
    return None


def _is_outage_of_system(error: OSError) -> bool | None:
    """The same of names that cannot be looked up, of certificates, of the network, and of XRootD's status."""
    module: Any = type(error).__module__
    if module in {"socket", "ssl"} or error.errno in _OF_NETWORK:
        return True
    text = str(error)
    if error.errno is None and re.search(r"\[(ERROR|FATAL)\]", text):
        return not _BAD_FILE.search(text)
    return None
