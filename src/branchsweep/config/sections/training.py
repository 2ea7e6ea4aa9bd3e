"""How each network is trained: epochs, early stopping and pruning."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from branchsweep.config.config_model import MAX_EPOCHS, ConfigModel, KeyMistake, NetworksPerFold

NO_PRUNING = "none"
"""The value of `pruning` instead of rungs: every trial trains all its epochs."""

DEFAULT_RUNG_SHARES = (0.08, 0.16, 0.4)
"""The default rungs, as shares of the epochs."""

LOWEST_RUNG = 3
"""The fewest epochs at which a default rung is placed: before, scores say little."""

MAX_DELTA = 1e6
"""The largest `min_delta` of early stopping."""

MAX_OPTIMIZER_STEPS = 1_000_000_000
"""The most updates of the weights."""

MAX_RUNGS = 100
"""The most rungs: at each the trials wait for each other."""


class EarlyStopping(ConfigModel):
    """A lane stops when its score has not improved for `patience` epochs, or the metric that the objective names."""

    patience: int = Field(ge=1, le=MAX_EPOCHS, description="Epochs without an improvement.")
    min_delta: float = Field(
        0.0,
        ge=0,
        le=MAX_DELTA,
        description="The smallest change that is an improvement, of the score or of the metric that the objective names.",
    )


class Fit(ConfigModel):
    """How each network is trained."""

    epochs: int = Field(100, ge=1, le=MAX_EPOCHS, description="Passes over the training rows; with early stopping, at most.")
    steps: int | None = Field(
        None,
        ge=1,
        le=MAX_OPTIMIZER_STEPS,
        description="Updates of the weights, in place of epochs: as many epochs as have so many of them on the rows that the "
        "networks of the search train on, with the largest batches of the space.",
    )
    keep: Literal["best", "last"] = Field(
        "best", description="The weights that are scored: of the best epoch on the validation rows, or of the last."
    )
    early_stopping: EarlyStopping | None = Field(None, description="None: every lane trains all its epochs.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.steps is not None and "epochs" in self.model_fields_set:
            message = (
                f"got {self.steps} steps beside {self.epochs} epochs, and each follows from the other; leave one of them out"
            )
            self._raise_mistakes([(("steps",), message)])
        return self

    @property
    def chooses_epochs(self) -> bool:
        """Whether what is measured after each epoch decides how long a network trains, or which of its weights are scored."""
        return self.keep == "best" or self.early_stopping is not None

    @model_serializer(mode="wrap")
    def _without_the_other(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What was written alone: epochs or steps."""
        left_out = "steps" if self.steps is None else "epochs"
        return {key: value for key, value in dump(self).items() if key != left_out}

    def in_epochs(self, rows: int, batch_size: int) -> Fit:
        """The same with epochs in place of steps.

        Args:
            rows: That a network trains on.
            batch_size: Rows of a step.
        """
        if self.steps is None:
            return self
        epochs = math.ceil(self.steps / math.ceil(rows / batch_size))
        return self.model_copy(update={"epochs": min(epochs, MAX_EPOCHS), "steps": None})


class Pruning(ConfigModel):
    """Successive halving within a round: after each rung only the best trials train on.

    First are the trials that no other one beats on every head, then all others, both in order of the objective.
    """

    rungs: list[Annotated[int, Field(ge=1, le=MAX_EPOCHS)]] = Field(
        max_length=MAX_RUNGS, description="Epochs after which trials are pruned, increasing."
    )
    keep: float = Field(0.5, gt=0, lt=1, description="The share of the trials at a rung that train on.")
    folds: list[Annotated[int, Field(ge=1, le=100)]] | None = Field(
        None,
        max_length=MAX_RUNGS,
        description="Folds that a trial is trained and scored on up to each rung, one number per rung, not decreasing; all "
        "folds from the last rung on. A fold that is added later trains from the first epoch. Absent: all at every rung.",
    )
    seeds: list[NetworksPerFold] | None = Field(
        None,
        max_length=MAX_RUNGS,
        description="Networks per fold up to each rung, likewise. Absent: validation.seeds at every rung.",
    )

    @field_validator("rungs")
    @classmethod
    def _increasing(cls, rungs: list[int]) -> list[int]:
        if any(after <= before for before, after in pairwise(rungs)):
            raise ValueError("rungs must increase")
        return rungs

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._raise_mistakes(self._mistakes())
        return self

    def _mistakes(self) -> Iterator[KeyMistake]:
        for key, counts in (("folds", self.folds), ("seeds", self.seeds)):
            if counts is None:
                continue
            if len(counts) != len(self.rungs):
                yield (key,), f"got {len(counts)} numbers, expected one for each of the {len(self.rungs)} rungs"
            for index, (before, after) in enumerate(pairwise(counts), start=1):
                if after < before:
                    yield (key, index), f"got {after} after {before}, expected no fewer at a later rung"


@dataclass(frozen=True, slots=True)
class Phase:
    """The training of a trial up to a rung, or to its end.

    Args:
        epoch: The last one, from 1.
        folds: The number of folds, of the first ones, that networks are trained on.
        seeds: Networks per fold.
    """

    epoch: int
    folds: int
    seeds: int

    @property
    def networks(self) -> int:
        """Networks of a trial."""
        return self.folds * self.seeds


def epochs_by_phase(phases: Sequence[Phase]) -> list[int]:
    """Epochs that all networks of a trial train in each phase. Networks that a phase adds train from their first epoch.

    Args:
        phases: In order; none has fewer networks than the one before.
    """
    trained = [0, *(phase.networks * phase.epoch for phase in phases)]
    return [after - before for before, after in pairwise(trained)]


def default_pruning(epochs: int) -> Pruning:
    """The default rungs of a training of this many epochs; none where it is too short for any."""
    return Pruning(rungs=sorted({round(epochs * share) for share in DEFAULT_RUNG_SHARES if epochs * share >= LOWEST_RUNG}))
