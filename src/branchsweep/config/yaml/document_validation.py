"""A document checked by a model: the validated value, or one error with every mistake, its file and its line."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError

from branchsweep.config.comparison import experiment_depth
from branchsweep.config.config_model import ConfigModel, KeyPath, dotted
from branchsweep.config.sections.heads import FROM_DOCUMENT
from branchsweep.config.yaml.messages import ConfigMistake, has_path, to_mistake, value_at
from branchsweep.config.yaml.schema_lookup import RootModel, has_free_keys, subschema
from branchsweep.config.yaml.yaml_document import Document
from branchsweep.errors import MOST_MISTAKES, ConfigError, Mistake, with_short_words

MOST_WORDED = 3 * MOST_MISTAKES
"""The most errors that are put into words: more than are shown, which are those of the first lines."""

Model = TypeVar("Model", bound=ConfigModel)


def validate_document(root: type[Model], document: Document, found: Iterable[ConfigMistake] = ()) -> Model:
    """The experiment or the comparison that a document describes.

    Args:
        root: The model of the file.
        document: With shorthands resolved.
        found: Mistakes that are already known; they are reported with the others.

    Raises:
        ConfigError: All mistakes, one per line, in the order of the files' lines.
    """
    model, refused, further = _validate(root, document.data)
    mistakes = [*found, *refused]
    if model is None or mistakes:
        masked = [] if further else masked_mistakes(root, document.data, mistakes)
        raise_mistakes(document, [*mistakes, *masked], further)
    return model


def validate_mapping(root: type[Model], values: dict[str, Any], parameters: Mapping[str, str]) -> Model:
    """The experiment or the comparison that a program puts together of what a user gave it.

    Args:
        root: The model.
        values: As a document has them.
        parameters: By the beginnings of keys, what the user gave for them: messages name that.

    Raises:
        ConfigError: All mistakes, one per line.
    """
    model, mistakes, further = _validate(root, values)
    if model is None:
        raise_named(mistakes, further, parameters)
    return model


def raise_named(mistakes: Iterable[ConfigMistake], further: int = 0, parameters: Mapping[str, str] | None = None) -> NoReturn:
    """Raise ConfigError with mistakes that are in no file, one per line.

    Args:
        mistakes: The mistakes.
        further: At least so many were found besides.
        parameters: As of `validate_mapping`.
    """
    named = [(dotted(mistake.named_path), mistake.message) for mistake in _distinct(mistakes)]
    raise ConfigError.of([Mistake("", _as_given(key, parameters or {}), message) for key, message in named], further)


def _as_given(key: str, parameters: Mapping[str, str]) -> str:
    """A key with the name that its beginning has for the user."""
    found = next((start for start in parameters if f"{key}.".startswith(f"{start}.")), None)
    return key if found is None else parameters[found] + key[len(found) :]


def raise_mistakes(document: Document, mistakes: Iterable[ConfigMistake], further: int = 0) -> NoReturn:
    """Raise ConfigError with the mistakes, one per line, in the order of the files' lines.

    Args:
        document: Where they are.
        mistakes: Of these the first `MOST_MISTAKES` are named.
        further: At least so many were found besides.
    """
    sources = document.sources

    def order(mistake: ConfigMistake) -> tuple[int, int]:
        location = document.location(mistake.path)
        return sources.index(location.source), location.line

    raise ConfigError.of([_located(document, mistake) for mistake in sorted(_distinct(mistakes), key=order)], further)


def _validate(root: type[Model], data: dict[str, Any]) -> tuple[Model | None, list[ConfigMistake], int]:
    """The value or the mistakes, and the number of further errors that were not worded: a message names few of them."""
    try:
        # strict: YAML itself says what is a number
        return root.model_validate(data, strict=True, context=FROM_DOCUMENT), [], 0
    except ValidationError as error:
        return None, *worded_mistakes(root, data, error)


def worded_mistakes(root: RootModel, data: dict[str, Any], error: ValidationError) -> tuple[list[ConfigMistake], int]:
    """What pydantic found in data of this model in words, and the number of further errors that were not worded."""
    errors = error.errors(include_url=False)
    mistakes: dict[KeyPath, ConfigMistake] = {}
    for position, details in enumerate(errors):  # several are of one path where a value may be of several types
        if len(mistakes) == MOST_WORDED:
            return list(mistakes.values()), len({details["loc"] for details in errors[position:]})
        mistake = to_mistake(root, data, details)
        mistakes.setdefault(mistake.path, mistake)
    return list(mistakes.values()), 0


def _located(document: Document, mistake: ConfigMistake) -> Mistake:
    """A mistake with its file and line."""
    location = document.location(mistake.path)
    message = with_short_words(mistake.message)
    return Mistake(str(location), dotted(mistake.named_path[location.root_depth :]), message)


def _distinct(mistakes: Iterable[ConfigMistake]) -> list[ConfigMistake]:
    """One mistake per path, and no key reported as missing that is there misspelled."""
    mistakes = list(mistakes)
    misspelled = {(*mistake.path[:-1], mistake.intended_key) for mistake in mistakes if mistake.intended_key}
    first: dict[KeyPath, ConfigMistake] = {}
    for mistake in mistakes:
        first.setdefault(mistake.path, mistake)
    return [mistake for path, mistake in first.items() if path not in misspelled]


def masked_mistakes(root: RootModel, data: dict[str, Any], mistakes: list[ConfigMistake]) -> list[ConfigMistake]:
    """Mistakes that the models find only once the others are gone, such as a space that names no hyperparameter.

    The models check the data again without the wrong values, which then have their defaults, until nothing is left to remove.
    What they find then about the neighbours of a removed value may be due to its default, and what they find about conditions
    to a removed dimension: both are left out until the value is corrected.
    """
    remaining, latest, found = copy.deepcopy(data), mistakes, list(mistakes)
    while sum(_remove(remaining, mistake) for mistake in latest):
        _, latest, further = _validate(root, remaining)
        found += [
            mistake for mistake in latest if mistake.is_cross_check and not _may_follow_from_removal(root, data, mistake, found)
        ]
        if further:
            break
    return found[len(mistakes) :]


def _remove(data: dict[str, Any], mistake: ConfigMistake) -> bool:
    """Remove the wrong value, or the mapping that lacks one.

    Returns:
        Whether that changed anything.
    """
    exists = _placeholder(mistake.path) is not None or has_path(data, mistake.path)
    path = mistake.path if exists else mistake.named_path
    placeholder = _placeholder(path)
    if placeholder is not None:
        mapping = value_at(data, path[:-1])
        changed: bool = mapping.get(path[-1]) != placeholder
        mapping[path[-1]] = placeholder
        return changed
    path = _removed_path(path)
    if not path or not has_path(data, path):
        return False
    del value_at(data, path[:-1])[path[-1]]
    return True


def _removed_path(path: KeyPath) -> KeyPath:
    """The path of what is removed because of a wrong value: a list as a whole, whose entries are named by their positions."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    return path


