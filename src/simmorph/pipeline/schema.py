"""The JSON schema of what a user writes, for editors and validators."""

from __future__ import annotations

from typing import Any

from simmorph.config.recipe import MethodSettings, Recipe
from simmorph.config.selection import Selection

SCHEMAS = ("recipe", "selection")


def json_schema(document: str) -> dict[str, Any]:
    """The JSON schema of a recipe or a selection.

    Args:
        document: a name in SCHEMAS.
    """
    section = {"recipe": Recipe, "selection": Selection}[document]
    schema = section.model_json_schema()
    if document == "recipe":
        schema["$defs"][MethodSettings.__name__] = _method_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"simmorph {document}", **schema}


def _method_schema() -> dict[str, Any]:
    """Each method with the keywords of its constructor, types and defaults included."""
    from simmorph.methods.registry import METHODS, options_of  # noqa: PLC0415 - torch takes two seconds to import

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
