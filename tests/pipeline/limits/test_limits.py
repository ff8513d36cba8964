"""From ntuples and histograms to limits."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

from simmorph.config.documents import Document, validate
from simmorph.config.limits import LimitsRecipe
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.errors import ConfigError, InputError, UsageError
from simmorph.pipeline.limits.run import limits_of_recipe, load_limits_recipe
from simmorph.pipeline.limits.workspace import limits_of_workspace

if TYPE_CHECKING:
    from simmorph.pipeline.limits.result import LimitsResult

N_DATA, N_TEMPLATE, N_SIGNAL = 20_000, 200_000, 40_000
SIGNAL_EVENTS = 400.0
PLAIN = "limits: {signal: {input: a}, background: {input: b}"


def write(path: Path, **columns: np.ndarray[Any, Any]) -> str:
    with create_ntuple(path, "events") as file:
        file.extend(columns)
    return str(path)


def masses(rng: np.random.Generator, n: int) -> np.ndarray[Any, Any]:
    """A falling spectrum above 100 GeV."""
    return 100 + rng.exponential(30, n)


def energies(m_yy: np.ndarray[Any, Any], shift: float = 0.0) -> dict[str, np.ndarray[Any, Any]]:
    """Two features whose combination 2 sqrt(e1 e2) is the mass, wrong by a factor, and their right values."""
    wrong = {"e1": m_yy * (1 + shift), "e2": m_yy / 4}
    return wrong | {"e1_morphed": m_yy, "e2_morphed": m_yy / 4}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Data with one expected signal, a background template to be read morphed, and a signal with negative weights."""
    rng, folder = np.random.default_rng(5), tmp_path_factory.mktemp("ntuples")
    data = np.concatenate([masses(rng, N_DATA), rng.normal(125, 2, rng.poisson(SIGNAL_EVENTS))])
    template, signal = masses(rng, N_TEMPLATE), rng.normal(125, 2, N_SIGNAL)
    signs = np.where(rng.random(N_SIGNAL) < 0.08, -1.0, 1.0)
    weights = signs * SIGNAL_EVENTS / signs.sum()
    weight = np.full(N_TEMPLATE, 0.5 * N_DATA / N_TEMPLATE)  # half of the data: its normalisation is wrong as well
    return {
        "data": write(folder / "data.root", m_yy=data, in_signal=np.ones(len(data), bool), weight=np.zeros(len(data))),
        "template": write(
            folder / "template.root",
            m_yy=template * 1.1,
            in_signal=np.arange(N_TEMPLATE) % 2 == 0,
            weight=np.full(N_TEMPLATE, np.nan),
            weight_morphed=2 * weight,
            **energies(template, 0.2),
        ),
        "signal": write(folder / "signal.root", m_yy=signal, in_signal=np.ones(N_SIGNAL, bool), weight=weights),
    }


def recipe(samples: dict[str, str], **changes: Any) -> LimitsRecipe:
    background = {"input": samples["template"], "observable": "2 * sqrt(e1 * e2)", "morphed": True, "normalise": "free"}
    limits: dict[str, Any] = {
        "observable": "m_yy",
        "label": "m_yy [GeV]",
        "binning": {"range": [105, 160], "bins": 22},
        "region": "in_signal",
        "exclude": [118, 132],
        "signal": {"input": samples["signal"], "negative_bins": "zero"},
        "background": background | changes.pop("background", {}),
        "data": {"input": samples["data"]},
        "systematics": [{"name": "luminosity", "type": "normsys", "samples": "signal", "size": 0.017}],
    }
    content = {"weight": "weight", "limits": {key: value for key, value in (limits | changes).items() if value != {}}}
    return validate(Document("test.yaml", content), LimitsRecipe)


