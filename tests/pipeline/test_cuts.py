"""A cut means the same wherever it stands: true or false for each event, and NaN does not pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest

from simmorph.config.compare import CompareRecipe
from simmorph.config.limits import LimitsRecipe
from simmorph.config.recipe import Recipe
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.errors import ConfigError, SimmorphError
from simmorph.limits.templates.observable import Defaults
from simmorph.limits.templates.reading import read_channels
from simmorph.pipeline.check import check_recipe
from simmorph.pipeline.compare.inputs import read_inputs as read_compared
from simmorph.pipeline.evaluate.inputs import read_inputs
from simmorph.pipeline.generate import generate_events
from simmorph.pipeline.select import select_events
from simmorph.pipeline.train import read_samples, train_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

N_EVENTS, N_KNOWN = 400, 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sample: a feature f, and x, jets, good and flag to cut on; x is NaN in a quarter of the events."""
    folder, rng = tmp_path_factory.mktemp("cuts"), np.random.default_rng(1)
    columns = {
        "f": rng.normal(size=N_EVENTS),
        "x": np.where(np.arange(N_EVENTS) < N_KNOWN, 1.0, np.nan),
        "jets": ak.Array([[1.0, 2.0]] * N_EVENTS),
        "good": np.ones(N_EVENTS, np.bool_),
        "weight": np.ones(N_EVENTS),
    }
    for name in ("source.root", "target.root"):
        with create_ntuple(folder / name, "events") as ntuple:
            ntuple.extend(columns)
    with create_ntuple(folder / "template.root", "events") as ntuple:
        ntuple.extend({**columns, "f_morphed": columns["f"], "weight_morphed": np.ones(N_EVENTS)} | {
            "morph_status": np.zeros(N_EVENTS, np.int32)
        })  # fmt: skip
    return folder


def samples(folder: Path, **changes: Any) -> dict[str, Any]:
    files = {name: [str(folder / f"{name}.root")] for name in ("source", "target")}
    return {**files, "features": ["f"], **changes}


def recipe(folder: Path, **changes: Any) -> Recipe:
    return Recipe(**samples(folder, method={"name": "quantile"}, template=folder / "template.root", **changes))


def of_training(folder: Path, cut: str) -> int:
    return len(read_samples(recipe(folder, region=cut).learning).target)


def of_regions(folder: Path, cut: str) -> int:
    return len(read_inputs(recipe(folder, evaluate={"regions": {"r": cut}}), None).samples(cut).target)


def of_acceptance(folder: Path, cut: str) -> int:
    judged = read_inputs(recipe(folder, evaluate={"acceptance": {"a": cut}}), None).samples("")
    return int(judged.cuts["a"].passing["target"].sum())


def of_drawn_template(folder: Path, cut: str) -> int:
    keys = samples(folder, source=None, method={"name": "flow"}, evaluate={"regions": {"r": cut}})
    return len(read_inputs(Recipe(**keys, template=folder / "source.root"), None).samples(cut).template)


def of_comparison(folder: Path, cut: str) -> int:
    keys = samples(folder, methods=[{"name": "quantile"}], judge={"regions": {"r": cut}})
    return len(read_compared(CompareRecipe(**keys)).judged()["r"].target)


def of_comparison_training(folder: Path, cut: str) -> int:
    inputs = read_compared(CompareRecipe(**samples(folder, methods=[{"name": "quantile"}], region=cut)))
    return len(inputs.training_samples()[1])


def limits(folder: Path, **changes: Any) -> LimitsRecipe:
    sample = {"input": str(folder / "source.root"), **changes.pop("sample", {})}
    keys = {"observable": "f", "binning": {"range": [-9, 9], "bins": 1}, **changes}
    return LimitsRecipe.model_validate({"limits": {"signal": sample, "background": sample, **keys}})


def n_signal(settings: LimitsRecipe) -> int:
    templates = read_channels(settings.limits, Defaults("events", None), lambda _: None)[""]
    return int(templates.samples[0].histogram.values.sum())


def of_limits(folder: Path, cut: str) -> int:
    return n_signal(limits(folder, region=cut))


def of_limits_sample(folder: Path, cut: str) -> int:
    return n_signal(limits(folder, sample={"region": cut}))


def selected(folder: Path, cut: str, yaml: str) -> int:
    selection, output = folder / "selection.yaml", folder / "selected.root"
    head = "tree: events\nunits: {energy: GeV}\nvariables: {f: f}\n"
    selection.write_text(head + yaml.format(cut=f'"{cut}"'))
    return select_events([str(folder / "source.root")], str(selection), output, force=True).n_selected


def of_selection(folder: Path, cut: str) -> int:
    return selected(folder, cut, "cuts: {{c: {cut}}}")


def of_selected_region(folder: Path, cut: str) -> int:
    selected(folder, cut, "regions: {{r: {cut}}}")
    keys = {"source": str(folder / "selected.root"), "target": str(folder / "selected.root"), "region": "in_r"}
    return len(read_samples(Recipe(**samples(folder, method={"name": "quantile"}) | keys).learning).target)


