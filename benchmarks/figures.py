"""Size and shape of the package and its tests, in one table: `python -m benchmarks.figures` (`make figures`)."""

from __future__ import annotations

import ast
import io
import json
import subprocess
import sys
import tokenize
from collections import Counter
from itertools import chain
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.imports import circle, import_graph, modules, rooms, upward

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/simmorph"
TESTS = ROOT / "tests"

LAYOUT = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}
"""Tokens that make no line a line of code."""

MAX_COMPLEXITY = 10
MANY_MODULES = 12


class Size(NamedTuple):
    """Lines of code without blanks, comments and docstrings, lines of docstrings, and code lines of each function."""

    code: int = 0
    docstring: int = 0
    functions: tuple[int, ...] = ()

    def __add__(self, other: Size) -> Size:  # type: ignore[override]
        """Both together."""
        return Size(self.code + other.code, self.docstring + other.docstring, self.functions + other.functions)

    @property
    def longest_95(self) -> float:
        """Code lines that 95 % of the functions do not exceed."""
        return quantiles(self.functions, n=20, method="inclusive")[-1]


def lines_of(node: ast.stmt) -> range:
    """The lines of a statement."""
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def docstring_lines(tree: ast.AST) -> set[int]:
    """The lines of every string that stands alone: docstrings of modules, classes, functions and attributes."""
    alone = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    )
    return set(chain.from_iterable(map(lines_of, alone)))


def code_lines(text: str) -> set[int]:
    """The lines that hold something else than blanks, comments and docstrings."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    used = (range(token.start[0], token.end[0] + 1) for token in tokens if token.type not in LAYOUT)
    return set(chain.from_iterable(used)) - docstring_lines(ast.parse(text))


def size_of(path: Path) -> Size:
    """The size of one file."""
    text = path.read_text()
    tree, code = ast.parse(text), code_lines(text)
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    lengths = tuple(len(code.intersection(lines_of(node))) for node in functions)
    return Size(len(code), sum(bool(text.splitlines()[line - 1].strip()) for line in docstring_lines(tree)), lengths)


def room_of(path: Path, above: Path) -> str:
    """The name of the room of a file; of `.` if it lies in none."""
    parts = path.relative_to(above).parts
    return parts[0] if len(parts) > 1 else "."


def sizes(folder: Path) -> dict[str, Size]:
    """The size of each room of a folder."""
    found: dict[str, Size] = {}
    for path in sorted(folder.rglob("*.py")):
        room = room_of(path, folder)
        found[room] = found.get(room, Size()) + size_of(path)
    return found


def complex_functions(folder: Path = PACKAGE) -> list[str]:
    """The functions whose cyclomatic complexity exceeds 10, as ruff counts it (C901)."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--ignore-noqa", "--exit-zero", "--select", "C901"]
    limit = ["--config", f"lint.mccabe.max-complexity={MAX_COMPLEXITY}", "--output-format", "json"]
    done = subprocess.run([*command, *limit, str(folder)], check=True, capture_output=True, text=True)
    return [f"{Path(found['filename']).name}: {found['message']}" for found in json.loads(done.stdout)]


def crowded_folders(folder: Path = PACKAGE) -> list[tuple[str, int]]:
    """The folders with more than a dozen modules, the largest first, and how many these are."""
    counts = Counter(str(path.parent.relative_to(folder)) for path in folder.rglob("*.py") if path.stem != "__init__")
    return [(name, count) for name, count in counts.most_common() if count > MANY_MODULES]


def table(package: dict[str, Size], tests: dict[str, Size]) -> Iterator[str]:
    """A row for each room, and one for all of them."""
    yield f"{'room':<12}{'code':>7}{'functions':>11}{'p95':>6}{'docstring:code':>16}{'tests':>8}{'test:code':>11}"
    for room in [*package, "all"]:
        size = package[room] if room in package else sum(package.values(), Size())
        tested = tests.get(room, Size()) if room in package else sum(tests.values(), Size())
        numbers = f"{size.code:>7,}{len(size.functions):>11,}{size.longest_95:>6.0f}{size.docstring / size.code:>16.2f}"
        yield f"{room:<12}{numbers}{tested.code:>8,}{tested.code / size.code:>11.2f}"


def shape(n_functions: int) -> Iterator[str]:
    """What is counted over the whole package."""
    graph = import_graph(modules())
    found = complex_functions()
    yield f"complexity over {MAX_COMPLEXITY}: {len(found)} of {n_functions:,} functions, {len(found) / n_functions:.1%}"
    yield from (f"  {name}" for name in found)
    yield f"imports that run up: {len(upward(graph))}"
    yield f"circles: {' -> '.join(circle(graph) or circle(rooms(graph))) or 0}"
    crowded = (f"{name} {count}" for name, count in crowded_folders())
    yield f"folders with more than {MANY_MODULES} modules: {', '.join(crowded) or 0}"


def lines(package: dict[str, Size], tests: dict[str, Size]) -> Iterable[str]:
    """Everything that the command prints."""
    n_functions = sum(len(size.functions) for size in package.values())
    return chain(table(package, tests), [""], shape(n_functions))


if __name__ == "__main__":
    print("\n".join(lines(sizes(PACKAGE), sizes(TESTS))))
