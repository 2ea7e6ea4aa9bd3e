"""What the JSON Schema of every kind of YAML file is checked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raise unless it is a valid schema of the draft that it names."""
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def undescribed_keys(schema: Mapping[str, Any]) -> set[str]:
    """The keys that have no description, neither at the key nor at the definition that it refers to."""
    definitions = schema["$defs"]
    fields = [(name, field) for model in (schema, *definitions.values()) for name, field in model["properties"].items()]
    described = [
        {**definitions[field["$ref"].rpartition("/")[2]], **field} if "$ref" in field else field for _, field in fields
    ]
    return {name for (name, _), field in zip(fields, described, strict=True) if "description" not in field}
