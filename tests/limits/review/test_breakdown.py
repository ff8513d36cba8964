"""What groups of parameters add to an uncertainty, against closed forms and Minuit on pyhf's likelihood."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from simmorph.errors import InputError
from simmorph.limits.fits.strength import fitted_strength
from simmorph.limits.model.workspace import measurement_of
from simmorph.limits.report.breakdown_plots import draw_breakdown
from simmorph.limits.review.breakdown import Breakdown, breakdown
from tests.limits.conftest import minuit_of_pyhf, workspace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Workspace = dict[str, Any]


def found_in(spec: Workspace, groups: Mapping[str, Sequence[str]]) -> Breakdown:
    ready = measurement_of(spec)
    return breakdown(ready.likelihood, ready.data, fitted_strength(ready.likelihood, ready.data), groups)


def normsys(name: str, size: float) -> dict[str, Any]:
    return {"name": name, "type": "normsys", "data": {"hi": 1 + size, "lo": 1 - size}}


def test_in_one_bin_each_group_adds_its_own_size_over_the_signal() -> None:
    # 200 of signal on 10,000 events: statistics 1/2, and 1 %, 2 % of the background are 1/2 and 1.
    spec = workspace([200.0], [10_000.0], [10_000.0], normsys("a_1", 0.01), normsys("b", 0.02))
    found = {it.group: it for it in found_in(spec, {"a": ["a*"], "both": ["a_1", "b"]}).parts}
    expected = {
        "total": math.sqrt(1.5), "statistical": 0.5, "systematic": math.sqrt(1.25), "a": 0.5, "both": math.sqrt(1.25),
    }  # fmt: skip
    for name, size in expected.items():
        part = found[name]
        assert part.uncertainty == pytest.approx(size, rel=0.01)
        assert part.up == pytest.approx(size, rel=0.05)
        assert part.down == pytest.approx(-size, rel=0.05)
    assert [found[name].n_parameters for name in expected] == [2, 0, 2, 1, 2]


def test_a_group_adds_what_minuit_loses_with_it_fixed() -> None:
    free = {"name": "norm", "type": "normfactor", "data": None}
    bins = {"name": "bins", "type": "shapesys", "data": [8, 3, 5]}
    spec = workspace([5, 9, 14], [80, 60, 44], [90, 72, 60], normsys("scale", 0.1), bins, free)
    found = {it.group: it.uncertainty for it in found_in(spec, {"bins": ["bins"], "free": ["norm"]}).parts}
    minuit = minuit_of_pyhf(spec)
    total = minuit.errors["mu"]
    assert found["total"] == pytest.approx(total, rel=2e-3)
    for group, names in {"bins": [f"bins[{i}]" for i in range(3)], "free": ["norm"]}.items():
        fixed = minuit_of_pyhf(spec)
        for name in names:
            fixed.fixed[name] = True
            fixed.values[name] = minuit.values[name]
        fixed.migrad()
        fixed.hesse()
        assert found[group] == pytest.approx(math.sqrt(total**2 - fixed.errors["mu"] ** 2), rel=1e-2)


def test_a_group_of_no_fitted_parameter_is_refused_with_the_names_that_there_are() -> None:
    spec = workspace([5.0], [50.0], [55.0], normsys("scale", 0.1))
    for pattern in ("scael", "mu"):
        with pytest.raises(InputError, match=rf"no nuisance parameter that is fitted is called '{pattern}'.*'scale'"):
            found_in(spec, {"it": [pattern]})


def test_the_plot_has_a_bar_from_side_to_side_of_each_part() -> None:
    found = found_in(workspace([20.0], [100.0], [120.0], normsys("scale", 0.1)), {"scale": ["scale"]})
    axes = draw_breakdown(found).axes[0]
    assert [it.get_text() for it in axes.get_yticklabels()] == [part.group for part in found.parts][::-1]
    patches: Any = axes.patches
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in patches]
    assert bars == [pytest.approx((part.down, part.up)) for part in found.parts[::-1]]
