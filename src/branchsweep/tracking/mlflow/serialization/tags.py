"""Our own tags in MLflow: their names, and how a text of any length is written as tags and read back.

Tags are short strings. Ours have a prefix, and what is too long for one is continued in others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from branchsweep.errors import UnreadableRecordError

Value = TypeVar("Value")

DESCRIPTION = "mlflow.note.content"
"""MLflow's own tag for the Markdown on a run's page."""

PREFIX = "branchsweep."
"""Prefix of our own tags."""

LONGEST_TAG = 8000
"""Characters of a tag's value in MLflow."""

LONGEST_SHOWN = 60
"""Most characters of a tag in a message."""

FORMER_TAGS = {"crowned": "promoted", "meetings": "test_evaluations", "reigned": "champions"}
"""The names that earlier versions gave to tags of versions, sweeps and models, and those that are written now."""


def parse_tag(tags: Mapping[str, str], name: str, parse: Callable[[str], Value], default: str | None = None) -> Value:
    """The value of one of our own tags.

    Args:
        tags: From `from_tags`.
        name: Of the tag, without the prefix.
        parse: Reads its text.
        default: The text where there is no such tag; None where it has to be there.

    Raises:
        UnreadableRecordError: It is missing, or cannot be read.
    """
    text = tags.get(name, default)
    if text is None:
        raise UnreadableRecordError(f"the tag {tag_name(name)} is missing: was it edited by hand?")
    try:
        return parse(text)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
        raise UnreadableRecordError(
            f"the tag {_both_names(name)} cannot be read ({shown!r}): was it edited by hand?"
        ) from error


def _both_names(name: str) -> str:
    """The full name of a tag, with the one that it may have had in an earlier version."""
    former = next((former for former, present in FORMER_TAGS.items() if present == name), "")
    return f"{tag_name(name)} (earlier {tag_name(former)})" if former else tag_name(name)


@contextmanager
def naming_record(record: str, remedy: str = "") -> Iterator[None]:
    """A context in which an unreadable record is named.

    Args:
        record: Which run, version or file is read.
        remedy: What to do about it.

    Raises:
        UnreadableRecordError: It cannot be read.
    """
    try:
        yield
    except UnreadableRecordError as error:
        raise UnreadableRecordError(f"{record}: {error.message}{f' {remedy}' if remedy else ''}") from error


def tag_name(name: str) -> str:
    """The full name of a tag: ours get the prefix, MLflow's own (`mlflow.note.content`) have theirs."""
    return name if name.startswith("mlflow.") else PREFIX + name


def split_tag(name: str, value: str, longest: int = LONGEST_TAG) -> dict[str, str]:
    """A tag of any length: what does not fit is continued in `name:2`, `name:3`, …, where MLflow would cut it off silently.

    MLflow's own tags are cut.

    Args:
        name: Full name.
        value: Its text.
        longest: Most characters of one tag.
    """
    if not name.startswith(PREFIX):
        return {name: value[:longest]}
    pieces = [value[start : start + longest] for start in range(0, len(value), longest)] or [""]
    return {name if index == 0 else f"{name}:{index + 1}": piece for index, piece in enumerate(pieces)}


def from_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Our own tags by name, without the prefix, and the pieces of split ones joined, under their present names."""
    own_tags = {name.removeprefix(PREFIX): value for name, value in tags.items() if name.startswith(PREFIX)}
    pieces = [name.partition(":") for name in own_tags if name.partition(":")[2].isdecimal()]
    for name, _, number in sorted(pieces, key=lambda parts: int(parts[2])):
        piece = own_tags.pop(f"{name}:{number}")
        own_tags[name] = own_tags.get(name, "") + piece  # without its beginning it cannot be read, which is found when it is
    former = {FORMER_TAGS[name]: own_tags.pop(name) for name in FORMER_TAGS if name in own_tags}
    return former | own_tags


def to_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Our own tags with their full names, those that are too long split."""
    return {name: piece for key, value in tags.items() for name, piece in split_tag(tag_name(key), value).items()}


def replace_tags(before: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, str]:
    """As `to_tags`, for a run that has tags already: pieces of a tag that was longer before are emptied.

    Args:
        before: The tags of the run.
        tags: The new ones, by name.
    """
    new = to_tags(tags)
    return new | {name: "" for name in before if name.partition(":")[0] in new and name not in new}


def description_tag(text: str) -> dict[str, str]:
    """The tag whose Markdown MLflow shows on the page of a run; none for an empty text."""
    return {DESCRIPTION: text} if text else {}
