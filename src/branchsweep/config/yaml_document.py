"""A YAML file as plain data that remembers where everything stands, so that every later complaint can name file and line.

This is the one module that knows the YAML parser. It reads YAML 1.2: `1e-4` is a number, `no` is a word.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StreamMark, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from branchsweep.errors import ConfigError, nearest

Keys = tuple[str | int, ...]
"""The way from a document's root to a value: `("heads", "PE", "loss")`."""

_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """Where something was written.

    Args:
        source: The file as people call it, or the override (`--set search.trials=8`).
        line: From 1; 0 where there are no lines.
        above: How many keys of a way lead to the root of the source (1 for the space in a file of its own).
        inside: Of a path that was replaced by what is in its file: where that begins.
    """

    source: str
    line: int = 0
    above: int = 0
    inside: SourceLocation | None = None

    @property
    def since(self) -> str:
        """The line as the end of a sentence that speaks of a later one."""
        return f", first in line {self.line}" if self.line else ""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(slots=True)
class Document:
    """Plain data, and the place of every key in it."""

    data: dict[str, Any]
    places: dict[Keys, SourceLocation] = field(default_factory=dict)

    @property
    def sources(self) -> list[str]:
        """What was read, each once, in the order of reading."""
        written = (each for place in self.places.values() for each in (place, place.inside) if each)
        return list(dict.fromkeys(place.source for place in written))

    def place(self, keys: Keys) -> SourceLocation:
        """Where the value stands, or, where nobody wrote it, the innermost mapping around it."""
        if keys in self.places:
            return self.places[keys]
        while keys not in self.places:
            keys = keys[:-1]
        return self.places[keys].inside or self.places[keys]

    def value(self, keys: Keys) -> Any:
        """What stands at the end of the way."""
        value: Any = self.data
        for key in keys:
            value = value[key]
        return value

    def find(self, keys: Keys) -> Any:
        """The value at the end of a path through mappings, or None where the path ends before."""
        value: Any = self.data
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def rename(self, keys: Keys, new: str) -> None:
        """Give the last key of a path another name, at the same position of its mapping."""
        mapping, old = self.value(keys[:-1]), keys[-1]
        entries = {new if key == old else key: value for key, value in mapping.items()}
        mapping.clear()
        mapping.update(entries)
        depth = len(keys)
        self.places = {
            (*keys[:-1], new, *path[depth:]) if path[:depth] == keys else path: location
            for path, location in self.places.items()
        }

    def put(self, keys: Keys, value: Any, places: dict[Keys, SourceLocation]) -> None:
        """Write a value, with the places of what is in it (their ways begin at the value)."""
        self.value(keys[:-1])[keys[-1]] = value
        self.places = {way: place for way, place in self.places.items() if way[: len(keys)] != keys}
        self.places |= {keys + way: place for way, place in places.items()}

    def graft(self, keys: Keys, other: Document) -> None:
        """Replace a path by the document in its file. What is said of it as a whole is said where the path stands."""
        places = {way: replace(place, above=place.above + len(keys)) for way, place in other.places.items()}
        self.put(keys, other.data, places | {(): replace(self.place(keys), inside=places[()])})


def read(path: Path) -> Document:
    """The document in a file.

    Raises:
        ConfigError: The file cannot be read, is not YAML, or holds no mapping.
    """
    source = shown(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = nearest_file(path)
        raise ConfigError(f"no such file; did you mean '{shown(near)}'?" if near else "no such file", where=source) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"this is not a text in UTF-8 ({error.reason} at byte {error.start})", where=source) from error
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=source) from error
    value, places = parse(text, source)
    if value is None:
        raise ConfigError("the file is empty, expected a mapping (key: value)", where=source)
    if not isinstance(value, dict):
        raise ConfigError(f"got {given(value)}, expected a mapping (key: value)", where=str(places[()]))
    return Document(value, places)


