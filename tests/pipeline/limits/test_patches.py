"""Limits of a workspace with each patch of a patch set."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyhf
import pytest

from simmorph.errors import InputError, UsageError
from simmorph.pipeline.limits.infer import LimitsOptions
from simmorph.pipeline.limits.patches import ALL, TABLE, limits_of_patches
from simmorph.pipeline.limits.workspace import limits_of_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

REFERENCE = Path(__file__).parents[3] / "cli-examples" / "workspace" / "two-bins.json"


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """A workspace without a signal, and a set of three: the reference, twice as much, and nothing."""
    spec = json.loads(REFERENCE.read_text())
    signal = spec["channels"][0]["samples"].pop(0)
    all_patches = []
    for mass, factor in ((100, 1.0), (200, 2.0), (300, 0.0)):
        scaled = {**signal, "data": [factor * value for value in signal["data"]]}
        operation = {"op": "add", "path": "/channels/0/samples/0", "value": scaled}
        all_patches.append({"metadata": {"name": f"mass_{mass}", "values": [mass]}, "patch": [operation]})
    described = {
        "analysis_id": "toy", "description": "a toy", "digests": {"sha256": pyhf.utils.digest(spec)},
        "labels": ["mass"], "references": {"hepdata": "ins1234567"},
    }  # fmt: skip
    patchset = {"metadata": described, "patches": all_patches, "version": "1.0.0"}
    for name, content in (("background.json", spec), ("patchset.json", patchset)):
        (tmp_path / name).write_text(json.dumps(content))
    return str(tmp_path / "background.json"), str(tmp_path / "patchset.json")


def test_each_patch_has_the_limits_of_its_workspace(files: tuple[str, str], tmp_path: Path) -> None:
    one, two, nothing = limits_of_patches(*files, (), LimitsOptions(output=tmp_path / "limits"))
    reference = limits_of_workspace(str(REFERENCE))
    assert one.result is not None
    assert two.result is not None
    assert one.result.limits.observed == pytest.approx(reference.limits.observed, rel=1e-6)
    assert 2 * two.result.limits.observed == pytest.approx(reference.limits.observed, rel=1e-5)
    assert (one.values, two.values) == ({"mass": 100}, {"mass": 200})
    assert nothing.result is None
    assert "there is no limit on it" in nothing.error
    assert sorted(path.name for path in (tmp_path / "limits").iterdir()) == [ALL, "mass_100", "mass_200"]
    assert {path.name for path in (tmp_path / "limits" / ALL).iterdir()} == {TABLE, "limits.pdf", "limits.png"}
    with (tmp_path / "limits" / ALL / TABLE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["patch"], row["mass"]) for row in rows] == [(f"mass_{it}", str(it)) for it in (100, 200, 300)]
    assert float(rows[1]["observed"]) == two.result.limits.observed
    assert rows[2]["observed"] == ""
    with pytest.raises(UsageError, match="already exists"):
        list(limits_of_patches(*files, (), LimitsOptions(output=tmp_path / "limits")))


def test_processes_give_the_same_lines_as_one(files: tuple[str, str], simmorph: Callable[..., Any]) -> None:
    command = ["limits", files[0], "--patchset", files[1], "--json"]
    one, two = (simmorph(*command, *jobs) for jobs in ((), ("-j", 2)))
    assert one.code == two.code == 1
    assert numbers_of(two.stdout) == numbers_of(one.stdout)
    assert [line for line in two.stderr.splitlines() if line.startswith("warning")] == []


def numbers_of(lines: str) -> list[dict[str, Any]]:
    return [{key: it for key, it in json.loads(line).items() if key != "fit_seconds"} for line in lines.splitlines()]


def test_one_patch_has_a_folder_alone(files: tuple[str, str], tmp_path: Path) -> None:
    list(limits_of_patches(*files, ("mass_100",), LimitsOptions(output=tmp_path / "limits")))
    assert [path.name for path in (tmp_path / "limits").iterdir()] == ["mass_100"]


def test_the_workspace_of_another_analysis_is_refused(files: tuple[str, str]) -> None:
    with pytest.raises(InputError, match="the digests differ"):
        list(limits_of_patches(str(REFERENCE), files[1], (), LimitsOptions()))


def test_what_is_no_patch_set_is_refused(files: tuple[str, str]) -> None:
    with pytest.raises(InputError, match="not a pyhf patch set"):
        list(limits_of_patches(files[0], files[0], (), LimitsOptions()))
    with pytest.raises(InputError, match="no patch 'mass_10'; did you mean 'mass_100'"):
        list(limits_of_patches(*files, ("mass_10",), LimitsOptions()))


def test_one_line_a_patch_comes_out(files: tuple[str, str], simmorph: Callable[..., Any]) -> None:
    outcome = simmorph("limits", files[0], "--patchset", files[1], "--json", "-q")
    assert outcome.code == 1
    assert "1 of 3 patches have no limit" in outcome.stderr
    lines = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert [line["patch"] for line in lines] == ["mass_100", "mass_200", "mass_300"]
    assert "error" in lines[2]
    table = simmorph("limits", files[0], "--patchset", files[1], "--patch", "mass_200", "--patch", "mass_100", "-q")
    assert table.code == 0
    assert [line.split()[:3] for line in table.stdout.splitlines()] == [
        ["patch", "observed", "expected"], ["mass_100", "1.0116", "1.0624"], ["mass_200", "0.50579", "0.53118"],
    ]  # fmt: skip


def test_what_is_known_is_given_before_the_next_patch_begins(files: tuple[str, str]) -> None:
    def interrupt(words: str) -> None:
        if words.startswith("patch mass_200"):
            raise KeyboardInterrupt

    found = limits_of_patches(*files, (), LimitsOptions(progress=interrupt))
    assert next(found).name == "mass_100"
    with pytest.raises(KeyboardInterrupt):
        next(found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("w.json", "--patch", "a"), "there is no set that it could be in"),
        (("--config", "x.yaml", "--patchset", "p.json"), "it patches a workspace"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    simmorph: Callable[..., Any], arguments: tuple[str, ...], message: str
) -> None:
    outcome = simmorph("limits", *arguments)
    assert (outcome.code, message in outcome.stderr) == (2, True)
