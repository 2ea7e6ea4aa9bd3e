"""The JSON Schemas of files with experiments, search spaces and comparisons, by which editors complete and check them."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from branchsweep.config.builders import MAX_NAMES, OWN_VALUE
from branchsweep.config.comparison import Comparison
from branchsweep.config.config_model import LONGEST_PATH, MAX_NAME, NAME, SHORT_TEXT
from branchsweep.config.estimator_names import ESTIMATORS
from branchsweep.config.estimator_parameters import ESTIMATOR_PARAMETERS, estimator_parameters
from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import HYPERPARAMETERS, Hyperparameter
from branchsweep.config.kinds import all_names
from branchsweep.config.sections.columns import ALL_OTHER_COLUMNS
from branchsweep.config.sections.driver_options import DRIVERS
from branchsweep.config.sections.objective import MINIMIZE
from branchsweep.config.sections.search import RENAMED_KEYS
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.config.sections.table import POWER_PLANT_TABLE
from branchsweep.config.sections.training import NO_PRUNING
from branchsweep.config.yaml.schema_lookup import RootModel, Schema

FileKind = Literal["experiment", "space", "comparison"]
"""The kinds of files."""

ROOT_MODELS: Mapping[FileKind, RootModel] = {"experiment": Experiment, "space": SearchSpace, "comparison": Comparison}
"""The model of each kind of file."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_YAML_PATH = {"type": "string", "pattern": r"\.ya?ml$"}


def json_schema(kind: FileKind) -> Schema:
    """The JSON Schema (draft 2020-12) of a kind of file.

    It is that of the models, and accepts what loading resolves before the models see it: shorthands, paths to other files, and
    keys by their old names.
    """
    root = ROOT_MODELS[kind]
    schema = copy.deepcopy(root.model_json_schema())
    definitions = schema["$defs"]
    models = definitions | {root.__name__: schema}
    _name_hyperparameters(models["SearchSpace"])
    for name in ("TunedEstimator", "Estimator"):
        if name in definitions:
            _name_estimator_parameters(definitions[name])
    if "Experiment" in models:
        _allow_shorthands(models["Experiment"], definitions)
        _describe_search(definitions["Search"]["properties"])
        _name_trial_params(models["Experiment"], definitions["Search"]["properties"]["initial_trials"])
    if "Comparison" in models:
        _allow_experiment_paths(schema, definitions)
    return {"$schema": DIALECT, **_without_titles(schema)}


def _name_hyperparameters(space: Schema) -> None:
    """Only hyperparameters can be varied or fixed: those of the network by name, those of one head as `<head>.depth`."""
    of_layers: Schema = {}
    for group, value_schema in (("dimensions", _dimension_schema), ("fixed", _value_schema)):
        entry = space["properties"][group].pop("additionalProperties")
        named = _by_hyperparameter(entry, value_schema)
        of_layers[group] = {"propertyNames": _names_of(named)}
        own = entry if group == "dimensions" else OWN_VALUE  # by names of a builder's own
        space["properties"][group] |= {**named, "additionalProperties": own, "maxProperties": MAX_NAMES}
    space |= {"if": {"required": ["builder"]}, "else": {"properties": of_layers}}


def _name_estimator_parameters(estimator: Schema) -> None:
    """Only an estimator's own hyperparameters can be searched or fixed."""
    every_name = dict.fromkeys(name for parameters in ESTIMATOR_PARAMETERS.values() for name in parameters)
    for key, entry in (("space", estimator["properties"]["space"]["additionalProperties"]), ("fixed", {})):
        estimator["properties"][key] |= {"properties": dict.fromkeys(every_name, entry), "additionalProperties": False}

    def only_those_of(name: str) -> Schema:
        names = {"propertyNames": {"enum": list(estimator_parameters(name))}}
        return {"if": {"properties": {"estimator": {"const": name}}}, "then": {"properties": {"space": names, "fixed": names}}}

    estimator["allOf"] = [only_those_of(name) for name in ESTIMATORS]


