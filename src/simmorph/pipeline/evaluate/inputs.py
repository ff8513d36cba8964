"""What `simmorph evaluate` reads: source, target and template, row by row, and which rows training has seen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from simmorph.config.recipe import required
from simmorph.data.events import Events
from simmorph.data.expressions import parse
from simmorph.data.morphed import DRAWN_WEIGHT, FRIEND_TREE, NOT_MORPHED, OUT_OF_RANGE, STATUS, WEIGHT, branch_of
from simmorph.data.ntuples import describe, entry_numbers, expand_inputs, is_url, read_columns, read_metadata, trees_in
from simmorph.data.outputs import sha256_of
from simmorph.errors import ConfigError, InputError, one_of
from simmorph.evaluation.metrics.samples import Cut, Samples
from simmorph.pipeline.evaluate.cuts import NamedCut, automatic_acceptance, bands
from simmorph.pipeline.units import check_samples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simmorph.card import ModelCard
    from simmorph.config.recipe import Recipe
    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.data.expressions import Expression


@dataclass(frozen=True, eq=False)
class Table:
    """A sample as columns.

    Attributes:
        columns: branches and derived quantities by name, (n_events,) each.
        weights: (n_events,).
        ids: (n_events,), the entry number of each event in its file.
        seen: (n_events,), whether training has looked at it.
        files: what it was read from.
    """

    columns: dict[str, Any]
    weights: FloatArray
    ids: IntArray
    seen: BoolArray
    files: dict[str, str]

    def __len__(self) -> int:
        return len(self.weights)

    def events(self, names: Sequence[str], context: Sequence[str], rows: BoolArray) -> Events:
        """The named columns of some rows."""
        return Events(self.matrix(names)[rows], self.matrix(context)[rows], self.weights[rows], self.ids[rows])

    def passes(self, cut: Expression | None) -> BoolArray:
        """(n_events,), which rows pass a cut; without one all do."""
        if cut is None:
            return np.ones(len(self), np.bool_)
        return np.asarray(cut.evaluate(self.columns)).astype(np.bool_)

    def is_finite(self, names: Sequence[str]) -> BoolArray:
        """(n_events,), whether every named column is finite."""
        return np.asarray(np.isfinite(self.matrix(names)).all(axis=1))

    def matrix(self, names: Sequence[str]) -> FloatArray:
        """(n_events, n_names), the named columns."""
        empty = np.empty((len(self), 0))
        return np.column_stack([empty, *(np.asarray(self.columns[name], np.float64) for name in names)])


@dataclass(frozen=True, eq=False)
class Inputs:
    """All that is compared.

    Attributes:
        names: features, then derived quantities.
        features: what is morphed.
        context: what the map is conditioned on.
        source: before the map; the template itself if a generator drew that from nothing.
        template: after it, row by row.
        target: what it should look like.
        status: (n_events,), the template's `morph_status`.
        trained_on: the region of training, if there is one.
        periodic: the features that are angles.
        card: of the model, if there is one.
        has_source: whether the template was made of the source.
        conditions: the variables that profiles are taken against.
        cuts: of the acceptance, by name.
    """

    names: tuple[str, ...]
    features: tuple[str, ...]
    context: tuple[str, ...]
    source: Table
    template: Table
    target: Table
    status: IntArray
    trained_on: str | None
    periodic: tuple[str, ...]
    card: ModelCard | None
    has_source: bool = True
    conditions: tuple[str, ...] = ()
    cuts: Mapping[str, NamedCut] = field(default_factory=dict)

    def samples(self, cut: str) -> Samples:
        """The held-out events of one region; an empty cut takes all.

        The cut is taken on the source before the map and on the template after it; a branch that is neither a feature
        nor derived has the value that it had before.
        """
        expression = parse(cut, "evaluate.regions") if cut else None
        usable = self._usable_rows()
        template = usable & self._in_region(cut, expression)
        source = usable & self.source.passes(expression) if self.has_source else np.zeros(len(usable), np.bool_)
        target = self.target.is_finite([*self.names, *self.context]) & self.target.passes(expression)
        rows = {
            **({"source": (self.source, source), "moved": (self.template, source)} if self.has_source else {}),
            "template": (self.template, template),
            "target": (self.target, target & ~self.target.seen),
        }
        return Samples(
            self.names,
            len(self.features),
            self.source.events(self.names, self.context, source),
            self.template.events(self.names, self.context, template),
            self.template.events(self.names, self.context, source),
            self.target.events(self.names, self.context, target & ~self.target.seen),
            self.target.events(self.names, self.context, self._spare(target)),
            self.context,
            {name: self._condition(name, rows) for name in self.conditions},
            {name: _passing(name, cut, rows) for name, cut in self.cuts.items()},
        )

    def _condition(self, name: str, rows: Mapping[str, tuple[Table, BoolArray]]) -> dict[str, FloatArray]:
        """The values of a condition, by sample.

        Raises:
            ConfigError: a generator did not draw it.
        """
        if name not in self.template.columns:
            what = f"{name!r} is not among what the generator drew"
            raise ConfigError("evaluate.conditions", what, "name features, context or derived quantities")
        shown = {sample: chosen for sample, chosen in rows.items() if sample != "moved"}
        return {sample: table.matrix([name])[chosen, 0] for sample, (table, chosen) in shown.items()}

    def bands(self, wanted: Mapping[str, int | Sequence[float]]) -> dict[str, str]:
        """The cuts of bands, by name; bins of equal shares are those of the target."""
        found: dict[str, str] = {}
        for variable, edges in wanted.items():
            found |= bands(variable, edges, self.target.matrix([variable])[:, 0])
        return found

    def _in_region(self, cut: str, expression: Expression | None) -> BoolArray:
        """(n_events,), which rows of the template lie in a region.

        What a generator drew is all in the region of training, whatever that is a cut on.

        Raises:
            ConfigError: the region is cut on a branch that a generator did not draw.
        """
        lacking = sorted(expression.names - self.template.columns.keys()) if expression else []
        if lacking and cut.strip() != (self.trained_on or "").strip():
            what = f"cuts on {lacking[0]!r}, which events from a generator do not have"
            raise ConfigError(f"evaluate.regions: {cut!r}", what, "cut on features, context or derived quantities")
        return self.template.passes(None if lacking else expression)

    def source_rows(self, cut: str) -> BoolArray:
        """(n_events,), the held-out events of the source in one region."""
        return self._usable_rows() & self.source.passes(parse(cut, "evaluate.regions") if cut else None)

    def counts(self) -> dict[str, dict[str, int]]:
        """How many rows there are and how many are left out, and why."""
        variables = [*self.names, *self.context]
        finite = self.source.is_finite(variables) & self.template.is_finite(variables)
        made = {
            "read": len(self.source),
            "seen_in_training": int(self.source.seen.sum()),
            "not_morphed": int(((self.status & NOT_MORPHED) > 0).sum()),
            "outside_training_range_but_kept": int(((self.status & OUT_OF_RANGE) > 0).sum()),
            "not_finite": int((~finite & ((self.status & NOT_MORPHED) == 0)).sum()),
            "used": int(self._usable_rows().sum()),
        }
        drawn = {key: made[key] for key in ("read", "not_finite", "used")}
        return {
            **({"source": made} if self.has_source else {"template": drawn}),
            "target": {
                "read": len(self.target),
                "seen_in_training": int(self.target.seen.sum()),
                "not_finite": int((~self.target.is_finite(variables)).sum()),
                "used": int((self.target.is_finite(variables) & ~self.target.seen).sum()),
            },
        }

    def _usable_rows(self) -> BoolArray:
        variables = [*self.names, *self.context]
        finite = self.source.is_finite(variables) & self.template.is_finite(variables)
        return np.asarray(finite & ~self.source.seen & ((self.status & NOT_MORPHED) == 0))

    def _spare(self, in_region: BoolArray) -> BoolArray:
        """Seen target events that are drawn like the others in the region: only if training took all of the region."""
        trained_on = self.target.passes(parse(self.trained_on) if self.trained_on else None)
        mixed = bool((in_region & ~trained_on).any())
        return np.zeros(len(self.target), np.bool_) if mixed else in_region & self.target.seen


def _passing(name: str, cut: NamedCut, rows: Mapping[str, tuple[Table, BoolArray]]) -> Cut:
    """Which events of each sample pass a cut.

    Raises:
        ConfigError: it is on a branch that a generator did not draw.
    """
    expression = parse(cut.expression, f"evaluate.acceptance.{name}")
    for table, _ in rows.values():
        lacking = sorted(expression.names - table.columns.keys())
        if lacking:
            what = f"cuts on {lacking[0]!r}, which events from a generator do not have"
            raise ConfigError(f"evaluate.acceptance.{name}", what, "cut on features, context or derived quantities")
    passing = {sample: table.passes(expression)[chosen] for sample, (table, chosen) in rows.items()}
    return Cut(cut.expression, cut.is_automatic, passing)


def _cuts(recipe: Recipe, target: Table) -> dict[str, NamedCut]:
    """The acceptance that the recipe gives, or that the target shows."""
    given = recipe.evaluate.acceptance
    if given:
        return {name: NamedCut(text, False) for name, text in given.items()}
    rows = target.is_finite(recipe.features)
    return automatic_acceptance(recipe.features, {name: target.matrix([name])[rows, 0] for name in recipe.features})


def read_inputs(recipe: Recipe, card: ModelCard | None) -> Inputs:
    """Read what the recipe names.

    Raises:
        ConfigError: the recipe lacks an input, or an expression is wrong.
        InputError: an input is missing, lacks a branch, or the template does not belong to the source.
    """
    trained_on = card.learning.region if card else recipe.region
    derived = {name: parse(text, f"evaluate.derived.{name}") for name, text in recipe.evaluate.derived.items()}
    branches = branches_of(recipe, trained_on, derived)
    target = read_table(recipe, "target", branches, derived)
    has_source = recipe.source is not None or (card is not None and card.kind.needs_source)
    if has_source:
        source = read_table(recipe, "source", branches, derived)
        check_samples(recipe.features, source.matrix(recipe.features), target.matrix(recipe.features))
        source = _with_seen(source, "source", recipe.tree, trained_on, card)
        template, status = _read_template(recipe, source, derived)
    else:
        source = template = _read_drawn(recipe, derived)
        status = np.zeros(len(template), np.int64)
    target = _with_seen(target, "target", recipe.tree, trained_on, card)
    return Inputs(
        names=(*recipe.features, *derived),
        features=tuple(recipe.features),
        context=tuple(recipe.context),
        source=source,
        template=template,
        target=target,
        status=status,
        trained_on=trained_on,
        periodic=periodic_of(recipe, card),
        card=card,
        has_source=has_source,
        conditions=tuple(dict.fromkeys([*recipe.context, *recipe.evaluate.conditions])),
        cuts=_cuts(recipe, target),
    )


def periodic_of(recipe: Recipe, card: ModelCard | None) -> tuple[str, ...]:
    """The features that are angles: as the recipe says, else as the model treats them, else by their name."""
    given = recipe.evaluate.periodic
    if given is not None:
        stray = sorted(set(given) - set(recipe.features))
        if stray:
            raise ConfigError("evaluate.periodic", f"{stray[0]!r} is not a feature", one_of(stray[0], recipe.features))
        return tuple(given)
    if card is None:
        return tuple(name for name in recipe.features if "phi" in name.lower())
    chains = card.preprocessing["features"]["chains"]
    around = {chain["name"] for chain in chains if any(step["name"] == "periodic" for step in chain["steps"])}
    return tuple(name for name in recipe.features if name in around)


def branches_of(recipe: Recipe, trained_on: str | None, derived: Mapping[str, Expression]) -> list[str]:
    """The branches that are needed of source and target.

    Raises:
        ConfigError: an expression is wrong, or a derived quantity has the name of a feature.
    """
    settings = recipe.evaluate
    cuts = [parse(text, f"evaluate.regions.{name}") for name, text in settings.regions.items()]
    cuts += [parse(text, f"evaluate.acceptance.{name}") for name, text in settings.acceptance.items()]
    if trained_on:
        cuts.append(parse(trained_on, "region"))
    needed = {name for expression in [*cuts, *derived.values()] for name in expression.names}
    needed = (needed | {*settings.conditions, *settings.bands}) - derived.keys()
    clash = derived.keys() & {*recipe.features, *recipe.context}
    if clash:
        raise ConfigError("evaluate.derived", f"{min(clash)!r} is a feature or context already", "name it otherwise")
    weight = [recipe.weight] if recipe.weight else []
    return list(dict.fromkeys([*recipe.features, *recipe.context, *weight, *sorted(needed)]))


def _read_drawn(recipe: Recipe, derived: Mapping[str, Expression]) -> Table:
    """What `simmorph apply --n-events` drew, with the branches of the regions as far as it has them."""
    drawn = recipe.model_copy(update={"weight": recipe.weight or DRAWN_WEIGHT})
    path = str(required(recipe.template, "template", "--template"))
    known = describe(path, recipe.tree).branches
    if branch_of(recipe.features[0]) in known:
        what = "was made of a source, and the recipe names none"
        raise InputError(path, what, "add `source:` or give --source FILE")
    branches = [name for name in branches_of(drawn, None, derived) if name in known]
    return read_table(drawn, "template", list(dict.fromkeys([*recipe.features, *recipe.context, *branches])), derived)


def read_table(recipe: Recipe, sample: str, branches: Sequence[str], derived: Mapping[str, Expression]) -> Table:
    """Source, target or a template that was drawn, as if training had seen nothing of it."""
    given = required(getattr(recipe, sample), sample, f"--{sample}")
    paths = expand_inputs(given if isinstance(given, list) else [str(given)])
    columns = read_columns(paths, recipe.tree, branches)
    ids = entry_numbers(paths, recipe.tree)
    weights = np.asarray(columns[recipe.weight], np.float64) if recipe.weight else np.ones(len(ids))
    n_bad = int(np.count_nonzero(~np.isfinite(weights)))
    if n_bad:
        raise InputError(sample, f"{n_bad} of {len(ids)} weights are not finite", "repair them in the ntuple")
    return Table(with_derived(columns, derived), weights, ids, np.zeros(len(ids), np.bool_), _hashes(paths))


def _hashes(paths: Sequence[str]) -> dict[str, str]:
    """The SHA-256 of each file; empty for one on a server."""
    return {path: "" if is_url(path) else sha256_of(path) for path in paths}


def _with_seen(
    table: Table, sample: Literal["source", "target"], tree: str, trained_on: str | None, card: ModelCard | None
) -> Table:
    """The sample with the rows marked that training has looked at, file by file."""
    if card is None:
        return table
    in_region = table.passes(parse(trained_on, "region") if trained_on else None)
    parts, start = [], 0
    for path, sha256 in table.files.items():
        rows = slice(start, start + describe(path, tree).n_entries)
        parts.append(card.seen(sample, sha256, table.ids[rows], in_region[rows]))
        start = rows.stop
    return replace(table, seen=np.concatenate(parts))


def with_derived(columns: Mapping[str, Any], derived: Mapping[str, Expression]) -> dict[str, Any]:
    """The columns and what is computed from them, in the order of the recipe."""
    known = dict(columns)
    for name, expression in derived.items():
        known[name] = np.asarray(expression.evaluate(known), np.float64)
    return known


def _check_origin(paths: Sequence[str], source: Table) -> None:
    """Refuse a template that says that it was made of other files.

    Raises:
        InputError: it was.
    """
    listed = [entry for path in paths for entry in read_metadata(path).get("inputs", [])]
    made_of = {entry["sha256"] for entry in listed if isinstance(entry, dict) and "sha256" in entry}
    if made_of and made_of != set(source.files.values()):
        raise InputError(paths[0], "was made of another source", "run `simmorph apply` on this one, or name that one")


def _read_template(recipe: Recipe, source: Table, derived: Mapping[str, Expression]) -> tuple[Table, IntArray]:
    """The source with its morphed features and weights, and the status of each row."""
    paths = expand_inputs([str(required(recipe.template, "template", "--template"))])
    _check_origin(paths, source)
    morphed = {name: branch_of(name) for name in recipe.features}
    tree = recipe.tree if recipe.tree in trees_in(paths[0]) else FRIEND_TREE
    columns = read_columns(paths, tree, [*morphed.values(), WEIGHT, STATUS])
    status = np.asarray(columns[STATUS], np.int64)
    if len(status) != len(source):
        what = f"has {len(status)} rows, and the source has {len(source)}"
        raise InputError(paths[0], what, "give the template that `simmorph apply` made of this source")
    replaced = {**source.columns, **{name: columns[branch] for name, branch in morphed.items()}}
    table = replace(
        source,
        columns=with_derived({name: replaced[name] for name in replaced if name not in derived}, derived),
        weights=np.asarray(columns[WEIGHT], np.float64),
        files=_hashes(paths),
    )
    return table, status
