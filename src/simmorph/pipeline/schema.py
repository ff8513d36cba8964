"""The JSON schema of what a user writes, for editors and validators."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, create_model

from simmorph.config.recipe import MethodSettings, Recipe
from simmorph.config.selection import Selection

if TYPE_CHECKING:
    from simmorph.methods.base import Method

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
    from simmorph.methods import METHODS  # noqa: PLC0415 - torch takes two seconds to import

    return {
        "description": MethodSettings.__doc__,
        "oneOf": [_options_schema(name, method) for name, method in METHODS.items()],
    }


def _options_schema(name: str, method: type[Method]) -> dict[str, Any]:
    signature = inspect.signature(method, eval_str=True)
    options: dict[str, Any] = {
        keyword.name: (keyword.annotation, keyword.default)
        for keyword in signature.parameters.values()
        if keyword.kind is inspect.Parameter.KEYWORD_ONLY
    }
    model = create_model(name, __config__=ConfigDict(extra="forbid"), **options)
    schema = model.model_json_schema()
    schema["description"] = (inspect.getdoc(method) or "").split("\n", 1)[0]
    schema["properties"] = {"name": {"const": name}, **schema.get("properties", {})}
    schema["required"] = ["name"]
    return schema


