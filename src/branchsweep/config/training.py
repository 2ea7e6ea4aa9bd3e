"""How each network is trained: epochs, early stopping and pruning."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator

from branchsweep.config.config_model import ConfigModel

NO_PRUNING = "none"
"""What `pruning` may be instead of rungs: every trial trains all its epochs."""

DEFAULT_RUNG_SHARES = (0.08, 0.16, 0.4)
"""Where the rungs stand if nobody says: at these shares of the epochs."""

LOWEST_RUNG = 3
"""Epochs below which nothing can be said of a network."""


class EarlyStopping(ConfigModel):
    """A lane stops when its score has not risen for `patience` epochs."""

    patience: int = Field(ge=1, description="Epochs without a rise.")
    min_delta: float = Field(0.0, ge=0, description="What counts as a rise of the mean R².")


class Fit(ConfigModel):
    """How each network is trained."""

    epochs: int = Field(100, ge=1, description="Passes over the training rows (the most, with early stopping).")
    keep: Literal["best", "last"] = Field(
        "best", description="The weights that are scored: of the best epoch on the validation rows, or of the last."
    )
    early_stopping: EarlyStopping | None = Field(None, description="None: every lane trains all its epochs.")


class Pruning(ConfigModel):
    """Successive halving inside a round: after each rung only the most promising trials train on.

    Those that no other beats on every head go first, then the objective decides.
    """

    rungs: list[Annotated[int, Field(ge=1)]] = Field(description="Epochs after which trials are dropped, rising.")
    keep: float = Field(0.5, gt=0, lt=1, description="The share of the trials at a rung that trains on.")

    @field_validator("rungs")
    @classmethod
    def _rising(cls, rungs: list[int]) -> list[int]:
        if any(after <= before for before, after in pairwise(rungs)):
            raise ValueError("rungs must rise")
        return rungs


def default_pruning(epochs: int) -> Pruning:
    """The rungs of a training of so many epochs where nobody says which; none where it is too short for any."""
    return Pruning(rungs=sorted({round(epochs * share) for share in DEFAULT_RUNG_SHARES if epochs * share >= LOWEST_RUNG}))
