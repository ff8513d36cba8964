"""The JSON schema of what a user writes, for editors and validators.

pydantic makes it of the models in `config`; here the blocks are completed whose keys depend on a name in them:
`method:` by the constructors of METHODS, `systematics:` by the options of each kind of modifier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simmorph.config.compare import ComparedMethod, CompareRecipe
from simmorph.config.kind import Kind
from simmorph.config.learning import MethodSettings, NamedMethod, ThenSettings
from simmorph.config.limits import LimitsRecipe, Variation
from simmorph.config.recipe import Recipe
from simmorph.config.selection.selection import Selection

if TYPE_CHECKING:
    from simmorph.config.documents import Section

SCHEMAS: dict[str, type[Section]] = {
    "recipe": Recipe,
    "selection": Selection,
    "compare": CompareRecipe,
    "limits": LimitsRecipe,
}
"""What has a schema."""


def json_schema(document: str) -> dict[str, Any]:
    """The JSON schema of a recipe, a selection, a comparison, or a recipe of limits alone.

    Args:
        document: a name in SCHEMAS.
    """
    schema = SCHEMAS[document].model_json_schema()
    for block in (MethodSettings, ComparedMethod, ThenSettings):
        if block.__name__ in schema.get("$defs", {}):
            schema["$defs"] |= {block.__name__: _method_schema(block), **_blocks_of_methods()}
    if Variation.__name__ in schema.get("$defs", {}):
        schema["$defs"][Variation.__name__] = _variation_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": f"simmorph {document}"}


def _method_schema(block: type[NamedMethod]) -> dict[str, Any]:
    """Each method with the keywords of its constructor, types and defaults included, beside the block's own keys.

    After a morph only a reweighting can follow, and a morph alone has something that follows.

    Args:
        block: the model of the block that names a method.
    """
    from simmorph.methods.registry import METHODS, options_of

    own = block.model_json_schema()["properties"]
    chosen = {
        name: method for name, method in METHODS.items() if block is not ThenSettings or method.kind is Kind.REWEIGHT
    }
    schemas = {name: _without_blocks(options_of(method).model_json_schema()) for name, method in chosen.items()}
    return {
        "description": block.__doc__,
        "oneOf": [
            {
                **schema,
                "title": name,
                "description": schema.get("description", "").split("\n", 1)[0],
                "properties": {
                    **{key: it for key, it in own.items() if key != "then" or chosen[name].kind is Kind.MORPH},
                    "name": {"const": name},
                    **schema.get("properties", {}),
                },
                "required": ["name"],
            }
            for name, schema in schemas.items()
        ],
    }


def _variation_schema() -> dict[str, Any]:
    """Each kind of systematic uncertainty with its keys."""
    from simmorph.limits.modifiers.registry import SYSTEMATICS

    own = Variation.model_json_schema()
    kinds = {name: kind.Options.model_json_schema() for name, kind in SYSTEMATICS.items()}
    return {
        "description": Variation.__doc__,
        "oneOf": [
            {
                **schema,
                "title": name,
                "properties": {**own["properties"], "type": {"const": name}, **schema["properties"]},
                "required": [*own["required"], *schema["required"]],
            }
            for name, schema in kinds.items()
        ],
    }


def _blocks_of_methods() -> dict[str, Any]:
    """The blocks of keys that the options of methods are made of; references look for them at the top."""
    from simmorph.methods.registry import METHODS, options_of

    blocks: dict[str, Any] = {}
    for method in METHODS.values():
        blocks |= options_of(method).model_json_schema().get("$defs", {})
    return blocks


def _without_blocks(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without its own definitions, which `_blocks_of_methods` puts at the top."""
    return {key: value for key, value in schema.items() if key != "$defs"}
