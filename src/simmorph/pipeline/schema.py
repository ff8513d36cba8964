"""The JSON schema of what a user writes, for editors and validators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simmorph.config.limits import LimitsRecipe
from simmorph.config.recipe import MethodSettings, Recipe
from simmorph.config.selection import Selection

if TYPE_CHECKING:
    from simmorph.config.documents import Section

SCHEMAS: dict[str, type[Section]] = {"recipe": Recipe, "selection": Selection, "limits": LimitsRecipe}
"""What has a schema."""


def json_schema(document: str) -> dict[str, Any]:
    """The JSON schema of a recipe, a selection, or a recipe of limits alone.

    Args:
        document: a name in SCHEMAS.
    """
    schema = SCHEMAS[document].model_json_schema()
    if document == "recipe":
        schema["$defs"][MethodSettings.__name__] = _method_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": f"simmorph {document}"}


def _method_schema() -> dict[str, Any]:
    """Each method with the keywords of its constructor, types and defaults included."""
    from simmorph.methods.registry import METHODS, options_of

    schemas = {name: options_of(method).model_json_schema() for name, method in METHODS.items()}
    return {
        "description": MethodSettings.__doc__,
        "oneOf": [
            {
                **schema,
                "title": name,
                "description": schema.get("description", "").split("\n", 1)[0],
                "properties": {"name": {"const": name}, **schema.get("properties", {})},
                "required": ["name"],
            }
            for name, schema in schemas.items()
        ],
    }
