"""What `simmorph evaluate` reads: source, target and template, row by row, and which rows training has seen.

A template belongs to its source row by row: it has the same number of rows, and says which files it was made of. An
event counts as seen where the model's card lists its file and the split puts it into training or validation; such
events would flatter the map and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from simmorph.config.recipe import required
from simmorph.data.expressions.expression import parse, parse_all
from simmorph.data.morphed import FRIEND_TREE, NOT_MORPHED, OUT_OF_RANGE, STATUS, WEIGHT, branch_of, drawn_weight
from simmorph.data.ntuples.contents import describe, read_metadata, trees_in
from simmorph.data.ntuples.files import checksum_of, expand_inputs
from simmorph.data.pairs import NO_PARTNER, is_in_first_half, partner_rows
from simmorph.data.quality.changed import changes_in
from simmorph.data.quality.duplicates import Duplicates
from simmorph.data.quality.placeholders import remarks_on
from simmorph.data.samples import EventTable, SampleReader
from simmorph.data.units import ANGLE, units_of_derived
from simmorph.errors import ConfigError, InputError, one_of
from simmorph.evaluation.metrics.samples import Cut, Samples
from simmorph.pipeline.evaluate import doubts
from simmorph.pipeline.evaluate.cuts import NamedCut, automatic_acceptance, bands
from simmorph.pipeline.evaluate.doubts import Doubt
from simmorph.pipeline.units import KnownUnits, check_samples

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from simmorph.card import ModelCard
    from simmorph.config.learning import Problem
    from simmorph.config.recipe import Recipe
    from simmorph.config.values.weights import SampleName
    from simmorph.data.events import BoolArray, FloatArray, IntArray
    from simmorph.data.expressions.expression import Expression


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
        units: of variables, as far as they are known.
        are_paired: whether source and target are the same events.
        doubts: what is odd about the samples and the map: events that are there twice, values that stand for none,
            files that are not what was written, regions cut on features.
    """

    names: tuple[str, ...]
    features: tuple[str, ...]
    context: tuple[str, ...]
    source: EventTable
    template: EventTable
    target: EventTable
    status: IntArray
    trained_on: str | None
    periodic: tuple[str, ...]
    card: ModelCard | None
    has_source: bool = True
    conditions: tuple[str, ...] = ()
    cuts: Mapping[str, NamedCut] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    are_paired: bool = False
    doubts: tuple[Doubt, ...] = ()

    @property
    def invalid(self) -> tuple[str, ...]:
        """What leaves no answer."""
        return tuple(doubt.text for doubt in self.doubts if doubt.invalidates)

    def samples(self, cut: str) -> Samples:
        """The held-out events of one region; an empty cut takes all.

        The cut is taken on the source before the map and on the template after it; a branch that is neither a feature
        nor derived has the value that it had before.

        Raises:
            ConfigError: the cut or a condition is on a branch that a generator did not draw.
        """
        expression = self._cut(cut)
        usable = self.usable_rows()
        template = usable & self._in_region(cut, expression)
        source = usable & self.source.passes(expression) if self.has_source else np.zeros(len(usable), np.bool_)
        target = self._usable_target() & self.target.passes(expression)
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
            partners=self._partners(source) if self.are_paired else None,
            doubts=self.invalid,
        )

    def _partners(self, rows: BoolArray) -> FloatArray:
        """(n_rows, n_features), what the target has for these events of the source; NaN where it lacks one."""
        at = partner_rows(self.source.ids[rows], self.target.ids)
        found = self.target.matrix(self.features)[at]
        found[at == NO_PARTNER] = np.nan
        return found

    def _condition(self, name: str, rows: Mapping[str, tuple[EventTable, BoolArray]]) -> dict[str, FloatArray]:
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
        return self.usable_rows() & self.source.passes(self._cut(cut))

    def _cut(self, text: str) -> Expression | None:
        """The cut of a region; where it stands in the recipe follows from what is cut on."""
        where = "region" if text.strip() == (self.trained_on or "").strip() else "evaluate.regions"
        return parse(text, where) if text else None

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
            "used": int(self.usable_rows().sum()),
        }
        drawn = {key: made[key] for key in ("read", "not_finite", "used")}
        return {
            **({"source": made} if self.has_source else {"template": drawn}),
            "target": {
                "read": len(self.target),
                "seen_in_training": int(self.target.seen.sum()),
                "not_finite": int((~self.target.is_finite(variables)).sum()),
                "used": int((self._usable_target() & ~self.target.seen).sum()),
            },
        }

    def usable_rows(self) -> BoolArray:
        """(n_events,), the rows that are finite before and after the map, morphed, and not seen in training."""
        variables = [*self.names, *self.context]
        finite = self.source.is_finite(variables) & self.template.is_finite(variables)
        ours = is_in_first_half(self.source.ids) if self.are_paired else np.ones(len(self.source), np.bool_)
        return np.asarray(finite & ours & ~self.source.seen & ((self.status & NOT_MORPHED) == 0))

    def _usable_target(self) -> BoolArray:
        """(n_events,), the target events that are finite, and not those that the source is compared with."""
        finite = self.target.is_finite([*self.names, *self.context])
        return finite & ~is_in_first_half(self.target.ids) if self.are_paired else finite

    def _spare(self, in_region: BoolArray) -> BoolArray:
        """Seen target events that are drawn like the others in the region: only if training took all of the region."""
        trained_on = self.target.passes(self._cut(self.trained_on or ""))
        mixed = bool((in_region & ~trained_on).any())
        return np.zeros(len(self.target), np.bool_) if mixed else in_region & self.target.seen


