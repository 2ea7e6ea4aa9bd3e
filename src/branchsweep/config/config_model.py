"""The base class of everything that users write: frozen, strict about keys, validated when it is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

NAME = r"^[A-Za-z_][A-Za-z0-9_-]*$"
"""What a name that people choose looks like."""

Name = Annotated[str, Field(pattern=NAME)]

KeyPath = tuple[str | int, ...]
"""The keys that lead to something below what was written: `("dimensions", "trunk.depth", "low")`."""

KeyMistake = tuple[KeyPath, str]
"""A place, and what is wrong there."""


class ConfigModel(BaseModel):
    """Something that people write: frozen, strict about keys, validated when it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def _refuse(self, mistakes: Iterable[KeyMistake]) -> None:
        """Raise all mistakes at once, each with its place, so that a reader of files can name their lines."""
        found = [
            InitErrorDetails(type=PydanticCustomError("mistake", "{message}", {"message": message}), loc=place, input=None)
            for place, message in mistakes
        ]
        if found:
            raise ValidationError.from_exception_data(type(self).__name__, found, hide_input=True)
