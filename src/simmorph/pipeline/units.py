"""Is a sample in another unit than what it belongs to? Where ntuples do not say it, sizes do.

MeV taken for GeV give no error by themselves, only wrong numbers. Units that files carry are compared by name; a
variable without one is judged by the median of its size, which differs by 1,000 then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from simmorph.data.units import agreed, read_units
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from simmorph.card import ModelCard
    from simmorph.data.events import Events, FloatArray

WRONG_UNIT = 300.0
"""Medians of one variable that differ by this factor are taken for different units."""
ENOUGH = 20
"""So many events have a median."""


def differ_in_unit(one: float, other: float) -> bool:
    """Whether two typical sizes of one variable differ as MeV and GeV do; 0 says nothing.

    >>> differ_in_unit(45_000.0, 45.0), differ_in_unit(60.0, 45.0), differ_in_unit(0.0, 45.0)
    (True, False, False)
    """
    return min(one, other) > 0 and not 1 / WRONG_UNIT < one / other < WRONG_UNIT


class KnownUnits(NamedTuple):
    """The units of variables.

    Attributes:
        units: of each variable, as far as it is known.
        certain: the variables whose unit every file holds, or the recipe.
    """

    units: dict[str, str]
    certain: frozenset[str]

    @classmethod
    def of(cls, paths: Iterable[str], given: Mapping[str, str], card: ModelCard | None = None) -> Self:
        """The units that files, a recipe and a model give.

        Args:
            paths: the files.
            given: the units in the recipe.
            card: of the model.

        Raises:
            InputError: they contradict each other.
        """
        files = {path: read_units(path) for path in paths}
        said = {"the recipe": given, "the model": {} if card is None else card.units, **files}
        of_all = set.intersection(*(set(units) for units in files.values())) if files else set()
        return cls(agreed(said), frozenset(of_all | set(given)))


def check_samples(
    names: Sequence[str], source: FloatArray, target: FloatArray, certain: Collection[str] = frozenset()
) -> None:
    """Refuse two samples of which one is in MeV and the other in GeV.

    Args:
        names: the variables.
        certain: those whose unit is known to be the same.
        source: (n_events, n_variables).
        target: (n_events, n_variables), other events.

    Raises:
        InputError: the sizes of a variable are too different.
    """
    for at, name in enumerate(names):
        if name in certain:
            continue
        sizes = [float(np.median(np.abs(sample[:, at]))) if len(sample) else 0.0 for sample in (source, target)]
        if differ_in_unit(*sizes):
            what = f"the median of |{name}| is {sizes[0]:.4g} in the source and {sizes[1]:.4g} in the target"
            raise InputError(f"branch {name!r}", what, "bring both to the same unit, as `simmorph select` does")


def check_units(card: ModelCard, events: Events, where: str, certain: Collection[str] = frozenset()) -> None:
    """Check that events are in the units of a model.

    Args:
        card: of the model; its probe has the typical size of each variable.
        events: some events that it is to be applied to.
        where: the file, for messages.
        certain: the variables whose unit is known to be that of the model.

    Raises:
        InputError: a variable lies outside of the training range as another unit would.
    """
    n_probe, variables = len(card.probe.ids), [*card.features, *card.context]
    context = np.array(card.probe.context, np.float64).reshape(n_probe, len(card.context))
    known = np.hstack([np.array(card.probe.features, np.float64).reshape(n_probe, len(card.features)), context])
    values = np.hstack([events.features, events.context])
    if not card.kind.needs_source:
        variables, known, values = card.context, context, events.context
    values = values[np.isfinite(values).all(axis=1)]
    if not n_probe or len(values) < ENOUGH:
        return
    for variable, column, trained in zip(variables, values.T, known.T, strict=True):
        size, usual = float(np.median(np.abs(column))), float(np.median(np.abs(trained)))
        is_outside = not variable.low <= np.median(column) <= variable.high
        if variable.name not in certain and is_outside and differ_in_unit(size, usual):
            what = f"the median of |{variable.name}| is {size:.4g}, and the model was trained around {usual:.4g}"
            unit = f" ({variable.unit})" if variable.unit else ""
            raise InputError(where, what, f"bring it to the unit of the model{unit}, as `simmorph select` does")