def _by_hyperparameter(entry: Schema, schema_of: Callable[[Schema, Hyperparameter], Schema]) -> Schema:
    """The keywords of a mapping with the names of hyperparameters as keys."""
    return {
        "properties": {
            name: schema_of(entry, hyperparameter)
            for name, hyperparameter in HYPERPARAMETERS.items()
            if not hyperparameter.names_heads
        },
        "patternProperties": {
            _head_pattern(hyperparameter): schema_of(entry, hyperparameter)
            for hyperparameter in HYPERPARAMETERS.values()
            if hyperparameter.per_head
        },
        "additionalProperties": False,
    }


def _head_pattern(hyperparameter: Hyperparameter) -> str:
    """The pattern of a hyperparameter's names per head: `PE.depth`; not `branch.reads`, which is nobody's name."""
    head = NAME.removeprefix("^").removesuffix("$")
    others = rf"(?!{re.escape(hyperparameter.name)}$)" if hyperparameter.names_heads else ""
    return rf"^{others}{head}\.{re.escape(hyperparameter.per_head)}$"


def _dimension_schema(entry: Schema, hyperparameter: Hyperparameter) -> Schema:
    return {"description": _description(hyperparameter), **entry}


def _value_schema(_: Schema, hyperparameter: Hyperparameter) -> Schema:
    schema: Schema = {"description": _description(hyperparameter), "default": hyperparameter.default}
    if hyperparameter.names_heads:
        return schema | {"type": "string", "pattern": NAME}
    if hyperparameter.choices:
        return schema | {"enum": all_names(hyperparameter.choices)}
    return schema | {
        "type": "integer" if isinstance(hyperparameter.default, int) else "number",
        "minimum": hyperparameter.low,
        "maximum": hyperparameter.high,
    }


def _description(hyperparameter: Hyperparameter) -> str:
    return f"{hyperparameter.meaning}: {hyperparameter.expected} ({hyperparameter.default} if absent)"


def _allow_experiment_paths(comparison: Schema, definitions: Schema) -> None:
    """An experiment of a comparison may be a path to its file."""
    comparison["properties"]["contestants"]["additionalProperties"] = False
    for holder in (comparison, definitions["Network"], definitions["Single"]):
        properties = holder["properties"]
        properties["experiment"] = {
            "description": properties["experiment"]["description"],
            "anyOf": [_YAML_PATH, {"$ref": "#/$defs/Experiment"}],
        }
    for holder in (definitions["Network"], definitions["Single"], definitions["Sharing"]):
        fixed = holder["properties"]["fixed"]
        fixed |= _by_hyperparameter(fixed.pop("additionalProperties"), _value_schema)


def _allow_shorthands(experiment: Schema, definitions: Schema) -> None:
    """A table, a space, test rows, a pruning schedule, an objective and a baseline may be one word or a path."""
    properties = experiment["properties"]
    table = definitions["Table"]
    table["required"] = ["source"]
    inputs = table["properties"]["inputs"]
    columns = {
        key: inputs.pop(key) for key in ("type", "additionalProperties", "propertyNames", "minProperties", "maxProperties")
    }
    columns["additionalProperties"] = {"anyOf": [columns["additionalProperties"], {"type": "null"}]}
    names = {
        "type": "array",
        "items": {"type": "string", **columns["propertyNames"]},
        "minItems": columns["minProperties"],
        "maxItems": columns["maxProperties"],
    }
    everything = {"const": ALL_OTHER_COLUMNS, "description": "All columns that no head predicts."}
    inputs["anyOf"] = [names, columns, everything]
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
        "anyOf": [_YAML_PATH, {"$ref": "#/$defs/SearchSpace"}],
    }
    properties["test"] = {
        "description": properties["test"]["description"],
        "anyOf": [
            {"type": "string", "maxLength": LONGEST_PATH, "description": "A table whose rows are the test rows."},
            {"$ref": "#/$defs/TestRows"},
        ],
    }
    properties["pruning"]["anyOf"].append({"const": NO_PRUNING, "description": "Every trial trains all its epochs."})
    properties["baselines"]["items"] = {"anyOf": [{"enum": list(ESTIMATORS)}, _YAML_PATH, {"$ref": "#/$defs/TunedEstimator"}]}
    _allow_columns_as_heads(properties["heads"])
    _allow_one_metric(properties, definitions["Objective"]["properties"])


