#!/usr/bin/env -S uv run --script

# /// script
# dependencies = ["nox>=2024.10"]
# ///

"""Short sessions for everything that CI does, in fresh environments."""

from __future__ import annotations

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "venv"


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff and mypy."""
    session.install("-c", "constraints.txt", "-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite with pinned versions."""
    session.install("-c", "constraints.txt", "-e", ".[test]")
    session.run("pytest", "-n", "2", "--dist", "loadfile", *session.posargs)


@nox.session(default=False)
def pylint(session: nox.Session) -> None:
    """Pylint's errors, for what ruff does not see."""
    session.install("-c", "constraints.txt", "-e", ".", "pylint>=3.3")
    session.run("pylint", "--errors-only", "simmorph", *session.posargs)


if __name__ == "__main__":
    nox.main()
