"""Rows are divided by groups, each of which is on one side of every split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.validation import KFold
from branchsweep.data.columns import count_noun
from branchsweep.data.splitters.random_splitter import RandomSplitter, folds_of
from branchsweep.errors import DataError
from branchsweep.types import Fold, Positions


@dataclass(frozen=True, slots=True, eq=False)
class Group(RandomSplitter):
    """scikit-learn's `GroupShuffleSplit` and `GroupKFold(shuffle=True)`: fractions are of the groups.

    Args:
        labels: `(rows,)`, equal numbers for rows of one group, in the order of first occurrence.
        column: The column of the groups; empty where equal rows are the groups.
        names: What the groups are called, in the order of their numbers, where that is known.
    """

    labels: Positions = field(repr=False)
    column: str = ""
    names: Sequence[str] = field(default=(), repr=False)

    @property
    def count(self) -> int:
        """The number of groups."""
        return len(np.unique(self.labels))

    @property
    def description(self) -> str:
        """As of `Splitter`."""
        groups = f"{self.count:,} groups of column '{self.column}'" if self.column else f"{self.count:,} groups of equal rows"
        return f"at random by the {groups}, each on one side of every split"

    @property
    def warnings(self) -> tuple[str, ...]:
        """As of `Splitter`: one where every group is a single row."""
        if not self.column or self.count < len(self.labels):
            return ()
        warning = (
            f"Column '{self.column}' (split.group) has another value in every row, so rows are divided one by one; name"
            f" a column whose values repeat."
        )
        return (warning,)

    def check(self, experiment: Experiment, rows: int, where: str, reason: str = "") -> None:
        """As of `Splitter`."""
        RandomSplitter.check(self, experiment, rows, where, reason)
        validation, groups = experiment.validation, self.count
        test, train = experiment.test.smallest_parts(groups)
        folds = validation.folds if isinstance(validation, KFold) else 2
        if test < 1 or train < max(folds, 2):
            has = (
                f"column '{self.column}' (split.group) has {count_noun(groups, 'group')}"
                if self.column
                else f"{groups} different rows"
            )
            raise DataError(
                f"{has}: with {experiment.test.setting} {groups - max(train, 0)} of them go to the test rows and"
                f" {max(train, 0)} to the training rows, which need at least {max(folds, 2)} for {folds} folds; choose fewer"
                f" folds or a smaller fraction, or group by another column",
                where,
            )

    def two_parts(self, rows: Positions, fraction: float, seed: int) -> Fold:
        """As of `RandomSplitter`."""
        from sklearn import model_selection  # noqa: PLC0415  # takes half a second, and most splits need none

        divided = model_selection.GroupShuffleSplit(n_splits=1, test_size=fraction, random_state=seed)
        (parts,) = folds_of(rows, divided.split(rows, groups=self.labels[rows]))
        return parts

    def k_fold(self, rows: Positions, folds: int, seed: int) -> Sequence[Fold]:
        """As of `RandomSplitter`."""
        from sklearn import model_selection  # noqa: PLC0415  # as above

        divided = model_selection.GroupKFold(n_splits=folds, shuffle=True, random_state=seed)
        return folds_of(rows, divided.split(rows, groups=self.labels[rows]))

    def most_folds(self, rows: Positions) -> int:
        """As of `RandomSplitter`."""
        return len(np.unique(self.labels[rows]))

    def halves(self, rows: int, seed: int) -> Sequence[Fold]:
        """As of `Splitter`: of about as many rows, and either may be the smaller."""
        if self.count < 2:
            raise DataError(
                "all rows belong to one group, which cannot be in two halves; group by another column", "split.group"
            )
        return RandomSplitter.halves(self, rows, seed)
