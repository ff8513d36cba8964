"""HS3 both ways: read back what was written, what ROOT writes, and what cannot be said."""

from __future__ import annotations

import copy
import json
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.config.values.interpolation import Interpolation
from simmorph.errors import InputError
from simmorph.limits.formats.hs3.writing import hs3_of
from simmorph.limits.formats.reading import read_model
from simmorph.limits.model.workspace import AS_PYHF, measurement_of
from tests.limits.model.test_random_models import random_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    Workspace = dict[str, Any]

FROM_ROOT = Path(__file__).parents[1] / "data" / "hs3_from_root.json"
"""A measurement of two channels, made by RooStats::HistFactory of ROOT 6.40 and exported by RooJSONFactoryWSTool."""


@pytest.fixture
def again(tmp_path: Path) -> Callable[..., Any]:
    """A document, read."""

    def read(document: dict[str, Any], measurement: str | None = None) -> Any:
        (tmp_path / "model.json").write_text(json.dumps(document))
        return read_model(str(tmp_path / "model.json"), measurement)

    return read


def assert_same(spec: Workspace, again: Callable[..., Any], interpolation: Interpolation = AS_PYHF) -> None:
    """Assert that the likelihood that is read back is that which was written."""
    before = measurement_of(spec, interpolation=interpolation)
    found = again(hs3_of(before, interpolation))
    after = measurement_of(found.spec, interpolation=found.interpolated(None))
    its, others = before.likelihood, after.likelihood
    order = [others.model.config.par_names.index(name) for name in its.model.config.par_names]
    for attribute in ("start", "lower", "upper", "free"):
        np.testing.assert_array_equal(getattr(its, attribute), getattr(others, attribute)[order])
    rng = np.random.default_rng(0)
    for _ in range(5):
        point = np.clip(its.start + rng.normal(0, 0.1, len(its.start)), its.lower + 1e-3, its.upper - 1e-3)
        swapped = np.empty_like(point)
        swapped[order] = point
        assert others.deviance(swapped, after.data) == pytest.approx(its.deviance(point, before.data), rel=1e-10)
    assert found.interpolation == interpolation
    assert (found.remarks, after.name) == ((), before.name)


@pytest.mark.parametrize("seed", range(8))
def test_a_model_that_was_written_is_the_same_when_it_is_read(seed: int, again: Callable[..., Any]) -> None:
    assert_same(random_workspace(seed), again)


@pytest.mark.parametrize("code", ["code1", "code4"])
def test_the_interpolation_of_factors_is_kept(code: Any, again: Callable[..., Any]) -> None:
    assert_same(random_workspace(1), again, Interpolation(normsys=code))


def test_settings_of_parameters_are_kept(reference: Workspace, again: Callable[..., Any]) -> None:
    background = reference["channels"][0]["samples"][1]["modifiers"]
    background += [
        {"name": "size", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}},
        {"name": "top", "type": "normfactor", "data": None},
        {"name": "lumi", "type": "lumi", "data": None},
        {"name": "simulated", "type": "staterror", "data": [2.0, 0.0]},
    ]
    reference["measurements"][0]["config"]["parameters"] = [
        {"name": "size", "auxdata": [0.3], "inits": [0.2], "bounds": [[-3.0, 4.0]]},
        {"name": "top", "inits": [1.3], "bounds": [[0.5, 2.0]], "fixed": True},
        {"name": "lumi", "auxdata": [2.0], "sigmas": [0.04], "inits": [2.0], "bounds": [[1.5, 2.5]]},
    ]
    assert_same(reference, again)


def test_free_bins_and_several_statistics_of_a_channel_are_kept(
    reference: Workspace, again: Callable[..., Any]
) -> None:
    signal, background = (it["modifiers"] for it in reference["channels"][0]["samples"])
    signal.append({"name": "signal_events", "type": "staterror", "data": [1.0, 0.5]})
    background.append({"name": "background_events", "type": "staterror", "data": [3.0, 2.0]})
    other = copy.deepcopy(reference["channels"][0]) | {"name": "control"}
    for sample in other["samples"]:
        sample["modifiers"] = [{"name": "free", "type": "shapefactor", "data": None}]
    reference["channels"].append(other)
    reference["observations"].append({"name": "control", "data": [60, 70]})
    signal.append({"name": "free", "type": "shapefactor", "data": None})
    assert_same(reference, again)


