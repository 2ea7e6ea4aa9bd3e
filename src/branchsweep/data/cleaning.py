"""The rows of a table that an experiment uses: columns checked, the policies on invalid and repeated rows applied."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.table import Table
from branchsweep.data.columns import count_noun, describe_invalid, require_columns, to_numbers
from branchsweep.data.dataset import Positions
from branchsweep.errors import DataError
from branchsweep.types import Floats


def clean_rows(experiment: Experiment, frame: pd.DataFrame, where: str) -> tuple[Floats, list[str]]:
    """The values of the rows that the table's policies leave.

    Args:
        experiment: Gives the input and target columns, and the policies.
        frame: The table, its index the rows' numbers in a spreadsheet.
        where: The table, for messages.

    Returns:
        The values `(rows, inputs + targets)`, and warnings as sentences.

    Raises:
        DataError: A column is missing, a value is missing or not a number (unless such rows are dropped), or no row is left.
    """
    inputs, targets = list(experiment.table.inputs), list(experiment.columns.values())
    keys = dict.fromkeys(inputs, "table.inputs") | {name: f"heads.{head}.column" for head, name in experiment.columns.items()}
    require_columns(frame, keys, where)
    columns = inputs + targets
    values, numbers, invalid_warnings = _without_invalid(frame[columns], experiment.table, where)
    values, repetition_warnings = _without_repetitions(values, numbers, columns, experiment.table)
    return values, [*invalid_warnings, *repetition_warnings]


def first_equal_rows(values: Floats) -> Positions:
    """`(rows,)`, for each row the position of the first row with the same values."""
    _, first, group = np.unique(values + 0.0, axis=0, return_index=True, return_inverse=True)
    return np.asarray(first[group.reshape(-1)], dtype=np.intp)


def check_constants(columns: Sequence[str], values: Floats, targets: Sequence[str], where: str) -> list[str]:
    """Check that targets vary.

    Args:
        columns: The names of all columns, in order.
        values: `(rows, columns)`.
        targets: The names of the target columns.
        where: The table, for messages.

    Returns:
        Warnings about constant inputs, as sentences.

    Raises:
        DataError: A target is constant.
    """
    constant = {name: column[0] for name, column in zip(columns, values.T, strict=True) if np.ptp(column) == 0.0}
    for name in targets:
        if name in constant:
            raise DataError(
                f"target column '{name}' has the same value, {constant[name]:g}, in all {count_noun(len(values), 'row')}: there"
                f" is nothing to predict; correct the column, or leave the head out",
                where,
            )
    return [
        f"Input column '{name}' has the same value, {value:g}, in all rows: it tells the network nothing."
        for name, value in constant.items()
    ]


def _without_invalid(frame: pd.DataFrame, table: Table, where: str) -> tuple[Floats, NDArray[np.int64], list[str]]:
    """The values `(rows, columns)` and the numbers `(rows,)` of the complete rows, and warnings."""
    values = to_numbers(frame)
    complete = ~np.isnan(values).any(axis=1)
    warnings = []
    if not complete.all():
        sentence = describe_invalid(frame, values)
        if table.invalid == "error":
            raise DataError(f"{sentence}; correct them, or leave such rows out with table.invalid: drop", where)
        if not complete.any():
            raise DataError(f"{sentence}; no row is left", where)
        warnings.append(f"{sentence}; these rows are left out (table.invalid: drop).")
    return values[complete], frame.index.to_numpy(dtype=np.int64)[complete], warnings


def _without_repetitions(
    values: Floats, numbers: NDArray[np.int64], columns: Sequence[str], table: Table
) -> tuple[Floats, list[str]]:
    """The values that the policy leaves, and warnings. Rows are equal where all columns of the experiment are."""
    first = first_equal_rows(values)
    repeated = np.flatnonzero(first != np.arange(len(values)))
    if not len(repeated):
        return values, []
    is_dropped, is_one = table.duplicates == "drop", len(repeated) == 1
    policy = "left out" if is_dropped else "kept"
    example = f"row {numbers[repeated[0]]}, which repeats row {numbers[first[repeated[0]]]} (the header is row 1)"
    warning = (
        f"{count_noun(len(repeated), 'row')} {'repeats' if is_one else 'repeat'} an earlier one in all columns of the"
        f" experiment ({', '.join(columns)}), such as {example}; {'it is' if is_one else 'they are'} {policy}"
        f" (table.duplicates: {table.duplicates})."
    )
    return (np.delete(values, repeated, axis=0) if is_dropped else values), [warning]
