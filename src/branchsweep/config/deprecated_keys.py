"""Keys of YAML files that have a new name: files and overrides with the old one are still read, with a one-line notice.

The models know the new names alone. What was written under an old name is moved to the new one in the plain data, before
pydantic sees it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from branchsweep.config.config_model import KeyMistake
from branchsweep.config.search import RENAMED_KEYS
from branchsweep.config.yaml_document import Document, Keys, dotted
from branchsweep.errors import DeprecatedKeyWarning


def rename_deprecated_keys(document: Document, experiment: Keys = (), is_recorded: bool = False) -> list[KeyMistake]:
    """Give the keys of an experiment their present names.

    Args:
        document: Changed in place.
        experiment: The keys that lead to the experiment in it.
        is_recorded: Whether a store holds the document, so that nobody can be asked to rename anything: no notice is given.

    Returns:
        A mistake for every key that is given by its old name and by its new one.
    """
    search = document.find((*experiment, "search"))
    mistakes: list[KeyMistake] = []
    for old, new in RENAMED_KEYS.items() if isinstance(search, dict) else ():
        old_keys, new_keys = (*experiment, "search", old), (*experiment, "search", new)
        if old not in search:
            continue
        if new in search:
            message = f"this is the old name of '{new}', which is given as well ({document.place(new_keys)}); give {new} alone"
            mistakes.append((old_keys, message))
            continue
        location = document.place(old_keys)
        if not is_recorded:
            _warn(old_keys[location.above :], new, str(location))
        document.rename(old_keys, new)
    return mistakes


def current_key_path(words: Sequence[str], where: str) -> list[str]:
    """The dotted words of an override's key, with the present name of a key that was renamed.

    Args:
        words: Such as `["search", "known", "article"]`, in a comparison with the way to an experiment before them.
        where: The override, for the notice.
    """
    start = _experiment_depth(words)
    if len(words) < start + 2 or words[start] != "search" or words[start + 1] not in RENAMED_KEYS:
        return list(words)
    new = RENAMED_KEYS[words[start + 1]]
    _warn(tuple(words[: start + 2]), new, where)
    return [*words[: start + 1], new, *words[start + 2 :]]


def _experiment_depth(words: Sequence[str]) -> int:
    """How many of the words lead to an experiment inside a comparison; none in an experiment's own file."""
    match words:
        case ["experiment", *_]:
            return 1
        case ["contestants", _, "experiment", *_]:
            return 3
    return 0


def _warn(keys: Keys, new: str, where: str) -> None:
    message = f"{where}: {dotted(keys)} is now called {dotted((*keys[:-1], new))}; the old name is still read"
    warnings.warn(message, DeprecatedKeyWarning, stacklevel=2)
