"""Fixtures that many tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import settings

from simmorph.cli.main import run
from simmorph.data.samples import SampleReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


settings.register_profile("any_machine", deadline=None)  # a busy machine is no failure
settings.load_profile("any_machine")


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


def read_columns(paths: Sequence[str], tree: str, branches: Sequence[str]) -> dict[str, Any]:
    """Branches of one number per event, by name, of all files one after the other."""
    return SampleReader(paths, tree, branches).read().columns
