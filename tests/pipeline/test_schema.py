"""The shipped schemas are those of the code, and every shipped YAML file agrees with its schema and its reader."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from simmorph.config.compare import load_compare_recipe
from simmorph.config.documents import read_document, validate
from simmorph.config.recipe import Recipe, load_recipe
from simmorph.config.selection.files import read_selection
from simmorph.pipeline.limits.run import load_limits_recipe
from simmorph.pipeline.schema import SCHEMAS, json_schema

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
SELECTIONS = sorted([*(ROOT / "selections").glob("*.yaml"), *(ROOT / "cli-examples").glob("*/*.selection.yaml")])
RECIPES = sorted({*(ROOT / "cli-examples").glob("*/*.yaml")} - {*SELECTIONS})
READERS: dict[str, Callable[[Path], Any]] = {
    "methods": load_compare_recipe,
    "method": load_recipe,
    "limits": load_limits_recipe,
}
"""What reads a recipe, by the key that only it has."""


@pytest.mark.parametrize("document", SCHEMAS)
def test_the_shipped_schema_is_that_of_the_code(document: str) -> None:
    shipped = json.loads((ROOT / "schemas" / f"{document}.json").read_text())
    assert shipped == json_schema(document), f"run `simmorph schema {document} > schemas/{document}.json`"


@pytest.mark.parametrize("path", [*SELECTIONS, *RECIPES], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_shipped_file_says_what_it_is_and_agrees_with_its_schema(path: Path) -> None:
    first, second = path.read_text().splitlines()[:2]
    assert re.match(r"# \S", first)
    named = re.fullmatch(r"# yaml-language-server: \$schema=(.+)", second)
    assert named, "the second line names the schema for editors"
    schema = json.loads((path.parent / named.group(1)).read_text())
    content = read_document(path).content
    jsonschema.validate(content, schema)
    if path in SELECTIONS:
        assert read_selection(str(path))[0].variables
    else:
        read = next(reader for key, reader in READERS.items() if key in content)
        assert read(path).features is not None


def test_the_schema_knows_the_options_of_each_method() -> None:
    schema = json_schema("recipe")
    recipe = {"features": ["pt1"], "method": {"name": "one_flow", "layers": 4}}
    jsonschema.validate(recipe, schema)
    recipe["method"] = {"name": "one_flow", "layer": 4}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(recipe, schema)


def test_a_single_input_is_as_good_as_a_list(tmp_path: Path) -> None:
    schema = json_schema("recipe")
    for source in ("a.root", ["a.root", "b.root"]):
        jsonschema.validate({"features": ["pt1"], "method": {"name": "quantile"}, "source": source}, schema)
    path = tmp_path / "r.yaml"
    path.write_text("method: {name: quantile}\n")
    read = validate(read_document(path).with_overrides(["features=[pt1]", "source=a.root"]), Recipe)
    assert read.source == ["a.root"]