def test_what_root_writes_is_read(again: Callable[..., Any]) -> None:
    found = again(json.loads(FROM_ROOT.read_text()), "simPdf_obsData")
    ready = measurement_of(found.spec, interpolation=found.interpolated(None))
    assert (ready.name, ready.likelihood.model.config.poi_name) == ("simPdf_obsData", "mu")
    kinds = {it["name"]: it["type"] for c in found.spec["channels"] for s in c["samples"] for it in s["modifiers"]}
    assert kinds == {
        "lumi": "lumi", "jes": "histosys", "sf_CR": "shapefactor", "uncorr_CR": "shapesys", "mu": "normfactor",
        "lumi2": "normsys", "uncorr_SR": "shapesys", "staterror_model_CR": "shapesys",
        "staterror_model_SR": "staterror",
    }  # fmt: skip
    fixed = [it["name"] for it in found.spec["measurements"][0]["config"]["parameters"] if it.get("fixed")]
    assert fixed == ["lumi"]
    assert ready.data.main.tolist() == [55.0, 62.0, 55.0, 62.0]


def test_of_several_analyses_with_other_data_one_has_to_be_chosen(again: Callable[..., Any]) -> None:
    document = json.loads(FROM_ROOT.read_text())
    with pytest.raises(InputError, match=r"different data; choose one by --measurement: simPdf_asimovData, simPdf_obs"):
        again(document)
    with pytest.raises(InputError, match="no analysis 'other'; it has"):
        again(document, "other")


def test_poisson_constraints_that_samples_share_are_said_to_be_taken_for_normal_ones(
    again: Callable[..., Any],
) -> None:
    document = json.loads(FROM_ROOT.read_text())
    background, signal = document["distributions"][0]["samples"]
    signal["modifiers"].append(background["modifiers"][-1])
    signal["data"]["errors"] = [0.5, 0.5]
    (remark,) = again(document, "simPdf_obsData").remarks
    assert "distributions/0: staterror: Poisson constraints that several samples share" in remark


def changed(document: dict[str, Any], place: str, value: Any) -> Any:
    """A copy with another value at a place; None removes it."""
    found: Any = copy.deepcopy(document)
    way: list[Any] = [int(it) if it.isdigit() else it for it in place.split("/")]
    *before, last = way
    block = reduce(lambda it, key: it[key], before, found)
    if value is None:
        del block[last]
    else:
        block[last] = value
    return found


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("analyses", None, "has no analyses"),
        ("analyses/0/likelihood", "x", "model.json, analyses/0/likelihood: 'x' is not there"),
        ("analyses/0/parameters_of_interest", [], "analyses/0: names no parameter of interest"),
        ("likelihoods/0/data", [], "likelihoods/0: has 2 distributions and 0 data"),
        ("likelihoods/0/distributions/0", "x", "likelihoods/0/distributions/0: 'x' is not there"),
        ("distributions/0/type", "gaussian_dist", "distributions/0: a 'gaussian_dist' has no counterpart"),
        ("distributions/0/samples", 3, "distributions/0/samples: is not a list"),
        ("distributions/0/samples/0/data/contents/0", "x", "samples/0/data/contents/0: 'x' is not a number"),
        ("distributions/0/samples/0/modifiers/0/type", "custom", "modifiers/0: a modifier 'custom' has no counterpart"),
        ("distributions/0/samples/0/modifiers/1/interpolation", 2, "modifiers/1: interpolation 2 of a histosys"),
        ("distributions/0/samples/0/modifiers/1/data/hi", None, "modifiers/1/data: key 'hi' is missing"),
        ("distributions/0/samples/0/modifiers/3/data/vals", [0.1], "modifiers/3: has 1 uncertainties for 2 bins"),
        ("distributions/0/samples/0/modifiers/3/parameters", ["a"], "modifiers/3: has 1 parameters for 2 bins"),
        ("distributions/0/samples/0/modifiers/3/constraint_type", "Gamma", "modifiers/3: a constraint 'Gamma'"),
        ("distributions/0/samples/0/modifiers/1/constraint_name", "x", "modifiers/1: constraint 'x' is not there"),
        ("distributions/1/sigma", 0.5, "distributions/1: its sigma is 0.5"),
        ("distributions/1/type", "poisson_dist", "distributions/1: a constraint of type 'poisson_dist'"),
        ("distributions/1/x", "alpha_other", "distributions/1: does not constrain 'alpha_jes'"),
        ("distributions/2/mean", "nom_other", "distributions/2/mean: 'nom_other' has no value"),
        ("data/2/type", "unbinned", "data of type 'unbinned'"),
        ("data/2/contents", None, "key 'contents' is missing"),
    ],
)
def test_a_fault_is_named_with_its_place(place: str, value: Any, message: str, again: Callable[..., Any]) -> None:
    document = changed(json.loads(FROM_ROOT.read_text()), "analyses/0", None)
    document["likelihoods"] = document["likelihoods"][1:]
    with pytest.raises(InputError) as caught:
        again(changed(document, place, value))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_interpolations_of_one_kind_are_refused(again: Callable[..., Any]) -> None:
    document = json.loads(FROM_ROOT.read_text())
    (norm,) = [it for it in document["distributions"][0]["samples"][1]["modifiers"] if it["type"] == "normsys"]
    norm["interpolation"] = 1
    with pytest.raises(InputError, match="normsys modifiers are interpolated in several ways"):
        again(document, "simPdf_obsData")


