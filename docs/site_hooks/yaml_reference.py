"""The page of the YAML files: every key with its type, default and meaning, from the JSON Schemas of `branchsweep schema`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from branchsweep.config.yaml.json_schema import FileKind, json_schema

PAGE = "reference/yaml.md"
INTRODUCTION = """# YAML files

Every key of an experiment and of a comparison, with its type and default. A file with a search space alone has the keys of
[space](#space). Names in capitals stand for what the file says: a head, a column, a hyperparameter, a contestant.
`branchsweep schema` prints the same as a JSON Schema, by which editors complete and check these files.
"""
TITLES: Mapping[FileKind, str] = {"experiment": "An experiment", "comparison": "A comparison"}
NAMED = {
    "heads": "HEAD",
    "table.inputs": "COLUMN",
    "space.dimensions": "HYPERPARAMETER",
    "contestants": "CONTESTANT",
}
"""What the keys of a mapping are, by its path."""

TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`", "object": "mapping"}
Schema = Mapping[str, Any]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """The page's text."""
    parts, described = [INTRODUCTION], set[str]()
    for kind, title in TITLES.items():
        reference = SchemaReference(json_schema(kind), described)
        parts += [f"## {title}", *reference.sections()]
    return "\n\n".join(parts) + "\n"


@dataclass
class SchemaReference:
    """The sections of one kind of file.

    Args:
        root: Its JSON Schema.
        described: The anchors of the definitions that have a section; those of this file are added.
    """

    root: Schema
    described: set[str]
    _paths: dict[str, str] = field(default_factory=dict)

    def sections(self) -> Iterator[str]:
        """The section of the file's own keys, then that of every definition, in the order in which keys refer to them."""
        yield from self._section(self.root, "")
        waiting = list(self._references(self.root, ""))
        while waiting:
            name, path = waiting.pop(0)
            if name in self.described:
                continue
            self.described.add(name)
            definition = self.root["$defs"][name]
            yield f"### {heading(definition, path)} {{#{anchor(name)}}}"
            yield from self._section(definition, path)
            waiting = [*self._references(definition, path), *waiting]

    def _section(self, definition: Schema, path: str) -> Iterator[str]:
        description = definition.get("description", "")
        yield description if path else description.partition("\n\n")[0]  # a file's goes on with how Python writes it
        if path == "space":
            yield from self._hyperparameters(definition)
            return
        required = definition.get("required", ())
        rows = [
            (f"`{key}`", self._type(schema), "required" if key in required else default(schema), self._meaning(schema))
            for key, schema in definition["properties"].items()
            if not schema.get("deprecated")
        ]
        yield table(("key", "type", "default", ""), rows)

    def _hyperparameters(self, space: Schema) -> Iterator[str]:
        """The keys of a search space, and the hyperparameters that it may name."""
        dimension, *_ = space["properties"]["dimensions"]["properties"].values()
        kinds = {"dimensions": self._type({"oneOf": dimension["oneOf"]}), "fixed": "values"}
        rows = [
            (f"`{key}`", f"mapping from hyperparameters to {kind}", "", self._meaning(space["properties"][key]))
            for key, kind in kinds.items()
        ]
        builder = space["properties"]["builder"]
        rows.append(("`builder`", self._type(builder), default(builder), self._meaning(builder)))
        yield table(("key", "type", "default", ""), rows)
        yield "The hyperparameters. Those of a single head have the head's name in place of HEAD."
        fixed = space["properties"]["fixed"]
        of_heads = {f"HEAD.{re.split('[.$]', name)[-2]}": value for name, value in fixed["patternProperties"].items()}
        rows = [
            (f"`{name}`", self._type(schema), default(schema), schema["description"].rpartition(":")[0])
            for name, schema in {**fixed["properties"], **of_heads}.items()
        ]
        yield table(("hyperparameter", "values", "default", ""), rows)

    def _references(self, schema: Schema, path: str) -> Iterator[tuple[str, str]]:
        """The definitions that a schema refers to, each with the path of the key that does."""
        for key, value in schema.get("properties", {}).items():
            inner = f"{path}.{key}".lstrip(".")
            if inner == "space.fixed" or value.get("deprecated"):
                continue
            for found in re.findall(r'"#/\$defs/(\w+)"', json.dumps(value)):
                yield found, f"{inner}.{NAMED[inner]}" if inner in NAMED else inner

    def _type(self, schema: Schema) -> str:
        """The type of a value, in words."""
        if "$ref" in schema:
            return self._link(schema["$ref"])
        if "const" in schema:
            return f"`{yaml(schema['const'])}`"
        if "enum" in schema:
            return ", ".join(f"`{yaml(value)}`" for value in schema["enum"])
        for key in ("anyOf", "oneOf"):
            if key in schema:
                kinds = dict.fromkeys(self._type(part) for part in schema[key] if part.get("type") != "null")
                return "value" if kinds.keys() >= {"number", "text"} else " or ".join(kinds)
        if "allOf" in schema:
            return self._type(schema["allOf"][0])
        kind = schema.get("type")
        if kind == "array":
            return "list of " + re.sub(r"^(value|text|whole number|number)", r"\1s", self._type(schema.get("items", {})))
        if kind == "object":
            values = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
            kinds = dict.fromkeys(self._type(value) for value in values if isinstance(value, dict) and value)
            return f"mapping from names to {next(iter(kinds))}" if len(kinds) == 1 else "mapping"
        if kind == "string" and schema.get("pattern") == r"\.ya?ml$":
            return "path of a YAML file"
        return TYPES.get(str(kind), "value") + bounds(schema)

    def _link(self, reference: str) -> str:
        name = reference.rpartition("/")[2]
        return f"mapping ([{anchor(name).removesuffix('-config').replace('-', ' ')}](#{anchor(name)}))"

    def _meaning(self, schema: Schema) -> str:
        """The description of a key, or of the one definition that it refers to."""
        name = schema.get("$ref", "").rpartition("/")[2]
        return str(schema.get("description") or self.root["$defs"].get(name, schema).get("description", ""))


def anchor(name: str) -> str:
    """The anchor of a definition's section; that of the search space is what people look for."""
    return {"SearchSpace": "space"}.get(name, re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower())


def heading(definition: Schema, path: str) -> str:
    """The title of a definition's section: where it stands, and which of several alternatives it is."""
    choices = [(key, value["const"]) for key, value in definition["properties"].items() if "const" in value]
    return f"`{path}`" + "".join(f" with `{key}: {value}`" for key, value in choices)


def bounds(schema: Schema) -> str:
    """The range of a number, in words."""
    if {"minimum", "maximum"} <= schema.keys():
        return f" from {yaml(schema['minimum'])} to {yaml(schema['maximum'])}"
    ends = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    words = [f" {word} {yaml(schema[key])}" for key, word in ends.items() if key in schema]
    return " and".join(words)


def default(schema: Schema) -> str:
    """The value of a key that is absent."""
    value = schema.get("default")
    return "" if value in (None, "", {}, []) else f"`{yaml(value)}`"


def yaml(value: object) -> str:
    """A value as YAML writes it."""
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join("| " + " | ".join(re.sub(r"\s+", " ", cell).replace("|", r"\|") for cell in line) + " |" for line in lines)
