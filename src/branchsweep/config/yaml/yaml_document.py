"""A YAML file as plain data that knows where every key was written, so that a message can name the file and the line."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from branchsweep.config.config_model import KeyPath
from branchsweep.errors import shortened

LONGEST_SHOWN = 200
"""The most letters of a value that a message shows in full."""

MOST_UNCOUNTED = 16
"""The most entries of a list or mapping that a message does not count."""


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """Where something was written.

    Args:
        source: The file as messages name it, or the override (`--set search.trials=8`).
        line: Counted from 1; 0 where there are no lines.
        root_depth: How many keys of a path in the document lead to the root of the source: 1 for a search space in a file of
            its own, which stands under the key `space` of the experiment.
        included: Of a path to a file that was replaced by the file's content: the location of that content.
    """

    source: str
    line: int = 0
    root_depth: int = 0
    included: SourceLocation | None = None

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(slots=True)
class Document:
    """Plain data, and the location of every key in it.

    Args:
        data: Mappings, lists, texts, numbers, booleans and None.
        locations: By path of keys, where the key was written. The empty path is the whole document.
    """

    data: dict[str, Any]
    locations: dict[KeyPath, SourceLocation] = field(default_factory=dict)

    @property
    def sources(self) -> list[str]:
        """The names of all files and overrides in it, each once, in the order in which they were read."""
        all_locations = (part for location in self.locations.values() for part in (location, location.included) if part)
        return list(dict.fromkeys(location.source for location in all_locations))

    def location(self, path: KeyPath) -> SourceLocation:
        """The position of the value in its file; for a default, that of the innermost mapping around it."""
        if path in self.locations:
            return self.locations[path]
        while path not in self.locations:
            path = path[:-1]
        return self.locations[path].included or self.locations[path]

    def value(self, path: KeyPath) -> Any:
        """The value at the end of a path.

        Raises:
            KeyError: A key of the path is not there.
        """
        value: Any = self.data
        for key in path:
            value = value[key]
        return value

    def find(self, path: KeyPath) -> Any:
        """The value at the end of a path through mappings, or None where the path ends before."""
        value: Any = self.data
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def put(self, path: KeyPath, value: Any, locations: dict[KeyPath, SourceLocation]) -> None:
        """Write a value.

        Args:
            path: Where to; the mapping around it must be there.
            value: Plain data, which replaces what is there.
            locations: Of the keys in the value, by their paths from it.
        """
        self.value(path[:-1])[path[-1]] = value
        self.locations = {other: where for other, where in self.locations.items() if other[: len(path)] != path}
        self.locations |= {path + inner: where for inner, where in locations.items()}

    def remove(self, path: KeyPath) -> None:
        """Remove a key of a mapping, with all below it."""
        del self.value(path[:-1])[path[-1]]
        self.locations = {other: where for other, where in self.locations.items() if other[: len(path)] != path}

    def rename(self, path: KeyPath, new: str) -> None:
        """Give the last key of a path another name, at the same position of its mapping."""
        mapping, old = self.value(path[:-1]), path[-1]
        entries = {new if key == old else key: value for key, value in mapping.items()}
        mapping.clear()
        mapping.update(entries)
        depth = len(path)
        self.locations = {
            (*path[:-1], new, *other[depth:]) if other[:depth] == path else other: where
            for other, where in self.locations.items()
        }

    def include(self, path: KeyPath, other: Document) -> None:
        """Replace the name of a file by the document in it. A mistake of that document as a whole is located at the name."""
        locations = {inner: replace(where, root_depth=where.root_depth + len(path)) for inner, where in other.locations.items()}
        self.put(path, other.data, locations | {(): replace(self.location(path), included=locations[()])})


def describe_value(value: Any) -> str:
    """A value as messages name what was given: `'mea'`, `3`, `nothing`, `a list`, `a list of 1,000 entries`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"a mapping{_count(value)}" if value else "an empty mapping"
    if isinstance(value, list):
        return f"a list{_count(value)}" if value else "an empty list"
    if isinstance(value, (str, int, float, date)):
        return shortened(repr(value), LONGEST_SHOWN)
    return f"a value of type {type(value).__name__}"  # in Python it may be anything


def _count(entries: Sized) -> str:
    """How many entries there are, where nobody sees it at a glance."""
    return f" of {len(entries):,} entries" if len(entries) > MOST_UNCOUNTED else ""
