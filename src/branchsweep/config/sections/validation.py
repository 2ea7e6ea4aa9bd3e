"""How trials are scored: the test rows that are set aside, and cross-validation or a hold-out within the rest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from branchsweep.config.config_model import LONGEST_PATH, ConfigModel, KeyMistake, NetworksPerFold, Seed

TEST_FRACTION = 0.2
"""The share of the test rows, where nothing else is said."""


class TestRows(ConfigModel):
    """The rows that the search never sees: a part of the rows by scikit-learn's train_test_split, outer folds, or a table."""

    __test__: ClassVar[bool] = False  # pytest would collect a class called Test…

    fraction: float = Field(TEST_FRACTION, gt=0, lt=1, description="Share of all rows.")
    seed: Seed = Field(1, description="random_state of the split.")
    folds: int | None = Field(
        None,
        ge=2,
        le=100,
        description="Outer cross-validation: the rows are divided into so many parts by scikit-learn's KFold(shuffle=True); "
        "each is once the test rows of a sweep of its own. Absent: one sweep, with one part of the rows to test.",
    )
    fold: int | None = Field(
        None,
        ge=1,
        le=100,
        description="With folds: run the sweep of this one alone, counted from 1. Absent: all of them, for the nested score.",
    )
    path: str | None = Field(
        None,
        min_length=1,
        max_length=LONGEST_PATH,
        description="A table of the same columns whose rows are the test rows; all rows of the experiment's table are training "
        "rows then. `test: PATH` is short for it.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._raise_mistakes(self._mistakes())
        return self

    def _mistakes(self) -> Iterator[KeyMistake]:
        if self.path is not None:
            others = {"folds": self.folds, "fold": self.fold, "fraction": self.fraction != TEST_FRACTION or None}
            for key in [name for name, given in others.items() if given is not None]:
                yield (key,), "divides the rows of one table, but the test rows are those of path; leave one of them out"
            return
        if self.folds is None:
            if self.fold is not None:
                yield ("fold",), "needs folds beside it, the number of parts that the rows are divided into"
            return
        if self.fold is not None and self.fold > self.folds:
            yield ("fold",), f"got {self.fold}, expected a number from 1 to {self.folds} (folds)"
        if self.fraction != TEST_FRACTION:
            yield (
                ("fraction",),
                f"got {self.fraction:g} beside folds, which give the share of the test rows; leave one of them out",
            )

    @property
    def is_outer_cross_validation(self) -> bool:
        """Whether every row is a test row of one of several sweeps."""
        return self.folds is not None and self.fold is None

    @property
    def is_part_of_table(self) -> bool:
        """Whether the test rows are one part of the experiment's table."""
        return self.folds is None and self.path is None

    @property
    def setting(self) -> str:
        """What says how many rows are test rows, for messages."""
        if self.path is not None:
            return "test.path"
        return f"test.folds {self.folds}" if self.folds else f"test.fraction {self.fraction:g}"

    def smallest_parts(self, rows: int) -> tuple[int, int]:
        """The fewest test rows and the fewest training rows that so many rows (or groups) are divided into.

        With a table of its own for the test rows, all are training rows, and none limits the number of test rows.
        """
        if self.path is not None:
            return rows, rows
        if self.folds is None:
            test = math.ceil(self.fraction * rows)
            return test, rows - test
        return rows // self.folds, rows - math.ceil(rows / self.folds)


class KFold(ConfigModel):
    """k-fold cross-validation inside the training rows."""

    method: Literal["k_fold"]
    folds: int = Field(3, ge=2, le=100, description="Parts; each is once the validation rows.")
    seeds: NetworksPerFold = Field(1, description="Networks per fold, each from its own initial weights.")

    def fewest_trained_on(self, rows: int) -> int:
        """The rows that a network trains on, of so many training rows, where most are held out."""
        return rows - math.ceil(rows / self.folds)


class HoldOut(ConfigModel):
    """One part of the training rows is held out for validation."""

    method: Literal["hold_out"]
    fraction: float = Field(0.2, gt=0, lt=1, description="Share of the training rows.")
    seeds: NetworksPerFold = Field(1, description="Networks per trial, each from its own initial weights.")

    def fewest_trained_on(self, rows: int) -> int:
        """The rows that a network trains on, of so many training rows."""
        return rows - math.ceil(rows * self.fraction)
