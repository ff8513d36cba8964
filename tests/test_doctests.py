"""The examples in docstrings do what they show."""

from __future__ import annotations

import doctest
import importlib

import pytest

from benchmarks.imports import modules

WITH_EXAMPLES = sorted(name for name, path in modules().items() if ">>>" in path.read_text())


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_every_example_in_a_docstring_gives_what_it_shows(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted
    assert found.failed == 0
