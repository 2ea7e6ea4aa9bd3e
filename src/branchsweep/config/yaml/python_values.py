"""What an experiment, a comparison or a part is given in Python, as a document has it, and mistakes as those of documents."""

from __future__ import annotations

from collections.abc import KeysView, Mapping, ValuesView
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from branchsweep.config.comparison import Comparison
from branchsweep.config.config_model import ConfigModel, KeyMistake, KeyPath
from branchsweep.config.experiment import Experiment
from branchsweep.config.file_model import FileModel
from branchsweep.config.sections.table import DATAFRAME
from branchsweep.config.yaml import document_validation
from branchsweep.config.yaml.comparison_experiments import experiment_paths, resolve_comparison
from branchsweep.config.yaml.document_validation import masked_mistakes, worded_mistakes
from branchsweep.config.yaml.messages import ConfigMistake
from branchsweep.config.yaml.schema_lookup import RootModel
from branchsweep.config.yaml.shorthands import resolve_experiment
from branchsweep.config.yaml.yaml_document import Document, SourceLocation, describe_value

_SPACE_KEYS = {"dimensions", "fixed"}


def to_document(root: RootModel, values: Mapping[str, Any]) -> tuple[Document, list[ConfigMistake]]:
    """The values of an experiment, a comparison or a part as a document, their shorthands resolved.

    Args:
        root: The class that is constructed. Messages about a part name it; those about a whole experiment need no name.
        values: By key: plain data, or values of the classes of parts.

    Returns:
        The document, and what could not be resolved.
    """
    data: dict[str, Any] = {key: plain_value(value) for key, value in values.items()}
    document = Document(data, {(): SourceLocation("" if issubclass(root, FileModel) else root.__name__)})
    if issubclass(root, Experiment):
        return document, [*_resolve_python_shorthands(document, ()), *resolve_experiment(document, (), Path.cwd())]
    if issubclass(root, Comparison):
        found = [mistake for path in experiment_paths(document) for mistake in _resolve_python_shorthands(document, path)]
        return document, [*found, *resolve_comparison(document, Path.cwd())]
    return document, []


def _resolve_python_shorthands(document: Document, path: KeyPath) -> list[ConfigMistake]:
    """Resolve the shorthands that an experiment has in Python alone, where the table is a DataFrame unless it says otherwise.

    Args:
        document: Changed in place.
        path: The path of the experiment in it.

    Returns:
        What could not be resolved.
    """
    experiment = document.find(path)
    if not isinstance(experiment, dict):
        return []
    found: list[ConfigMistake] = []
    for key, resolve in (("table", _table), ("heads", _heads), ("space", _space), ("promotion", _promotion)):
        if key in experiment:
            experiment[key], mistakes = resolve(experiment[key])
            found += [ConfigMistake((*path, key, *inner), (*path, key, *inner), message) for inner, message in mistakes]
    return found


_Resolved = tuple[Any, list[KeyMistake]]
"""What a shorthand stands for, and why it stands for nothing, by paths from its key."""


def _table(table: Any) -> _Resolved:
    if hasattr(table, "columns"):
        message = (
            "got a DataFrame, expected its inputs, such as table=['load', 'wind']; the rows are passed to sweep(experiment, df)"
        )
        return table, [((), message)]
    if isinstance(table, list):
        return {"source": DATAFRAME, "inputs": table}, []
    return {"source": DATAFRAME, **table} if isinstance(table, dict) else table, []


def _heads(heads: Any) -> _Resolved:
    if isinstance(heads, dict):
        return heads, []
    problem = _heads_problem(heads)
    return (heads, [((), problem)]) if problem else ({head: {} for head in heads}, [])


def _heads_problem(heads: Any) -> str:
    """Why this is no list of columns to predict; empty where it is one."""
    if not isinstance(heads, list):
        example = [heads] if isinstance(heads, str) else ["heat", "steam"]
        return f"got {describe_value(heads)}, expected a list of columns, such as {example}, or a mapping from names to heads"
    if not heads:
        return "got an empty list, expected at least one column"
    for head in heads:
        if isinstance(head, dict):
            return (
                "got a head in a list of columns, expected one mapping from names to heads, such as {'heat': Head(unit='MW')}"
            )
        if not isinstance(head, str):
            return f"got {describe_value(head)} for the name of a head, expected a text; put it in quotes"
        if heads.count(head) > 1:
            return f"got {head!r} more than once, expected each column once"
    return ""


def _space(space: Any) -> _Resolved:
    if not isinstance(space, dict) or _SPACE_KEYS & space.keys():
        return space, []
    builder = {"builder": space["builder"]} if "builder" in space else {}
    varied = {name: value for name, value in space.items() if isinstance(value, dict)}
    fixed = {name: value for name, value in space.items() if name not in {*varied, *builder}}
    message = "got a list, expected one value, or what it is varied in, such as Choice([{}, ...])"
    mistakes: list[KeyMistake] = [
        (("fixed", name), message.format(repr(value[0]))) for name, value in fixed.items() if isinstance(value, list) and value
    ]
    return {"dimensions": varied, "fixed": fixed, **builder}, mistakes


def _promotion(promotion: Any) -> _Resolved:
    return {"model": promotion} if isinstance(promotion, str) else promotion, []


def raise_mistakes(root: RootModel, document: Document, found: list[ConfigMistake], error: ValidationError | None) -> NoReturn:
    """Raise what is wrong with these values as messages of documents have it.

    Args:
        root: The class that is constructed.
        document: The values.
        found: What could not be resolved.
        error: What pydantic found besides.

    Raises:
        ConfigError: All mistakes, one per line.
    """
    refused, further = worded_mistakes(root, document.data, error) if error else ([], 0)
    mistakes = [*found, *refused]
    has_masked = issubclass(root, FileModel) and not further  # the keys of a part all depend on each other
    masked = masked_mistakes(root, _without_objects(document.data), mistakes) if has_masked else []
    document_validation.raise_mistakes(document, [*mistakes, *masked], further)


def plain_value(value: Any) -> Any:
    """A value as a document has it: scalars and arrays of NumPy, what pandas has of them, paths and parts become plain data."""
    if isinstance(value, ConfigModel):
        return plain_value(value.model_dump(exclude_unset=True))
    if isinstance(value, Mapping):
        return {plain_value(key): plain_value(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, range, KeysView, ValuesView)):
        return [plain_value(inner) for inner in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # known by what it can do, so that NumPy is not imported: a bool stays one, and an int an int
        return plain_value(value.tolist())
    return value


def _without_objects(value: Any) -> Any:
    """The same with None in place of what no document has, such as a DataFrame, which may be neither copied nor compared."""
    if isinstance(value, dict):
        return {key: _without_objects(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_objects(inner) for inner in value]
    return value if isinstance(value, (bool, int, float, str)) else None
