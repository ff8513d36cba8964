"""Read YAML strictly: no duplicate keys, no aliases, numbers as physicists write them, every error with its line.

PyYAML's own loaders read `1e-3` as a string, `no` as False and `012` as 10, and let the last of two equal keys win.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from simmorph.errors import ConfigError, one_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic_core import ErrorDetails

MAX_BYTES = 1_000_000
MAX_DEPTH = 30
MAX_VALUES = 20_000
"""Values and blocks in one text; more is no configuration, and reading it takes minutes."""
MAX_DIGITS = 19
"""Of an integer: no number of 64 bits has more, but for the largest without a sign."""

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*)$")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_WORDS: dict[str, object] = {
    "": None, "~": None, "null": None, "true": True, "false": False,
    ".inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan"),
}  # fmt: skip

Place = tuple[str | int, ...]

INCIDENTAL = "incidental"
"""Marks a key, as in `Annotated[int, INCIDENTAL]`, that changes where, how fast or under what name a result is made,
and the result itself by rounding at most."""


class Section(BaseModel):
    """A block of a YAML file: unknown keys are refused, values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    def decisive(self) -> dict[str, Any]:
        """Every key that the result depends on, as JSON values: all but those marked as INCIDENTAL."""
        marked = {name for name, field in type(self).model_fields.items() if INCIDENTAL in field.metadata}
        blocks = {name: value.decisive() for name, value in self if isinstance(value, Section) and name not in marked}
        return {**self.model_dump(mode="json", exclude=marked), **blocks}


def as_list(value: Any) -> Any:
    """A single value is as good as a list of one."""
    return value if isinstance(value, list) else [value]


Name = Annotated[str, Field(min_length=1)]
FilesInput = Name | list[Name]
Names = Annotated[list[Name], BeforeValidator(as_list, json_schema_input_type=FilesInput), Field(min_length=1)]
"""A name, or a list of them."""


class FilesWithFriends(Section):
    """Files, and trees of others that stand beside theirs entry by entry."""

    files: FilesInput
    """A file, glob, folder or URL, or a list of them."""
    friends: FilesInput
    """Files that hold a tree beside it, with the name of the tree: `out/*.root:morphed`. One may be that of several
    files, or each has its own, which says so."""

    @property
    def paths(self) -> list[str]:
        """The files as the command line has them: `mc.root++out/*.root:morphed`."""
        return ["++".join([path, *as_list(self.friends)]) for path in as_list(self.files)]


def as_inputs(value: Any) -> Any:
    """A list of inputs, of what a recipe has for it."""
    return FilesWithFriends.model_validate(value).paths if isinstance(value, dict) else as_list(value)


Inputs = Annotated[
    list[Name],
    BeforeValidator(as_inputs, json_schema_input_type=FilesInput | FilesWithFriends),
    Field(min_length=1),
]
"""A file, glob, folder or URL, or a list of them; or `{files: ..., friends: ...}`."""

AnySection = TypeVar("AnySection", bound=Section)


