"""Fixtures that many tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from simmorph.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable


class Outcome(NamedTuple):
    """What a command left behind: its exit code and what it printed."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def simmorph(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run `simmorph` with these arguments, in this process."""

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return call
