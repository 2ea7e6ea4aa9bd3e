"""The experiments of a comparison: in its document, their paths are replaced by the contents of their files.

What is resolved in an experiment's own file is then resolved in each of them where it stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from branchsweep.config.config_model import KeyPath
from branchsweep.config.yaml.deprecated_keys import rename_deprecated_keys
from branchsweep.config.yaml.file_paths import find_file, missing_file_message
from branchsweep.config.yaml.messages import ConfigMistake
from branchsweep.config.yaml.shorthands import resolve_experiment, resolve_shorthand
from branchsweep.config.yaml.yaml_document import Document, describe_value
from branchsweep.config.yaml.yaml_parser import read_document


def is_comparison(document: Document) -> bool:
    """Whether the document has contestants."""
    return "contestants" in document.data


def experiment_paths(document: Document) -> Iterator[KeyPath]:
    """The path of every experiment that a comparison may have: its own, then that of each contestant that names one."""
    yield ("experiment",)
    contestants = document.data.get("contestants")
    for name, contestant in contestants.items() if isinstance(contestants, dict) else ():
        if isinstance(contestant, dict) and contestant.get("experiment") is not None:
            yield ("contestants", name, "experiment")


def resolve_comparison(document: Document, folder: Path) -> list[ConfigMistake]:
    """Include all experiments of a comparison, and resolve all shorthands and paths in them.

    Args:
        document: Changed in place.
        folder: The folder of the comparison's file, from which paths are looked up.

    Returns:
        What could not be resolved.
    """
    mistakes = []
    for path in experiment_paths(document):
        mistakes += _include_experiment(document, path, folder)
        mistakes += resolve_experiment(document, path, _folder_of(document, path, folder))
    return mistakes


def resolve_override_path(document: Document, parts: Sequence[str], folder: Path) -> list[ConfigMistake]:
    """Resolve what is on the way of an override into an experiment of a comparison.

    Args:
        document: Changed in place.
        parts: The override's key, split at its dots.
        folder: The folder of the comparison's file.

    Returns:
        What could not be resolved; with a mistake, nothing further is.
    """
    mistakes = _lacks_experiment(document, parts)
    for path in experiment_paths(document):
        if path == tuple(parts[: len(path)]) and len(path) < len(parts) and not mistakes:
            mistakes = _include_experiment(document, path, folder)
            rename_deprecated_keys(document, path)
            mistakes += resolve_shorthand(document, path, parts[len(path)], _folder_of(document, path, folder))
    return mistakes


def _lacks_experiment(document: Document, parts: Sequence[str]) -> list[ConfigMistake]:
    """A mistake where an override reaches into the experiment of a contestant that has the comparison's."""
    path = ("contestants", *parts[1:2], "experiment")
    if path != tuple(parts[:3]) or len(parts) < 4:
        return []
    if not isinstance(document.find(path[:-1]), dict) or document.find(path) is not None:
        return []
    remedy = f"name one first ({'.'.join(path)}=PATH), or change the comparison's ({'.'.join(parts[2:])})"
    return [ConfigMistake(path, path, f"{parts[1]} has no experiment of its own; {remedy}")]


def _include_experiment(document: Document, path: KeyPath, folder: Path) -> list[ConfigMistake]:
    """Replace the path to an experiment by the content of its file."""
    holder = document.value(path[:-1])
    if path[-1] not in holder:
        message = f"missing key '{path[-1]}', expected a path to an experiment (.yaml)"
        return [ConfigMistake(path, path[:-1], message)]
    name = holder[path[-1]]
    if isinstance(name, dict):
        return []
    if not isinstance(name, str):
        message = f"got {describe_value(name)}, expected a path to an experiment (.yaml)"
        return [ConfigMistake(path, path, message)]
    file = find_file(name, folder)
    if file is None:
        return [ConfigMistake(path, path, missing_file_message(name, folder))]
    experiment = read_document(file)
    if is_comparison(experiment):
        message = f"got '{name}', which is a comparison, expected a path to an experiment"
        return [ConfigMistake(path, path, message)]
    document.include(path, experiment)
    return []


def _folder_of(document: Document, path: KeyPath, folder: Path) -> Path:
    """The folder from which an experiment's paths are looked up: of its own file, where it has one."""
    location = document.locations.get(path)
    return Path(location.included.source).parent if location and location.included else folder
