"""An option that would have no effect is refused: each says beside its help what it needs and what it excludes.

A user who gives an option expects something of it. Silence would be a wrong number later: `--measurement` beside a
recipe, `--set` of a key that the command does not read, one key set twice. `Option` states the rules of one option,
`Command` asks all that are given, and passes on those with a key as if `--set` had been used.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from simmorph.config.effect import Rules, refusal
from simmorph.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LEARNING = "learning"
"""Among the keys that a command reads: all that a model depends on."""
VALUES = "simmorph.values"
"""Where a context keeps the values of all options, those too that no function takes."""


class Option(click.Option):
    """An option that says when it has an effect.

    Args:
        *declarations: its names, as for click.
        key: of the recipe, that it sets as `--set KEY=VALUE` does.
        needs: the option or argument without which it has no effect, and why.
        unless: those beside which it has no effect, and why.
        beside: those beside which it has none without a third one, this, and why.
        **settings: everything else, as for click.
    """

    def __init__(
        self,
        *declarations: Any,
        key: str | None = None,
        needs: tuple[str, str] | None = None,
        unless: Mapping[str, str] | None = None,
        beside: Mapping[str, tuple[str, str]] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(*declarations, **settings)
        self.key = key
        self.rules: Rules = {"unless": dict(unless or {}), "beside": dict(beside or {})}
        if needs:
            self.rules["needs"] = needs

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """Keep the value for the rules too."""
        value, rest = super().handle_parse_result(ctx, opts, args)
        ctx.meta.setdefault(VALUES, {})[self.name] = value
        return value, rest

    def refuse_without_effect(self, ctx: click.Context) -> None:
        """Look whether what is given beside it leaves it an effect.

        Raises:
            UsageError: it would be ignored.
        """
        found = refusal(self.rules, lambda other: _is_given(_parameter(ctx, other), ctx))
        if found:
            other = _shown(_parameter(ctx, found.other))
            raise UsageError(
                _name(self), found.why, f"give {other}" if found.is_needed else f"leave out this or {other}"
            )


class SetOption(Option):
    """--set.

    Args:
        *declarations: its names.
        reads: the keys of a recipe that the command reads; all if there are none.
        **settings: see Option.
    """

    def __init__(self, *declarations: Any, reads: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*declarations, **settings)
        self.reads = reads

    def refuse_without_effect(self, ctx: click.Context) -> None:
        """Look whether the command reads each key; an unknown one is left to the recipe, which names the nearest."""
        super().refuse_without_effect(ctx)
        known = self.keys()
        for assignment in ctx.params[str(self.name)]:
            key = _key(assignment)
            if not known.get(key[0], True):
                what = f"`simmorph {ctx.command.name}` does not read {key[0]!r}"
                read = [name for name, is_read in known.items() if is_read]
                raise UsageError(f"--set {'.'.join(key)}", what, f"it reads {', '.join(read)}")

    def keys(self) -> dict[str, bool]:
        """Whether the command reads each key of a recipe; empty if it reads a file of another kind, or all."""
        if not self.reads:
            return {}
        from simmorph.config.learning import Learning
        from simmorph.config.recipe import Recipe

        reads = {*self.reads, *(Learning.model_fields if LEARNING in self.reads else ())}
        return {name: name in reads for name in Recipe.model_fields}


class Command(click.Command):
    """A command that refuses every option without an effect, and passes those with a key on as such.

    Args:
        *names: as for click.
        one_of: arguments and options of which exactly one is given.
        **settings: as for click.
    """

    def __init__(self, *names: Any, one_of: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.one_of = one_of

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and look for options without an effect.

        With a recipe, the values of options that have a key are added to the overrides behind those of `--set`.

        Raises:
            UsageError: an option has no effect, or a key is set twice.
        """
        *_, order = self.make_parser(ctx).parse_args(list(args))
        rest = super().parse_args(ctx, args)
        self._refuse_repetition(order)
        self._refuse_none_or_several(ctx)
        given = [option for option in self.params if isinstance(option, Option) and _is_given(option, ctx)]
        for option in given:
            option.refuse_without_effect(ctx)
        if ctx.params.get("config") is not None:
            keyed = {_name(option): _assignment(option, ctx) for option in given if option.key}
            _refuse_replaced([*(("--set", it) for it in ctx.params["overrides"]), *keyed.items()])
            ctx.params["overrides"] += tuple(keyed.values())
        return rest

    def _refuse_repetition(self, order: Sequence[click.Parameter]) -> None:
        """Refuse an option that stands twice and counts once, of which click takes the last without a word.

        Raises:
            UsageError: one does.
        """
        for parameter in self.params:
            is_single = not (parameter.multiple or getattr(parameter, "is_flag", False) or parameter.nargs == -1)
            if is_single and order.count(parameter) > 1:
                raise UsageError(_name(parameter), "stands twice, and the last one counts", "leave one out")

    def _refuse_none_or_several(self, ctx: click.Context) -> None:
        """Refuse none or several of the arguments and options that exclude each other.

        Raises:
            UsageError: not exactly one of `one_of` is given.
        """
        some = [_parameter(ctx, name) for name in self.one_of]
        given = [_shown(it) for it in some if _is_given(it, ctx)]
        if some and len(given) != 1:
            what = f"{' and '.join(given)} exclude each other" if given else "there is nothing to do"
            raise UsageError(ctx.command.name, what, f"give either {' or '.join(map(_shown, some))}")


