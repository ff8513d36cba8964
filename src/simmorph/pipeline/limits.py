"""From a workspace, ntuples or histograms to upper limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simmorph.limits.inference import AsymptoticCls, FittedStrength, Limits, fitted_strength, upper_limits
from simmorph.limits.workspace import STDIN, measurement_of, read_workspace

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class LimitsResult:
    """What `simmorph limits` found.

    Attributes:
        limits: observed and expected.
        strength: the fitted parameter of interest.
        cls_at_1: CLs where the parameter is 1; below 0.05 the nominal signal is excluded at 95 %.
        workspace: the workspace's file.
        measurement: which of its measurements.
    """

    limits: Limits
    strength: FittedStrength
    cls_at_1: float
    workspace: str
    measurement: str

    def to_json(self) -> dict[str, Any]:
        """The numbers, ready for `json.dumps`."""
        return {
            "parameter": self.limits.parameter,
            "cl": self.limits.level,
            "observed": self.limits.observed,
            "expected": list(self.limits.expected),
            "mu_hat": self.strength.value,
            "mu_hat_uncertainty": self.strength.uncertainty,
            "mu_hat_minos": [self.strength.down, self.strength.up],
            "cls_at_1": self.cls_at_1,
            "workspace": self.workspace,
            "measurement": self.measurement,
        }

    def to_text(self) -> str:
        """A table for people."""
        name, expected = self.limits.parameter, self.limits.expected
        rows = [
            (f"observed {100 * self.limits.level:g} % CL upper limit on {name}", f"{self.limits.observed:.5g}"),
            ("expected (median)", f"{expected[2]:.5g}"),
            ("expected, 68 % of experiments", f"{expected[1]:.5g} to {expected[3]:.5g}"),
            ("expected, 95 % of experiments", f"{expected[0]:.5g} to {expected[4]:.5g}"),
            (f"fitted {name}", f"{self.strength.value:.5g} +- {self.strength.uncertainty:.3g}"),
            (f"CLs at {name} = 1", f"{self.cls_at_1:.4g}"),
        ]
        width = max(len(label) for label, _ in rows)
        return "\n".join(f"{label:<{width}}  {value}" for label, value in rows)


def limits_of_workspace(
    path: str, *, level: float = 0.95, measurement: str | None = None, note: Callable[[str], None] = lambda _: None
) -> LimitsResult:
    """Upper limits from a pyhf workspace.

    Args:
        path: its JSON file, or `-` for stdin.
        level: the confidence level.
        measurement: which of its measurements; the first one if None.
        note: is told what is being done.

    Raises:
        InputError: the workspace is not usable.
        NoLimitError: nothing can be excluded.
    """
    where = "stdin" if path == STDIN else path
    ready = measurement_of(read_workspace(path), where, measurement)
    test = AsymptoticCls(ready.likelihood, ready.data)
    limits = upper_limits(test, level, note)
    strength = fitted_strength(ready.likelihood, ready.data)
    return LimitsResult(limits, strength, test.cls(1.0), where, ready.name)
