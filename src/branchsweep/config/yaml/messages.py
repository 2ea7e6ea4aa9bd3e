"""Messages about the mistakes in a document: what was given, what was expected, and the nearest valid word.

The models know what may stand where, but say it in pydantic's terms, by a path that also names members of unions. Here that
becomes messages such as

    experiments/x.yaml:14: heads.PE.loss: got 'mea', expected one of mse, mae, huber; did you mean 'mae'?
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic_core import ErrorDetails

from branchsweep.config.config_model import KeyPath
from branchsweep.config.sections.heads import name_from_column
from branchsweep.config.yaml.schema_lookup import RootModel, Schema, allowed_words, describe_expected, subschema, union_tag
from branchsweep.config.yaml.yaml_document import describe_value
from branchsweep.errors import did_you_mean, nearest

YAML_1_1_BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
"""Words that are booleans in YAML 1.1 and texts in YAML 1.2, with what to write instead."""


@dataclass(frozen=True, slots=True)
class ConfigMistake:
    """One thing to correct in a document.

    Args:
        path: Of what is wrong; of a missing key, the path that it should have.
        named_path: The path that the message names: of an unknown or missing key, that of the mapping around it.
        message: What was given, what was expected, and the nearest valid word.
        intended_key: Of an unknown key, the valid one that it is most like.
        is_cross_check: Whether it follows from several values together, not from one alone.
    """

    path: KeyPath
    named_path: KeyPath
    message: str
    intended_key: str = ""
    is_cross_check: bool = False


def to_mistake(root: RootModel, data: dict[str, Any], details: ErrorDetails) -> ConfigMistake:
    """The mistake that one of pydantic's errors reports.

    Args:
        root: The model that refused the data.
        data: The whole document.
        details: One entry of `ValidationError.errors()`.
    """
    path = _document_path(root, data, details)
    match details["type"]:
        case "mistake":
            return ConfigMistake(path, path, details["ctx"]["message"], is_cross_check=True)
        case "value_error":
            return ConfigMistake(path, path, str(details["ctx"]["error"]))
        case "missing":
            message = f"missing key '{path[-1]}', expected {describe_expected(subschema(root, path, data))}"
            return ConfigMistake(path, path[:-1], message)
        case "extra_forbidden":
            return _unknown_key(root, data, path)
        case "union_tag_invalid" | "union_tag_not_found":
            return _wrong_tag(root, data, path)
    if details["loc"][-1] == "[key]":
        name = describe_expected({"type": "string", "pattern": ""})
        hint = _head_hint(str(path[-1]), value_at(data, path)) if path[-2:-1] == ("heads",) else ""
        return ConfigMistake(path, path, f"got '{path[-1]}', expected {name}{hint}")
    return _wrong_value(root, data, path, details["input"])


def value_at(data: Any, path: KeyPath) -> Any:
    """The value at the end of a path, which must be there."""
    for key in path:
        data = data[key]
    return data


def has_path(data: Any, path: KeyPath) -> bool:
    """Whether there is a value at the end of a path."""
    for key in path:
        if not _has_key(data, key):
            return False
        data = data[key]
    return True


def _has_key(data: Any, key: str | int) -> bool:
    return key in data if isinstance(data, dict) else isinstance(data, list) and isinstance(key, int) and key < len(data)


def _document_path(root: RootModel, data: dict[str, Any], details: ErrorDetails) -> KeyPath:
    """The path in the document that a `loc` means: without the tags of unions, which are no keys of the document."""
    if not details["loc"]:  # the value as a whole
        return ()
    *parents, last = details["loc"]
    path: KeyPath = ()
    tag = ""
    for key in parents:
        if tag and key == tag:  # a key below may have its name
            tag = ""
        elif _has_key(value_at(data, path), key):
            path = (*path, key)
            tag = union_tag(root, path, data)
    if "anyOf" in subschema(root, path, data) or (tag and last == tag):  # what follows names a member of the union
        return path
    return (*path, last) if _has_key(value_at(data, path), last) or details["type"] == "missing" else path


def _wrong_value(root: RootModel, data: dict[str, Any], path: KeyPath, value: Any) -> ConfigMistake:
    schema = subschema(root, path, data)
    value_type = schema.get("type")
    if "oneOf" in schema and isinstance(value, str) and (tag := nearest(value, allowed_words(schema))):  # the tag alone
        hint = f"; did you mean {{{schema['discriminator']['propertyName']}: {tag}}}?"
    else:
        hint = _hint(value, value_type, [] if value_type == "object" or "oneOf" in schema else allowed_words(schema))
    expected = describe_expected(schema if isinstance(value, str) else _without_length(schema))
    return ConfigMistake(path, path, f"got {describe_value(value)}, expected {expected}{hint}")


def _without_length(schema: Schema) -> Schema:
    """The schema without the length of texts, which is of no interest to who gave something else."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [_without_length(member) for member in schema["anyOf"]]}
    return {key: value for key, value in schema.items() if key != "maxLength"}


def _unknown_key(root: RootModel, data: dict[str, Any], path: KeyPath) -> ConfigMistake:
    valid, key = allowed_words(subschema(root, path[:-1], data)), str(path[-1])
    message = f"unknown key '{key}', expected one of {', '.join(valid)}{did_you_mean(key, valid)}"
    return ConfigMistake(path, path[:-1], message, intended_key=nearest(key, valid))


def _wrong_tag(root: RootModel, data: dict[str, Any], path: KeyPath) -> ConfigMistake:
    union = subschema(root, path, data)
    key, valid = union["discriminator"]["propertyName"], allowed_words(union)
    mapping = value_at(data, path)
    tag_path = (*path, key)
    if key not in mapping:
        return ConfigMistake(tag_path, path, f"missing key '{key}', expected one of {', '.join(valid)}")
    hint = _hint(mapping[key], "string", valid)
    return ConfigMistake(tag_path, tag_path, f"got {describe_value(mapping[key])}, expected one of {', '.join(valid)}{hint}")


def _head_hint(column: str, head: Any) -> str:
    """What to write where a head is called as its column, and that is no name."""
    name = name_from_column(column)
    if isinstance(head, dict) and "column" in head:
        return f"; did you mean '{name}'?"
    return f"; write {name}: {{column: {json.dumps(column, ensure_ascii=False)}}}"


def _hint(value: Any, value_type: str | None, valid: list[str]) -> str:
    """How to correct a value, where that can be guessed."""
    if not isinstance(value, str):
        return ""
    if value_type == "boolean" and value.casefold() in YAML_1_1_BOOLEANS:
        return f"; did you mean '{YAML_1_1_BOOLEANS[value.casefold()]}'?"
    if value_type in {"integer", "number"} and value.replace(".", "", 1).isdigit():
        return f"; did you mean {value}, without quotes?"
    return did_you_mean(value, valid)
