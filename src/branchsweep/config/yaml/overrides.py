"""Overrides of single values from the command line: `--set search.trials=8`.

The key is a path in the document with dots between its keys. Names may contain dots themselves
(`space.dimensions.trunk.depth.high`), so in a mapping whose keys the user chooses the longest key that is there is taken.
Whether a new key may stand there is checked by the models, as it is for a key in the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from branchsweep.config.addresses import Address
from branchsweep.config.config_model import KeyPath, dotted
from branchsweep.config.yaml.deprecated_keys import rename_deprecated_key
from branchsweep.config.yaml.schema_lookup import RootModel, entries_are_mappings, has_free_keys, subschema
from branchsweep.config.yaml.yaml_document import Document, SourceLocation, describe_value
from branchsweep.config.yaml.yaml_parser import parse_yaml
from branchsweep.errors import ConfigError, Mistake, did_you_mean, similarity

ResolvePath = Callable[[Sequence[str]], None]
"""Replaces the shorthands on the path of a key into the document by what they stand for (`table: ccpp`, a path as `space`)."""


@dataclass(frozen=True, slots=True)
class OptionValue:
    """The value of an option that stands for a key, such as `--seed 5`.

    Args:
        option: By which messages name it.
        key: As of `--set`.
        value: What was given.
    """

    option: str
    key: str
    value: int

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


def apply_override(document: Document, override: str | OptionValue, root: RootModel, resolve_path: ResolvePath) -> None:
    """Write the value of `key=value` at the path of its key.

    Args:
        document: Changed in place.
        override: `key=value`, the value in YAML; or an option that stands for a key.
        root: The model of the file.
        resolve_path: Called with the parts of the key, so that what they name is there.

    Raises:
        ConfigError: There is no `=`, the value is not YAML, or there is nothing at the key's path.
    """
    key, equals, text = str(override).partition("=")
    shown = f"{key}{equals}{Address(text)}"  # the value may be an address with a password
    source = f"{override.option} {text}" if isinstance(override, OptionValue) else f"--set {shown}"
    parts = rename_deprecated_key(key.strip().split("."), source)
    if not equals or not all(parts):
        raise ConfigError(f"got '{shown}', expected key=value, such as search.trials=8", where="--set")
    value, locations = parse_yaml(text, source, has_lines=False)
    if len(parts) > 1:
        resolve_path(parts)
    path = _find_path(document, root, parts, value, source)
    document.put(path, value, locations)


def _find_path(document: Document, root: RootModel, parts: list[str], value: object, source: str) -> KeyPath:
    """The path that dotted parts mean. Mappings on it that are not there yet are added.

    Args:
        document: Changed in place.
        root: The model of the file.
        parts: The key, split at its dots.
        value: The value to write.
        source: The override, for messages.
    """
    path: KeyPath = ()
    while parts:
        mapping = document.value(path)
        if not isinstance(mapping, dict):
            is_entry = has_free_keys(subschema(root, path, document.data)) and (len(parts) > 1 or isinstance(value, dict))
            as_a_whole = f": {_as_mapping(path, mapping, parts, value)}" if is_entry else ""
            message = f"got {describe_value(mapping)}, which holds no keys; set it as a whole{as_a_whole}"
            raise ConfigError.of([Mistake(source, dotted(path), message)])
        schema = subschema(root, path, document.data)
        count = 1
        if has_free_keys(schema):
            matching = _longest_match(parts, mapping)
            if not matching and entries_are_mappings(schema) and not isinstance(value, dict):
                raise ConfigError.of([Mistake(source, dotted(path), _unknown_key_message(parts, mapping))])
            count = matching or len(parts)
        path, parts = (*path, ".".join(parts[:count])), parts[count:]
        if parts and mapping.get(path[-1]) is None:
            document.put(path, {}, {(): SourceLocation(source)})
    return path


def _as_mapping(path: KeyPath, names: object, parts: list[str], value: object) -> str:
    """The override that gives all names of a list, or of a single one, as a mapping, with the value in it.

    Args:
        path: Of the list.
        names: The list.
        parts: The rest of the key.
        value: As of `_find_path`.
    """
    listed = [str(name) for name in (names if isinstance(names, list) else [names])]
    count = _longest_match(parts, listed) or max(1, len(parts) - 1)
    chosen, entry = ".".join(parts[:count]), value
    for key in reversed(parts[count:]):
        entry = {key: entry}
    entries: dict[str, object] = {name: {} for name in listed}
    written = json.dumps(entries | {chosen: entry}, ensure_ascii=False)  # which is YAML, too
    return f"--set '{dotted(path)}={written}'"


def _longest_match(parts: list[str], keys: Iterable[str]) -> int:
    """How many of the first parts are one of the keys, at most; 0 where none are."""
    return next((count for count in range(len(parts), 0, -1) if ".".join(parts[:count]) in keys), 0)


def _unknown_key_message(parts: list[str], valid: Iterable[str]) -> str:
    """That the parts name no key, with the key that they are most like."""
    candidates = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
    key = max(candidates, key=lambda candidate: max((similarity(candidate, name) for name in valid), default=0.0))
    return f"unknown key '{key}', expected one of {', '.join(valid)}{did_you_mean(key, valid)}"
