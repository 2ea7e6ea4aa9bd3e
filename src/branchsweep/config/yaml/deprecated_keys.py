"""Keys of YAML files that have a new name: files and overrides with the old one are still read, with a one-line notice.

The models know the new names alone. What was written under an old name is moved to the new one in the plain data, before
pydantic sees it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from branchsweep.config.comparison import experiment_depth
from branchsweep.config.config_model import KeyPath, dotted
from branchsweep.config.sections.search import RENAMED_KEYS
from branchsweep.config.yaml.messages import ConfigMistake
from branchsweep.config.yaml.yaml_document import Document
from branchsweep.errors import DeprecatedKeyWarning


def rename_deprecated_keys(document: Document, experiment: KeyPath = (), is_recorded: bool = False) -> list[ConfigMistake]:
    """Give the keys of an experiment their present names.

    Args:
        document: Changed in place.
        experiment: The path of the experiment in it.
        is_recorded: Whether the document comes from a store. A user cannot rename keys there, so no notice is given.

    Returns:
        A mistake for every key that is given by its old name and by its new one.
    """
    search = document.find((*experiment, "search"))
    mistakes: list[ConfigMistake] = []
    for old, new in RENAMED_KEYS.items() if isinstance(search, dict) else ():
        old_path, new_path = (*experiment, "search", old), (*experiment, "search", new)
        if old not in search:
            continue
        location = document.location(old_path)
        if new in search:
            other = str(document.location(new_path))  # empty for values in Python
            place = f" ({other})" if other else ""
            message = f"this is the old name of '{new}', which is given as well{place}; give {new} alone"
            mistakes.append(ConfigMistake(old_path, old_path, message))
            continue
        if not is_recorded:
            _warn(old_path[location.root_depth :], new, str(location))
        document.rename(old_path, new)
    return mistakes


def rename_deprecated_key(parts: Sequence[str], where: str) -> list[str]:
    """The parts of an override's key, with the present name of a key that was renamed.

    Args:
        parts: Such as `["search", "known", "article"]`, in a comparison with the path of an experiment before them.
        where: The override, for the notice.
    """
    depth = experiment_depth(parts)
    if len(parts) < depth + 2 or parts[depth] != "search" or parts[depth + 1] not in RENAMED_KEYS:
        return list(parts)
    new = RENAMED_KEYS[parts[depth + 1]]
    _warn(tuple(parts[: depth + 2]), new, where)
    return [*parts[: depth + 1], new, *parts[depth + 2 :]]


def _warn(path: KeyPath, new: str, where: str) -> None:
    warnings.warn(DeprecatedKeyWarning(where, dotted(path), dotted((*path[:-1], new))), stacklevel=2)