def _passing(name: str, cut: NamedCut, rows: Mapping[str, tuple[EventTable, BoolArray]]) -> Cut:
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


def _cuts(recipe: Recipe, target: EventTable) -> dict[str, NamedCut]:
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
    reader = reader_of(recipe, trained_on)
    twice = {"source": Duplicates(), "target": Duplicates()}
    target = read_sample(replace(reader, duplicates=twice["target"]), recipe, "target")
    has_source = recipe.source is not None or (card is not None and card.kind.needs_source)
    if has_source:
        source = read_sample(replace(reader, duplicates=twice["source"]), recipe, "source")
        known = KnownUnits.of([*source.files, *target.files], recipe.units, card)
        check_samples(recipe.features, source.matrix(recipe.features), target.matrix(recipe.features), known.certain)
        source = _with_seen(source, "source", trained_on, card)
        template, status = _read_template(recipe, source, reader.derived)
    else:
        source = template = _read_drawn(recipe, reader)
        known = KnownUnits.of([*template.files, *target.files], recipe.units, card)
        status = np.zeros(len(template), np.int64)
    target = _with_seen(target, "target", trained_on, card)
    tables = {**({"source": source} if has_source else {}), "target": target}
    remarks = [*remarks_of(tables, twice, [*recipe.features, *recipe.context]), *changes_in(template.files)]
    inputs = Inputs(
        names=(*recipe.features, *reader.derived),
        features=tuple(recipe.features),
        context=tuple(recipe.context),
        source=source,
        template=template,
        target=target,
        status=status,
        trained_on=trained_on,
        periodic=periodic_of(recipe.features, recipe.evaluate.periodic, card, known.units),
        card=card,
        has_source=has_source,
        conditions=tuple(dict.fromkeys([*recipe.context, *recipe.evaluate.conditions])),
        cuts=_cuts(recipe, target),
        units=known.units | units_of_derived(reader.derived, known.units),
        are_paired=recipe.pairs is not None,
    )
    found = [*_doubts(recipe, inputs), *map(Doubt, remarks)]
    return replace(inputs, doubts=tuple(dict.fromkeys(found)))


def _doubts(recipe: Recipe, inputs: Inputs) -> Iterator[Doubt]:
    """What is odd about the samples and the map, the worst first."""
    card = inputs.card
    if inputs.has_source:
        if not inputs.are_paired:
            yield from doubts.of_files([*inputs.source.files], [*inputs.target.files], card)
        yield from doubts.of_samples(inputs.source, inputs.target, [*inputs.features, *inputs.context])
        yield from doubts.of_status(inputs.status, inputs.usable_rows())
    if card is not None:
        yield from doubts.of_generator(recipe.source, card.learning.method.name, needs_source=card.kind.needs_source)
    cuts = {"of training": inputs.trained_on or "", **recipe.evaluate.regions}
    yield from doubts.of_cuts(cuts, inputs.features, inputs.names[len(inputs.features) :])


def remarks_of(
    tables: Mapping[str, EventTable], twice: Mapping[str, Duplicates], variables: Sequence[str]
) -> Iterator[str]:
    """A sentence for each thing that is odd about a sample.

    Args:
        tables: the samples by name.
        twice: what was counted while they were read.
        variables: whose values are looked at.
    """
    for sample, table in tables.items():
        yield from changes_in(table.files)
        yield from (f"{sample}: {remark}" for remark in twice[sample].warnings())
        yield from remarks_on(sample, {name: table.matrix([name])[:, 0] for name in variables})


def periodic_of(
    features: Sequence[str], given: Sequence[str] | None, card: ModelCard | None, units: Mapping[str, str]
) -> tuple[str, ...]:
    """The features that are angles: as given, else as the model treats them, else by their units.

    Args:
        features: their names.
        given: those that the recipe calls angles; None if it says nothing.
        card: of the model, if there is one.
        units: of variables, as far as they are known.

    Raises:
        ConfigError: what is given is not a feature.
    """
    if given is not None:
        stray = sorted(set(given) - set(features))
        if stray:
            raise ConfigError("evaluate.periodic", f"{stray[0]!r} is not a feature", one_of(stray[0], features))
        return tuple(given)
    if card is None:
        return tuple(name for name in features if units.get(name) == ANGLE)
    chains = card.preprocessing["features"]["chains"]
    around = {chain["name"] for chain in chains if any(step["name"] == "periodic" for step in chain["steps"])}
    return tuple(name for name in features if name in around)


