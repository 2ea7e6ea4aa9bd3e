"""Rows are divided in the order of time: training rows before validation rows before test rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

import numpy as np
import pandas as pd

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.split import Gap, RowSplit, duration, no_halves_reason
from branchsweep.config.sections.validation import HoldOut, KFold
from branchsweep.data.columns import to_numbers
from branchsweep.data.splitters.splitter import FEWEST_ROWS
from branchsweep.errors import DataError
from branchsweep.types import Floats, Fold, Positions


@dataclass(frozen=True, slots=True, eq=False)
class Time:
    """Parts of rows that follow each other in time; scikit-learn's `TimeSeriesSplit` where all times differ.

    Rows are sorted by time, equal times by their order in the table. Where a part would begin within rows of one time, it
    begins with the first of them, so that equal times are never on two sides.

    Args:
        times: `(rows,)`, increasing in time; microseconds where they are dates.
        column: The column that they are from.
        gap: What is left out between training rows and the rows after them: a number of rows, or a duration.
    """

    times: Floats | Positions = field(repr=False)
    column: str
    gap: Gap = 0

    @property
    def description(self) -> str:
        """As of `Splitter`."""
        left_out = f"{self.gap:,} rows" if isinstance(self.gap, int) else self.gap
        between = f", {left_out} left out before each of the latter two" if self.gap else ""
        return f"in the order of column '{self.column}': training rows before validation rows before test rows{between}"

    @property
    def is_random(self) -> bool:
        """As of `Splitter`."""
        return False

    @property
    def warnings(self) -> tuple[str, ...]:
        """As of `Splitter`."""
        return ()

    def check(self, experiment: Experiment, rows: int, where: str, reason: str = "") -> None:
        """As of `Splitter`: whether parts are large enough is known when they are cut."""

    def test_rows(self, rows: Positions, fraction: float, seed: int) -> Fold:
        """As of `Splitter`: the last rows are the test rows."""
        return self._last(rows, fraction)

    def folds(self, validation: KFold | HoldOut, rows: Positions, seed: int) -> Sequence[Fold]:
        """As of `Splitter`: of a hold-out the last rows, of a k-fold parts in turn, each after the rows to train on."""
        if isinstance(validation, HoldOut):
            return (self._last(rows, validation.fraction),)
        return self._expanding(rows, validation.folds)

    def confirmation_folds(self, number: int, rows: Positions, seed: int, searched: Sequence[Fold]) -> Sequence[Fold]:
        """As of `Splitter`: the last folds of a `TimeSeriesSplit` of as many folds, or of more, so that none is the search's.

        Where no division has only folds of its own (times are too few), the first that has rows in all its parts is taken.
        """
        known = {validation.tobytes() for _, validation in searched}
        possible = []
        for count in range(number, 1, -1):
            for divided in range(count, count + len(searched) + 2):
                folds = self._expanding(rows, divided)[-count:]
                if all(min(len(train), len(validation)) >= FEWEST_ROWS for train, validation in folds):
                    possible.append(folds)
                    if not any(validation.tobytes() in known for _, validation in folds):
                        return folds
        return possible[0] if possible else self._expanding(rows, 2)

    def halves(self, rows: int, seed: int) -> Sequence[Fold]:
        """As of `Splitter`.

        Raises:
            DataError: Always.
        """
        raise DataError(no_halves_reason(RowSplit(time=self.column)), "split.time")

    def _last(self, rows: Positions, fraction: float) -> Fold:
        """The rows before the last ones, and these, which are this share."""
        ordered = self._ordered(rows)
        (fold,) = self._cut(ordered, [len(rows) - math.ceil(fraction * len(rows)), len(rows)])
        return fold

    def _expanding(self, rows: Positions, folds: int) -> tuple[Fold, ...]:
        """The folds of a `TimeSeriesSplit`."""
        size = len(rows) // (folds + 1)
        return tuple(self._cut(self._ordered(rows), [len(rows) - left * size for left in range(folds, -1, -1)]))

    def _ordered(self, rows: Positions) -> Positions:
        rows = np.sort(rows)
        return rows[np.argsort(self.times[rows], kind="stable")]

    def _cut(self, ordered: Positions, edges: Sequence[int]) -> Iterator[Fold]:
        """The parts between edges, each with the rows before it that remain for training."""
        times = self.times[ordered]
        starts = [_first_of_its_time(times, edge) for edge in edges]
        for begin, end in pairwise(starts):
            yield ordered[: self._end_of_training(times, begin)], ordered[begin:end]

    def _end_of_training(self, times: Floats | Positions, begin: int) -> int:
        """How many of the rows before this one remain for training."""
        if isinstance(self.gap, int):
            return max(begin - self.gap, 0)
        if begin >= len(times):
            return begin
        return min(begin, int(np.searchsorted(times, times[begin] - duration(self.gap), side="right")))


def _first_of_its_time(times: Floats | Positions, position: int) -> int:
    """The position of the first row that has the time of this one; the number of rows where there is no such row."""
    return int(np.searchsorted(times, times[position], side="left")) if position < len(times) else len(times)


def dates_of(cells: pd.Series) -> pd.Series | None:
    """Dates and ISO 8601 texts as dates, NaT where a cell is none; None for a column of finite numbers."""
    if np.isfinite(to_numbers(cells.to_frame())).all():
        return None
    if not pd.api.types.is_datetime64_any_dtype(cells.dtype):
        cells = cells.astype(object).map(lambda cell: cell if isinstance(cell, str | date) else None)
    return pd.to_datetime(cells, errors="coerce", utc=True, format="ISO8601")


def by_time(cells: pd.Series, column: str, gap: Gap, where: str) -> Time:
    """A splitter by numbers, dates, or texts such as 2024-05-01 and 2024-05-01T13:00; `where` is the table for messages.

    Raises:
        DataError: A cell is none of these, or the gap is a duration and the column no dates.
    """
    dates = dates_of(cells)
    if dates is None:
        if isinstance(gap, str):
            raise DataError(f"got {gap}, but column '{column}' holds numbers, no dates; give a number of rows", "split.gap")
        return Time(to_numbers(cells.to_frame())[:, 0], column, gap)
    is_number = np.isfinite(to_numbers(cells.to_frame())[:, 0])
    wrong = np.flatnonzero(~is_number if is_number.sum() > dates.notna().sum() else dates.isna())
    if len(wrong):
        raise DataError(
            f"column '{column}' (split.time) holds {cells.iloc[wrong[0]]!r} in row {cells.index[wrong[0]]}, expected a number,"
            f" or a date such as 2024-05-31, 2024-05-31T13:00 or 2024-05-31 13:00:00+02:00 in all rows",
            where,
        )
    return Time(dates.dt.as_unit("us").to_numpy(dtype="datetime64[us]").astype(np.int64), column, gap)
