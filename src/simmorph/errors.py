"""What a user can mend: one exception class for each exit code.

Raise one of these where the mistake is found, with where it is, what is wrong and how to mend it.
The command line prints it as one line and exits with its code; any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Iterable


class SimmorphError(Exception):
    """A failure that the user can mend.

    Args:
        where: the file, recipe key or branch that is at fault.
        what: what is wrong with it.
        mend: how to mend it, if there is something to say.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, where: object, what: str, mend: str = "") -> None:
        self.where, self.what, self.mend = str(where), what, mend
        super().__init__(f"{where}: {what}" + (f"; {mend}" if mend else ""))

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, str]]:
        """How it goes from one process to another."""
        return type(self), (self.where, self.what, self.mend)


class UsageError(SimmorphError):
    """The command line itself is wrong: options that exclude each other, an output that exists."""

    exit_code = 2


class ConfigError(SimmorphError):
    """A recipe or selection file is wrong."""

    exit_code = 3


class InputError(SimmorphError):
    """Input data is missing, unreadable or not what it should be."""

    exit_code = 4


class EmptySelectionError(SimmorphError):
    """Everything was read, and no event passed."""

    exit_code = 5


class VerdictError(SimmorphError):
    """All is done, and the answer is not good enough for `--fail-on`."""

    exit_code = 6


class UnreachableError(SimmorphError):
    """A server does not answer, or not now: the same command may succeed later (EX_TEMPFAIL of sysexits.h)."""

    exit_code = 75


class Checkpointed(SimmorphError):  # noqa: N818 - not a failure: the job is to be restarted
    """The work was stopped on request and saved; the same command resumes it."""

    exit_code = 85


def one_of(name: str, known: Iterable[str]) -> str:
    """The known names as a hint, the ones likest to `name` first.

    >>> one_of("photon_pt", ["met", "photon_E", "Photon_pt"])
    "did you mean 'Photon_pt'? it has 'Photon_pt', 'photon_E', 'met'"
    """
    names = list(known)
    if not names:
        return "it has none"
    lower = {candidate.lower(): candidate for candidate in reversed(names)}
    close = [lower[match] for match in difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.6)]
    rest = [candidate for candidate in names if candidate not in close]
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}it has {listed(close + rest)}"


def listed(names: Iterable[str], most: int = 8) -> str:
    """Some names in a line: the first few, and how many more there are.

    >>> listed(["met", "pt", "eta"], most=2)
    "'met', 'pt' and 1 more"
    """
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
