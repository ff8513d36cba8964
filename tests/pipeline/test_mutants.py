"""Damaged copies of a file: what is read from one is what was in the whole one, or an error of one line."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest
import uproot

from simmorph.config.recipe import Recipe
from simmorph.data.events import Events
from simmorph.data.ntuples.contents import describe
from simmorph.data.ntuples.reading import iterate
from simmorph.errors import SimmorphError
from simmorph.model import Model
from simmorph.pipeline.select import select_events
from tests.pipeline.applying import apply_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

N_EVENTS, N_MUTANTS = 400, 60
SELECTION = """
tree: t
units: {energy: GeV}
run: run
event: event
objects:
  photon: {branches: {pt: ph_pt, id: ph_id}, energies: [pt], cuts: [id > 0], order_by: pt}
variables: {pt1: 'photon_pt[0]', met: met}
cuts: {one: count(photon_pt) > 0}
"""


@pytest.fixture(scope="module", params=["mktree", "mkrntuple"])
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TTree or RNTuple with numbers and lists in ZLIB, which notices flipped bits; and all that reads it.

    Baskets that ZLIB cannot make smaller are stored as they are, and nothing notices there: values are rounded.
    """
    folder = tmp_path_factory.mktemp("mutants")
    rng = np.random.default_rng(4)
    counts = rng.integers(0, 4, N_EVENTS)
    columns: dict[str, Any] = {
        "run": np.full(N_EVENTS, 301912, np.int32),
        "event": np.arange(N_EVENTS, dtype=np.int64),
        "met": np.round(rng.exponential(30, N_EVENTS)),
        "pt1": np.round(rng.exponential(30, N_EVENTS)).astype(np.float32),
        "ph_pt": ak.unflatten(np.round(rng.exponential(30, counts.sum())).astype(np.float32), counts),
        "ph_id": ak.unflatten(rng.integers(0, 2, counts.sum(), dtype=np.int32), counts),
    }
    with uproot.recreate(folder / "whole.root", compression=uproot.ZLIB(1)) as file:
        types = {name: it.dtype if isinstance(it, np.ndarray) else it.type.content for name, it in columns.items()}
        tree = getattr(file, request.param)("t", types)
        for start in range(0, N_EVENTS, 100):
            tree.extend({name: it[start : start + 100] for name, it in columns.items()})
    (folder / "selection.yaml").write_text(SELECTION)
    samples = {"source": "s.root", "target": "t.root", "tree": "t", "features": ["met"], "method": {"name": "quantile"}}
    source, target = (Events.of(rng.exponential(scale, (500, 1))) for scale in (30, 40))
    Model.fit(Recipe.model_validate(samples), source, target).save(folder / "model")
    return folder / "whole.root"


def select(path: Path, output: Path) -> None:
    select_events([str(path)], str(path.with_name("selection.yaml")), output)


def apply(path: Path, output: Path) -> None:
    apply_model([str(path)], path.with_name("model"), output)


def befriend(path: Path, output: Path) -> None:
    apply_model([str(path)], path.with_name("model"), output, selection=str(path.with_name("selection.yaml")))


def mutants(content: bytes, seed: int, n: int) -> list[bytes]:
    """Copies with flipped bits, other bytes, zeros, repeated pieces, or without their end."""
    rng = random.Random(seed)

    def mutant() -> bytes:
        copy, at = bytearray(content), rng.randrange(len(content))
        size = rng.choice([1, 4, 64, 512])
        match rng.choice(["flip", "flip", "flip", "byte", "zero", "ones", "insert", "swap", "end"]):
            case "flip":
                copy[at] ^= 1 << rng.randrange(8)
            case "byte":
                copy[at] = rng.randrange(256)
            case "zero":
                copy[at : at + size] = bytes(len(copy[at : at + size]))
            case "ones":
                copy[at : at + size] = b"\xff" * len(copy[at : at + size])
            case "insert":
                copy[at:at] = copy[at : at + size]
            case "swap":
                other = rng.randrange(len(content))
                copy[at : at + 64], copy[other : other + 64] = copy[other : other + 64], copy[at : at + 64]
            case _:
                del copy[at:]
        return bytes(copy)

    return [mutant() for _ in range(n)]


def content_of(path: Path) -> dict[str, list[Any]]:
    """All values of all branches of the only tree in a file."""
    info = describe(str(path))
    ((_, columns),) = iterate(str(path), info.tree, list(info.branches))
    return {name: [str(it) for it in ak.to_list(column)] for name, column in columns.items()}


@pytest.mark.parametrize("step", [select, apply, befriend])
def test_a_damaged_file_gives_the_same_or_an_error(
    original: Path, tmp_path: Path, step: Callable[[Path, Path], None]
) -> None:
    step(original, tmp_path / "whole.root")
    whole = content_of(tmp_path / "whole.root")
    n_noticed = 0
    for number, content in enumerate(mutants(original.read_bytes(), seed=3, n=N_MUTANTS)):
        damaged, output = original.with_name("damaged.root"), tmp_path / f"{number}.root"
        damaged.write_bytes(content)
        try:
            step(damaged, output)
        except SimmorphError:
            n_noticed += 1
            assert not output.exists()
        else:
            assert content_of(output) == whole, f"mutant {number}"
    assert n_noticed > N_MUTANTS / 4
