"""From events and histograms written by hand to templates whose yields are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boost_histogram as bh
import numpy as np
import pytest
import uproot

from simmorph.config.documents import Document, validate
from simmorph.config.limits import LimitsRecipe
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.errors import ConfigError, InputError
from simmorph.limits.modifiers.histosys import HistoSys
from simmorph.limits.modifiers.normfactor import NormFactor
from simmorph.limits.modifiers.normsys import NormSys
from simmorph.limits.templates.observable import Defaults
from simmorph.limits.templates.reader import Reader
from simmorph.limits.templates.reading import read_channels, read_templates

if TYPE_CHECKING:
    from pathlib import Path

    from simmorph.config.limits import LimitsSettings
    from simmorph.limits.templates.sample import Sample, Templates

    Content = dict[str, Any]

BINS = {"edges": [0, 1, 2, 3, 4]}
WEIGHTED = Defaults("events", "weight")


def write(path: Path, **columns: list[float]) -> str:
    with create_ntuple(path, "events") as file:
        file.extend({name: np.array(column) for name, column in columns.items()})
    return str(path)


def events(path: Path, counts: list[int], weight: float = 1.0, **columns: list[float]) -> str:
    """So many events in the middle of each bin of width 1 from 0 on."""
    x = np.repeat(np.arange(len(counts)) + 0.5, counts).tolist()
    return write(path, x=x, weight=[weight] * len(x), **columns)


@pytest.fixture
def content(tmp_path: Path) -> Content:
    """Signal 0, 3, 6, 0 events, background 12, 8, 4, 8, data 30, 26, 21, 10; sidebands left and right."""
    return {
        "observable": "x",
        "binning": BINS,
        "exclude": [1.0, 3.0],
        "signal": {"input": events(tmp_path / "signal.root", [0, 6, 12, 0], 0.5)},
        "background": {"input": events(tmp_path / "background.root", [6, 4, 2, 4], 2.0)},
        "data": {"input": events(tmp_path / "data.root", [30, 26, 21, 10], -7.0)},
    }


def settings_of(content: Content, **changes: Any) -> LimitsSettings:
    """The settings with some keys changed, those of the background among them, and those left out that are None."""
    background = content["background"] | changes.pop("background", {})
    merged = {
        key: value for key, value in (content | {"background": background} | changes).items() if value is not None
    }
    return validate(Document("recipe", {"limits": merged}), LimitsRecipe).limits


def read(content: Content, **changes: Any) -> tuple[Templates, list[str]]:
    """The templates, and what was said while they were read."""
    said: list[str] = []
    return read_templates(settings_of(content, **changes), WEIGHTED, said.append), said


def background_of(templates: Templates) -> Sample:
    (found,) = (sample for sample in templates.samples if not sample.is_signal)
    return found


def named(sample: Sample, name: str) -> Any:
    """The modifier of this name."""
    (found,) = (modifier for modifier in sample.modifiers if modifier.name == name)
    return found


def test_yields_are_sums_of_weights_and_data_count_one_each(content: Content) -> None:
    templates, _ = read(content)
    signal, background = templates.samples
    assert (signal.is_signal, background.is_signal) == (True, False)
    assert signal.histogram.values.tolist() == [0.0, 3.0, 6.0, 0.0]
    assert background.histogram.values.tolist() == [12.0, 8.0, 4.0, 8.0]
    assert background.histogram.variances.tolist() == [24.0, 16.0, 8.0, 16.0]
    assert templates.data.values.tolist() == templates.data.variances.tolist() == [30.0, 26.0, 21.0, 10.0]
    assert not templates.is_asimov
    assert templates.used.all()


@pytest.mark.parametrize("strength", [0.0, 1.5])
def test_without_data_the_expected_ones_are_the_sum_of_the_samples(content: Content, strength: float) -> None:
    templates, _ = read(content, data=None, exclude=None, asimov=strength)
    expected = np.array([12.0, 8.0, 4.0, 8.0]) + strength * np.array([0.0, 3.0, 6.0, 0.0])
    assert templates.data.values.tolist() == templates.data.variances.tolist() == expected.tolist()
    assert templates.is_asimov


def test_expected_data_take_the_place_of_the_observed_ones(content: Content) -> None:
    templates, said = read(content, exclude=None, asimov=1.0)
    assert templates.data.values.tolist() == templates.data.variances.tolist() == [12.0, 11.0, 10.0, 8.0]
    assert templates.is_asimov
    assert not any(line.startswith("data:") for line in said)


def test_small_uncertainties_are_left_out_and_listed(content: Content) -> None:
    systematics = [
        {"name": "small", "type": "normsys", "samples": "background", "size": 0.0005},
        {"name": "large", "type": "normsys", "samples": ["signal", "background"], "size": 0.05},
    ]
    templates, _ = read(content, systematics=systematics, prune={"normalisation": 0.001})
    names = [{it.name for it in sample.modifiers} for sample in templates.samples]
    assert names == [{"large", "signal_statistics"}, {"large", "background_statistics"}]
    assert templates.left_out == {"small of background": "left out: 0.0005 of the sum"}


def test_expected_data_take_the_place_of_the_window_where_sidebands_are_needed(content: Content) -> None:
    templates, said = read(content, background={"normalise": "sidebands"}, asimov=0.5)
    assert templates.data.values.tolist() == [30.0, 16.0 + 1.5, 8.0 + 3.0, 10.0]
    assert not any(line.startswith("data:") for line in said)


def test_expected_data_have_the_strength_of_interest_and_all_others_at_1(content: Content) -> None:
    signals = [content["signal"] | {"parameter": "mu_a"}, content["signal"] | {"name": "b", "parameter": "mu_b"}]
    changes = {"exclude": None, "data": None, "asimov": 2.0}
    for poi in ("mu_a", "mu_b"):
        templates, _ = read(content, signal=signals, of_interest=poi, **changes)
        assert templates.data.values.tolist() == [12.0, 8.0 + 9.0, 4.0 + 18.0, 8.0]
        assert [it.strength for it in templates.samples] == ["mu_a", "mu_b", ""]
    free = {"background": {"normalise": "free"}, "of_interest": "background_norm"}
    templates, _ = read(content, **free, **changes)
    assert templates.data.values.tolist() == [24.0, 16.0 + 3.0, 8.0 + 6.0, 16.0]


def test_blinded_settings_have_no_data_unless_sidebands_need_them(content: Content) -> None:
    channels = {"near": {}, "far": {"data": content["data"]}}
    for kind in ({}, {"channels": channels}):
        blinded = settings_of(content, exclude=None, asimov=0.0, **kind).blinded()
        assert [it.data for it in blinded.by_channel().values()] == [None] * max(1, len(kind.get("channels", {})))
    kept = settings_of(content, background={"normalise": "sidebands"}, asimov=0.0)
    assert kept.blinded() == kept
    assert settings_of(content).blinded().data is not None


@pytest.mark.parametrize("statistics", [True, False])
def test_sidebands_scale_the_template_and_their_statistics_are_its_uncertainty(
    content: Content, statistics: bool
) -> None:
    templates, said = read(content, background={"normalise": "sidebands"}, statistics=statistics)
    background = background_of(templates)
    scale = (30 + 10) / (12 + 8)
    assert background.histogram.values.tolist() == [12 * scale, 8 * scale, 4 * scale, 8 * scale]
    assert templates.used.tolist() == [False, True, True, False]
    variance = 1 / 40 + (40 / 20**2 if statistics else 0.0)
    assert named(background, "background_sidebands").hi == pytest.approx(1 + np.sqrt(variance))
    assert named(background, "background_sidebands").lo == pytest.approx(1 - np.sqrt(variance))
    assert any("scaled by 2 to the 40 events in the sidebands" in line for line in said)
    assert len(background.modifiers) == (2 if statistics else 1)


def test_statistics_scale_along_with_the_sidebands(content: Content) -> None:
    templates, _ = read(content, background={"normalise": "sidebands"})
    found = named(background_of(templates), "background_statistics")
    np.testing.assert_allclose(found.uncertainties, 2 * np.sqrt([24.0, 16.0, 8.0, 16.0]))


def test_sidebands_without_events_are_refused(content: Content, tmp_path: Path) -> None:
    data = {"input": events(tmp_path / "empty.root", [0, 5, 5, 0])}
    with pytest.raises(InputError, match="no events in the sidebands to normalise to"):
        read(content, data=data, background={"normalise": "sidebands"})


def test_a_free_normalisation_keeps_the_yields_and_adds_one_factor(content: Content) -> None:
    background = background_of(read(content, background={"normalise": "free"})[0])
    assert background.histogram.values.tolist() == [12.0, 8.0, 4.0, 8.0]
    assert isinstance(named(background, "background_norm"), NormFactor)


def test_a_curve_takes_its_yields_from_the_sidebands_alone(content: Content, tmp_path: Path) -> None:
    truth = [800, 400, 200, 100, 50, 25]  # halves from bin to bin: an exponential, exactly
    data = {"input": events(tmp_path / "curve.root", [*truth[:2], 990, 880, *truth[4:]])}
    binning, exclude = {"range": [0, 6], "bins": 6}, [2.0, 4.0]
    content = {key: value for key, value in content.items() if key != "background"}
    curve = {"fit": "exp_polynomial", "order": 1}
    templates, _ = read(content | {"background": curve}, data=data, binning=binning, exclude=exclude)
    background = background_of(templates)
    assert background.histogram.values == pytest.approx(truth, rel=1e-3)
    assert [it.name for it in background.modifiers] == ["background_fit_1", "background_fit_2"]
    assert templates.used.tolist() == [False, False, True, True, False, False]
    shifts = np.array([it.up - background.histogram.values for it in background.modifiers if isinstance(it, HistoSys)])
    np.testing.assert_allclose(np.sum(shifts**2, axis=0), background.histogram.variances, rtol=1e-9)


def test_a_region_leaves_events_out_and_one_that_is_not_a_number_does_not_pass(
    content: Content, tmp_path: Path
) -> None:
    cut = write(tmp_path / "cut.root", x=[0.5, 0.5, 1.5, 2.5], weight=[1.0] * 4, quality=[1.0, 0.0, np.nan, 3.0])
    background = {"input": cut, "region": "quality > 0.5"}
    assert background_of(read(content, background=background)[0]).histogram.values.tolist() == [1.0, 0.0, 1.0, 0.0]


def test_files_scale_and_the_upper_edge_add_up(content: Content, tmp_path: Path) -> None:
    other = write(tmp_path / "other.root", x=[4.0, 4.1, -0.1, 0.0], weight=[3.0, 100.0, 100.0, 5.0])
    background = {"input": [content["background"]["input"], other], "scale": 10.0}
    found = background_of(read(content, background=background)[0]).histogram
    assert found.values.tolist() == [170.0, 80.0, 40.0, 110.0]
    assert found.variances.tolist() == [4900.0, 1600.0, 800.0, 2500.0]


def test_a_negative_bin_is_refused_or_set_to_nothing_with_a_word(content: Content, tmp_path: Path) -> None:
    columns = {"x": [0.5, 0.5, 1.5, 2.5], "weight": [1.0, -3.0, 4.0, -0.5]}
    background = {"input": write(tmp_path / "negative.root", **columns)}
    with pytest.raises(InputError, match=r"the expected yield in bin 1 \(0 to 1\) is -2"):
        read(content, background=background)
    templates, said = read(content, background=background | {"negative_bins": "zero"})
    found = background_of(templates).histogram
    assert found.values.tolist() == [0.0, 4.0, 0.0, 0.0]
    assert found.variances.tolist() == [10.0, 16.0, 0.25, 0.0]
    assert "background: 2 bins with -2.5 events in all are set to 0" in said


def test_a_weight_that_is_not_a_number_is_refused_inside_the_range_alone(content: Content, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside.root", x=[0.5, 9.0], weight=[1.0, np.nan])
    assert background_of(read(content, background={"input": outside})[0]).histogram.values.sum() == 1
    inside = write(tmp_path / "inside.root", x=[0.5, 0.6], weight=[1.0, np.nan])
    with pytest.raises(InputError, match="1 event weights are not finite"):
        read(content, background={"input": inside})


def test_histograms_bring_yields_variances_and_bins(tmp_path: Path) -> None:
    edges, inputs = np.array([100.0, 110.0, 130.0]), {}
    for name, values in (("signal", [1.0, 4.0]), ("background", [50.0, 60.0]), ("data", [52.0, 61.0])):
        inputs[name] = {"input": str(tmp_path / f"{name}.root")}
        with uproot.recreate(inputs[name]["input"]) as file:
            file["mass"] = (np.array(values), edges)
    templates, _ = read(inputs, histogram="mass")
    signal, background = (sample.histogram for sample in templates.samples)
    assert signal.values.tolist() == [1.0, 4.0]
    assert background.values.tolist() == background.variances.tolist() == [50.0, 60.0]
    assert templates.data.edges.tolist() == edges.tolist()


def test_samples_of_other_bins_are_refused(content: Content, tmp_path: Path) -> None:
    path = str(tmp_path / "other.root")
    with uproot.recreate(path) as file:
        file["mass"] = (np.array([5.0, 6.0]), np.array([0.0, 2.0, 4.0]))
    with pytest.raises(InputError, match="its bins differ"):
        read(content, background={"input": path, "histogram": "mass"})


def test_a_systematic_acts_on_the_samples_that_it_names(content: Content, tmp_path: Path) -> None:
    up = events(tmp_path / "up.root", [7, 4, 2, 4], 2.0)
    systematics = [
        {"name": "norm", "type": "normsys", "samples": ["signal", "background"], "size": 0.1},
        {"name": "shape", "type": "histosys", "samples": "background", "up": {"input": up}, "down": {"weight": "x"}},
    ]
    signal, background = read(content, systematics=systematics)[0].samples
    assert [it.name for it in signal.modifiers] == ["norm", "signal_statistics"]
    assert [it.name for it in background.modifiers] == ["norm", "shape", "background_statistics"]
    assert named(background, "norm") == NormSys("norm", 1.1, 0.9)
    assert named(background, "shape").up.tolist() == [14.0, 8.0, 4.0, 8.0]
    assert named(background, "shape").down.tolist() == [3.0, 6.0, 5.0, 14.0]


def test_what_was_learnt_from_few_events_is_no_better_known_than_these(content: Content) -> None:
    plain, floored = (
        background_of(read(content, background=changes)[0])
        for changes in ({}, {"training_events": 4.0, "normalise": "free"})
    )
    np.testing.assert_allclose(floored.histogram.variances, plain.histogram.variances * (1 + 16 / 4))
    found = named(floored, "background_statistics").uncertainties
    np.testing.assert_allclose(found**2, floored.histogram.variances)


def test_replicas_vary_the_template_by_their_spread(content: Content, tmp_path: Path) -> None:
    factors = (0.8, 1.0, 1.2)
    replicas = [events(tmp_path / f"replica{i}.root", [6, 4, 2, 4], 2 * it) for i, it in enumerate(factors)]
    background = {"replicas": replicas, "normalise": "weights", "morphed": False}
    templates, said = read(content, background=background)
    found = background_of(templates)
    assert [it.values.tolist() for it in found.replicas] == [
        pytest.approx([12 * it, 8 * it, 4 * it, 8 * it]) for it in factors
    ]
    assert any("from 3 replicas; fewer than 10 say little of their spread" in line for line in said)
    assert found.spread is not None
    assert not found.spread.shape_only


def test_one_replica_has_no_spread(content: Content) -> None:
    with pytest.raises(InputError, match="one file is too few for a spread"):
        read(content, background={"replicas": content["background"]["input"]})


def test_the_truth_has_the_shape_of_the_closure_events_and_the_sum_of_the_template(
    content: Content, tmp_path: Path
) -> None:
    closure = events(tmp_path / "closure.root", [1, 1, 1, 1], 5.0)
    truth = background_of(read(content, background={"closure": closure})[0]).truth
    assert truth is not None
    assert truth.tolist() == [8.0] * 4


def test_the_first_events_alone_are_taken_where_a_scan_asks_for_them(content: Content) -> None:
    settings = settings_of(content)
    found = Reader(settings, WEIGHTED, lambda _: None).generated(settings.background[0], first=8)
    assert found.histogram.values.tolist() == [12.0, 4.0, 0.0, 0.0]


def test_channels_cut_the_same_files_apart_and_name_their_statistics(content: Content) -> None:
    binnings = {"low": {"edges": [0, 1, 2]}, "high": {"edges": [2, 3, 4]}}
    channels = {name: {"binning": binning, "tree": "events"} for name, binning in binnings.items()}
    settings = settings_of(content, channels=channels, exclude=None)
    said: list[str] = []
    found = read_channels(settings, Defaults("another tree", "weight"), said.append)
    assert {name: background_of(it).histogram.values.tolist() for name, it in found.items()} == {
        "low": [12.0, 8.0],
        "high": [4.0, 8.0],
    }
    assert [it.name for it in background_of(found["low"]).modifiers] == ["background_statistics_low"]
    assert "channel high:" in said


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"binning": None}, "key 'binning' is missing"),
        ({"observable": None}, "key 'observable' is missing"),
        ({"exclude": [7.0, 9.0], "background": {"normalise": "sidebands"}}, "exclude holds no bin of the observable"),
        ({"observable": "x +"}, "limits, observable of signal"),
    ],
)
def test_a_mistake_in_the_settings_is_named(content: Content, changes: Content, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read(content, **changes)


def test_a_curve_has_no_events_that_could_differ(content: Content, tmp_path: Path) -> None:
    other = {"weight": "other"}
    shape = {"name": "shape", "type": "histosys", "samples": "background", "up": other, "down": other}
    changed = {"background": {"fit": "exp_polynomial", "order": 1}, "systematics": [shape]}
    data = {"input": events(tmp_path / "curve.root", [80, 40, 20, 10])}
    with pytest.raises(ConfigError, match="'weight' cannot differ in 'background', which is a curve"):
        read({key: value for key, value in content.items() if key != "background"} | changed, data=data, exclude=[1, 2])


def test_events_in_no_bin_are_counted_and_weighed(content: Content, tmp_path: Path) -> None:
    x = [0.5, 2.5, -1.0, 4.0, 4.5, 9.0, np.nan, np.inf]
    odd = write(tmp_path / "odd.root", x=x, weight=[1.0, 1.0, 2.0, 1.0, 3.0, -1.0, 0.5, 0.25])
    shifted = {"name": "scale", "samples": "background", "up": {"input": odd}, "down": {"input": odd}}
    templates, said = read(
        content,
        exclude=None,
        background={"input": odd, "scale": 2.0, "name": "odd"},
        systematics=[{**shifted, "samples": "odd", "type": "histosys"}],
    )
    outside = templates.outside["odd"]
    assert outside.below == (1, 4.0)
    assert outside.above == (2, 4.0)
    assert outside.not_finite == (2, 1.5)
    assert set(templates.outside) == {"signal", "odd", "data"}
    assert templates.outside["data"] == ((0, 0.0),) * 3
    line = "odd: 6 events in range; outside, with sums of weights: 1 below (4), 2 above (4), 2 not finite (1.5)"
    assert said.count(line) == 1
    np.testing.assert_allclose(background_of(templates).histogram.values, [2, 0, 2, 2])


def test_events_that_are_there_twice_are_told(content: Content, tmp_path: Path) -> None:
    numbers = {"run": [1.0] * 16, "event": [float(it) for it in range(16)]}
    paths = [events(tmp_path / name, [6, 4, 2, 4], 2.0, **numbers) for name in ("one.root", "copy.root")]
    templates, _ = read(content, background={"input": paths})
    assert templates.remarks == (
        f"background: 16 events are there twice, by run and event number, in {paths[1]}: is a file a copy?",
    )
    assert read(content, background={"input": paths[0]})[0].remarks == ()


def test_underflow_and_overflow_of_a_histogram_are_told(content: Content, tmp_path: Path) -> None:
    path = tmp_path / "histogram.root"
    with uproot.recreate(path) as file:
        file["m"] = np.array([6.0, 4.0, 2.0, 4.0]), np.array([0.0, 1.0, 2.0, 3.0, 4.0])
        whole = bh.Histogram(bh.axis.Variable([0, 1, 2, 3, 4]), storage=bh.storage.Weight())
        whole.fill([-1.0, 0.5, 1.5, 2.5, 3.5, 9.0], weight=[2.0, 6.0, 4.0, 2.0, 4.0, 3.0])
        file["flow"] = whole
    templates, said = read(content, background={"input": [str(path)], "histogram": "flow", "observable": None})
    assert templates.outside["background"] == ((None, 2.0), (None, 3.0), (0, 0.0))
    assert "background: 16 events in range; outside, with sums of weights: 2 below, 3 above" in said
    np.testing.assert_allclose(background_of(templates).histogram.values, [6, 4, 2, 4])
    clean, said = read(content, background={"input": [str(path)], "histogram": "m", "observable": None})
    assert clean.outside["background"].to_text() == ""
