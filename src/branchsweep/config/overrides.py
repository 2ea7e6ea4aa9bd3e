"""Overrides of single values from the command line: `--set search.trials=8`.

The key is a way into the document with dots between. Names may hold dots themselves (`space.dimensions.trunk.depth.high`), so
in a mapping whose keys are the writer's own the longest key that is there is taken. Whether a new key is one that may stand
there is for the models to say, as it is for a key in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from branchsweep.config.deprecated_keys import current_key_path
from branchsweep.config.json_schema import Root, entries_are_mappings, is_open, part
from branchsweep.config.yaml_document import Document, Keys, SourceLocation, dotted, given, parse
from branchsweep.errors import ConfigError, did_you_mean, likeness

Expand = Callable[[Sequence[str]], None]
"""Replaces what stands on a way of words into the document by what it is short for (`table: ccpp`, a path as `space`)."""


def apply_overrides(document: Document, override: str, root: Root, spell_out: Expand) -> None:
    """Write the value of `key=value` where its key points to.

    Raises:
        ConfigError: There is no `=`, the value is not YAML, or the key leads nowhere.
    """
    source = f"--set {override}"
    key, equals, text = override.partition("=")
    words = current_key_path(key.strip().split("."), source)
    if not equals or not all(words):
        raise ConfigError(f"got '{override}', expected key=value, such as search.trials=8", where="--set")
    value, places = parse(text, source, has_lines=False)
    if len(words) > 1:
        spell_out(words)
    keys = _way(document, root, words, isinstance(value, dict), source)
    document.put(keys, value, places)


def _way(document: Document, root: Root, words: list[str], brings_mapping: bool, source: str) -> Keys:
    """The keys that dotted words mean, with the mappings made on the way that are not there yet."""
    keys: Keys = ()
    while words:
        mapping = document.value(keys)
        if not isinstance(mapping, dict):
            raise ConfigError(f"{dotted(keys)}: got {given(mapping)}, which holds no keys; set it as a whole", where=source)
        taken = _taken(document, root, keys, words, brings_mapping, source)
        keys, words = (*keys, ".".join(words[:taken])), words[taken:]
        if words and mapping.get(keys[-1]) is None:
            document.put(keys, {}, {(): SourceLocation(source)})
    return keys


def _taken(document: Document, root: Root, keys: Keys, words: list[str], brings_mapping: bool, source: str) -> int:
    """How many words the next key has."""
    found = part(root, keys, document.data)
    if not is_open(found):
        return 1
    mapping = document.value(keys)
    there = [count for count in range(len(words), 0, -1) if ".".join(words[:count]) in mapping]
    if there:
        return there[0]
    if entries_are_mappings(found) and not brings_mapping:
        raise ConfigError(_unknown(keys, words, mapping), where=source)
    return len(words)


def _unknown(keys: Keys, words: list[str], valid: Iterable[str]) -> str:
    """The words name nothing that is there: the nearest name, and what was taken for it."""
    wanted = [".".join(words[:count]) for count in range(1, len(words) + 1)]
    key = max(wanted, key=lambda given: max((likeness(given, word) for word in valid), default=0.0))
    return f"{dotted(keys)}: unknown key '{key}', expected one of {', '.join(valid)}{did_you_mean(key, valid)}"
