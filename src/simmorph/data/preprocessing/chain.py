"""Preprocessing: the chain of steps of every variable, fitted once and used in both directions.

Chains are saved in the model's card as plain values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from simmorph.config.preprocessing import PeriodicSettings, VariableSettings
from simmorph.data.preprocessing.limits import NO_LIMITS, Limits
from simmorph.data.preprocessing.proposal import is_angle, propose_steps
from simmorph.data.preprocessing.steps import Gaps, Periodic, Step, fit_step, step_from_json, step_to_json, wrapped
from simmorph.data.splits import uniform_of
from simmorph.errors import ConfigError, one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simmorph.config.preprocessing import Bounds, StepSettings
    from simmorph.data.events import BoolArray, Events, FloatArray, IntArray

    Proposal = Callable[[str, FloatArray, FloatArray, Bounds | None], list[StepSettings]]
    """Chooses the steps of a variable, given its name, its values, their weights and its bounds."""

NOISE_STREAM = 0x4E4F_4953
"""Streams of random numbers from here on belong to the variables, one each."""

NOTHING_SAID = VariableSettings()
MIN_RESULTANT = 0.3
"""Mean resultant length from which on an angle is taken relative to another: 0 is uniform, 1 a single direction."""


@dataclass(frozen=True, eq=False)
class Chain:
    """The steps of one variable.

    Attributes:
        name: the variable.
        steps: in the order in which they are applied.
        relative_to: the angle that is subtracted before the first step, if there is one.
        proposed: whether the steps were chosen by the program.
        limits: a value beyond them is taken for the last one within.
    """

    name: str
    steps: tuple[Step, ...]
    relative_to: str | None = None
    proposed: bool = False
    limits: Limits = NO_LIMITS

    @classmethod
    def fit(  # noqa: PLR0913, PLR0917 - a variable, and how its steps are chosen
        cls,
        name: str,
        settings: VariableSettings,
        values: FloatArray,
        weights: FloatArray,
        noise: FloatArray,
        propose: Proposal,
    ) -> Self:
        """The chain fitted to these values, each step to the result of the one before; proposed without settings.

        Args:
            name: of the variable.
            settings: its bounds and steps, which are proposed if there are none.
            values: (n_events,), finite.
            weights: (n_events,), not negative.
            noise: (n_events,), numbers in (0, 1) that fill the intervals of point masses.
            propose: chooses the steps.
        """
        chosen, steps = settings.steps or propose(name, values, weights, settings.bounds), []
        for step_settings in chosen:
            steps.append(fit_step(step_settings, values, weights))
            values = steps[-1].forward(values, lambda: noise)
        return cls(name, tuple(steps), proposed=settings.steps is None)

    def forward(self, values: FloatArray, ids: IntArray, seed: int, stream: int) -> FloatArray:
        """Towards the network."""
        noise, values = partial(uniform_of, ids, seed, stream), self.limits.held(values)
        for step in self.steps:
            values = step.forward(values, noise)
        return values

    def inverse(self, values: FloatArray) -> FloatArray:
        """Back to physical units."""
        for step in reversed(self.steps):
            values = step.inverse(values)
        return values

    def log_slope(self, values: FloatArray, ids: IntArray, seed: int, stream: int) -> FloatArray:
        """The logarithm of the derivative of `forward`; see `Step.log_slope` for values that many events share."""
        noise, total = partial(uniform_of, ids, seed, stream), np.where(self.limits.beyond(values), -np.inf, 0.0)
        values = self.limits.held(values)
        for step in self.steps:
            total += step.log_slope(values)
            values = step.forward(values, noise)
        return total

    def excludes(self, values: FloatArray) -> BoolArray:
        """(n_events,), whether a value lies where there were none: in a gap that the first step closes."""
        first = self.steps[0] if self.steps else None
        return first.inside(values) if isinstance(first, Gaps) else np.zeros(len(values), np.bool_)

    @property
    def is_angle(self) -> bool:
        """Whether values go round a circle, so that none is beyond another."""
        return self.relative_to is not None or any(isinstance(step, Periodic) for step in self.steps)

    def to_json(self) -> dict[str, Any]:
        """Everything that was fitted, as plain values."""
        return {
            "name": self.name,
            "relative_to": self.relative_to,
            "proposed": self.proposed,
            "limits": self.limits.to_json(),
            "steps": [step_to_json(step) for step in self.steps],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The chain that `to_json` wrote down."""
        steps = tuple(step_from_json(step) for step in content["steps"])
        limits = Limits.from_json(content["limits"])
        return cls(content["name"], steps, content["relative_to"], content["proposed"], limits)