def _parameter(ctx: click.Context, name: str) -> click.Parameter:
    """The parameter of a command by one of its names, such as `--config` or `workspace`, or by a key of a recipe."""
    return next(it for it in ctx.command.params if name in {*it.opts, it.name, str(it.name).removesuffix("s")})


def _name(parameter: click.Parameter) -> str:
    """The longest name of a parameter, which is the one that people read."""
    return max(parameter.opts, key=len)


def _shown(parameter: click.Parameter) -> str:
    """How it is written, with its value if it takes one."""
    metavar = (parameter.metavar or "").strip("[]").split(" | ")[0].removesuffix("...").strip("[]")
    return metavar if isinstance(parameter, click.Argument) else f"{_name(parameter)} {metavar}".strip()


def _is_given(parameter: click.Parameter, ctx: click.Context) -> bool:
    """Whether it stands on the command line with a value; a default does not count."""
    value = {**ctx.params, **ctx.meta.get(VALUES, {})}.get(parameter.name)
    on_line = ctx.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    return on_line and value is not None and value != ()


def _assignment(option: Option, ctx: click.Context) -> str:
    """The value of an option as `--set` has it: KEY=VALUE, with the value as JSON, which is YAML too."""
    text = json.dumps(ctx.meta[VALUES][option.name], ensure_ascii=False, default=str)
    # Bytes of a path that the terminal's encoding does not know are lone surrogates, which YAML takes as escapes only.
    return f"{option.key}=" + re.sub(r"[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _key(assignment: str) -> tuple[str, ...]:
    """The key of an assignment, part by part.

    >>> _key("training.epochs=5")
    ('training', 'epochs')
    """
    return tuple(assignment.partition("=")[0].strip().split("."))


def _refuse_replaced(assignments: Sequence[tuple[str, str]]) -> None:
    """Refuse a key that a later assignment, or an option, sets again.

    Setting a block replaces all keys in it: `evaluate={...}` behind `evaluate.report=...` is refused too, and the other
    order is not.

    Args:
        assignments: the option that each is from, and KEY=VALUE, in order.

    Raises:
        UsageError: one is set again.
    """
    for i, (_, earlier) in enumerate(assignments):
        for name, later in assignments[i + 1 :]:
            key = _key(later)
            if _key(earlier)[: len(key)] == key:
                where, by = f"--set {'.'.join(_key(earlier))}", f"--set {'.'.join(key)}" if name == "--set" else name
                raise UsageError(where, f"{by} sets it again", "leave one out")
