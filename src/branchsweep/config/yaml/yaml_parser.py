"""Reads and writes YAML. The one module that imports the YAML parser.

It reads YAML 1.2: `1e-4` is a number, `no` is a text. What is too large to be an experiment is refused at once, before the
parser, which is written in Python, has taken minutes or all memory: see `MAX_BYTES`, `MAX_DEPTH`, `MAX_NODES` and `MAX_DIGITS`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, StreamMark, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from branchsweep.config.config_model import KeyPath, dotted
from branchsweep.config.yaml.file_paths import TABLE_SUFFIXES, display_path, is_file, nearest_yaml_file
from branchsweep.config.yaml.yaml_document import LONGEST_SHOWN, Document, SourceLocation, describe_value
from branchsweep.errors import ConfigError, Mistake, shortened

MAX_BYTES = 1_000_000
"""The largest file that is read. The largest one that is shipped has four thousand bytes."""

MAX_DEPTH = 32
"""The most lists and mappings within each other. A comparison has ten."""

MAX_NODES = 30_000
"""The most keys and values, each alias counted with all that it stands for: reading so many takes seconds. An experiment on all
columns of the widest workbook has half of them."""

MAX_DIGITS = 300
"""The most digits of a whole number: one that has more is above the largest floating-point number."""

_TAG = "tag:yaml.org,2002:"

_UNUSUAL_CHARACTERS = re.compile(r"[^\n -~\u00a1-\u1fff\u2030-\ud7ff]")  # controls, line breaks, surrogates and the like

_WIDTH = 120  # characters of a line that is written


def read_document(file: Path) -> Document:
    """The document in a YAML file.

    Raises:
        ConfigError: The file cannot be read, is not YAML, or holds no mapping.
    """
    source = display_path(file)
    if file.suffix.lower() in TABLE_SUFFIXES and is_file(file):
        message = f"this is a table, expected a YAML file; branchsweep init {source} writes an experiment for it"
        raise ConfigError(message, where=source)
    try:
        text = _read_text(file)
    except FileNotFoundError:
        nearest = nearest_yaml_file(file)
        hint = f"; did you mean '{display_path(nearest)}'?" if nearest else ""
        raise ConfigError(f"no such file{hint}", where=source) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"this is not a text in UTF-8 ({error.reason} at byte {error.start})", where=source) from error
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", where=source) from error
    except ValueError as error:  # the path has a character that no path can have
        raise ConfigError(f"cannot be read: {error}", where=source) from error
    if text is None:
        raise ConfigError(f"the file is larger than {MAX_BYTES:,} bytes, expected an experiment", where=source)
    value, locations = parse_yaml(text, source)
    if value is None:
        raise ConfigError("the file is empty, expected a mapping (key: value)", where=source)
    if not isinstance(value, dict):
        raise ConfigError(f"got {describe_value(value)}, expected a mapping (key: value)", where=str(locations[()]))
    return Document(value, locations)


def _read_text(file: Path) -> str | None:
    """The text of a file; None if it is too large. What is no file, such as a pipe or a device, is not read further either."""
    with file.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        return None
    return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def parse_yaml(text: str, source: str, has_lines: bool = True) -> tuple[Any, dict[KeyPath, SourceLocation]]:
    """The plain value of a YAML text, and the location of every key in it.

    Args:
        text: The YAML.
        source: The file or override that messages name.
        has_lines: Whether lines of the text mean something to the user; those of an override do not.

    Raises:
        ConfigError: The text is not YAML, is too large or too deep, or uses tags that have no plain value.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer, yaml.max_depth = _BoundedComposer, MAX_DEPTH

    def locate(mark: StreamMark | None) -> SourceLocation:
        return SourceLocation(source, mark.line + 1 if mark and has_lines else 0)

    try:
        root = yaml.compose(text)
    except _TooManyNodesError as error:
        raise ConfigError(_TOO_MANY, where=str(locate(error.problem_mark))) from error
    except MaxDepthExceededError as error:
        message = f"lists and mappings are nested too deeply, expected at most {MAX_DEPTH} within each other"
        raise ConfigError(message, where=str(locate(error.problem_mark))) from error
    except MarkedYAMLError as error:
        raise ConfigError(_syntax_message(error), where=str(locate(error.problem_mark or error.context_mark))) from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if has_lines else 0
        message = f"got the character {chr(error.character)!r}, which YAML does not allow"
        raise ConfigError(message, where=str(SourceLocation(source, line))) from error
    if root is None:
        return None, {(): SourceLocation(source)}
    builder = _Builder(yaml, locate)
    value = builder.build(root, ())
    if builder.mistakes:
        raise ConfigError.of(builder.mistakes)
    return value, builder.locations


def write_yaml(data: dict[str, Any]) -> str:
    """Plain data as YAML text, its keys in the order that they have."""
    yaml = YAML(typ="rt", pure=True)
    yaml.default_flow_style = False
    yaml.width = _WIDTH
    yaml.representer.ignore_aliases = lambda *_: True
    stream = io.StringIO()
    yaml.dump(_quoted(data), stream)
    return stream.getvalue()


