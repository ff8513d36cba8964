"""Cards of CMS Combine, against the numbers in its documentation and its formulas, written out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import boost_histogram as bh
import numpy as np
import pytest
import uproot
from scipy.optimize import minimize
from scipy.stats import norm, poisson

from simmorph.errors import InputError
from simmorph.limits.fits.inference import AsymptoticCls, upper_limits
from simmorph.limits.formats.reading import read_model
from simmorph.limits.model.workspace import measurement_of
from tests.limits.model.test_interpolation import combine_factor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from simmorph.limits.model.workspace import Measurement

REALISTIC = """
# a search for H -> WW with four processes
imax 1
jmax 3
kmax 5
------------
bin bin1
observation 0
------------
bin      bin1  bin1  bin1  bin1
process  ggH   qqWW  ggWW  others
process  0     1     2     3
rate     1.47  0.64  0.06  0.22
------------
lumi      lnN 1.11  -    1.11 -     luminosity
xs_ggH    lnN 1.16  -    -    -
WW_norm   gmN 4  -  0.16 -    -     # four events in the sideband
xs_ggWW   lnN -     -    1.50 -
bg_others lnN -     -    -    1.30
"""
COUNTING = """
imax 2
jmax 1
kmax *
bin a b
observation 12 30
bin a a b b
process signal other signal other
process 0 1 0 1
rate 4 9.5 6 26
size lnN 1.1 0.9/1.3 - 1.05
free rateParam b other 1.2 [0.1,4]
all group = size
"""


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], Measurement]:
    """A card, ready to be fitted."""

    def measurement(text: str) -> Measurement:
        (tmp_path / "card.txt").write_text(text)
        found = read_model(str(tmp_path / "card.txt"))
        return measurement_of(found.spec, found.name, interpolation=found.interpolated(None))

    return measurement


def point(ready: Measurement, values: Mapping[str, float]) -> Any:
    """Parameters, the nominal ones where they are not given."""
    names = ready.likelihood.model.config.par_names
    return np.array([values.get(name, start) for name, start in zip(names, ready.likelihood.start, strict=True)])


def assert_differences(ready: Measurement, deviance: Callable[[dict[str, float]], float], points: Any) -> None:
    """Compare the deviance with another one, up to a constant."""
    start = ready.likelihood.deviance(point(ready, {}), ready.data) - deviance({})
    for values in points:
        found = ready.likelihood.deviance(point(ready, values), ready.data)
        assert found - deviance(values) == pytest.approx(start, abs=1e-9)


def test_the_limits_of_the_tutorial_are_those_in_combines_documentation(read: Callable[[str], Measurement]) -> None:
    ready = read(REALISTIC)
    limits = upper_limits(AsymptoticCls(ready.likelihood, ready.data))
    # The documentation quotes the quantiles .16, .5 and .84 to a relative accuracy of half a percent.
    assert limits.observed == pytest.approx(1.6281, rel=2e-3)
    assert limits.expected[1:4] == pytest.approx([1.4329, 2.3281, 3.9800], rel=5e-3)


@pytest.mark.parametrize(("n", "s", "b"), [(0, 3.0, 1.5), (7, 3.0, 5.0), (40, 10.0, 31.0)])
def test_a_card_without_uncertainties_has_the_limit_of_a_single_count(
    n: int, s: float, b: float, read: Callable[[str], Measurement]
) -> None:
    text = f"imax 1\nbin a\nobservation {n}\nbin a a\nprocess s b\nprocess 0 1\nrate {s} {b}\n"
    ready = read(text)
    limit = upper_limits(AsymptoticCls(ready.likelihood, ready.data)).observed

    def q(mu: float, counts: float) -> float:
        best = min(max(counts, b), mu * s + b)
        return 2 * (mu * s + b - best - (counts * math.log((mu * s + b) / best) if counts else 0))

    observed, asimov = q(limit, n), q(limit, b)
    sigma = math.sqrt(asimov)
    root, behind = math.sqrt(observed), (observed + asimov) / (2 * sigma)
    if observed <= asimov:
        above, below = norm.sf(root), norm.sf(root - sigma)
    else:
        above, below = norm.sf(behind), norm.sf((observed - asimov) / (2 * sigma))
    assert above / below == pytest.approx(0.05, abs=1e-5)


def test_a_card_of_counts_has_the_likelihood_of_combine(read: Callable[[str], Measurement]) -> None:
    def deviance(values: dict[str, float]) -> float:
        r, size, free = (values.get(name, start) for name, start in (("r", 1), ("size", 0), ("free", 1.2)))
        a = r * 4 * 1.1**size + 9.5 * combine_factor(size, 0.9, 1.3)
        b = r * 6 + free * 26 * 1.05**size
        return -2 * float(poisson.logpmf(12, a) + poisson.logpmf(30, b) + norm.logpdf(size))

    ready = read(COUNTING)
    grid = [
        {"r": r, "size": x, "free": f} for r in (0.0, 2.5) for x in (-1.7, -0.5, -0.3, 0.2, 1.4) for f in (0.4, 1.9)
    ]
    assert_differences(ready, deviance, grid)
    config = ready.likelihood.model.config
    assert config.suggested_bounds()[config.par_slice("free").start] == [0.1, 4.0]
    assert (config.poi_name, "all" in config.par_names) == ("r", False)


@pytest.mark.parametrize("counted", [0, 4])
def test_a_gmn_is_a_count_in_a_sideband(counted: int, read: Callable[[str], Measurement]) -> None:
    text = REALISTIC.replace("gmN 4", f"gmN {counted}").replace("observation 0", "observation 2")
    ready = read(text)

    def deviance(values: dict[str, float]) -> float:
        r, factor, lumi = (values.get(name, 1.0 if name == "r" else 0.0) for name in ("r", "WW_norm", "lumi"))
        factor = values.get("WW_norm", min(1.0, counted))
        events = factor * max(1, counted)
        total = 1.47 * r * 1.11**lumi + 0.16 * events + 0.06 * 1.11**lumi + 0.22
        return -2 * float(poisson.logpmf(2, total) + poisson.logpmf(counted, events) + norm.logpdf(lumi))

    grid = [{"r": r, "WW_norm": f, "lumi": x} for r in (0.1, 2) for f in (0.3, 1.6) for x in (-1, 1)]
    assert_differences(ready, deviance, grid)


EDGES = np.array([0.0, 10, 20, 40])
SHAPES = """
imax 1
jmax 2
kmax *
shapes * * input.root $CHANNEL/$PROCESS $CHANNEL/$PROCESS_$SYSTEMATIC
shapes data_obs * input.root $CHANNEL/$PROCESS
bin region
observation -1
bin region region region
process sig top fake
process 0 1 2
rate 12.5 -1 40
scale shape 1 1 -
tilt  shape - 1 1
lumi  lnN 1.02 1.02 -
"""
BOTH = """
imax 2
jmax 2
kmax *
shapes * * input.root $CHANNEL/$PROCESS $CHANNEL/$PROCESS_$SYSTEMATIC
shapes * side FAKE
bin region side
observation -1 17
bin region region region side
process sig top fake top
process 0 1 2 1
rate 12.5 -1 40 16
tilt shape - 1 1 -
"""
TEMPLATES: dict[str, Sequence[float]] = {
    "data_obs": [44, 52, 30],
    "sig": [3.125, 6.25, 3.125],
    "sig_scaleUp": [3.1, 6.9, 3.8],
    "sig_scaleDown": [3.4, 5.8, 2.7],
    "top": [30.0, 20.0, 10.0],
    "top_scaleUp": [31.0, 23.0, 10.5],
    "top_scaleDown": [30.0, 18.0, 9.0],
    "top_tiltUp": [33.0, 20.0, 7.0],
    "top_tiltDown": [28.0, 20.0, 12.0],
    "fake": [10.0, 20.0, 10.0],
    "fake_tiltUp": [8.0, 20.0, 12.02],
    "fake_tiltDown": [12.0, 20.0, 7.99],
}
ERRORS = {"sig": [0.1, 0.2, 0.1], "top": [3.0, 2.5, 2.0], "fake": [1.0, 2.0, 5.5]}


@pytest.fixture
def histograms(tmp_path: Path) -> Callable[..., None]:
    """Writes the histograms, with others in place of some."""

    def write(**others: Sequence[float]) -> None:
        with uproot.recreate(tmp_path / "input.root") as file:
            for name, values in (TEMPLATES | others).items():
                its = bh.Histogram(bh.axis.Variable(EDGES), storage=bh.storage.Weight())
                errors = ERRORS.get(name, np.sqrt(np.abs(values)))
                its[...] = np.stack([values, np.square(errors)], axis=1)
                file[f"region/{name}"] = its

    return write


def morphed(process: str, values: Mapping[str, float], rate: float) -> Any:
    """The yields of a process as Combine morphs it: shapes of one area, and the area apart, scalar by scalar."""
    nominal = np.array(TEMPLATES[process])
    shape, factor = nominal / nominal.sum(), rate
    for name in ("scale", "tilt"):
        x = values.get(name, 0.0)
        if f"{process}_{name}Up" in TEMPLATES:
            up, down = (np.array(TEMPLATES[f"{process}_{name}{side}"]) for side in ("Up", "Down"))
            step = x * (3 * x**4 - 10 * x**2 + 15) / 8 if abs(x) < 1 else math.copysign(1, x)
            unit = nominal / nominal.sum()
            high, low = up / up.sum() - unit, down / down.sum() - unit
            shape = shape + x / 2 * ((high - low) + step * (high + low))
            ratios = [float(it.sum() / nominal.sum()) for it in (down, up)]
            if any(abs(ratio - 1) >= 1e-3 for ratio in ratios):
                factor *= combine_factor(x, *ratios)
    return factor * shape


def expected(values: Mapping[str, float]) -> dict[str, Any]:
    lumi = 1.02 ** values.get("lumi", 0.0)
    rates = {"sig": 12.5 * values.get("r", 1.0) * lumi, "top": 60 * lumi, "fake": 40}
    return {process: morphed(process, values, rate) for process, rate in rates.items()}


def test_shapes_have_the_likelihood_of_combine(
    read: Callable[[str], Measurement], histograms: Callable[..., None]
) -> None:
    histograms()

    def deviance(values: dict[str, float]) -> float:
        total = sum(expected(values).values())
        pulls = sum(norm.logpdf(values.get(name, 0.0)) for name in ("scale", "tilt", "lumi"))
        return -2 * float(np.sum(poisson.logpmf(TEMPLATES["data_obs"], total)) + pulls)

    rng = np.random.default_rng(1)
    points = [{"r": abs(r), "scale": s, "tilt": t, "lumi": x} for r, s, t, x in rng.normal(0, 1.3, (20, 4))]
    assert_differences(read(SHAPES), deviance, points)


@pytest.mark.parametrize(("threshold", "n_poisson"), [(0, 0), (40, 2), (400, 4)])
def test_automatic_statistics_have_the_profiled_likelihood_of_combine(
    threshold: int, n_poisson: int, read: Callable[[str], Measurement], histograms: Callable[..., None]
) -> None:
    """One parameter for a bin in Combine, one for each process here: the same once they are at their best."""
    histograms()
    text = "\n".join(line for line in SHAPES.splitlines() if " shape " not in line)
    ready = read(f"{text}\n* autoMCStats {threshold}\n")
    errors = {name: np.array(its) for name, its in ERRORS.items()}
    unscaled = {name: np.array(TEMPLATES[name]) for name in ERRORS}

    def profiled(r: float) -> float:
        nominal, size = ({**its, "sig": r * its["sig"]} for its in (unscaled, errors))
        return sum(bin_deviance(i, nominal, size) for i in range(3))

    def bin_deviance(i: int, nominal: dict[str, Any], size: dict[str, Any]) -> float:
        background = nominal["top"][i] + nominal["fake"][i]
        events = int(0.5 + background**2 / (errors["top"][i] ** 2 + errors["fake"][i] ** 2))
        total, n = sum(its[i] for its in nominal.values()), TEMPLATES["data_obs"][i]
        if events > threshold:
            spread = math.sqrt(sum(its[i] ** 2 for its in size.values()))
            return lowest(lambda x: -2 * (poisson.logpmf(n, total + x[0] * spread) + norm.logpdf(x[0])), [0.0])
        kinds = {}
        for name, its in unscaled.items():
            own = int(0.5 + (its[i] / errors[name][i]) ** 2)
            kinds[name] = own if own <= threshold and its[i] >= errors[name][i] else 0

        def value(x: Any) -> float:
            mean, pulls = 0.0, 0.0
            for (name, own), it in zip(kinds.items(), x, strict=True):
                mean += nominal[name][i] * it if own else nominal[name][i] + it * size[name][i]
                pulls += own * it - own * math.log(own * it) if own else it**2 / 2
            return float(-2 * poisson.logpmf(n, mean) + 2 * pulls)

        return lowest(value, [1.0 if own else 0.0 for own in kinds.values()])

    def lowest(value: Callable[[Any], float], start: list[float]) -> float:
        options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 9999}
        return float(minimize(value, start, method="Nelder-Mead", options=options).fun)

    lumi = ready.likelihood.model.config.par_slice("lumi").start
    found = [ready.likelihood.fit(ready.data, poi=r, fixed={lumi: 0.0}).deviance for r in (0.4, 1.0, 3.0)]
    wanted = [profiled(r) for r in (0.4, 1.0, 3.0)]
    assert np.diff(found) == pytest.approx(np.diff(wanted), abs=1e-6)
    kinds = [it["type"] for s in ready.likelihood.model.spec["channels"][0]["samples"] for it in s["modifiers"]]
    assert ("shapesys" in kinds) == bool(n_poisson)


def test_a_bin_with_an_error_and_no_yield_is_moved_by_it(
    read: Callable[[str], Measurement], histograms: Callable[..., None]
) -> None:
    histograms(top=[30.0, 30.0, 0.0], top_scaleUp=[30.0, 30.0, 1.0], top_scaleDown=[30.0, 30.0, 0.0],
               top_tiltUp=[30.0, 30.0, 0.0], top_tiltDown=[30.0, 30.0, 0.0])  # fmt: skip
    ready = read(SHAPES + "* autoMCStats 0\n")
    at, moved = (ready.likelihood.expected(point(ready, it)).main for it in ({}, {"prop_binregion_top_bin2": 1.0}))
    assert moved - at == pytest.approx([0.0, 0.0, 2.0])


def test_a_shape_that_may_be_missing_is_a_log_normal_then(
    read: Callable[[str], Measurement], histograms: Callable[..., None]
) -> None:
    histograms()
    ready = read(SHAPES + "tilt2 shape? - 1.1 -\nother shape? - 0.8/1.3 -\n")
    kinds = {it["name"]: it["type"] for it in ready.likelihood.model.spec["channels"][0]["samples"][1]["modifiers"]}
    assert (kinds["tilt2"], kinds["other"]) == ("normsys", "normsys")


def test_a_channel_may_count_beside_one_with_shapes(
    read: Callable[[str], Measurement], histograms: Callable[..., None]
) -> None:
    histograms()
    ready = read(BOTH)
    assert sorted(ready.data.main.tolist()) == [17.0, 30.0, 44.0, 52.0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rate     1.47  0.64  0.06  0.22", "", r"card\.txt: has no line `rate`; is the card whole"),
        ("0.06  0.22", "0.06", r"card\.txt:13: has 3 columns, and `bin` above has 4"),
        ("0.22", "-0.22", r"card\.txt:13: -0.22 events are expected of 'others' in 'bin1'"),
        ("1.47", "1.4.7", r"card\.txt:13: '1.4.7' is not a number"),
        ("observation 0", "observation 0 3", r"card\.txt:8: has 2 numbers for 1 channels"),
        ("bin bin1\n", "", r"card\.txt:7: stands before a line `bin`"),
        ("observation 0", "observaton 0", r"card\.txt:8: unknown line 'observaton'; did you mean 'observation'"),
        ("process  0 ", "process  4 ", r"card\.txt:12: has no signal"),
        ("process  0     1", "process  0     one", r"card\.txt:12: 'one' is not a whole number"),
        ("qqWW", "ggWW", r"card\.txt:11: names a process twice"),
        ("imax 1", "imax 2", r"card\.txt:3: imax says 2, and there are 1 channels"),
        ("bg_others lnN -     -    -    1.30\n", "", r"card\.txt:5: kmax says 5, and there are 4 .*card whole"),
        ("1.50 -", "1.50", r"card\.txt:18: has 3 columns, and `rate` has 4"),
        ("1.50", "-1.50", r"card\.txt:18: '-1.50' is no effect"),
        ("1.50", "1.5/1.2/1.1", r"card\.txt:18: '1.5/1.2/1.1' is not one effect"),
        ("gmN 4 ", "gmN 4.5 ", r"card\.txt:17: gmN needs the number"),
        ("xs_ggWW   lnN", "xs_ggWW   lnU", r"card\.txt:18: 'lnU' has no counterpart"),
        ("xs_ggWW   lnN", "xs_ggWW   trG", r"card\.txt:18: 'trG' has no counterpart"),
        ("xs_ggWW   lnN", "xs_ggWW[nofloat]   lnN", r"card\.txt:18: \[nofloat\] has no counterpart"),
        ("xs_ggWW   lnN", "WW_norm   lnN", r"card\.txt:17: 'WW_norm' is normal already"),
        ("lumi      lnN", "r         lnN", r"card\.txt:15: 'r' is the strength already"),
        ("xs_ggWW   lnN", "xs_ggWW   shape", r"card\.txt:18: 'ggWW' in 'bin1' has no histograms of variations"),
        ("kmax 5", "kmax *\nshapes * * a.root w:$PROCESS", r"card\.txt:6: 'w:\$PROCESS' is in a RooFit workspace"),
        ("kmax 5", "kmax *\nshapes * * a.root x$MASS", r"card\.txt:6: \$MASS stands for nothing that is known"),
        ("kmax 5", "kmax *\nshapes * * a.root $PROCESS", r"card\.txt:6: there is no file 'a.root'"),
        ("kmax 5", "kmax *\nshapes * b FAKE", r"card\.txt:6: no line `shapes` is for 'data_obs' in 'bin1'"),
        ("kmax 5", "kmax *\nshapes * *", r"card\.txt:6: is not `shapes PROCESS CHANNEL FILE"),
        ("observation 0", "observation -1", r"card\.txt:7: -1 events are observed in 'bin1'"),
        ("0.22\n", "-1\n", r"card\.txt:13: 'others' in 'bin1' has no histogram"),
    ],
)
def test_a_fault_is_named_with_file_and_line(
    old: str, new: str, message: str, read: Callable[[str], Measurement]
) -> None:
    assert old in REALISTIC
    with pytest.raises(InputError, match=message) as caught:
        read(REALISTIC.replace(old, new))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x rateParam a other", r"card\.txt:13: is not `NAME rateParam"),
        ("x rateParam a others 1", r"card\.txt:13: no process 'others' in a channel 'a'"),
        ("x rateParam a other (@0*2) free", r"card\.txt:13: a formula or a file"),
        ("free rateParam a other 1", r"card\.txt:13: 'free' has another value or range above"),
        ("size param 0 1", r"card\.txt:13: 'param' has no counterpart"),
        ("nuisance edit drop * * size", r"card\.txt:13: `nuisance edit` is not carried out"),
        ("* autoMCStats", r"card\.txt:13: is not `CHANNEL autoMCStats"),
        ("c autoMCStats 10", r"card\.txt:13: no channel 'c'"),
        ("* autoMCStats 10 0 2", r"card\.txt:13: the mode of autoMCStats is not 1"),
        ("size rateParam a other 1", r"card\.txt:13: 'size' is normal already"),
    ],
)
def test_a_line_below_the_rates_that_cannot_be_read_is_named(
    line: str, message: str, read: Callable[[str], Measurement]
) -> None:
    with pytest.raises(InputError, match=message):
        read(COUNTING.replace("all group", f"{line}\nall group"))


@pytest.mark.parametrize(
    "case",
    [
        ({"top": [30.0, -2.0, 10.0]}, "-1 40", "-1 40", r"card\.txt:5: histogram 'region/top' has a negative bin"),
        ({"top_tiltUp": [1.0, -2.0, 1]}, "-1 40", "-1 40", r"card\.txt:14: histogram 'region/top_tiltUp' has a neg"),
        ({}, "12.5", "14", r"card\.txt:5: histogram 'region/sig' has 12.5 events, and the card says 14"),
        ({}, "tilt  shape - 1 1", "tilt  shape 1 1 1", r"card\.txt:14: .*no histogram 'region/sig_tiltUp'"),
        ({}, "tilt  shape - 1 1", "tilt  shape - 0.5 1", r"card\.txt:14: a shape of 0.5 standard deviations"),
        ({}, "lumi  lnN 1.02 1.02", "tilt  shape - 1", r"card\.txt:15: 'tilt' moves 'top' twice"),
        ({}, " $CHANNEL/$PROCESS_$SYSTEMATIC", "", r"card\.txt:13: 'sig' in 'region' has no histograms of variations"),
    ],
)
def test_a_histogram_that_cannot_be_used_is_named_with_the_line(
    case: tuple[dict[str, Any], str, str, str], tmp_path: Path, histograms: Callable[..., None]
) -> None:
    others, old, new, message = case
    histograms(**others)
    assert old in SHAPES
    (tmp_path / "card.txt").write_text(SHAPES.replace(old, new))
    with pytest.raises(InputError, match=message):
        read_model(str(tmp_path / "card.txt"))


def test_a_gmn_whose_rate_is_another_is_said(tmp_path: Path) -> None:
    (tmp_path / "card.txt").write_text(REALISTIC.replace("0.64", "0.7"))
    (remark,) = read_model(str(tmp_path / "card.txt")).remarks
    assert "card.txt:17: 'qqWW' is 0.16 times 4 events, and not 0.7" in remark