@pytest.fixture(scope="module")
def found(samples: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[LimitsResult, Path]:
    """The limits of the recipe as it stands, and the folder they were written to."""
    output = tmp_path_factory.mktemp("found") / "limits"
    return limits_of_recipe(recipe(samples, output=output)), output


def test_the_injected_signal_is_found_with_a_free_morphed_template(found: tuple[LimitsResult, Path]) -> None:
    result, output = found
    assert abs(result.strength.value - 1) < 2.5 * result.strength.uncertainty
    assert 0.1 < result.strength.uncertainty < 0.5
    assert result.limits.observed > 1
    written = json.loads((output / "limits.json").read_text())
    assert written == result.to_json()
    names = {path.name for path in (output).iterdir()}
    plots = {f"{plot}.{kind}" for plot in ("spectrum", "cls_scan", "correlation") for kind in ("png", "pdf", "csv")}
    assert names == plots | {
        "correlation.json", "limits.json", "workspace.json", "workspace.json.provenance.json", "hepdata",
    }  # fmt: skip
    assert (output / "spectrum.pdf").read_bytes().startswith(b"%PDF")


def test_the_submission_to_hepdata_has_every_table(found: tuple[LimitsResult, Path]) -> None:
    result, output = found
    head, *tables = yaml.safe_load_all((output / "hepdata" / "submission.yaml").read_text())
    assert "CLs" in head["comment"]
    assert [table["name"] for table in tables] == ["limits", "cls_scan", "spectrum"]
    content = {it["name"]: yaml.safe_load((output / "hepdata" / it["data_file"]).read_text()) for it in tables}
    limits = [it["value"] for it in content["limits"]["dependent_variables"][0]["values"]]
    assert limits == [result.limits.observed, *result.limits.expected]
    for table in content.values():
        rows = [len(it["values"]) for key in ("independent_variables", "dependent_variables") for it in table[key]]
        assert len(set(rows)) == 1
    first, *_, last = content["cls_scan"]["dependent_variables"][1]["values"]
    assert first == {"value": 1.0}
    assert last["errors"][0]["asymerror"]["minus"] < 0 < last["errors"][0]["asymerror"]["plus"]


def test_the_free_normalisation_is_that_of_the_data(found: tuple[LimitsResult, Path]) -> None:
    with (found[1] / "spectrum.csv").open() as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    data, background, signal = (np.array([row[key] for row in rows]) for key in ("data", "background", "signal"))
    assert (background + signal).sum() == pytest.approx(data.sum(), rel=0.01)
    assert signal[abs(np.array([row["low"] for row in rows]) + 1.25 - 125) < 5].sum() > 0.9 * signal.sum()


def test_sidebands_normalise_the_template_and_only_the_window_is_fitted(samples: dict[str, str]) -> None:
    notes: list[str] = []
    result = limits_of_recipe(recipe(samples, background={"normalise": "sidebands"}), progress=notes.append)
    assert abs(result.strength.value - 1) < 2.5 * result.strength.uncertainty
    scale = next(note for note in notes if "to the" in note)
    assert float(scale.split("scaled by ")[1].split()[0]) == pytest.approx(2.0, rel=0.05)


def test_a_sideband_fit_of_the_data_finds_the_signal_too(samples: dict[str, str]) -> None:
    changed = recipe(samples)
    fitted = {"fit": "exp_polynomial", "order": 2}
    background = validate(
        Document("x", {"weight": "weight", "limits": _plain(changed) | {"background": fitted}}), LimitsRecipe
    )
    result = limits_of_recipe(background)
    assert abs(result.strength.value - 1) < 2.5 * result.strength.uncertainty
    assert result.sidebands[""].chi2 / result.sidebands[""].n_degrees < 2


def _plain(changed: LimitsRecipe) -> dict[str, Any]:
    return changed.limits.model_dump(exclude_unset=True)


def test_asimov_data_without_a_signal_give_the_median(samples: dict[str, str]) -> None:
    result = limits_of_recipe(recipe(samples, data=None, exclude=None))
    assert result.is_asimov
    assert result.limits.observed == pytest.approx(result.limits.expected[2], rel=1e-3)
    assert result.strength.value == pytest.approx(0, abs=1e-3)
    with_signal = limits_of_recipe(recipe(samples, data=None, exclude=None, asimov=1.0))
    assert with_signal.strength.value == pytest.approx(1, abs=1e-3)
    assert with_signal.cls_at_1 == pytest.approx(0.5, abs=1e-3)


def test_uncertainties_only_weaken_the_expected_limit(samples: dict[str, str]) -> None:
    def median(*systematics: dict[str, Any], statistics: bool = True) -> float:
        changed = recipe(samples, data=None, exclude=None, systematics=list(systematics), statistics=statistics)
        return limits_of_recipe(changed).limits.expected[2]

    plain = median(statistics=False)
    assert median() > plain
    assert median({"name": "bins", "type": "shapesys", "samples": "background", "size": 0.05}) > 1.3 * plain
    shifted = {"up": {"observable": "2.1 * sqrt(e1 * e2)"}, "down": {"observable": "1.9 * sqrt(e1 * e2)"}}
    assert median({"name": "scale", "type": "histosys", "samples": "background", **shifted}) > 1.02 * plain


def test_pyhf_accepts_the_workspace_and_agrees(found: tuple[LimitsResult, Path]) -> None:
    result, output = found
    workspace = str(output / "workspace.json")
    program = str(Path(sys.executable).with_name("pyhf"))
    subprocess.run([program, "inspect", workspace], check=True, capture_output=True)
    command = [program, "cls", "--optimizer", "minuit", workspace]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert json.loads(printed)["CLs_obs"] == pytest.approx(result.cls_at_1, rel=2e-3)
    again = limits_of_workspace(workspace)
    assert again.limits.observed == pytest.approx(result.limits.observed, rel=1e-5)
    assert again.limits.expected == pytest.approx(result.limits.expected, rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"signal": {"input": "nowhere.root"}}, InputError, "nowhere.root: no file there"),
        ({"region": "in_signal and m_yy > 900"}, InputError, "signal: no events in any bin"),
        ({"observable": "m_yx"}, InputError, "m_yy"),
        ({"binning": {}}, ConfigError, "key 'binning' is missing"),
        ({"background": {"observable": "m_yy"}}, InputError, "nothing in the observable 'm_yy' is morphed"),
        ({"background": {"morphed": False, "observable": "m_yy"}}, InputError, "event weights are not finite"),
        ({"exclude": [300, 310], "background": {"normalise": "sidebands"}}, ConfigError, "exclude holds no bin"),
    ],
)
def test_a_mistake_in_the_samples_is_one_line(
    samples: dict[str, str], changes: dict[str, Any], error: Any, message: str
) -> None:
    with pytest.raises(error, match=message) as refusal:
        limits_of_recipe(recipe(samples, **changes))
    assert "\n" not in str(refusal.value)


