"""What all methods are trained and judged on: source and target, read once, and split anew for every repeat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from simmorph.data.expressions.expression import parse, parse_all
from simmorph.data.ntuples.contents import describe
from simmorph.data.ntuples.files import expand_inputs
from simmorph.data.quality.duplicates import Duplicates
from simmorph.data.samples import EventTable, SampleReader
from simmorph.data.splits import HOLDOUT, part_of
from simmorph.evaluation.comparison import Judge, Plan
from simmorph.evaluation.metrics.maps.optimal import SUFFIX
from simmorph.evaluation.metrics.samples import N_SPLITS
from simmorph.pipeline.evaluate.inputs import Inputs, derived_of, periodic_of, read_sample, remarks_of
from simmorph.pipeline.units import KnownUnits, check_samples

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simmorph.config.compare import CompareRecipe
    from simmorph.config.training import TrainingSettings
    from simmorph.data.events import BoolArray, Events, FloatArray, IntArray
    from simmorph.data.expressions.expression import Expression
    from simmorph.evaluation.metrics.samples import Samples
    from simmorph.model import Morphed

ALL_EVENTS, TRAINING = "all", "training"
"""Names of the region that is judged if the recipe names none."""


@dataclass(frozen=True, eq=False)
class CompareInputs:
    """Source and target with every column that is trained on or judged by.

    Attributes:
        recipe: of the comparison.
        names: features, derived quantities, context, and further branches that the judge sees.
        derived: the derived quantities.
        source: all events, none of them marked as seen; the target's, if the recipe has no source.
        target: the same.
        units: of the variables, as far as they are known.
        remarks: what is odd about the samples.
    """

    recipe: CompareRecipe
    names: tuple[str, ...]
    derived: Mapping[str, Expression]
    source: EventTable
    target: EventTable
    units: Mapping[str, str]
    remarks: tuple[str, ...] = ()

    def training_samples(self) -> tuple[Events, Events]:
        """Source and target in the region of training, as `simmorph train` reads them; without a source it is empty.

        Raises:
            EmptySelectionError: the region is empty.
        """
        target = self._trained_on(self.target, "target")
        return (self._trained_on(self.source, "source") if self.recipe.source else target[:0]), target

    def _trained_on(self, table: EventTable, name: str) -> Events:
        """The events of a sample in the region of training."""
        return table.events(self.recipe.features, self.recipe.context, table.inside(self._region, name))

    @property
    def _region(self) -> Expression | None:
        """The cut of training."""
        return parse(self.recipe.region, "region") if self.recipe.region else None

    def split(self, settings: TrainingSettings) -> CompareInputs:
        """The same with the events marked that a training with these settings looks at.

        Without a source, the events that a generator is to be compared with are marked in its stand-in.
        """
        target = self._with_seen(self.target, settings)
        if self.recipe.source:
            return replace(self, source=self._with_seen(self.source, settings), target=target)
        # Generators draw at the contexts of target events that are not among those they are judged by.
        return replace(self, source=replace(target, seen=~target.seen), target=target)

    def _with_seen(self, table: EventTable, settings: TrainingSettings) -> EventTable:
        """The sample with those events marked that the split puts into training or validation."""
        part = part_of(table.ids, settings.seed, settings.validation, settings.holdout)
        return replace(table, seen=table.passes(self._region) & (part != HOLDOUT))

    def unseen_source(self) -> Events:
        """The source events that training has not looked at."""
        return self.source.events(self.recipe.features, self.recipe.context, ~self.source.seen)

    def judged(self, morphed: Morphed | None = None) -> dict[str, Samples]:
        """What is measured in each region.

        Args:
            morphed: what a method made of `unseen_source`; without it the template is the source.
        """
        template, status = (self.source, np.zeros(len(self.source), np.int64))
        if morphed is not None:
            template, status = self._template(morphed)
        n_changeable = len(self.recipe.features) + len(self.derived)
        inputs = Inputs(
            names=self.names[:n_changeable],
            features=tuple(self.recipe.features),
            context=self.names[n_changeable:],
            source=self.source,
            template=template,
            target=self.target,
            status=status,
            trained_on=self.recipe.region,
            periodic=(),
            card=None,
            are_paired=self.recipe.pairs is not None,
        )
        n_conditions = len(self.recipe.context)
        return {
            name: replace(
                inputs.samples(cut), n_conditions=n_conditions, optimal=self._optimal(inputs.source_rows(cut))
            )
            for name, cut in regions_of(self.recipe).items()
        }

    def _optimal(self, rows: BoolArray) -> FloatArray | None:
        """(n_rows, n_features), where the optimal map takes these source events; None without branches that say it."""
        names = [f"{name}{SUFFIX}" for name in self.recipe.features]
        known = self.recipe.source and all(name in self.source.columns for name in names)
        return self.source.matrix(names)[rows] if known else None

    def _template(self, morphed: Morphed) -> tuple[EventTable, IntArray]:
        """The source with the morphed features, weights and status of the events that training has not seen."""
        rows = ~self.source.seen
        columns = {name: column for name, column in self.source.columns.items() if name not in self.derived}
        for at, name in enumerate(self.recipe.features):
            columns[name] = np.array(columns[name], np.float64)
            columns[name][rows] = morphed.events.features[:, at]
        weights, status = self.source.weights.copy(), np.zeros(len(self.source), np.int64)
        weights[rows], status[rows] = morphed.events.weights, morphed.status
        return replace(self.source, columns=columns, weights=weights).with_derived(self.derived), status

    def plan(self, region: str, repeat: int) -> Plan:
        """How every method is measured in one region in one repeat; the null has its splits over all repeats.

        Args:
            region: its name, which is part of the seed.
            repeat: its number, from 0.
        """
        settings, features = self.recipe.judge, self.recipe.features
        shown = settings.inputs or {"all": [*features, *self.recipe.context]}
        return Plan(
            judges={name: Judge(tuple(columns), settings.classifier) for name, columns in shown.items()},
            max_events=settings.max_events,
            seed=[self.recipe.training.seed + repeat, *region.encode()],
            periodic=[features.index(name) for name in periodic_of(features, settings.periodic, None, self.units)],
            n_splits=-(-N_SPLITS // self.recipe.seeds),
        )


def regions_of(recipe: CompareRecipe) -> dict[str, str]:
    """The cut of each region that is judged, by name."""
    if recipe.judge.regions:
        return dict(recipe.judge.regions)
    return {TRAINING: recipe.region} if recipe.region else {ALL_EVENTS: ""}


def main_region(recipe: CompareRecipe) -> str:
    """The region whose numbers stand for the method where there is room for one: that of training, or the first."""
    regions, trained_on = regions_of(recipe), (recipe.region or "").strip()
    return next((name for name, cut in regions.items() if cut.strip() == trained_on), next(iter(regions)))


def read_inputs(recipe: CompareRecipe) -> CompareInputs:
    """Read source and target.

    Raises:
        ConfigError: the recipe lacks an input, or an expression is wrong.
        InputError: an input is missing or lacks a branch, or the samples are in different units.
    """
    reader, twice = reader_of(recipe), {"source": Duplicates(), "target": Duplicates()}
    target = read_sample(replace(reader, duplicates=twice["target"]), recipe, "target")
    with_truth = replace(reader, names=[*reader.names, *_truth(recipe)], duplicates=twice["source"])
    source = read_sample(with_truth, recipe, "source") if recipe.source else target
    known = KnownUnits.of([*source.files, *target.files], recipe.units)
    check_samples(recipe.features, source.matrix(recipe.features), target.matrix(recipe.features), known.certain)
    tables = {**({"source": source} if recipe.source else {}), "target": target}
    remarks = remarks_of(tables, twice, [*recipe.features, *recipe.context])
    return CompareInputs(recipe, tuple(reader.names), reader.derived, source, target, known.units, (*remarks,))


def reader_of(recipe: CompareRecipe) -> SampleReader:
    """What is needed of source and target; the files are given later.

    Raises:
        ConfigError: an expression is wrong.
    """
    derived = derived_of(recipe.judge.derived, [*recipe.features, *recipe.context], "judge")
    trained_on = [parse(recipe.region, "region")] if recipe.region else []
    cuts = [*trained_on, *parse_all(recipe.judge.regions, "judge.regions").values()]
    return SampleReader([], recipe.tree, _names(recipe), derived=derived, cuts=cuts)


def _truth(recipe: CompareRecipe) -> list[str]:
    """The branches of the optimal map, if the source has them for every feature."""
    wanted = [f"{name}{SUFFIX}" for name in recipe.features]
    known = [describe(path, recipe.tree).branches for path in expand_inputs(recipe.source or [])]
    return wanted if all(name in branches for branches in known for name in wanted) else []


def _names(recipe: CompareRecipe) -> tuple[str, ...]:
    """Every column that is judged by, those first that a method can change."""
    shown = [name for columns in recipe.judge.inputs.values() for name in columns]
    paired = [name for pair in recipe.judge.pairs for name in pair]
    return tuple(dict.fromkeys([*recipe.features, *recipe.judge.derived, *recipe.context, *shown, *paired]))
