"""What `simmorph apply` says of what it wrote."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from simmorph.data import morphed
from simmorph.data.ntuples.copying import DEFAULTS
from simmorph.errors import listed
from simmorph.methods.base import poor_weights

OUTSIDE_WARNING = 0.01
"""Share of events outside of the training range that is worth a warning."""


@dataclass(frozen=True)
class ApplyResult:
    """What was written.

    Attributes:
        output: the file.
        tree: its tree.
        model: the model folder.
        n_events: how many rows were written, or objects, where rows of the selection are these.
        n_morphed: events that were morphed.
        n_not_selected: entries that the selection dropped.
        n_non_finite: events that kept their values, because they or the result are not finite.
        n_out_of_range: morphed events that lie outside of what the model was trained on.
        n_held: morphed events that a map in closed form would have taken beyond what the target has near their context,
            and that it held back there.
        n_outside_target: morphed events that landed where the target had none in training.
        outside_bounds: of each variable with declared bounds, the values beyond them, which were put there.
        effective_fraction: of a reweighting, how many events the new weights are worth, as a share of the events
            reweighted (ESS/N); None for methods that move or draw events.
        left_out: branches of the input that are not in the copy, with the reason.
        filled: branches that a file lacks and that have a default in its rows, by file.
        not_copied: other trees, their branches, and other objects of the input that are not in it, with the reason.
        skipped: files that cannot be used and have no rows in the output, with the reason.
        changed: a sentence for each input that has another content than its provenance file says.
        seconds: how long it took.
        counted: what is counted: events, or objects of one kind.
    """

    output: str
    tree: str
    model: str
    n_events: int
    n_morphed: int
    n_not_selected: int
    n_non_finite: int
    n_out_of_range: int
    n_held: int
    n_outside_target: int
    outside_bounds: dict[str, int]
    effective_fraction: float | None
    left_out: dict[str, str]
    filled: dict[str, list[str]]
    not_copied: dict[str, str]
    skipped: dict[str, str]
    changed: list[str]
    seconds: float
    counted: str = "event"

    @property
    def out_of_range_fraction(self) -> float:
        """The share of the morphed events that lie outside of the training range."""
        return self.n_out_of_range / self.n_morphed if self.n_morphed else 0.0

    @property
    def outside_target_fraction(self) -> float:
        """The share of the morphed events that landed where the target had none in training."""
        return self.n_outside_target / self.n_morphed if self.n_morphed else 0.0

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        fractions = ("out_of_range_fraction", "outside_target_fraction")
        return {**asdict(self), **{name: getattr(self, name) for name in fractions}}

    def to_text(self) -> str:
        """What a person wants to know."""
        rate = self.n_events / self.seconds if self.seconds > 0 else 0.0
        counted = "rows" if self.counted == "event" else f"{self.counted}s"
        time_taken = f"{self.seconds:.1f} s ({rate:,.0f} per second)"
        lines = [
            f"{self.output}: tree {self.tree!r}, {self.n_events} {counted} in {time_taken}",
            (
                f"morphed {self.n_morphed}, of these {self.n_out_of_range} outside of the training range "
                f"({self.out_of_range_fraction:.2%})"
            ),
            f"landed outside of what the target has {self.n_outside_target} ({self.outside_target_fraction:.2%})",
        ]
        if self.effective_fraction is not None:
            lines.append(f"the new weights leave {self.effective_fraction:.2%} of the statistical power (ESS/N)")
        if self.n_not_selected:
            lines.append(f"not selected {self.n_not_selected}")
        if self.n_held:
            lines.append(f"held back at the edge of what the target has near their context {self.n_held}")
        if self.n_non_finite:
            lines.append(f"not finite, kept as they were {self.n_non_finite}")
        return "\n".join(lines)

    def warnings(self) -> list[str]:
        """What the user should look at."""
        found = [f"branch {name!r} is left out: {reason}" for name, reason in self.left_out.items()]
        found += [f"{path} lacks {listed(names)}: in its rows stands {DEFAULTS}" for path, names in self.filled.items()]
        if self.not_copied:
            found.append("not copied: " + ", ".join(f"{name!r} ({why})" for name, why in self.not_copied.items()))
        found += [f"no rows for {path}, which was skipped: {reason}" for path, reason in self.skipped.items()]
        found += self.changed
        if self.n_non_finite:
            bit = f"{morphed.STATUS} & {morphed.NON_FINITE}"
            found.append(f"{self.n_non_finite} events are not finite and were not morphed: {bit}")
        found += [
            f"{name} is beyond its declared bounds in {count} events, where it was put at the bound"
            for name, count in self.outside_bounds.items()
        ]
        if self.effective_fraction is not None:
            found += poor_weights(self.effective_fraction)
        if self.out_of_range_fraction > OUTSIDE_WARNING:
            found.append(
                f"{self.out_of_range_fraction:.1%} of the events lie outside of what the model was trained on, "
                f"where the map is extrapolated; cut on {morphed.STATUS} & {morphed.OUT_OF_RANGE} to leave them out"
            )
        if self.outside_target_fraction > OUTSIDE_WARNING:
            found.append(
                f"{self.outside_target_fraction:.1%} of the events landed where the target has none; "
                f"cut on {morphed.STATUS} & {morphed.OUTSIDE_TARGET} to leave them out, or train longer"
            )
        return found