@dataclass(frozen=True)
class Document:
    """A YAML file as plain values, with the line of every key.

    Attributes:
        name: the file's name, for messages.
        content: the values.
        lines: the line, counted from 1, on which each value stands.
    """

    name: str
    content: dict[str, Any]
    lines: dict[Place, int] = field(default_factory=dict)

    def where(self, place: Place) -> str:
        """File and line of a place, or of the nearest block around it."""
        for length in range(len(place), -1, -1):
            if place[:length] in self.lines:
                return f"{self.name}:{self.lines[place[:length]]}"
        return self.name

    def with_overrides(self, assignments: Sequence[str]) -> Document:
        """A copy in which `training.epochs=5` and the like are set.

        Raises:
            ConfigError: an assignment is not KEY=VALUE, or reaches into something that is not a block.
        """
        content, lines = _copy(self.content), dict(self.lines)
        for assignment in assignments:
            key, equals, text = assignment.partition("=")
            place = tuple(key.strip().split("."))
            if not equals or not all(place):
                raise ConfigError("--set", f"{assignment!r} is not KEY=VALUE", "write it like training.epochs=5")
            value, _ = parse_yaml(text, f"--set {key}")
            block = content
            for name in place[:-1]:
                inner = block.setdefault(name, {})
                if not isinstance(inner, dict):
                    raise ConfigError(f"--set {key}", f"{name!r} is not a block of keys")
                block = inner
            block[place[-1]] = value
            lines = {where: line for where, line in lines.items() if where[: len(place)] != place}
        return Document(self.name, content, lines)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def read_document(path: str | Path) -> Document:
    """Read one YAML file whose top level is a block of keys.

    Raises:
        ConfigError: the file cannot be read, is not YAML, repeats a key or uses aliases.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(path, (error.strerror or str(error)).lower(), "name an existing YAML file") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(path, f"{len(raw)} bytes are too many for a configuration", "is this the right file?")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(path, "this is not a text file", "name a YAML file") from error
    content, lines = parse_yaml(text, str(path))
    if not isinstance(content, dict):
        raise ConfigError(path, "the top level is not a block of keys", "write `key: value` lines")
    return Document(str(path), content, lines)


def parse_yaml(text: str, name: str) -> tuple[Any, dict[Place, int]]:
    """The value of a YAML text, and the line of each of its parts."""
    lines: dict[Place, int] = {}
    try:
        _refuse_excess(text, name)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{name}:{line}", f"not valid YAML: {error.problem}", _mend_of(str(error.problem))) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(name, "not valid YAML: " + str(error).splitlines()[0]) from error
    return (None if node is None else _value(node, (), name, lines)), lines


def _refuse_excess(text: str, name: str) -> None:
    """Read a text once without building anything of it.

    Raises:
        ConfigError: it has too many values, is nested too deep, or uses an anchor.
    """
    depth = 0
    for n_values, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        where = f"{name}:{_line(event)}"
        if getattr(event, "anchor", None):
            raise ConfigError(where, "anchors and aliases are not allowed", "write the value out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ConfigError(where, f"nested deeper than {MAX_DEPTH} levels")
        if n_values > MAX_VALUES:
            raise ConfigError(where, f"more than {MAX_VALUES} values are too many for a configuration")


def _mend_of(problem: str) -> str:
    """What to do; inside of braces an index as in `pt[0]` starts a list."""
    return "put quotes around it, or one key on a line" if "got '['" in problem else "check colons and indentation"


def _line(marked: yaml.Event | yaml.Node) -> int:
    """The line on which a piece of YAML starts, counted from 1."""
    return marked.start_mark.line + 1 if marked.start_mark else 1


def _value(node: yaml.Node, place: Place, name: str, lines: dict[Place, int]) -> Any:
    line = _line(node)
    lines.setdefault(place, line)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*place, i), name, lines) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return dict(_pairs(node, place, name, lines))
    return _scalar(node, f"{name}:{line}") if isinstance(node, yaml.ScalarNode) else None


def _pairs(node: yaml.MappingNode, place: Place, name: str, lines: dict[Place, int]) -> Iterator[tuple[str, Any]]:
    for key_node, value_node in node.value:
        line = _line(key_node)
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConfigError(f"{name}:{line}", "a key must be a plain word")
        inner = (*place, key_node.value)
        if inner in lines:
            raise ConfigError(f"{name}:{line}", f"key {key_node.value!r} stands twice", f"see line {lines[inner]}")
        lines[inner] = line
        yield key_node.value, _value(value_node, inner, name, lines)


def _scalar(node: yaml.ScalarNode, where: str) -> object:
    text: str = node.value
    if node.style is not None:
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.match(text):
        digits = text.replace("_", "").lstrip("+-")
        if len(digits) > MAX_DIGITS:
            raise ConfigError(where, f"an integer of {len(digits)} digits is too large", f"{MAX_DIGITS} at most")
        return int(text.replace("_", ""))
    return float(text) if _FLOAT.match(text) else text


def validate(document: Document, section: type[AnySection]) -> AnySection:
    """The document as a typed section.

    Raises:
        ConfigError: the first thing that is wrong, with its line and the nearest valid name.
    """
    try:
        return section.model_validate(document.content)
    except ValidationError as error:
        raise _explained(document, section, min(error.errors(), key=_rank)) from error


def _rank(fault: ErrorDetails) -> tuple[bool, bool]:
    """Order in which faults are worth naming.

    A misspelt key explains a missing one better than the other way round; where several types are allowed, a fault of
    the type that was given says more than that it is none of the others.
    """
    return fault["type"] != "extra_forbidden", fault["type"].endswith("_type")


def _written(content: Any, place: Place) -> Place:
    """The parts of a place that stand in the file, without those that name one of several types."""
    known: list[str | int] = []
    for part in place:
        if part in content if isinstance(content, dict) else isinstance(content, list) and isinstance(part, int):
            content = content[part]
            known.append(part)
    return tuple(known)


def _explained(document: Document, section: type[Section], fault: ErrorDetails) -> ConfigError:
    place = fault["loc"]
    if fault["type"] != "missing":
        place = _written(document.content, place)
    key = ".".join(str(part) for part in place)
    where = document.where(place)
    if fault["type"] == "extra_forbidden":
        known = _keys_at(section, place[:-1])
        return ConfigError(where, f"unknown key {key!r}", one_of(str(place[-1]), known) if known else "remove it")
    if fault["type"] == "missing":
        return ConfigError(where, f"key {key!r} is missing", f"add `{place[-1]}:`")
    given = fault["input"]
    shown = "" if isinstance(given, (dict, list)) else f", not {given!r}"
    message = fault["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
    message = message.replace(" after validation", "")
    message = message[0].lower() + message[1:]
    if fault["type"] == "value_error":
        return ConfigError(where, f"{key}: {message}" if key else message)
    return ConfigError(where, f"{key}: {message}{shown}")


def _keys_at(section: type[Section], place: Place) -> list[str]:
    """The keys of the block at `place`; none where the types do not say."""
    current: Any = section
    for part in place:
        if not (isinstance(current, type) and issubclass(current, BaseModel)):
            break
        if isinstance(part, str) and part in current.model_fields:
            current = _section_in(current.model_fields[part].annotation)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [info.alias or name for name, info in current.model_fields.items()]
    return []


def _section_in(annotation: Any) -> Any:
    """The section class inside `X | None`, `list[X]`, `dict[str, X]` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _section_in(inner)
        if found is not None:
            return found
    return None