def _placeholder(path: KeyPath) -> Any:
    """A valid value for a required key on whose value no other check depends; None for all other paths."""
    match path[experiment_depth(path) :]:
        case ("name",):
            return "unnamed"
        case ("table",):
            return {"source": "unnamed", "inputs": ["unnamed"]}
        case ("heads", str()):
            return {}
        case ("contestants", str()):
            return {"kind": "network"}
    return None


def _may_follow_from_removal(
    root: RootModel, data: dict[str, Any], mistake: ConfigMistake, earlier: list[ConfigMistake]
) -> bool:
    """Whether the mistake may be reported only because a value was removed."""
    scopes = [_dependent_scope(root, data, other.path) for other in earlier if not other.is_cross_check]
    if any(mistake.path[: len(scope)] == scope for scope in scopes):
        return True
    match mistake.path:
        case ("transfer", _):  # depends on the kinds of contestants
            return any(other.path[:1] == ("contestants",) and experiment_depth(other.path) == 0 for other in earlier)
        case ("contestants", _, "experiment"):  # depends on the tables and heads of experiments
            inside = [other.path[experiment_depth(other.path) :] for other in earlier if experiment_depth(other.path)]
            return any(path[0] in {"table", "heads"} for path in inside)
    depth = experiment_depth(mistake.path)
    if mistake.path[depth : depth + 1] == ("objective",):  # its metrics are those of the heads
        return any(other.path[: depth + 1] == (*mistake.path[:depth], "heads") for other in earlier)
    dimensions, is_condition = mistake.path[: depth + 2], mistake.path[depth + 3 : depth + 4] == ("when",)
    return is_condition and any(other.path[: depth + 3] == (*dimensions, mistake.path[depth + 4]) for other in earlier)


def _dependent_scope(root: RootModel, data: dict[str, Any], path: KeyPath) -> KeyPath:
    """The path of the mapping whose entries depend on each other, around a wrong value."""
    path = _removed_path(path)
    is_independent = len(path) == experiment_depth(path) + 1 or has_free_keys(subschema(root, path[:-1], data))
    return path if is_independent else path[:-1]
