"""XML as a tree whose elements know their lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.parsers import expat

from simmorph.errors import InputError, one_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_DEPTH = 50


@dataclass
class Element:
    """An element of XML.

    Attributes:
        tag: its name.
        attributes: by name.
        where: file and line, for messages.
        text: what stands in it beside other elements.
        children: the elements in it.
    """

    tag: str
    attributes: dict[str, str]
    where: str
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, *tags: str) -> Iterator[Element]:
        """The elements in it of some kinds."""
        return (child for child in self.children if child.tag in tags)

    def number(self, name: str) -> float:
        """An attribute that is a number.

        Raises:
            InputError: it is none.
        """
        try:
            return float(self.attributes[name])
        except ValueError as error:
            raise self.fault(f'{name}="{self.attributes[name]}" is not a number') from error

    def is_true(self, name: str, default: str = "False") -> bool:
        """An attribute that is True or False.

        Raises:
            InputError: it is neither.
        """
        value = self.attributes.get(name, default).capitalize()
        if value not in {"True", "False", "1", "0"}:
            raise self.fault(f'{name}="{value}" is neither True nor False')
        return value in {"True", "1"}

    def fault(self, what: str, mend: str = "") -> InputError:
        """An error that says where this element is."""
        return InputError(self.where, f"<{self.tag}>: {what}", mend)

    def check(self, required: Sequence[str], optional: Sequence[str], children: Mapping[str, object]) -> None:
        """Refuse attributes and elements that are missing or unknown.

        Raises:
            InputError: there is one.
        """
        if missing := [name for name in required if not self.attributes.get(name)]:
            raise self.fault(f"attribute {missing[0]!r} is missing")
        if stray := [name for name in self.attributes if name not in {*required, *optional}]:
            raise self.fault(f"unknown attribute {stray[0]!r}", one_of(stray[0], [*required, *optional]))
        for child in self.children:
            if child.tag not in children:
                raise child.fault(f"does not belong into <{self.tag}>", one_of(child.tag, children))


def parse_xml(raw: bytes, name: str) -> Element:
    """The outermost element of an XML file.

    Args:
        raw: its content.
        name: of the file, for messages.

    Raises:
        InputError: it is not XML, or defines entities.
    """
    parser, stack, top = expat.ParserCreate(), list[Element](), list[Element]()

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes, f"{name}:{parser.CurrentLineNumber}")
        (stack[-1].children if stack else top).append(element)
        stack.append(element)
        if len(stack) > MAX_DEPTH:
            raise element.fault(f"nested deeper than {MAX_DEPTH} levels")

    def text(content: str) -> None:
        if stack:
            stack[-1].text += content

    def refuse(*_: object) -> None:
        raise InputError(f"{name}:{parser.CurrentLineNumber}", "defines an entity", "write its text where it is used")

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: stack.pop()
    parser.CharacterDataHandler = text
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise InputError(f"{name}:{error.lineno}", f"is not XML: {expat.ErrorString(error.code)}") from error
    return top[0]