def parse(text: str, source: str, has_lines: bool = True) -> tuple[Any, dict[Keys, SourceLocation]]:
    """The plain value that a YAML text spells, and the places of everything in it."""
    yaml = YAML(typ="safe", pure=True)

    def place(mark: StreamMark | None) -> SourceLocation:
        return SourceLocation(source, mark.line + 1 if mark and has_lines else 0)

    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        raise ConfigError(_complaint(error), where=str(place(error.problem_mark or error.context_mark))) from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if has_lines else 0
        raise ConfigError(
            f"got the character {chr(error.character)!r}, which YAML does not allow", str(SourceLocation(source, line))
        ) from error
    if root is None:
        return None, {(): SourceLocation(source)}
    reading = _Reading(yaml, place)
    value = reading.build(root, ())
    if reading.mistakes:
        raise ConfigError("\n".join(reading.mistakes))
    return value, reading.places


def write(data: dict[str, Any]) -> str:
    """Plain data as YAML text, in the order it has."""
    yaml = YAML(typ="rt", pure=True)
    yaml.default_flow_style = False
    yaml.width = 120
    yaml.representer.ignore_aliases = lambda *_: True
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()


def shown(path: Path) -> str:
    """The path as people call it: from the working directory on, where it lies below."""
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(absolute)


def nearest_file(path: Path) -> Path | None:
    """The YAML file beside a path whose name looks most like it, or None."""
    beside = {sibling.stem: sibling for sibling in sorted(path.parent.glob("*.y*ml"))}
    return beside.get(nearest(path.stem, beside))


def given(value: Any) -> str:
    """A value in words, for the part of a message that says what was found."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return repr(value)


def dotted(keys: Keys) -> str:
    """A way in words: `heads.PE.loss`, `table.inputs[1]`."""
    words = ""
    for key in keys:
        words += f"[{key}]" if isinstance(key, int) else f".{key}" if words else key
    return words


@dataclass(slots=True)
class _Reading:
    """Turns the parser's nodes, which know their lines, into plain data and places."""

    yaml: YAML
    place: Callable[[StreamMark | None], SourceLocation]
    places: dict[Keys, SourceLocation] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)
    around: list[Node] = field(default_factory=list)

    def build(self, node: Node, keys: Keys) -> Any:
        """The value of a node; `keys` is the way to it."""
        self.places.setdefault(keys, self.place(node.start_mark))
        if node in self.around:
            self._complain(node, keys, "an alias that contains itself has no end")
            return None
        self.around.append(node)
        try:
            return self._build(node, keys)
        finally:
            self.around.pop()

    def _build(self, node: Node, keys: Keys) -> Any:
        if isinstance(node, MappingNode) and node.tag == _TAG + "map":
            return {key: self.build(value, (*keys, key)) for key, value in self._entries(node, keys)}
        if isinstance(node, SequenceNode) and node.tag == _TAG + "seq":
            return [self.build(item, (*keys, position)) for position, item in enumerate(node.value)]
        return self._scalar(node, keys)

    def _entries(self, node: MappingNode, keys: Keys) -> Iterator[tuple[str, Node]]:
        first: dict[str, SourceLocation] = {}
        for key_node, value in node.value:
            key, place = str(key_node.value), self.place(key_node.start_mark)
            if not isinstance(key_node, ScalarNode):
                self._complain(key_node, keys, "got a list or a mapping as key, expected a word")
            elif key in first:
                self._complain(key_node, (*keys, key), f"this key stands twice{first[key].since}")
            else:
                first[key] = self.places[(*keys, key)] = place
                yield key, value

    def _scalar(self, node: Node, keys: Keys) -> Any:
        if node.tag == _TAG + "timestamp":  # nothing here is a date: a name or a sheet may look like one
            return node.value
        try:
            return self.yaml.constructor.construct_object(node)
        except (YAMLError, ValueError):
            self._complain(node, keys, f"got '{node.value}' with the tag '{node.tag}', expected plain YAML")
            return None

    def _complain(self, node: Node, keys: Keys, message: str) -> None:
        self.mistakes.append(": ".join(filter(None, (str(self.place(node.start_mark)), dotted(keys), message))))


def _complaint(error: MarkedYAMLError) -> str:
    """What the parser says, in a sentence."""
    problem = " ".join(str(error.problem or error.context).split())
    if r"'\t'" in problem:
        return "got a tab where a line or a value begins, expected spaces (YAML is indented with spaces only)"
    begins, ends = error.context_mark, error.problem_mark
    since = f" ({error.context} that begins in line {begins.line + 1})" if begins and ends and begins.line < ends.line else ""
    return f"this is not YAML: {problem}{since}"
