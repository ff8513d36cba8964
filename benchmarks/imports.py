"""Who imports whom in the package, and by the floors of the house."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).parents[1] / "src"

FLOORS = (
    {"cli", "__main__"},
    {"pipeline"},
    {"batch", "model", "fitting", "model_folder", "card"},
    {"methods", "evaluation", "limits"},
    {"neural"},
    {"data", "config"},
    {"errors", "progress", "version"},
)
"""The rooms of `simmorph` from top to bottom; a module imports from its own floor or from a lower one."""

Graph = dict[str, set[str]]
"""The modules that each module imports, by their dotted names."""


def modules(source: Path = SOURCE, package: str = "simmorph") -> dict[str, Path]:
    """Every module of a package by its dotted name, without the package's own front page, which offers all of it."""
    paths = {
        ".".join(path.relative_to(source).with_suffix("").parts): path for path in (source / package).rglob("*.py")
    }
    return {name.removesuffix(".__init__"): path for name, path in paths.items() if name != f"{package}.__init__"}


def imported(tree: ast.AST, files: dict[str, Path]) -> Iterator[str]:
    """The modules that the imports of a module name, those for types and inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in files)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in files else node.module for name in inside)


def import_graph(files: dict[str, Path]) -> Graph:
    """The arrows between these modules."""
    found = {name: set(imported(ast.parse(path.read_text()), files)) for name, path in files.items()}
    return {name: others & files.keys() for name, others in found.items()}


def floor_of(module: str) -> int:
    """The floor of a module, counted from the top."""
    room = module.split(".")[1]
    return next(floor for floor, rooms in enumerate(FLOORS) if room in rooms)


def upward(graph: Graph) -> list[str]:
    """The imports from a higher floor."""
    arrows = ((name, found) for name, others in graph.items() for found in others)
    return sorted(f"{name} imports {found}" for name, found in arrows if floor_of(found) < floor_of(name))


def circle(graph: Graph) -> list[str]:
    """The modules of one circle of imports, the first of them again at the end; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def rooms(graph: Graph) -> Graph:
    """The arrows between the rooms of one floor."""
    between: Graph = {}
    for name, others in graph.items():
        room = name.split(".")[1]
        found = {other.split(".")[1] for other in others} - {room}
        between.setdefault(room, set()).update(found)
    return between
