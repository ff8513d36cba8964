"""Certified runs, by an event loop written by hand, and results that are empty on request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.config.limits import LimitsRecipe
from simmorph.data.ntuples.contents import describe
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.errors import ConfigError, EmptySelectionError
from simmorph.pipeline.limits.run import limits_of_recipe
from simmorph.pipeline.select import select_events
from tests.conftest import read_columns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GOOD = {"273158": [[1, 12], [20, 20]], "273302": [[5, 30]], "1": [[1, 5]], "273158000000": []}
SELECTION = """# good runs
tree: Events
units: {energy: GeV}
run: run
event: event
certified_runs: {file: %s, lumi_section: luminosityBlock}
variables: {x: x}
cuts: {half: x > 0.5}
weight: {data: 1, simulation: genWeight, data_if_missing: genWeight}
"""
XML = """<?xml version="1.0"?><!DOCTYPE LumiRangeCollection SYSTEM "http://x/LumiRangeCollection.dtd">
<LumiRangeCollection><NamedLumiRange><Name>good</Name>
<LumiBlockCollection><Run>273158</Run><LBRange Start="1" End="12"/><LBRange Start="20" End="20"/></LumiBlockCollection>
<LumiBlockCollection><Run>273302</Run><LBRange Start="5" End="30"/></LumiBlockCollection>
</NamedLumiRange></LumiRangeCollection>"""


@pytest.fixture
def events(tmp_path: Path) -> dict[str, Any]:
    """Events of three runs, as data and as simulation."""
    rng, n = np.random.default_rng(1), 5000
    columns = {
        "run": rng.choice([273158, 273302, 273500], n).astype(np.uint32),
        "luminosityBlock": rng.integers(1, 40, n).astype(np.uint32),
        "event": np.arange(n, dtype=np.uint64) + 2**63,
        "x": rng.random(n),
    }
    for name, more in (("data", {}), ("mc", {"genWeight": np.ones(n)})):
        with create_ntuple(tmp_path / f"{name}.root", "Events") as ntuple:
            ntuple.extend({**columns, **more})
    (tmp_path / "golden.json").write_text(json.dumps(GOOD))
    (tmp_path / "grl.xml").write_text(XML)
    return columns


def selected(folder: Path, name: str, golden: str, **options: Any) -> tuple[list[int], Any]:
    (folder / "good.yaml").write_text(SELECTION % (folder / golden))
    out = folder / "out.root"
    result = select_events([str(folder / f"{name}.root")], str(folder / "good.yaml"), out, force=True, **options)
    return read_columns([str(out)], "events", ["source_entry"])["source_entry"].tolist(), result


@pytest.mark.parametrize("golden", ["golden.json", "grl.xml"])
@pytest.mark.parametrize("step", [7, 200_000])
def test_data_of_certified_lumi_sections_is_kept(
    events: dict[str, Any], tmp_path: Path, golden: str, step: int
) -> None:
    if step == 7:
        events = {name: values[:70] for name, values in events.items()}
        with create_ntuple(tmp_path / "data.root", "Events", force=True) as ntuple:
            ntuple.extend(events)
    expected = []
    for run, section, x in zip(events["run"], events["luminosityBlock"], events["x"], strict=True):
        is_good = any(first <= section <= last for first, last in GOOD.get(str(run), []))
        expected.append((is_good, is_good and x > 0.5))
    found, result = selected(tmp_path, "data", golden, step=step)
    assert found == [entry for entry, (_, passed) in enumerate(expected) if passed]
    n_good = sum(is_good for is_good, _ in expected)
    assert [(line.cut, line.events) for line in result.cutflow] == [
        ("all", len(expected)), ("certified runs", n_good), ("half", len(found)),
    ]  # fmt: skip


def test_simulation_is_not_looked_at(events: dict[str, Any], tmp_path: Path) -> None:
    found, result = selected(tmp_path, "mc", "golden.json")
    assert len(found) == np.count_nonzero(events["x"] > 0.5)
    assert result.cutflow[1].events == result.cutflow[0].events


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "certifies no run"),
        ("[1]", "is no list of certified runs"),
        ('{"a": [[1, 2]]}', "is no list of certified runs"),
        ('{"1": [[2, 1]]}', "is not a first and a last lumi section"),
        ('{"1": [[1.5, 2]]}', "is not a first and a last lumi section"),
        ('{"1": [1, 2]}', "is no list of certified runs"),
        ("<a", "is no list of certified runs"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "has entities"),
    ],
)
def test_what_is_no_list_is_refused(events: dict[str, Any], tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "golden.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        selected(tmp_path, "data", "golden.json")
    with pytest.raises(ConfigError, match="no such file"):
        selected(tmp_path, "data", "nowhere.json")


def test_an_empty_result_on_request_has_the_branches_and_is_read_by_others(
    events: dict[str, Any], tmp_path: Path, simmorph: Callable[..., Any]
) -> None:
    selected(tmp_path, "mc", "golden.json")
    (tmp_path / "out.root").rename(tmp_path / "full.root")
    (tmp_path / "none.yaml").write_text((tmp_path / "good.yaml").read_text().replace("x > 0.5", "x > 2"))
    with create_ntuple(tmp_path / "nothing.root", "Events") as ntuple:
        ntuple.extend({**{name: values[:0] for name, values in events.items()}, "genWeight": np.empty(0)})
    for name, source, yaml in (("cut", "mc", "none"), ("nothing", "nothing", "good")):
        arguments: Any = [
            [str(tmp_path / f"{source}.root")],
            str(tmp_path / f"{yaml}.yaml"),
            tmp_path / f"{name}_out.root",
        ]
        with pytest.raises(EmptySelectionError):
            select_events(*arguments)
        assert select_events(*arguments, allow_empty=True).n_selected == 0
        empty, full = (describe(str(tmp_path / it), "events") for it in (f"{name}_out.root", "full.root"))
        assert (empty.n_entries, empty.branches) == (0, full.branches)
    settings: dict[str, Any] = {
        "observable": "x", "binning": {"range": [0.5, 1], "bins": 2}, "signal": {"input": str(tmp_path / "full.root")},
        "background": {"input": [str(tmp_path / "cut_out.root"), str(tmp_path / "full.root")]},
    }  # fmt: skip
    of_both = limits_of_recipe(LimitsRecipe(weight="weight", limits=settings)).limits
    settings["background"] = {"input": str(tmp_path / "full.root")}
    assert of_both == limits_of_recipe(LimitsRecipe(weight="weight", limits=settings)).limits
    more = [tmp_path / "mc.root", "--selection", tmp_path / "none.yaml", "-o", tmp_path / "third.root"]
    assert simmorph("select", *more).code == 5
    assert simmorph("select", *more, "--allow-empty").code == 0
