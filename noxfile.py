#!/usr/bin/env -S uv run --script

# /// script
# dependencies = ["nox>=2024.10"]
# ///

"""Short sessions for everything that CI does, in fresh environments."""

from __future__ import annotations

import shutil
from pathlib import Path

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


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """The quick tests with the lowest versions that pyproject.toml allows, but for torch, whose CPU build is pinned."""
    pin, found = Path(session.create_tmp(), "torch.txt"), Path(session.create_tmp(), "lowest.txt")
    pin.write_text("torch==2.13.0\n")
    command = ["uv", "pip", "compile", "--quiet", "--resolution", "lowest-direct", "--extra", "test"]
    session.run(*command, "--constraint", str(pin), "--output-file", str(found), "pyproject.toml", external=True)
    session.install("-r", str(found), "-e", ".")
    session.run("pytest", "-n", "2", "--dist", "loadfile", "-m", "not slow", *session.posargs)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it where the sources are not, and ask the command for help."""
    session.install("build")
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build")
    session.install("-c", "constraints.txt", *map(str, Path("dist").glob("*.whl")))
    session.chdir(session.create_tmp())
    for words in ("--version", "--help", "select --help", "schema selection"):
        session.run("simmorph", *words.split(), silent=True)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site."""
    session.install("-c", "constraints.txt", "-e", ".[docs]")
    session.run("sphinx-build", "--fail-on-warning", "--keep-going", "--fresh-env", "docs", "build/docs")


@nox.session(default=False)
def pylint(session: nox.Session) -> None:
    """Pylint's errors, for what ruff does not see."""
    session.install("-c", "constraints.txt", "-e", ".", "pylint>=3.3")
    session.run("pylint", "--errors-only", "simmorph", *session.posargs)


if __name__ == "__main__":
    nox.main()