def _quoted(value: Any) -> Any:
    """The value with texts in double quotes that the parser would read back with other line breaks if they were plain."""
    if isinstance(value, dict):
        return {_quoted(key): _quoted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_quoted(inner) for inner in value]
    if isinstance(value, str) and _UNUSUAL_CHARACTERS.search(value):
        return DoubleQuotedScalarString(value)
    return value


class _BoundedComposer(Composer):
    """Composes nodes, but not more than `MAX_NODES`, nor with a warning about an anchor that is given twice, as YAML allows."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.warn_double_anchors = False
        self.nodes = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """The next node.

        Raises:
            _TooManyNodesError: There are too many.
        """
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _TooManyNodesError(problem_mark=self.parser.peek_event().start_mark)
        return super().compose_node(parent, index)


class _TooManyNodesError(MarkedYAMLError):
    """The text has more than `MAX_NODES` values."""


_TOO_MANY = (
    f"got more than {MAX_NODES:,} keys and values, each alias counted with all that it stands for; expected an experiment"
)


@dataclass(slots=True)
class _Builder:
    """Makes plain data and locations of the parser's nodes, which know their lines.

    Args:
        yaml: The parser, which makes values of scalars.
        locate: The location of one of the parser's marks.
        locations: What was found, by path.
        mistakes: What is wrong.
        ancestors: The nodes around the one that is being built.
    """

    yaml: YAML
    locate: Callable[[StreamMark | None], SourceLocation]
    locations: dict[KeyPath, SourceLocation] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    ancestors: list[Node] = field(default_factory=list)

    def build(self, node: Node, path: KeyPath) -> Any:
        """The plain value of a node, which is at the end of `path`.

        Raises:
            ConfigError: Aliases stand for too many values, or for too many within each other.
        """
        self.locations.setdefault(path, self.locate(node.start_mark))
        if len(self.locations) > MAX_NODES:
            raise ConfigError(_TOO_MANY, where=self._top_level_key(path))
        if len(self.ancestors) > MAX_DEPTH:
            message = f"aliases are nested too deeply, expected at most {MAX_DEPTH} lists and mappings within each other"
            raise ConfigError(message, where=self._top_level_key(path))
        if node in self.ancestors:
            self._add_mistake(node, path, "an alias that contains itself has no end")
            return None
        self.ancestors.append(node)
        try:
            return self._build(node, path)
        finally:
            self.ancestors.pop()

    def _top_level_key(self, path: KeyPath) -> str:
        """Where the top-level key of a path stands: a node knows the line of its anchor, not those of the aliases."""
        return str(self.locations[path[:1]])

    def _build(self, node: Node, path: KeyPath) -> Any:
        if isinstance(node, MappingNode) and node.tag == _TAG + "map":
            return {key: self.build(value, (*path, key)) for key, value in self._entries(node, path)}
        if isinstance(node, SequenceNode) and node.tag == _TAG + "seq":
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _entries(self, node: MappingNode, path: KeyPath) -> Iterator[tuple[str, Node]]:
        first: dict[str, SourceLocation] = {}
        for key_node, value in node.value:
            key, location = str(key_node.value), self.locate(key_node.start_mark)
            if not isinstance(key_node, ScalarNode):
                self._add_mistake(key_node, path, "got a list or a mapping as key, expected a text")
            elif key in first:
                line = f", first in line {first[key].line}" if first[key].line else ""
                self._add_mistake(key_node, (*path, key), f"this key stands twice{line}")
            else:
                first[key] = self.locations[(*path, key)] = location
                yield key, value

    def _scalar(self, node: Node, path: KeyPath) -> Any:
        if not isinstance(node, ScalarNode):
            self._add_mistake(node, path, f"got a collection with the tag '{node.tag}', expected plain YAML")
            return None
        if node.tag == _TAG + "timestamp":  # no value is a date: the name of a table or of a sheet may look like one
            return node.value
        if node.tag == _TAG + "int" and len(node.value) > MAX_DIGITS:
            message = f"got a whole number of {len(node.value):,} digits, expected one of at most {MAX_DIGITS}"
            self._add_mistake(node, path, message)
            return None
        try:
            return self.yaml.constructor.construct_object(node)
        except (YAMLError, ValueError):
            given = shortened(node.value, LONGEST_SHOWN)
            self._add_mistake(node, path, f"got '{given}' with the tag '{node.tag}', expected plain YAML")
            return None

    def _add_mistake(self, node: Node, path: KeyPath, message: str) -> None:
        self.mistakes.append(Mistake(str(self.locate(node.start_mark)), dotted(path), message))


def _syntax_message(error: MarkedYAMLError) -> str:
    """The parser's error in a sentence."""
    problem = " ".join(str(error.problem or error.context).split())
    if r"'\t'" in problem:
        return "got a tab where a line or a value begins, expected spaces (YAML is indented with spaces only)"
    if "alias" in f"{problem} {error.context}":
        return f'this is not YAML: {problem}; a text that begins with * or & stands in quotes, as in inputs: "*"'
    begin, end = error.context_mark, error.problem_mark
    context = f" ({error.context} that begins in line {begin.line + 1})" if begin and end and begin.line < end.line else ""
    return f"this is not YAML: {problem}{context}"
