"""What the models accept at a path of keys, read from their JSON Schema, for messages and for overrides."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from branchsweep.config.comparison import Comparison
from branchsweep.config.config_model import ConfigModel, KeyPath

Schema = dict[str, Any]

RootModel = type[ConfigModel]
"""The model of a whole file."""


def subschema(root: RootModel, path: KeyPath, data: Mapping[str, Any]) -> Schema:
    """The schema of the value at the end of a path.

    Args:
        root: The model of the file.
        path: Keys from the root of the file.
        data: The file's content, which says which member of a tagged union is meant.

    Returns:
        The schema without references; empty where the models do not know the path.
    """
    schema, value = _resolve({"$ref": f"#/$defs/{root.__name__}"}, data), data
    for key in path:
        value = _item(value, key)
        schema = _resolve(_child(schema, key), value)
    return schema


def union_tag(root: RootModel, path: KeyPath, data: Mapping[str, Any]) -> str:
    """The tag by which `data` chooses a member of the union at the end of a path; empty where there is none."""
    if not path:
        return ""
    value: Any = data
    for key in path:
        value = _item(value, key)
    union = _dereference(_child(subschema(root, path[:-1], data), path[-1]))
    return str(value[union["discriminator"]["propertyName"]]) if "oneOf" in union and _chosen_member(union, value) else ""


NAME_DESCRIPTION = "a name (at most 100 letters, digits, _ and -, a letter or _ first)"
"""What the pattern of a name accepts."""


def describe_expected(schema: Schema) -> str:
    """What a schema accepts, as the end of a message: `a whole number of at least 1`."""
    if "enum" in schema or "const" in schema:
        return "one of " + ", ".join(word if word[:1].isalnum() else repr(word) for word in map(str, allowed_words(schema)))
    if "anyOf" in schema:
        return _describe_union(schema["anyOf"])
    if "oneOf" in schema:
        return f"a mapping with the key {schema['discriminator']['propertyName']}"
    match schema.get("type"):
        case "integer" | "number" as kind:
            return _describe_number(kind, schema)
        case "boolean":
            return "true or false"
        case "string":
            return NAME_DESCRIPTION if "pattern" in schema else "a text" + _describe_length(schema.get("maxLength", 0))
        case "array":
            return "a list" + _describe_size(schema.get("minItems", 0), schema.get("maxItems", 0))
        case "object" if "properties" in schema:
            return "a mapping with " + ", ".join(allowed_words(schema))
        case "object":
            kind = "a list or a mapping" if "propertyNames" in schema else "a mapping"  # the names of columns may be a list
            return kind + _describe_size(schema.get("minProperties", 0), schema.get("maxProperties", 0))
    return "something else"


def allowed_words(schema: Schema) -> list[str]:
    """The words that a schema accepts: its choices, the keys of its mapping that are not inferred, or the tags of its union."""
    if "const" in schema:
        return [schema["const"]]
    if "oneOf" in schema:
        tags = {target: tag for tag, target in schema["discriminator"]["mapping"].items()}
        return [tags[member["$ref"]] for member in schema["oneOf"]]
    return schema.get("enum") or [key for key, value in schema.get("properties", {}).items() if not value.get("readOnly")]


def has_free_keys(schema: Schema) -> bool:
    """Whether the schema is of a mapping whose keys the user chooses (heads, dimensions)."""
    return schema.get("type") == "object" and "properties" not in schema


def entries_are_mappings(schema: Schema) -> bool:
    """Whether each entry of a mapping with free keys is a mapping itself."""
    entry = _resolve(_child(schema, ""), None)
    return "oneOf" in entry or entry.get("type") == "object"


@functools.cache
def _definitions() -> Schema:
    """The schemas of all models by name: a comparison contains all the others."""
    schema = Comparison.model_json_schema()
    return {**schema["$defs"], "Comparison": schema}


def _resolve(schema: Schema, value: Any) -> Schema:
    """The schema without references; of a tagged union the member that `value` chooses, of others the one that is a mapping."""
    schema = _dereference(schema)
    while "oneOf" in schema and (member := _chosen_member(schema, value)):
        schema = _dereference({"$ref": member})
    if "anyOf" in schema and isinstance(value, Mapping):
        mappings = [member for member in map(_dereference, schema["anyOf"]) if "properties" in member]
        schema = mappings[0] if len(mappings) == 1 else schema
    return schema


def _dereference(schema: Schema) -> Schema:
    """The schema without references, and without `null` where one other alternative is left."""
    while True:
        if "$ref" in schema:
            schema = _definitions()[schema["$ref"].removeprefix("#/$defs/")]
        elif "anyOf" in schema and len(members := [member for member in schema["anyOf"] if member != {"type": "null"}]) == 1:
            schema = members[0]
        else:
            return schema


def _chosen_member(union: Schema, value: Any) -> str:
    """The reference to the member of a tagged union that `value` chooses; empty where it chooses none."""
    discriminator = union["discriminator"]
    tag = value.get(discriminator["propertyName"]) if isinstance(value, Mapping) else None
    return str(discriminator["mapping"].get(tag, "")) if isinstance(tag, str) else ""


def _child(schema: Schema, key: str | int) -> Schema:
    """The schema of an entry."""
    if isinstance(key, int):
        return dict(schema.get("items", {}))
    declared = schema.get("properties", {}).get(key)
    return dict(declared or next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties") or {}))


def _item(value: Any, key: str | int) -> Any:
    try:
        return value[key]
    except (KeyError, IndexError, TypeError):
        return None


def _describe_length(most: int) -> str:
    return f" of at most {most:,} characters" if most else ""


def _describe_size(least: int, most: int) -> str:
    """The number of entries of a list or mapping, 0 where there is no bound."""
    if least and most:
        return f" with {least} to {most:,} entries"
    if most:
        return f" with at most {most:,} entries"
    return f" with at least {'one entry' if least == 1 else f'{least} entries'}" if least else ""


def _describe_number(kind: str, schema: Schema) -> str:
    noun = "a whole number" if kind == "integer" else "a number"
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{noun} from {_number(low)} to {_number(high)}"
    phrases = {"minimum": "of at least", "exclusiveMinimum": "above", "maximum": "of at most", "exclusiveMaximum": "below"}
    bounds = [f"{phrase} {_number(schema[bound])}" for bound, phrase in phrases.items() if bound in schema]
    return " ".join([noun, " and ".join(bounds)]) if bounds else noun


def _number(bound: float) -> str:
    """A bound as users write it: a whole number without separators, so that it can be copied."""
    return str(int(bound)) if float(bound).is_integer() else str(bound)


def _describe_union(members: list[Schema]) -> str:
    types = {member.get("type") for member in members}
    if {"boolean", "integer", "number", "string"} <= types:
        return "one value (a number, a word, true or false)"
    *others, last = [describe_expected(_dereference(member)) for member in members if member != {"type": "null"}]
    return f"{', '.join(others)} or {last}"
