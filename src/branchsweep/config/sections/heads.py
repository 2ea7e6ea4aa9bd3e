"""A head of the network: its target column, unit and loss."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from branchsweep.config import kinds
from branchsweep.config.config_model import MAX_NAME, NAME, SHORT_TEXT, ConfigModel
from branchsweep.errors import HeadNameWarning, did_you_mean

MAX_HEADS = 256
"""The most heads of a network: each has branches, metrics and columns of tables."""

MAX_UNIT = 100
"""The most characters of a unit."""


def name_from_column(column: str) -> str:
    """The name of a head that is named by its column, where that is no name: `head_25400` of 25400, `y_z` of y+z.

    Letters lose their accents, and whatever else a name may not hold becomes `_`.

    Args:
        column: The column's name.
    """
    letters = unicodedata.normalize("NFKD", column)
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", plain).strip("_-")
    return (name if re.match(NAME, name) else f"head_{name}")[:MAX_NAME].rstrip("_-")


def is_named_by_column(name: str, head: object) -> bool:
    """Whether a head's key is a column whose name no head can have, and nothing else names the column.

    Args:
        name: The key.
        head: The head, as it was written.
    """
    names_none = "column" not in head if isinstance(head, Mapping) else isinstance(head, Head) and head.column is None
    return names_none and 1 <= len(name.strip()) <= MAX_NAME and not re.match(NAME, name)


FROM_DOCUMENT = "document"
"""The context in which a document is validated, whose heads have their names already (`yaml/shorthands.py`)."""


def named_heads(heads: Any, info: ValidationInfo) -> Any:
    """Heads of which those that are named by a column have a name; what is no mapping, for the model to judge.

    A head that would be called as another one keeps the name that it cannot have.
    """
    if info.context == FROM_DOCUMENT or not isinstance(heads, Mapping):
        return heads
    found: dict[Any, Any] = {}
    for key, head in heads.items():
        name = name_from_column(key) if isinstance(key, str) and is_named_by_column(key, head) else key
        if name == key or name in heads or name in found:
            found[key] = head
            continue
        found[name] = {**head, "column": key} if isinstance(head, Mapping) else head.model_copy(update={"column": key})
        warnings.warn(HeadNameWarning("heads", key, name), stacklevel=2)
    return found


def _name_the_losses(schema: dict[str, Any]) -> None:
    """In the JSON Schema, a loss is one of those that there are now."""
    schema["enum"] = list(kinds.HEADS)


class Head(ConfigModel):
    """One output of the network."""

    column: Annotated[str, Field(max_length=SHORT_TEXT)] | None = Field(
        None, description="The target column; the head's own name if absent."
    )
    unit: str = Field("", max_length=MAX_UNIT, description="The target's unit, for people (MW, cm Hg).")
    loss: str = Field(
        kinds.DEFAULT_HEAD, description="The head's loss on the scaled target.", json_schema_extra=_name_the_losses
    )
    weight: Annotated[str, Field(min_length=1, max_length=SHORT_TEXT)] | None = Field(
        None,
        description="A column of numbers from 0 that weigh each row of this head in loss and metrics (Keras's and "
        "scikit-learn's sample_weight); multiplied with table.weight where both are given.",
    )

    @field_validator("loss")
    @classmethod
    def _is_known(cls, loss: str) -> str:
        if loss not in kinds.HEADS:
            raise ValueError(f"got '{loss}', expected one of {', '.join(kinds.HEADS)}{did_you_mean(loss, kinds.HEADS)}")
        return loss

    @property
    def score_metric(self) -> str:
        """The name of the metric that is the head's score."""
        return kinds.HEAD_SCORES[self.loss]
