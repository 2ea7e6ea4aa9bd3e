"""The base class of everything that users write: frozen, strict about keys, validated when it is constructed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

MAX_NAME = 100
"""The most letters of a name that users choose."""

NAME = rf"^[A-Za-z_][A-Za-z0-9_-]{{0,{MAX_NAME - 1}}}$"
"""The pattern of names that users choose. They become names of metrics, registered models and files, together with further
words: of these MLflow takes 250 characters and file systems 255 bytes."""

Name = Annotated[str, Field(pattern=NAME)]

MAX_SEED = 2**32 - 1
"""The largest seed: scikit-learn and NumPy take 32 bits."""

Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
"""What random numbers derive from."""

MAX_EPOCHS = 1_000_000
"""The most passes over the training rows."""

MAX_TRIALS = 1_000_000
"""The most trials of a search."""

MAX_SECONDS = 1e9
"""The longest wall time, some 30 years."""

Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS)]
"""Wall time."""

NetworksPerFold = Annotated[int, Field(ge=1, le=100)]
"""How many networks are trained per fold, each from initial weights of its own."""

SHORT_TEXT, LONG_TEXT, LONGEST_PATH = 500, 5000, 4096
"""The most characters of what is shown in tables, such as a column's name; of a text; and of a path, which systems limit."""

KeyPath = tuple[str | int, ...]
"""The keys and indices that lead to a value: `("dimensions", "trunk.depth", "low")`, `("table", "inputs", 0)`."""

KeyMistake = tuple[KeyPath, str]
"""The path of a wrong value, and the message about it."""


def dotted(path: KeyPath) -> str:
    """A path of keys as users write it: `heads.PE.loss`, `table.inputs[1]`."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


Init = TypeVar("Init", bound=Callable[..., None])


def for_python(init: Init) -> Init:
    """Mark an `__init__` as one for callers in Python: documents are validated without it, with messages of their own.

    Pydantic takes any other `__init__` of a model for its constructor when it validates a mapping, too.
    """
    init.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # as pydantic marks its own
    return init


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
