"""What each name in the expressions of a selection stands for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from simmorph.data.expressions.expression import Expression, parse
from simmorph.data.selection.momenta import Momenta
from simmorph.data.selection.objects import Objects
from simmorph.data.selection.sources import Source
from simmorph.errors import ConfigError, InputError, one_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from simmorph.config.documents import Document
    from simmorph.config.selection.selection import Selection
    from simmorph.data.ntuples.types import Type


class Key(NamedTuple):
    """Something that a name stands for.

    Attributes:
        kind: a variable or definition; a property of the objects that were kept; a property of all objects, before
            their cuts; or a branch of the event.
        name: its name.
        objects: the kind of object.
    """

    kind: Literal["variable", "kept", "property", "branch"]
    name: str
    objects: str = ""


Needed = dict[Key, Expression | None]
"""What is needed to compute something, each with an expression that needs it."""


@dataclass(frozen=True)
class Names:
    """The names that a selection defines.

    Attributes:
        sources: names for branches of the event.
        objects: the kinds of object, in order.
        formulas: definitions and variables, in order.
    """

    sources: dict[str, Source]
    objects: dict[str, Objects]
    formulas: dict[str, Expression]

    @classmethod
    def of(cls, selection: Selection, document: Document) -> Names:
        """The names with their expressions parsed.

        Raises:
            ConfigError: one is not an expression, or uses itself by way of others, or an object that is defined below.
        """
        objects: dict[str, Objects] = {}
        for name in selection.objects:
            objects[name] = Objects.of(name, selection.objects, objects, document)
        names = cls({it: Source.of(it, branch) for it, branch in selection.branches.items()}, objects, {})
        for block, texts in (("define", selection.define), ("variables", selection.variables)):
            for name, text in texts.items():
                names.formulas[name] = names.parsed(text, document.where((block, name)))
        names.check()
        return names

    def parsed(self, text: str, where: str) -> Expression:
        """An expression of events.

        Raises:
            ConfigError: it is not one.
        """
        return parse(text, where, Momenta({name: it.properties for name, it in self.objects.items()}, where).visit)

    def of_file(self, branches: Collection[str], types: Mapping[str, Type]) -> Names:
        """The same for a file with these branches; see `Source`."""
        return replace(
            self,
            sources={name: it.of_file(branches, types) for name, it in self.sources.items()},
            objects={name: it.of_file(branches, types) for name, it in self.objects.items()},
        )

    # --- from a name to what it stands for -------------------------------------------------------------------------

    def in_event(self, name: str, formula: str | None = None) -> Key:
        """What a name stands for in an expression of events; in a formula, later ones are not known."""
        known = list(self.formulas)
        if name in (known if formula is None else known[: known.index(formula)]):
            return Key("variable", name)
        for objects in self.objects.values():
            if found := objects.property_in(name):
                return Key("kept", found, objects.name)
        return Key("branch", name)

    def in_object(self, name: str, objects: Objects, expression: Expression) -> Key:
        """What a name stands for in an expression of an object.

        Raises:
            ConfigError: it is a property of an object that is defined below.
        """
        own = name if name in objects.properties else objects.property_in(name)
        if own:
            return Key("property", own, objects.name)
        key = self.in_event(name)
        kinds = list(self.objects)
        if key.kind == "kept" and kinds.index(key.objects) > kinds.index(objects.name):
            what = f"{expression.text!r} uses {name!r}, and {key.objects!r} is defined below {objects.name!r}"
            raise ConfigError(expression.where, what, f"move {key.objects!r} above it")
        return key

    # --- what depends on what --------------------------------------------------------------------------------------

    def uses(self, key: Key) -> Needed:
        """What is needed to compute something, and the expression that needs it."""
        if key.kind == "variable":
            formula = self.formulas[key.name]
            return {self.in_event(name, key.name): formula for name in sorted(formula.names)}
        if key.kind == "branch":
            return {}
        objects = self.objects[key.objects]
        if key.kind == "kept":
            return {Key("property", key.name, key.objects): None} | self._used_by(objects, objects.choosing)
        if key.name in objects.taken:
            member, name = objects.taken[key.name]
            lists = [Key("kept", it.counted, it.name) for it in objects.members]
            return dict.fromkeys([Key("kept", name, member.name), *lists])
        computed = [objects.computed[key.name]] if key.name in objects.computed else []
        counted = {} if key.name == objects.counted else {Key("property", objects.counted, objects.name): None}
        return self._used_by(objects, computed, key.name) | counted

    def _used_by(self, objects: Objects, expressions: Iterable[Expression], computed: str | None = None) -> Needed:
        found: Needed = {}
        for expression in expressions:
            for name in sorted(expression.names):
                key = self.in_object(name, objects, expression)
                order = list(objects.computed)
                if computed and key == Key("property", key.name, objects.name) and key.name in order:
                    self._refuse_below(expression, key.name, computed, order)
                found[key] = expression
        return found

    def _refuse_below(self, expression: Expression, name: str, computed: str, order: list[str]) -> None:
        if order.index(name) >= order.index(computed):
            what = f"{expression.text!r} uses {name!r}, which is not defined above it"
            raise ConfigError(expression.where, what, "move it up" if name != computed else "give it another name")

    def needed(self, roots: Iterable[Key]) -> Needed:
        """Everything that is needed to compute some things, with an expression that needs it."""
        found: Needed = {}
        waiting: list[tuple[Key, Expression | None]] = [(key, None) for key in roots]
        while waiting:
            key, expression = waiting.pop()
            if key not in found:
                found[key] = expression
                waiting += self.uses(key).items()
        return found

    def check(self) -> None:
        """Look at every name.

        Raises:
            ConfigError: something uses itself by way of others, or an object that is defined below.
        """
        done: set[Key] = set()
        roots = [Key("variable", name) for name in self.formulas]
        for objects in self.objects.values():
            roots += [Key("kept", name, objects.name) for name in objects.properties]
        for root in roots:
            self._follow(root, (), done)

    def _follow(self, key: Key, path: tuple[Key, ...], done: set[Key]) -> None:
        if key in done:
            return
        trail = (*path, key)
        for other, expression in self.uses(key).items():
            if other in trail:
                chain = " -> ".join(_said(it) for it in (*trail[trail.index(other) :], other))
                where = expression.where if expression else "the selection"
                raise ConfigError(where, f"definitions go round in a circle: {chain}", "define one without the others")
            self._follow(other, trail, done)
        done.add(key)

    # --- what is read ----------------------------------------------------------------------------------------------

    def source(self, key: Key) -> Source | None:
        """Where something is read from, if it is not computed."""
        if key.kind == "branch":
            return self.sources.get(key.name) or Source.of(key.name, key.name)
        return self.objects[key.objects].sources.get(key.name) if key.kind == "property" else None

    def refuse_missing(self, needed: Needed, path: str, tree: str, known: Collection[str]) -> None:
        """Refuse a file that lacks something.

        Raises:
            InputError: with what is needed for what, and what there is.
        """
        for key, expression in needed.items():
            source = self.source(key)
            branches = [] if source is None or source.choice.missing is not None else source.choice.names
            if not branches or set(branches) & set(known):
                continue
            names = " and ".join(repr(name) for name in branches)
            lacks = f"tree {tree!r} lacks {names}" if len(branches) == 1 else f"tree {tree!r} has none of {names}"
            what = f"{lacks}, which {expression.text!r} needs" if expression else lacks
            raise InputError(path, what, self._mend(key, branches[0], known, expression))

    def _mend(self, key: Key, branch: str, known: Collection[str], expression: Expression | None) -> str:
        if key.kind == "branch" and branch in self.formulas:
            return f"{branch!r} is defined below: move it up"
        if key.kind == "property":
            return one_of(branch, known)
        for objects in self.objects.values():
            if any(expression is it for it in (*objects.computed.values(), *objects.choosing)):
                return one_of(branch, [*objects.properties, *self.formulas, *self.sources, *known])
        own = [f"{it.name}_{name}" for it in self.objects.values() for name in it.properties]
        return one_of(branch, [*self.formulas, *self.sources, *own, *known])


def _said(key: Key) -> str:
    return f"{key.objects}.{key.name}" if key.objects else key.name
