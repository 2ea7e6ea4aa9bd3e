"""What an experiment, a comparison or a part is given in Python, as a document has it, and mistakes as those of documents."""

from __future__ import annotations

from collections.abc import KeysView, Mapping, ValuesView
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from branchsweep.config.config_model import ConfigModel
from branchsweep.config.file_model import FileModel
from branchsweep.config.sections.table import DATAFRAME
from branchsweep.config.yaml import document_validation
from branchsweep.config.yaml.document_validation import worded_mistakes
from branchsweep.config.yaml.messages import ConfigMistake
from branchsweep.config.yaml.schema_lookup import RootModel
from branchsweep.config.yaml.yaml_document import Document, SourceLocation

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
    if issubclass(root, FileModel):
        _resolve_shorthands(data)
    return Document(data, {(): SourceLocation("" if issubclass(root, FileModel) else root.__name__)}), []


def _resolve_shorthands(plain: dict[str, Any]) -> None:
    """Resolve the shorthands that experiments have in Python alone."""
    table, heads, space, promotion = (plain.get(key) for key in ("table", "heads", "space", "promotion"))
    if isinstance(table, list):
        plain["table"] = {"source": DATAFRAME, "inputs": table}
    elif isinstance(table, dict):
        plain["table"] = {"source": DATAFRAME, **table}
    if isinstance(heads, list) and all(isinstance(head, str) for head in heads):
        plain["heads"] = {head: {} for head in heads}
    if isinstance(space, dict) and not _SPACE_KEYS & space.keys():
        varied = {name: value for name, value in space.items() if isinstance(value, dict)}
        plain["space"] = {"dimensions": varied, "fixed": {name: space[name] for name in space if name not in varied}}
    if isinstance(promotion, str):
        plain["promotion"] = {"model": promotion}


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
    document_validation.raise_mistakes(document, [*found, *refused], further)


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
