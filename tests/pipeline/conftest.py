"""Flat ntuples for the tests of train and apply: a source, and a target that it should look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.data.ntuples.writing import create_ntuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Columns = dict[str, NDArray[Any]]

N_EVENTS = 2000
UNITS = {"pt1": "GeV", "isolation": "GeV", "phi1": "rad"}


def _columns(seed: int = 1, scale: float = 1.2, n_events: int = N_EVENTS, zeros: float = 0.3) -> Columns:
    rng = np.random.default_rng(seed)
    isolation = np.where(rng.random(n_events) < zeros, 0.0, 0.5 + rng.exponential(scale, n_events))
    return {
        "pt1": (25 + rng.exponential(20 * scale, n_events)).astype(np.float32),
        "isolation": isolation.astype(np.float32),
        "phi1": rng.uniform(-3.14, 3.14, n_events).astype(np.float32),
        "weight": rng.uniform(0.5, 1.5, n_events),
        "event": np.arange(n_events, dtype=np.int64) + 10**12,
        "in_control": rng.random(n_events) < 0.7,
    }


def _write(path: Path, content: Columns, tree: str = "events", units: dict[str, str] | None = None) -> Path:
    with create_ntuple(path, tree, force=True, metadata={"units": UNITS if units is None else units}) as ntuple:
        ntuple.extend(content)
    return path


@pytest.fixture
def flat_columns() -> Callable[..., Columns]:
    """Branches as select writes them: float32 kinematics, float64 weight, integers and booleans."""
    return _columns


@pytest.fixture
def write_ntuple() -> Callable[..., Path]:
    """Write columns to a ROOT file."""
    return _write


@pytest.fixture
def write_recipe(tmp_path: Path) -> Callable[..., Path]:
    """Write source, target, and a recipe that trains a quantile map from one to the other."""

    def write(**changes: object) -> Path:
        _write(tmp_path / "source.root", _columns(1, 1.2))
        _write(tmp_path / "target.root", _columns(2, 1.0, zeros=0.2))
        keys = {
            "source": tmp_path / "source.root",
            "target": tmp_path / "target.root",
            "model": tmp_path / "model",
            "features": "[pt1, isolation, phi1]",
            "weight": "weight",
            "method": "{name: quantile}",
            **changes,
        }
        path = tmp_path / "recipe.yaml"
        path.write_text("# a test\n" + "".join(f"{key}: {value}\n" for key, value in keys.items()))
        return path

    return write
