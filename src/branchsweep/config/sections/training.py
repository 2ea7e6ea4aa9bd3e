"""How each network is trained: epochs, early stopping and pruning."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator

from branchsweep.config.config_model import MAX_EPOCHS, ConfigModel

NO_PRUNING = "none"
"""The value of `pruning` instead of rungs: every trial trains all its epochs."""

DEFAULT_RUNG_SHARES = (0.08, 0.16, 0.4)
"""The default rungs, as shares of the epochs."""

LOWEST_RUNG = 3
"""The fewest epochs at which a default rung is placed: before, scores say little."""

MAX_DELTA = 1e6
"""The largest change of a score that early stopping may ask for."""

MAX_RUNGS = 100
"""The most rungs: at each the trials wait for each other."""


class EarlyStopping(ConfigModel):
    """A lane stops when its score has not improved for `patience` epochs."""

    patience: int = Field(ge=1, le=MAX_EPOCHS, description="Epochs without an improvement.")
    min_delta: float = Field(
        0.0, ge=0, le=MAX_DELTA, description="The smallest change of the score that counts as an improvement."
    )


class Fit(ConfigModel):
    """How each network is trained."""

    epochs: int = Field(100, ge=1, le=MAX_EPOCHS, description="Passes over the training rows; with early stopping, at most.")
    keep: Literal["best", "last"] = Field(
        "best", description="The weights that are scored: of the best epoch on the validation rows, or of the last."
    )
    early_stopping: EarlyStopping | None = Field(None, description="None: every lane trains all its epochs.")


class Pruning(ConfigModel):
    """Successive halving within a round: after each rung only the best trials train on.

    First are the trials that no other one beats on every head, then all others, both in order of the objective.
    """

    rungs: list[Annotated[int, Field(ge=1, le=MAX_EPOCHS)]] = Field(
        max_length=MAX_RUNGS, description="Epochs after which trials are pruned, increasing."
    )
    keep: float = Field(0.5, gt=0, lt=1, description="The share of the trials at a rung that train on.")

    @field_validator("rungs")
    @classmethod
    def _increasing(cls, rungs: list[int]) -> list[int]:
        if any(after <= before for before, after in pairwise(rungs)):
            raise ValueError("rungs must increase")
        return rungs


def default_pruning(epochs: int) -> Pruning:
    """The default rungs of a training of this many epochs; none where it is too short for any."""
    return Pruning(rungs=sorted({round(epochs * share) for share in DEFAULT_RUNG_SHARES if epochs * share >= LOWEST_RUNG}))
