"""The JSON Schemas of experiments, search spaces and comparisons: what editors complete, and what messages say was expected."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Mapping
from typing import Any, Literal

from branchsweep.config.comparison import Comparison
from branchsweep.config.config_model import ConfigModel
from branchsweep.config.experiment import SKLEARN_BASELINES, Experiment
from branchsweep.config.hyperparameters import HYPERPARAMETERS, Hyperparameter
from branchsweep.config.search import DRIVERS, RENAMED_KEYS
from branchsweep.config.search_space import SearchSpace
from branchsweep.config.table import POWER_PLANT_TABLE
from branchsweep.config.training import NO_PRUNING
from branchsweep.config.yaml_document import Keys

Schema = dict[str, Any]

Root = type[ConfigModel]
"""The model of a whole file."""

Kind = Literal["experiment", "space", "comparison"]
"""The kinds of files."""

ROOTS: Mapping[Kind, Root] = {"experiment": Experiment, "space": SearchSpace, "comparison": Comparison}
"""The models of the kinds of files."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(kind: Kind) -> Schema:
    """The JSON Schema (draft 2020-12) of an experiment's file, of a space's in `search_spaces/`, or of a comparison's."""
    root = ROOTS[kind]
    schema = copy.deepcopy(root.model_json_schema())
    definitions = schema["$defs"]
    models = definitions | {root.__name__: schema}
    _name_the_tunables(models["SearchSpace"])
    if "Experiment" in models:
        _allow_shorthands(models["Experiment"], definitions)
    if "Comparison" in models:
        _allow_paths(schema, definitions)
    return {"$schema": DIALECT, **_without_titles(schema)}


def part(root: Root, keys: Keys, data: Mapping[str, Any]) -> Schema:
    """What the schema of a file says of the value at the end of a way; of unions, the member that `data` chose."""
    found, value = _resolved({"$ref": f"#/$defs/{root.__name__}"}, data), data
    for key in keys:
        value = _below(value, key)
        found = _resolved(_child(found, key), value)
    return found


def tag(root: Root, keys: Keys, data: Mapping[str, Any]) -> str:
    """The name of the member that `data` chose of the union at the end of a way; empty where there is none."""
    if not keys:
        return ""
    value: Any = data
    for key in keys:
        value = _below(value, key)
    union = _plain(_child(part(root, keys[:-1], data), keys[-1]))
    return str(value[union["discriminator"]["propertyName"]]) if "oneOf" in union and _chosen(union, value) else ""


def expected(found: Schema) -> str:
    """What a part of the schema asks for, in words."""
    if "enum" in found or "const" in found:
        return "one of " + ", ".join(map(str, words(found)))
    if "anyOf" in found:
        return _expected_of_several(found["anyOf"])
    if "oneOf" in found:
        return f"a mapping with the key {found['discriminator']['propertyName']}"
    match found.get("type"):
        case "integer" | "number" as kind:
            return _number(kind, found)
        case "boolean":
            return "true or false"
        case "string":
            return "a name (letters, digits, _ and -, a letter or _ first)" if "pattern" in found else "a text"
        case "array":
            return "a list" + _at_least(found.get("minItems", 0))
        case "object" if "properties" in found:
            return "a mapping with " + ", ".join(found["properties"])
        case "object":
            return "a mapping" + _at_least(found.get("minProperties", 0))
    return "something else"


def words(found: Schema) -> list[str]:
    """The words that a part of the schema allows: its choices, or the keys of the mapping, or the kinds of a union."""
    if "const" in found:
        return [found["const"]]
    if "oneOf" in found:
        tags = {target: tag for tag, target in found["discriminator"]["mapping"].items()}
        return [tags[member["$ref"]] for member in found["oneOf"]]
    return list(found.get("enum") or found.get("properties") or ())


def is_open(found: Schema) -> bool:
    """Whether the part is a mapping whose keys are the writer's own (heads, dimensions)."""
    return found.get("type") == "object" and "properties" not in found


def entries_are_mappings(found: Schema) -> bool:
    """Whether each entry of an open mapping is a mapping itself."""
    entry = _resolved(_child(found, ""), None)
    return "oneOf" in entry or entry.get("type") == "object"


@functools.cache
def _definitions() -> Schema:
    """Every model by its name: a comparison holds all the others."""
    whole = Comparison.model_json_schema()
    return {**whole["$defs"], "Comparison": whole}


def _resolved(found: Schema, value: Any) -> Schema:
    """The plain part, and of a tagged union the member that `value` chose."""
    found = _plain(found)
    while "oneOf" in found and (member := _chosen(found, value)):
        found = _plain({"$ref": member})
    return found


def _plain(found: Schema) -> Schema:
    """The part without references, and without `null` among several."""
    while True:
        if "$ref" in found:
            found = _definitions()[found["$ref"].removeprefix("#/$defs/")]
        elif "anyOf" in found and len(members := [member for member in found["anyOf"] if member != {"type": "null"}]) == 1:
            found = members[0]
        else:
            return found


def _chosen(union: Schema, value: Any) -> str:
    """The reference to the member of a tagged union that `value` chose; empty if it chose none."""
    discriminator = union["discriminator"]
    word = value.get(discriminator["propertyName"]) if isinstance(value, Mapping) else None
    return str(discriminator["mapping"].get(word, "")) if isinstance(word, str) else ""


def _child(found: Schema, key: str | int) -> Schema:
    if isinstance(key, int):
        return dict(found.get("items", {}))
    own = found.get("properties", {}).get(key)
    return dict(own or next(iter(found.get("patternProperties", {}).values()), found.get("additionalProperties") or {}))


def _below(value: Any, key: str | int) -> Any:
    try:
        return value[key]
    except (KeyError, IndexError, TypeError):
        return None