def test_constant_parameters_of_some_bins_are_refused(again: Callable[..., Any]) -> None:
    document = json.loads(FROM_ROOT.read_text())
    for point in document["parameter_points"]:
        for it in point["parameters"]:
            it["const"] = it.get("const", False) or it["name"] == "gamma_uncorr_SR_bin_1"
    with pytest.raises(InputError, match="some of its parameters are constant, and pyhf fixes all or none"):
        again(document, "simPdf_obsData")


def test_what_hs3_cannot_say_is_refused() -> None:
    spec = random_workspace(0)
    for interpolation, message in (
        (Interpolation(histosys="code0"), "no code for histosys with a kink"),
        (Interpolation(normsys="combine"), "no code for the interpolation of Combine"),
    ):
        with pytest.raises(InputError, match=message):
            hs3_of(measurement_of(spec, "it", None, interpolation), interpolation)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("code", ["code4", "code1"])
def test_root_reads_the_same_likelihood(seed: int, code: Any, tmp_path: Path) -> None:
    """Runs where ROOT is installed."""
    root = pytest.importorskip("ROOT")
    root.RooMsgService.instance().setGlobalKillBelow(root.RooFit.ERROR)
    interpolation = Interpolation(normsys=code)
    ready = measurement_of(random_workspace(seed), interpolation=interpolation)
    document = hs3_of(ready, interpolation)
    (tmp_path / "model.json").write_text(json.dumps(document))
    workspace = root.RooWorkspace("w")
    assert root.RooJSONFactoryWSTool(workspace).importJSON(str(tmp_path / "model.json"))
    model = next(it for it in workspace.allGenericObjects() if it.InheritsFrom("RooStats::ModelConfig"))
    assert [it.GetName() for it in model.GetParametersOfInterest()] == [ready.likelihood.model.config.poi_name]
    globs = root.RooFit.GlobalObservables(model.GetGlobalObservables())
    theirs = model.GetPdf().createNLL(workspace.data("observed"), globs)
    likelihood, rng = ready.likelihood, np.random.default_rng(seed)
    names = [it["name"] for it in document["parameter_points"][0]["parameters"]][: len(likelihood.start)]
    differences = []
    for size in (0.0, *[0.05] * 4):
        point = likelihood.start + rng.normal(0, size, len(names)) * likelihood.free
        for name, value in zip(names, point, strict=True):
            workspace.var(name).setVal(value)
        differences.append(2 * theirs.getVal() - likelihood.deviance(point, ready.data))
    np.testing.assert_allclose(differences, differences[0], atol=1e-7)
