"""The observable and the weight of the events of a sample, chunk by chunk."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from simmorph.config.values.weights import SampleWeights, weight_of
from simmorph.data.expressions.expression import parse
from simmorph.data.morphed import WEIGHT, features_in
from simmorph.data.ntuples.contents import describe
from simmorph.data.samples import SampleReader
from simmorph.errors import ConfigError, InputError, one_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simmorph.config.limits import LimitsRecipe, LimitsSettings, SampleSettings
    from simmorph.config.recipe import Recipe
    from simmorph.data.events import FloatArray
    from simmorph.data.expressions.expression import Expression
    from simmorph.data.quality.duplicates import Duplicates


class Defaults(NamedTuple):
    """What samples share with the rest of a recipe.

    Attributes:
        tree: the tree in the files.
        weight: event weights of simulation, a branch or an expression; 1 if None.
        replica: whose branches are read in place of the model's.
        data_weight: event weights of data; 1 if None.
    """

    tree: str
    weight: str | None
    replica: str = ""
    data_weight: str | None = None

    @classmethod
    def of(cls, recipe: Recipe | LimitsRecipe, settings: LimitsSettings) -> Self:
        """What a recipe and its `limits:`, as a whole or in a channel, say."""
        of_data = weight_of(recipe.weight, "target") if isinstance(recipe.weight, SampleWeights) else None
        return cls(settings.tree or recipe.tree, weight_of(recipe.weight, "source"), data_weight=of_data)

    def of_data(self) -> Self:
        """The same for data."""
        return self._replace(weight=self.data_weight)


class ObservableReader(NamedTuple):
    """The observable and the weight of a sample's events.

    Attributes:
        samples: what is read; the files are given later.
        observable: of an event.
        region: the cut on them.
    """

    samples: SampleReader
    observable: Expression
    region: Expression | None

    @classmethod
    def of(
        cls,
        settings: SampleSettings,
        limits: LimitsSettings,
        defaults: Defaults,
        twice: Duplicates | None = None,
    ) -> Self:
        """The reader of a sample, or of any part of it.

        Args:
            settings: of the sample.
            limits: the block that it stands in.
            defaults: tree and weight of the recipe.
            twice: counts events that are there twice.

        Raises:
            ConfigError: an expression is missing or wrong.
        """
        text, cut = settings.observable or limits.observable, settings.region or limits.region
        if text is None:
            raise ConfigError(
                "limits", "key 'observable' is missing", "add `observable:` or a `histogram:` to each sample"
            )
        observable = parse(text, f"limits, observable of {settings.name}")
        region = None if cut is None else parse(cut, f"limits, region of {settings.name}")
        samples = SampleReader(
            paths=(),
            tree=settings.tree or defaults.tree,
            weight=settings.weight or (WEIGHT if settings.morphed else defaults.weight),
            cuts=[region] if region else [],
            expressions=[observable],
            is_morphed=settings.morphed,
            replica=defaults.replica,
            duplicates=twice,
        )
        return cls(samples, observable, region)

    def read(self, paths: Sequence[str], first: int | None = None) -> Iterator[tuple[FloatArray, FloatArray]]:
        """The observable and the weights of the events that are in the region, chunk by chunk.

        Args:
            paths: the files.
            first: look at so many entries only.
        """
        if self.samples.is_morphed:
            for path in paths:
                self._refuse_unmorphed(path)
        for table in replace(self.samples, paths=paths).chunks(first):
            chosen = table.passes(self.region)
            yield self.observable.numbers(table.columns)[chosen].astype(np.float64), table.weights[chosen]

    def _refuse_unmorphed(self, path: str) -> None:
        """Refuse an observable of which a file has nothing after the map.

        Raises:
            InputError: that is the case.
        """
        features = features_in(describe(path, self.samples.tree).branches)
        if not self.observable.names & set(features):
            what = f"nothing in the observable {self.observable.text!r} is morphed"
            raise InputError(path, what, f"write it in terms of the features; {one_of('', features)}")