def of_rule_for_data(folder: Path, cut: str) -> int:
    keys = "weight: {{simulation: 0 * f, data: 1, data_if: {cut}}}"
    selected(folder, cut, keys)
    weighted = {"input": str(folder / "selected.root"), "weight": "weight"}
    return n_signal(limits(folder, sample=weighted))


PLACES: dict[str, Callable[[Path, str], int]] = {
    "region": of_training,
    "evaluate.regions": of_regions,
    "evaluate.acceptance": of_acceptance,
    "evaluate.regions of a drawn template": of_drawn_template,
    "judge.regions": of_comparison,
    "region of a comparison": of_comparison_training,
    "limits.region": of_limits,
    "limits.signal.region": of_limits_sample,
    "cuts of a selection": of_selection,
    "regions of a selection": of_selected_region,
    "data_if of a selection": of_rule_for_data,
}
CHECKED: dict[str, Callable[[Path, str], Any]] = {
    "region": lambda folder, cut: recipe(folder, region=cut),
    "evaluate.regions": lambda folder, cut: recipe(folder, evaluate={"regions": {"r": cut}}),
    "evaluate.acceptance": lambda folder, cut: recipe(folder, evaluate={"acceptance": {"r": cut}}),
    "judge.regions": lambda folder, cut: CompareRecipe(
        **samples(folder, methods=[{"name": "quantile"}], judge={"regions": {"r": cut}})
    ),
    "limits": lambda folder, cut: limits(folder, region=cut),
}
FAULTS = [
    ("x", ConfigError, "'x' is not true or false for each event; compare it"),
    ("2 * (x > 1)", ConfigError, "is not true or false for each event; compare it"),
    ("jets > 1", ConfigError, "'jets > 1' is not true or false for each event; choose one with [0], or use any()"),
    ("x >", ConfigError, "'x >' is not an expression"),
    ("y1 > 1", SimmorphError, "lacks 'y1'"),
]


@pytest.mark.parametrize(("cut", "kind", "message"), FAULTS)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_cut_is_refused_with_its_place(
    folder: Path, place: str, cut: str, kind: type[SimmorphError], message: str
) -> None:
    with pytest.raises(kind) as error:
        PLACES[place](folder, cut)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("cut", ["x > 0", "x != 5", "not x > 5", "not (x > 5 or x < 0)"])
@pytest.mark.parametrize("place", PLACES)
def test_nan_does_not_pass(folder: Path, place: str, cut: str) -> None:
    assert PLACES[place](folder, cut) == N_KNOWN


@pytest.mark.parametrize("place", PLACES)
def test_a_cut_may_be_a_branch_of_booleans_or_count_a_list(folder: Path, place: str) -> None:
    assert PLACES[place](folder, "good") == PLACES[place](folder, "count(jets) == 2") == N_EVENTS


@pytest.mark.parametrize(("cut", "kind", "message"), FAULTS)
@pytest.mark.parametrize("place", CHECKED)
def test_check_refuses_what_the_step_would(
    folder: Path, place: str, cut: str, kind: type[SimmorphError], message: str
) -> None:
    with pytest.raises(kind) as error:
        check_recipe(CHECKED[place](folder, cut))
    assert message in str(error.value)
    assert place.partition(".")[0] in str(error.value)


@pytest.mark.parametrize("place", CHECKED)
def test_check_takes_what_the_step_takes(folder: Path, place: str) -> None:
    assert any("x" in finding.finding for finding in check_recipe(CHECKED[place](folder, "x > 0")).findings)


def test_bands_are_of_numbers(folder: Path) -> None:
    inputs = read_inputs(recipe(folder, evaluate={"bands": {"x": [0, 2, 3]}}), None)
    cuts = inputs.bands({"x": [0, 2, 3]})
    assert [len(inputs.samples(cut).target) for cut in cuts.values()] == [N_KNOWN, 0]
    with pytest.raises(SimmorphError, match="'jets' is not one number per event"):
        read_inputs(recipe(folder, evaluate={"bands": {"jets": [0, 2, 3]}}), None)


def test_the_contexts_of_a_generator_are_cut_in_the_same_way(folder: Path, tmp_path: Path) -> None:
    """The region is a boolean when the model is trained; then the file changes."""
    rng = np.random.default_rng(2)
    target = tmp_path / "target.root"
    columns = {"f": rng.normal(size=N_EVENTS), "c": rng.normal(size=N_EVENTS), "good": np.arange(N_EVENTS) < N_KNOWN}

    def write(**changes: Any) -> None:
        with create_ntuple(target, "events", force=True) as ntuple:
            ntuple.extend({**columns, **changes})

    write()
    settings = {"name": "mademog", "components": 1, "hidden": [4]}
    keys = {"target": [str(target)], "features": ["f"], "context": ["c"], "method": settings}
    train_model(Recipe(**keys, training={"epochs": 1}, region="good", model=tmp_path / "model"))
    write(good=np.arange(N_EVENTS, dtype=np.float64))
    with pytest.raises(ConfigError, match="the model's region: 'good' is not true or false for each event"):
        generate_events(tmp_path / "model", tmp_path / "out.root", 10)
