"""Test rows that are a table of their own: joined with the training rows to one dataset."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from branchsweep.config.sections.split import SplitKind, duration
from branchsweep.data.columns import count_noun
from branchsweep.data.dataset import Dataset, SeparateTable, read_only
from branchsweep.data.digest import combined_digest
from branchsweep.data.splitters.group import Group
from branchsweep.data.splitters.splitter import FEWEST_ROWS
from branchsweep.data.splitters.time import Time
from branchsweep.errors import DataError
from branchsweep.types import Floats

HOLDS_BETWEEN_TABLES: tuple[SplitKind, ...] = ("group", "time")
"""How rows are divided where that says of both tables which rows may be test rows."""

_MOST_GROUPS = 5  # that a message names


def check_test_rows(rows: int, where: str) -> None:
    """Check that a test table has enough rows.

    Raises:
        DataError: They are too few for a score.
    """
    if rows < FEWEST_ROWS:
        message = f"{count_noun(rows, 'row')} to test, expected {FEWEST_ROWS} or more: a score needs them; add rows"
        raise DataError(message, where)


def with_test_table(dataset: Dataset, test: Dataset) -> Dataset:
    """The rows of the experiment's table, all of which are training rows, and then those of its test table.

    Args:
        dataset: The rows of the experiment's table.
        test: Those of the test table, read from a file by the same policies.

    Raises:
        DataError: Groups have rows in both tables, or test rows are not after all training rows, where rows are divided so.
    """
    _check_groups(dataset, test)
    _check_times(dataset, test)
    assert test.path is not None, "a test table is a file"
    weights: Floats | None = None
    if dataset.weights is not None or test.weights is not None:
        both = [np.ones_like(rows.y) if rows.weights is None else rows.weights for rows in (dataset, test)]
        weights = read_only(np.concatenate(both))
    columns = [
        column.model_copy(update={"has_gaps": column.has_gaps or test_column.has_gaps})
        for column, test_column in zip(dataset.columns, test.columns, strict=True)
    ]
    found = [*test.warnings, *_gap_warnings(dataset)]
    new = [f"Test table {test.location}: {warning}" for warning in found]
    return replace(
        dataset,
        x=read_only(np.concatenate([dataset.x, test.x])),
        y=read_only(np.concatenate([dataset.y, test.y])),
        digest=combined_digest([dataset.digest, f"test {test.digest}"]),
        warnings=(*dataset.warnings, *new),
        weights=weights,
        columns=tuple(columns),
        test_table=SeparateTable(test.location, test.path, test.rows, test.digest),
    )


def _check_groups(dataset: Dataset, test: Dataset) -> None:
    """Check that no group has rows in both tables.

    Raises:
        DataError: Some have.
    """
    groups, others = dataset.splitter, test.splitter
    if not isinstance(groups, Group) or not isinstance(others, Group):
        return
    known = set(others.names)
    shared = [name for name in groups.names if name in known]
    if shared:
        further = f" and {len(shared) - _MOST_GROUPS:,} more" if len(shared) > _MOST_GROUPS else ""
        raise DataError(
            f"{count_noun(len(shared), 'group')} of column '{groups.column}' (split.group) also"
            f" {'has' if len(shared) == 1 else 'have'} rows in {dataset.location}: {', '.join(shared[:_MOST_GROUPS])}{further};"
            f" keep the rows of each group in one of the tables, or leave split.group out",
            test.location,
        )


def _check_times(dataset: Dataset, test: Dataset) -> None:
    """Check that all test rows are after all training rows, by the gap where it is a duration.

    Raises:
        DataError: Some are not, or one table has dates and the other numbers.
    """
    training, tested = dataset.splitter, test.splitter
    if not isinstance(training, Time) or not isinstance(tested, Time):
        return
    column = f"column '{training.column}' (split.time)"
    if training.times.dtype != tested.times.dtype:
        raise DataError(f"{column} holds dates in one table and numbers in the other ({dataset.location})", test.location)
    last = training.times.max()
    early = int((tested.times <= last).sum())
    if early:
        raise DataError(
            f"{early:,} of {count_noun(test.rows, 'row')} {'is' if early == 1 else 'are'} not after the last row of"
            f" {dataset.location} in the order of {column}; give later test rows, leave the later training rows out, or leave"
            f" split.time out",
            test.location,
        )
    if isinstance(training.gap, str):
        close = int((training.times > tested.times.min() - duration(training.gap)).sum())
        if close:
            raise DataError(
                f"{count_noun(close, 'row')} of {dataset.location} {'is' if close == 1 else 'are'} less than {training.gap}"
                f" (split.gap) before the first test row in the order of {column}; leave {'it' if close == 1 else 'them'} out"
                f" of that table, or choose a smaller gap",
                test.location,
            )


def _gap_warnings(dataset: Dataset) -> list[str]:
    """A warning where a number of rows is left out within the training rows alone."""
    splitter = dataset.splitter
    if not isinstance(splitter, Time) or not isinstance(splitter.gap, int) or not splitter.gap:
        return []
    warning = (
        f"The gap of {count_noun(splitter.gap, 'row')} (split.gap) is left out between training and validation rows, and not"
        f" between the last row of {dataset.location} and the first test row."
    )
    return [warning]