def _at_least(entries: int) -> str:
    return f" with at least {'one entry' if entries == 1 else f'{entries} entries'}" if entries else ""


def _number(kind: str, found: Schema) -> str:
    noun = "a whole number" if kind == "integer" else "a number"
    low, high = found.get("minimum"), found.get("maximum")
    if low is not None and high is not None:
        return f"{noun} from {low} to {high}"
    bounds = {"minimum": "of at least", "exclusiveMinimum": "above", "maximum": "of at most", "exclusiveMaximum": "below"}
    said = [f"{word} {found[bound]}" for bound, word in bounds.items() if bound in found]
    return " ".join([noun, " and ".join(said)]) if said else noun


def _expected_of_several(members: list[Schema]) -> str:
    kinds = {member.get("type") for member in members}
    if {"boolean", "integer", "number", "string"} <= kinds:
        return "one value (a number, a word, true or false)"
    *others, last = [expected(member) for member in members if member != {"type": "null"}]
    return f"{', '.join(others)} or {last}"


def _name_the_tunables(space: Schema) -> None:
    """Only tunables may be varied or fixed; those of all heads by name, those of one head as `<head>.depth`."""
    for group, value_schema in (("dimensions", _dimension), ("fixed", _value)):
        entry = space["properties"][group].pop("additionalProperties")
        space["properties"][group] |= _by_tunable(entry, value_schema)


def _by_tunable(entry: Schema, schema_of: Any) -> Schema:
    tunables = HYPERPARAMETERS.values()
    return {
        "properties": {tunable.name: schema_of(entry, tunable) for tunable in tunables},
        "patternProperties": {
            rf"^[A-Za-z_][A-Za-z0-9_-]*\.{re.escape(tunable.per_head)}$": schema_of(entry, tunable)
            for tunable in tunables
            if tunable.per_head
        },
        "additionalProperties": False,
    }


def _dimension(entry: Schema, tunable: Hyperparameter) -> Schema:
    return {"description": _described(tunable), **entry}


def _value(_: Schema, tunable: Hyperparameter) -> Schema:
    said: Schema = {"description": _described(tunable), "default": tunable.default}
    if tunable.choices:
        return said | {"enum": list(tunable.choices)}
    return said | {
        "type": "integer" if isinstance(tunable.default, int) else "number",
        "minimum": tunable.low,
        "maximum": tunable.high,
    }


def _described(tunable: Hyperparameter) -> str:
    return f"{tunable.meaning}: {tunable.expected} ({tunable.default} if absent)"


def _allow_paths(comparison: Schema, definitions: Schema) -> None:
    """What `load_comparison` spells out before the models see it: an experiment may be a path to its file."""
    comparison["properties"]["contestants"]["additionalProperties"] = False
    for holder in (comparison, definitions["Network"], definitions["Single"]):
        properties = holder["properties"]
        properties["experiment"] = {
            "description": properties["experiment"]["description"],
            "anyOf": [{"type": "string", "pattern": r"\.ya?ml$"}, {"$ref": "#/$defs/Experiment"}],
        }
    for holder in (definitions["Network"], definitions["Single"], definitions["Sharing"]):
        fixed = holder["properties"]["fixed"]
        fixed |= _by_tunable(fixed.pop("additionalProperties"), _value)


def _allow_shorthands(experiment: Schema, definitions: Schema) -> None:
    """What `load` spells out before the models see it."""
    properties = experiment["properties"]
    table = definitions["Table"]
    table["required"] = ["source"]
    table |= {"if": {"properties": {"source": {"const": POWER_PLANT_TABLE}}}, "else": {"required": ["inputs"]}}
    properties["table"] = {
        "description": properties["table"]["description"],
        "anyOf": [
            {"const": POWER_PLANT_TABLE, "description": "The built-in table with its inputs."},
            {"$ref": "#/$defs/Table"},
        ],
    }
    properties["space"] = {
        "description": properties["space"]["description"],
        "anyOf": [{"type": "string", "pattern": r"\.ya?ml$"}, {"$ref": "#/$defs/SearchSpace"}],
    }
    properties["pruning"]["anyOf"].append({"const": NO_PRUNING, "description": "Every trial trains to its end."})
    maximize = definitions["Objective"]["properties"]["maximize"]
    several = {key: value for key, value in maximize.items() if key not in {"default", "description"}}
    maximize |= {"anyOf": [{"type": "string"}, several]}
    for key in several:
        maximize.pop(key)
    properties["objective"] = {
        "description": properties["objective"]["description"],
        "anyOf": [{"type": "string"}, several, {"$ref": "#/$defs/Objective"}],
    }
    properties["heads"]["additionalProperties"] = False
    search = definitions["Search"]["properties"]
    initial_trials = search["initial_trials"]
    (pattern,) = initial_trials["patternProperties"]
    initial_trials["patternProperties"][pattern] = {"type": "object", **_by_tunable({}, _value)}
    initial_trials["additionalProperties"] = False
    for old, new in RENAMED_KEYS.items():
        search[old] = {**copy.deepcopy(search[new]), "description": f"The old name of {new}.", "deprecated": True}
    definitions["Search"]["properties"]["algorithm"] |= {
        "anyOf": [{"enum": sorted({name for names in DRIVERS.values() for name in names})}, {"type": "null"}]
    }
    properties["baselines"]["items"] = {
        "anyOf": [{"enum": list(SKLEARN_BASELINES)}, {"type": "string", "pattern": r"\.ya?ml$"}]
    }


def _without_titles(schema: Any) -> Any:
    """Without the titles that pydantic derives from field names: they say nothing and clutter an editor's pop-ups."""
    if isinstance(schema, list):
        return [_without_titles(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _without_titles(value) for key, value in schema.items() if not (key == "title" and isinstance(value, str))}
