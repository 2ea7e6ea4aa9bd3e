"""What is passed to an experiment or a comparison in Python, as a document has it, and mistakes in the words of documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from pydantic import ValidationError

from branchsweep.config.config_model import ConfigModel
from branchsweep.config.sections.table import DATAFRAME
from branchsweep.config.yaml.document_validation import raise_named, worded_mistakes
from branchsweep.config.yaml.schema_lookup import RootModel

_SPACE_KEYS = {"dimensions", "fixed"}


def python_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an experiment or a comparison as plain data, their shorthands resolved.

    Args:
        values: By key: plain data, or values of the classes of parts.
    """
    plain: dict[str, Any] = {key: plain_value(value) for key, value in values.items()}
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
    return plain


def raise_mistakes(root: RootModel, values: dict[str, Any], error: ValidationError) -> NoReturn:
    """Raise what pydantic found in these values as messages of documents have it.

    Raises:
        ConfigError: All mistakes, one per line.
    """
    raise_named(*worded_mistakes(root, values, error))


def plain_value(value: Any) -> Any:
    """A value as a document has it."""
    if isinstance(value, ConfigModel):
        return value.model_dump(exclude_unset=True)
    if isinstance(value, Mapping):
        return {key: plain_value(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_value(inner) for inner in value]
    return value