def derived_of(texts: Mapping[str, str], variables: Sequence[str], block: str) -> dict[str, Expression]:
    """The derived quantities of a block of a recipe, by name.

    Raises:
        ConfigError: one is no expression, or has the name of a variable.
    """
    clash = texts.keys() & set(variables)
    if clash:
        what = f"{min(clash)!r} is a feature or context already"
        raise ConfigError(f"{block}.derived", what, "name it otherwise")
    return parse_all(texts, f"{block}.derived")


def reader_of(recipe: Recipe, trained_on: str | None) -> SampleReader:
    """What is needed of source and target; the files are given later.

    Raises:
        ConfigError: an expression is wrong.
    """
    settings, variables = recipe.evaluate, [*recipe.features, *recipe.context]
    derived = derived_of(settings.derived, variables, "evaluate")
    regions = parse_all(settings.regions, "evaluate.regions")
    acceptance = parse_all(settings.acceptance, "evaluate.acceptance")
    cuts = [*([parse(trained_on, "region")] if trained_on else []), *regions.values(), *acceptance.values()]
    names = [*variables, *settings.conditions, *settings.bands]
    return SampleReader([], recipe.tree, names, derived=derived, cuts=cuts)


def read_sample(reader: SampleReader, recipe: Problem, sample: SampleName) -> EventTable:
    """Source or target, as if training had seen nothing of it.

    Raises:
        ConfigError: nothing says where it is.
        InputError: it cannot be read, or a weight is not finite.
    """
    paths = expand_inputs(required(getattr(recipe, sample), sample, f"--{sample}"))
    table = replace(reader, paths=paths, weight=recipe.weight_of(sample)).paired(recipe.pairs, sample).read()
    table.refuse_bad_weights(sample)
    return table


def _read_drawn(recipe: Recipe, reader: SampleReader) -> EventTable:
    """What `simmorph apply --n-events` drew, with the branches of cuts and conditions as far as it has them."""
    path = str(required(recipe.template, "template", "--template"))
    known = describe(path, recipe.tree).branches
    if branch_of(recipe.features[0]) in known:
        what = "was made of a source, and the recipe names none"
        raise InputError(path, what, "add `source:` or give --source FILE")
    others = [name for it in reader.cuts for name in sorted(it.names) if name in known]
    names = [name for name in reader.names if name in {*known, *recipe.features, *recipe.context}]
    weight = drawn_weight(recipe.weight)
    table = replace(reader, paths=[path], names=names, cuts=(), others=others, weight=weight).read()
    table.refuse_bad_weights("template")
    return table


def _with_seen(
    table: EventTable, sample: Literal["source", "target"], trained_on: str | None, card: ModelCard | None
) -> EventTable:
    """The sample with the rows marked that training has looked at, file by file."""
    if card is None:
        return table
    in_region = table.passes(parse(trained_on, "region") if trained_on else None)
    seen = np.zeros(len(table), np.bool_)
    for path, rows in table.of_files():
        seen[rows] = card.seen(sample, checksum_of(path), table.ids[rows], in_region[rows])
    return replace(table, seen=seen)


def _check_origin(path: str, source: EventTable) -> None:
    """Refuse a template that says that it was made of other files.

    Raises:
        InputError: it was.
    """
    listed = read_metadata(path).get("inputs", [])
    made_of = {entry["sha256"] for entry in listed if isinstance(entry, dict) and "sha256" in entry}
    if made_of and made_of != set(source.checksums().values()):
        raise InputError(path, "was made of another source", "run `simmorph apply` on this one, or name that one")


def _read_template(
    recipe: Recipe, source: EventTable, derived: Mapping[str, Expression]
) -> tuple[EventTable, IntArray]:
    """The source with its morphed features and weights, and the status of each row.

    Derived quantities are computed anew from the morphed features.

    Raises:
        InputError: the template has another number of rows, or was made of another source.
    """
    path = str(required(recipe.template, "template", "--template"))
    paths = expand_inputs([path])
    _check_origin(paths[0], source)
    tree = recipe.tree if recipe.tree in trees_in(paths[0]) else FRIEND_TREE
    made = SampleReader(paths, tree, [*map(branch_of, recipe.features), STATUS], WEIGHT).read()
    if len(made) != len(source):
        what = f"has {len(made)} rows, and the source has {len(source)}"
        raise InputError(paths[0], what, "give the template that `simmorph apply` made of this source")
    kept = {name: column for name, column in source.columns.items() if name not in derived}
    columns = kept | {name: made.columns[branch_of(name)] for name in recipe.features}
    template = replace(source, columns=columns, weights=made.weights, files=made.files).with_derived(derived)
    return template, made.columns[STATUS].astype(np.int64)