def _allow_columns_as_heads(heads: Schema) -> None:
    """A head may be named by its column, which may be called anything, if nothing else names the column."""
    (named,) = heads["patternProperties"].values()
    heads["propertyNames"] = {"pattern": r"\S", "maxLength": MAX_NAME}
    heads["additionalProperties"] = {"allOf": [named], "not": {"required": ["column"]}}


def _allow_one_metric(experiment: Schema, objective: Schema) -> None:
    """An objective may be one metric, or a list of them, instead of a mapping, which may say what is minimized by that name."""
    maximize = objective["maximize"]
    metrics = {key: value for key, value in maximize.items() if key not in {"default", "description"}}
    metric = {"type": "string", "maxLength": SHORT_TEXT}
    maximize |= {"anyOf": [metric, metrics]}
    for key in metrics:
        maximize.pop(key)
    description = "Metrics of which less is better, beside those under maximize: rmse/PE, brier/trip, parameters."
    objective[MINIMIZE] = {"description": description, "anyOf": [metric, metrics]}
    experiment["objective"] = {
        "description": experiment["objective"]["description"],
        "anyOf": [metric, metrics, {"$ref": "#/$defs/Objective"}],
    }


def _describe_search(search: Schema) -> None:
    """Name the algorithms and the hyperparameters of initial trials, and keep the old names of keys as deprecated ones."""
    algorithms = sorted({name for algorithms in DRIVERS.values() for name in algorithms})
    search["algorithm"] |= {"anyOf": [{"enum": algorithms}, {"type": "null"}]}
    search["options"] |= {"properties": _option_schemas(), "additionalProperties": False}
    initial_trials = search["initial_trials"]
    (pattern,) = initial_trials["patternProperties"]
    trial = _by_hyperparameter({}, _value_schema)
    initial_trials["patternProperties"][pattern] = {
        "type": "object",
        **trial,
        "additionalProperties": OWN_VALUE,  # by names of a builder's own
        "maxProperties": MAX_NAMES,
    }
    initial_trials["additionalProperties"] = False
    for old, new in RENAMED_KEYS.items():
        search[old] = {**copy.deepcopy(search[new]), "description": f"The old name of {new}.", "deprecated": True}


def _name_trial_params(experiment: Schema, initial_trials: Schema) -> None:
    """Without a builder, initial trials name hyperparameters only."""
    ((pattern, trial),) = initial_trials["patternProperties"].items()
    trials = {"patternProperties": {pattern: {"propertyNames": _names_of(trial)}}}
    search = {"properties": dict.fromkeys(("initial_trials", "known"), trials)}
    has_builder = {"properties": {"space": {"type": "object", "required": ["builder"]}}}
    experiment |= {"if": has_builder, "else": {"properties": {"search": search}}}


def _names_of(mapping: Schema) -> Schema:
    """The schema of the names that a mapping from hyperparameters has."""
    patterns = [{"pattern": pattern} for pattern in mapping["patternProperties"]]
    return {"anyOf": [{"enum": list(mapping["properties"])}, *patterns]}


def _option_schemas() -> Schema:
    """The schema of every option of an algorithm; one that several have is of the same kind in all of them."""
    return {
        name: {"description": f"Of {algorithm} ({driver}): {option.expected}.", **option.json_schema}
        for driver, algorithms in DRIVERS.items()
        for algorithm, options in algorithms.items()
        for name, option in options.items()
    }


def _without_titles(schema: Any) -> Any:
    """The schema without the titles that pydantic derives from field names, which clutter an editor's pop-ups."""
    if isinstance(schema, list):
        return [_without_titles(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _without_titles(value) for key, value in schema.items() if not (key == "title" and isinstance(value, str))}
