"""The base class of everything that users write: frozen, strict about keys, validated when it is constructed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

NAME = r"^[A-Za-z_][A-Za-z0-9_-]*$"
"""The pattern of names that users choose."""

Name = Annotated[str, Field(pattern=NAME)]

KeyPath = tuple[str | int, ...]
"""The keys and indices that lead to a value: `("dimensions", "trunk.depth", "low")`, `("table", "inputs", 0)`."""

KeyMistake = tuple[KeyPath, str]
"""The path of a wrong value, and the message about it."""


class ConfigModel(BaseModel):
    """A part of an experiment, a search space or a comparison."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def _raise_mistakes(self, mistakes: Iterable[KeyMistake]) -> None:
        """Raise all mistakes at once, each with its path, from which loading finds file and line.

        Raises:
            ValidationError: There is a mistake.
        """
        details = [
            InitErrorDetails(type=PydanticCustomError("mistake", "{message}", {"message": message}), loc=path, input=None)
            for path, message in mistakes
        ]
        if details:
            raise ValidationError.from_exception_data(type(self).__name__, details, hide_input=True)
