"""What a report says of the origin of its samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simmorph.card import Origin
from simmorph.config.recipe import Recipe
from simmorph.data.events import Events
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.model import Model
from simmorph.neural.loop.training import Training
from simmorph.pipeline.evaluate.origin import NOT_SHOWN, cutflows, model_facts

if TYPE_CHECKING:
    from pathlib import Path

CUTFLOW = [{"cut": "all", "events": 5, "weighted": 5.0, "sum_squares": 5.0}]


def test_cutflow_is_that_which_select_has_written_and_other_files_have_none(tmp_path: Path) -> None:
    selected, other = str(tmp_path / "selected.root"), str(tmp_path / "other.root")
    for path, metadata in ((selected, {"cutflow": CUTFLOW}), (other, {})):
        with create_ntuple(tmp_path / path, "events") as ntuple:
            ntuple.extend({"x": np.zeros(3)})
            ntuple.metadata.update(metadata)
    found = cutflows({"source": [selected, "root://server//far.root"], "target": [other], "template": [other]})
    assert found == {selected: CUTFLOW}


def test_model_is_told_without_what_is_long() -> None:
    recipe = Recipe.model_validate({"features": ["x"], "method": {"name": "quantile"}})
    sample = Events.of(np.random.default_rng(1).normal(size=(300, 1)))
    card = Model.fit(recipe, sample, sample, Training(recipe.training), Origin((), (), {})).card
    facts = model_facts(card)
    assert facts.keys() == type(card).model_fields.keys() - NOT_SHOWN
    assert facts["learning"]["method"]["name"] == "quantile"
    assert facts["learning"]["training"]["seed"] == recipe.training.seed
