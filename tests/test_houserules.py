"""The house keeps its order: imports run downwards, without circles, and every module has a floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.figures import Size, code_lines, size_of
from benchmarks.imports import FLOORS, circle, import_graph, modules, rooms, upward

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.imports import Graph


@pytest.fixture(scope="module")
def graph() -> Graph:
    """The imports of the package as it is."""
    return import_graph(modules())


def write(folder: Path, files: dict[str, str]) -> Graph:
    """The imports of a package `toy` with these files."""
    for name, text in files.items():
        path = folder / "toy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return import_graph(modules(folder, "toy"))


def test_no_import_runs_up(graph: Graph) -> None:
    assert upward(graph) == []


def test_no_module_imports_itself_over_others(graph: Graph) -> None:
    assert circle(graph) == []


def test_no_room_imports_itself_over_others(graph: Graph) -> None:
    assert circle(rooms(graph)) == []


def test_every_module_stands_on_a_floor(graph: Graph) -> None:
    known = set().union(*FLOORS)
    assert {module for module in graph if module.split(".")[1] not in known} == set()


def test_an_import_inside_a_function_that_runs_up_is_found(tmp_path: Path) -> None:
    inside = "def read():\n    from toy.cli import main\n"
    graph = write(tmp_path, {"data/events.py": inside, "cli/main.py": "import toy.data.events\n"})
    assert upward(graph) == ["toy.data.events imports toy.cli.main"]


def test_a_circle_is_found_through_imports_for_types(tmp_path: Path) -> None:
    types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from toy.limits.b import B\n"
    graph = write(tmp_path, {"limits/a.py": types, "limits/b.py": "import toy.limits.a\n"})
    assert set(circle(graph)) == {"toy.limits.a", "toy.limits.b"}


def test_lines_of_code_leave_out_blanks_comments_and_docstrings(tmp_path: Path) -> None:
    head = '"""Module.\n\nMore.\n"""\n\nX = """a\n\nb"""  # text\n"""Attribute."""\n\n\n'
    text = head + 'def f() -> int:\n    """Doc."""\n    # why\n    return 1\n'
    path = tmp_path / "module.py"
    path.write_text(text)
    assert code_lines(text) == {6, 7, 8, 12, 15}
    assert size_of(path) == Size(code=5, docstring=5, functions=(2,))