def _relative_to(settings: VariableSettings) -> str | None:
    """The angle that the first step is taken relative to, if the recipe says so."""
    first = settings.steps[0] if settings.steps else None
    return first.relative_to if isinstance(first, PeriodicSettings) else None


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """The chains of several variables, the columns of one array.

    Attributes:
        chains: one for each column, in order.
        seed: of the noise that fills the intervals of point masses.
    """

    chains: tuple[Chain, ...]
    seed: int

    @classmethod
    def fit(
        cls,
        names: Sequence[str],
        settings: Mapping[str, VariableSettings],
        sample: Events,
        seed: int,
        *,
        propose: Proposal = propose_steps,
    ) -> Self:
        """Chains fitted to the columns of a sample's features.

        Args:
            names: of the columns.
            settings: bounds, and steps chosen by hand; the others are proposed.
            sample: finite features, weights that are not negative, ids that the noise of point masses is drawn from.
            seed: start of this noise.
            propose: chooses the other steps.

        Raises:
            ConfigError: an angle is relative to something that is not another angle's column.
        """
        references = _references(names, settings, sample)
        _check_references(references)
        shown = _relative(sample.features, list(names), references, sign=-1)

        def noise(at: int) -> FloatArray:
            return uniform_of(sample.ids, seed, NOISE_STREAM + at)

        chains = [
            replace(
                Chain.fit(name, settings.get(name, NOTHING_SAID), shown[:, at], sample.weights, noise(at), propose),
                relative_to=references[name],
            )
            for at, name in enumerate(names)
        ]
        return cls(tuple(chains), seed)

    def forward(self, values: FloatArray, ids: IntArray, seed: int | None = None) -> FloatArray:
        """(n_events, n_variables) towards the network; point masses get the noise of `seed` or the chains' own."""
        seed = self.seed if seed is None else seed
        shown = _relative(values, self.names, self._references, sign=-1)
        columns = [chain.forward(shown[:, at], ids, seed, NOISE_STREAM + at) for at, chain in enumerate(self.chains)]
        return np.stack(columns, axis=1) if columns else values

    def inverse(self, values: FloatArray) -> FloatArray:
        """(n_events, n_variables) back to physical units."""
        columns = [chain.inverse(values[:, at]) for at, chain in enumerate(self.chains)]
        return _relative(np.stack(columns, axis=1), self.names, self._references, sign=+1) if columns else values

    def log_slope(self, values: FloatArray, ids: IntArray) -> FloatArray:
        """(n_events,), the logarithm of the Jacobian determinant of `forward`: what turns a density into another."""
        shown = _relative(values, self.names, self._references, sign=-1)
        slopes = [
            chain.log_slope(shown[:, at], ids, self.seed, NOISE_STREAM + at) for at, chain in enumerate(self.chains)
        ]
        return np.sum(slopes, axis=0)  # type: ignore[no-any-return]

    def excludes(self, values: FloatArray) -> BoolArray:
        """(n_events,), whether any variable lies in a gap, or the difference of two angles in one of its own."""
        shown = _relative(values, self.names, self._references, sign=-1)
        inside = [chain.excludes(shown[:, at]) for at, chain in enumerate(self.chains)]
        return np.any(inside, axis=0) if inside else np.zeros(len(values), np.bool_)

    def of(self, name: str) -> Chain:
        """The chain of a variable."""
        return self.chains[self.names.index(name)]

    def refitted(self, names: Sequence[str], settings: Mapping[str, VariableSettings], sample: Events) -> Self:
        """The same chains, but for those of some variables, which are fitted to one sample alone.

        What is an angle there or here keeps its chain: of two samples one would be cut open at a seam.
        """
        others = [name for name in names if not self.of(name).is_angle]
        columns = sample.features[:, [self.names.index(name) for name in others]]
        own = type(self).fit(others, settings, sample.with_features(columns), self.seed)
        chains = {chain.name: chain for chain in own.chains if not chain.is_angle}
        return replace(self, chains=tuple(chains.get(chain.name, chain) for chain in self.chains))

    def within(self, limits: Sequence[Limits]) -> Self:
        """The same chains, each with limits to its variable; angles have none."""
        pairs = zip(self.chains, limits, strict=True)
        return replace(self, chains=tuple(it if it.is_angle else replace(it, limits=its) for it, its in pairs))

    def same_as(self, other: Preprocessing) -> BoolArray:
        """(n_variables,), which variables have the same steps as in another preprocessing."""
        pairs = zip(self.chains, other.chains, strict=True)
        return np.array([mine.steps is its.steps or _json(mine) == _json(its) for mine, its in pairs], np.bool_)

    def beyond(self, values: FloatArray) -> BoolArray:
        """(n_events, n_variables), which values lie beyond the limits of their variable."""
        columns = [chain.limits.beyond(values[:, at]) for at, chain in enumerate(self.chains)]
        return np.stack(columns, axis=1) if columns else np.zeros(values.shape, np.bool_)

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [chain.name for chain in self.chains]

    @property
    def _references(self) -> dict[str, str | None]:
        return {chain.name: chain.relative_to for chain in self.chains}

    def to_json(self) -> dict[str, Any]:
        """Everything that was fitted, as plain values."""
        return {"seed": self.seed, "chains": [chain.to_json() for chain in self.chains]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The preprocessing that `to_json` wrote down."""
        return cls(tuple(Chain.from_json(chain) for chain in content["chains"]), int(content["seed"]))


def _json(chain: Chain) -> list[dict[str, Any]]:
    """The steps of a chain as plain values."""
    return [step_to_json(step) for step in chain.steps]


def _references(
    names: Sequence[str], settings: Mapping[str, VariableSettings], sample: Events
) -> dict[str, str | None]:
    """The angle that each variable is relative to: as chosen, or for an angle that follows an earlier one.

    Photons are back to back: their difference is what a mass depends on, and two separate angles would blur it.
    """
    references = {name: _relative_to(settings.get(name, NOTHING_SAID)) for name in names}
    angles = {name: column for name, column in zip(names, sample.features.T, strict=True) if is_angle(name, column)}
    for name, column in angles.items():
        if name in settings or name in references.values():
            continue
        for other, its_column in angles.items():
            if other == name:
                break
            if references[other] is None and _follows(column - its_column, sample.weights):
                references[name] = other
                break
    return references


def _follows(differences: FloatArray, weights: FloatArray) -> bool:
    """Whether differences of angles gather around a direction: by their mean resultant length."""
    return bool(abs(np.average(np.exp(1j * differences), weights=weights)) > MIN_RESULTANT)


def _check_references(references: Mapping[str, str | None]) -> None:
    """Refuse an angle that is relative to no other angle's column, or to one that is relative itself.

    Raises:
        ConfigError: one is.
    """
    for name, reference in references.items():
        if reference is None:
            continue
        candidates = [other for other, its_own in references.items() if its_own is None and other != name]
        if reference not in candidates:
            where = f"recipe: preprocessing.{name}"
            raise ConfigError(where, f"relative_to {reference!r} is no other angle", one_of(reference, candidates))


def _relative(
    values: FloatArray, names: Sequence[str], references: Mapping[str, str | None], *, sign: int
) -> FloatArray:
    """The columns with each angle's reference added or subtracted."""
    result = values.copy()
    for name, reference in references.items():
        if reference is not None:
            at = names.index(name)
            result[:, at] = wrapped(values[:, at] + sign * values[:, names.index(reference)])
    return result