def test_negative_bins_are_refused_unless_told_otherwise(samples: dict[str, str], tmp_path: Path) -> None:
    bad = write(
        tmp_path / "bad.root", m_yy=np.array([110.0, 125.0]), in_signal=np.ones(2, bool), weight=np.array([-1.0, 2.0])
    )
    with pytest.raises(InputError, match=r"signal: the expected yield in bin 3 \(110 to 112.5\) is -1"):
        limits_of_recipe(recipe(samples, signal={"input": bad}))
    notes: list[str] = []
    limits_of_recipe(recipe(samples, signal={"input": bad, "negative_bins": "zero"}), progress=notes.append)
    assert "signal: 1 bins with -1 events in all are set to 0" in notes


def test_an_output_that_exists_is_kept(samples: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "limits").mkdir()
    with pytest.raises(UsageError, match="already exists"):
        limits_of_recipe(recipe(samples, output=tmp_path / "limits"))


def test_nothing_is_left_of_a_limit_that_failed(samples: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InputError):
        limits_of_recipe(recipe(samples, region="in_signal and m_yy > 900", output=tmp_path / "limits"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("limits: {signal: {inptu: a.root}, background: {input: b.root}}", "unknown key .*inptu.*'input'"),
        ("limits: {signal: {input: a.root}, background: {}}", "give either input or fit"),
        ("limits: {signal: {input: a.root}, background: {fit: exp_polynomial}}", "sidebands need data"),
        ("limits: {signal: {input: a.root}, background: {input: b.root}, cl: 95}", "limits.cl: .*less than 1, not 95"),
        ("limits: {signal: [{input: a}, {input: b}], background: {input: c}}", "two samples are called 'signal'"),
        (f"{PLAIN}, binning: {{range: [3, 1], bins: 2}}}}", "must increase"),
        (f"{PLAIN}, binning: {{bins: 2}}}}", "either range and bins, or edges"),
        (f"{PLAIN}, systematics: [{{name: n, type: normsys, samples: ttbar, size: 0.1}}]}}", "acts on 'ttbar'"),
        ("tree: events", "missing"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_recipe_says_where(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "recipe.yaml").write_text(text + "\n")
    with pytest.raises(ConfigError, match=message):
        load_limits_recipe(tmp_path / "recipe.yaml")


def test_data_without_an_event_where_many_are_expected_are_refused(samples: dict[str, str], tmp_path: Path) -> None:
    mev = write(tmp_path / "mev.root", m_yy=np.full(100, 125_000.0), in_signal=np.ones(100, bool), weight=np.ones(100))
    with pytest.raises(InputError, match=r"data: no event in any bin, and .* are expected; check their region"):
        limits_of_recipe(recipe(samples, data={"input": mev}))


def two_channels(samples: dict[str, str], output: Path | None = None, **changes: Any) -> LimitsRecipe:
    """Below and above 125 GeV, by halves of the observable's range."""
    channels = {
        "low": {"binning": {"range": [105, 125], "bins": 8}, "label": "low"},
        "high": {"binning": {"range": [125, 160], "bins": 14}, **changes},
    }
    return recipe(samples, channels=channels, exclude=None, output=output)


def test_channels_that_share_all_are_one_channel_cut_in_two(samples: dict[str, str]) -> None:
    # The free normalisation is one parameter of both, hence nothing differs from a fit of all bins at once.
    whole = limits_of_recipe(recipe(samples, binning={"range": [105, 160], "bins": 22}, exclude=None))
    halves = limits_of_recipe(two_channels(samples))
    assert halves.limits.observed == pytest.approx(whole.limits.observed, rel=1e-5)
    assert halves.limits.expected == pytest.approx(whole.limits.expected, rel=1e-5)
    assert halves.strength.value == pytest.approx(whole.strength.value, rel=1e-4)


def test_each_channel_has_its_plot_and_its_statistics(samples: dict[str, str], tmp_path: Path) -> None:
    limits_of_recipe(two_channels(samples, output=tmp_path / "limits"))
    written = json.loads((tmp_path / "limits" / "workspace.json").read_text())
    assert [channel["name"] for channel in written["channels"]] == ["low", "high"]
    names = {
        it["name"] for channel in written["channels"] for sample in channel["samples"] for it in sample["modifiers"]
    }
    assert {"mu", "background_norm", "luminosity", "background_statistics_low", "background_statistics_high"} <= names
    for channel, n_bins in (("low", 8), ("high", 14)):
        with (tmp_path / "limits" / f"spectrum_{channel}.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == n_bins
        assert all(abs(float(row["pull"])) < 5 for row in rows)
        assert (tmp_path / "limits" / f"spectrum_{channel}.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": None}, "some have data and some have none"),
        ({"background": {"fit": "exp_polynomial"}}, "sidebands need data"),
        ({"regoin": "m_yy > 1"}, "unknown key"),
    ],
)
def test_a_mistake_in_a_channel_is_told(samples: dict[str, str], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        two_channels(samples, **changes)


def test_a_signal_that_nobody_could_see_is_told(samples: dict[str, str]) -> None:
    notes: list[str] = []
    weak = limits_of_recipe(recipe(samples, signal={"input": samples["signal"], "scale": 1e-7}), progress=notes.append)
    remark, warning = weak.warnings
    assert "do not cover a bias" in remark
    assert "times the nominal signal, which is as good as invisible here" in warning
    assert f"warning: {warning}" in notes
    assert weak.to_json()["warnings"] == [remark, warning]
    assert limits_of_recipe(recipe(samples)).warnings == (remark,)


def test_events_in_no_bin_are_in_the_result_by_channel_and_sample(tmp_path: Path) -> None:
    def sample(name: str, x: list[float], weight: float) -> dict[str, str]:
        numbers = np.array(x)
        return {"input": write(tmp_path / f"{name}.root", x=numbers, weight=np.full(len(x), weight)), "name": name}

    signal, data = sample("signal", [0.5] * 9, 0.5), sample("data", [0.5, 1.5] * 20, 1.0)
    whole = sample("smooth", [0.5, 1.5] * 20, 1.0)
    odd = sample("odd", [0.5, 1.5] * 20 + [np.nan] * 3 + [7.0], 2.0)
    samples = {
        "signal": signal,
        "background": whole,
        "data": data,
        "channels": {"low": {}, "high": {"background": odd}},
    }
    limits = {"observable": "x", "binning": {"edges": [0, 1, 2]}, **samples}
    notes: list[str] = []
    settings = validate(Document("recipe", {"limits": limits, "weight": "weight"}), LimitsRecipe)
    result = limits_of_recipe(settings, progress=notes.append).to_json()
    none = {"events": 0, "weighted": 0.0}
    assert result["outside"]["low"]["smooth"] == {"below": none, "above": none, "not_finite": none}
    assert result["outside"]["high"]["odd"] == {
        "below": none,
        "above": {"events": 1, "weighted": 2.0},
        "not_finite": {"events": 3, "weighted": 6.0},
    }
    warning = "channel high, odd: 3 events have no finite observable and are in no bin (sum of weights 6)"
    assert warning in result["warnings"]
    assert f"warning: {warning}" in notes
