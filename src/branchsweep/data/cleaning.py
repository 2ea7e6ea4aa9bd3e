"""The rows of a table that an experiment uses: columns checked, the policies on invalid and repeated rows applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.table import Table
from branchsweep.data.columns import count_noun, describe_invalid, invalid_remedy, require_columns, to_numbers
from branchsweep.errors import DataError
from branchsweep.types import Floats, Positions

LARGEST_VALUE = 1e100
"""The bound of values, so that sums of their squares do not overflow."""

SMALLEST_SPREAD = 1e-14
"""The least that a column may vary by, unless it is constant: less counts as constant to scikit-learn's scalers."""

_ROUNDING = 1e-12  # of the largest value, by which a column may vary that is constant but for rounding
_FEWEST_PARTIAL = 5
_PARTIAL_SHARE = 0.2  # of the rows, from which heads without a target are pointed out


@dataclass(frozen=True, slots=True)
class CleanRows:
    """The rows that a table's policies leave.

    Args:
        values: `(rows, inputs + targets)`, finite.
        numbers: `(rows,)`, their numbers in a spreadsheet.
        warnings: What was left out or found, as sentences.
        partial_targets: What is said where many rows have the targets of some heads only; else empty.
    """

    values: Floats
    numbers: NDArray[np.int64]
    warnings: tuple[str, ...] = ()
    partial_targets: str = ""


def column_keys(experiment: Experiment) -> dict[str, str]:
    """The columns of an experiment, inputs first, each with the key that asks for it."""
    targets = {name: f"heads.{head}.column" for head, name in experiment.columns.items()}
    return dict.fromkeys(experiment.table.inputs, "table.inputs") | targets


def split_key(experiment: Experiment) -> dict[str, str]:
    """The column by which rows are divided, if there is one that is neither input nor target, with the key that asks for it."""
    split = experiment.resolved_split
    is_other = split.column_name is not None and split.column_name not in column_keys(experiment)
    return {str(split.column_name): f"split.{split.kind}"} if is_other else {}


def clean_rows(experiment: Experiment, frame: pd.DataFrame, where: str) -> CleanRows:
    """The values of the rows that the table's policies leave.

    Args:
        experiment: Gives the input and target columns, and the policies.
        frame: The table, its index the rows' numbers in a spreadsheet.
        where: The table, for messages.

    Raises:
        DataError: A column is missing, a value is missing or not a number (unless such rows are dropped), or no row is left.
    """
    keys = column_keys(experiment)
    require_columns(frame.columns, keys | split_key(experiment), where)
    columns = list(keys)
    complete = _without_invalid(frame[columns], experiment, where)
    values, numbers, warnings = _without_repetitions(complete.values, complete.numbers, columns, experiment.table)
    return CleanRows(values, numbers, (*complete.warnings, *warnings), complete.partial_targets)


def first_equal_rows(values: Floats) -> Positions:
    """`(rows,)`, for each row the position of the first row with the same values."""
    first = np.arange(len(values), dtype=np.intp)
    repeated = np.flatnonzero(pd.DataFrame(values + 0.0).duplicated(keep=False).to_numpy())  # by hashing: most rows are not
    if len(repeated):
        _, index, group = np.unique(values[repeated] + 0.0, axis=0, return_index=True, return_inverse=True)
        first[repeated] = repeated[index[group.reshape(-1)]]
    return first


def check_magnitudes(columns: Sequence[str], values: Floats, where: str) -> None:
    """Check that the columns can be scaled and computed with.

    Args:
        columns: The names of all columns, in order.
        values: `(rows, columns)`.
        where: The table, for messages.

    Raises:
        DataError: A value is too large, or a column varies too little, though it varies.
    """
    for name, column in zip(columns, values.T, strict=True):
        low, high = float(column.min()), float(column.max())
        largest, spread = max(-low, high), high - low
        if largest > LARGEST_VALUE:
            problem = f"has values up to {largest:g}, expected at most {LARGEST_VALUE:g}"
        elif _ROUNDING * largest < spread < SMALLEST_SPREAD:
            problem = f"varies by {spread:g} ({low:g} to {high:g}), expected at least {SMALLEST_SPREAD:g}"
        else:
            continue
        raise DataError(f"column '{name}' {problem}; choose another unit for it: multiply it by a power of ten", where)


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


def _without_invalid(frame: pd.DataFrame, experiment: Experiment, where: str) -> CleanRows:
    """The rows with a number in all columns."""
    table = experiment.table
    values = to_numbers(frame, table.missing)
    complete = ~np.isnan(values).any(axis=1)
    warnings, partial = [], ""
    if not complete.all():
        sentence = describe_invalid(frame, values)
        partial = _partial_targets(values[:, len(table.inputs) :], list(experiment.heads))
        remedy = invalid_remedy(frame, values) or "correct them"
        if not complete.any():
            raise DataError(f"{sentence}, so no row is left to use; {remedy}{_further(partial)}", where)
        if table.invalid == "error":
            raise DataError(f"{sentence}; {remedy}, or leave such rows out with table.invalid: drop{_further(partial)}", where)
        warnings.append(f"{sentence}; these rows are left out (table.invalid: drop).")
        if partial:
            warnings.append(f"{partial}.")
    return CleanRows(values[complete], frame.index.to_numpy(dtype=np.int64)[complete], tuple(warnings), partial)


def _partial_targets(targets: Floats, heads: Sequence[str]) -> str:
    """A sentence where many rows have the targets of some heads only; else empty.

    Args:
        targets: `(rows, heads)`, NaN where there is none.
        heads: Their names.
    """
    present = ~np.isnan(targets)
    partial = int((present.any(axis=1) & ~present.all(axis=1)).sum())
    if partial < max(_FEWEST_PARTIAL, _PARTIAL_SHARE * len(targets)):
        return ""
    by_head = ", ".join(f"{head} in {count:,}" for head, count in zip(heads, present.sum(axis=0), strict=True))
    return (
        f"In {count_noun(partial, 'row')} some heads have a target and others have none ({by_head} of {len(targets):,} rows,"
        f" all together in {int(present.all(axis=1).sum()):,}). Heads with partial targets are not supported: of a row every"
        f" head needs its target. Fill in the targets, or give heads that are measured in other rows an experiment of their own"
    )


def _further(sentence: str) -> str:
    return f". {sentence}" if sentence else ""


def _without_repetitions(
    values: Floats, numbers: NDArray[np.int64], columns: Sequence[str], table: Table
) -> tuple[Floats, NDArray[np.int64], list[str]]:
    """The values that the policy leaves, their rows' numbers, and warnings. Rows are equal where all columns are."""
    first = first_equal_rows(values)
    repeated = np.flatnonzero(first != np.arange(len(values)))
    if not len(repeated):
        return values, numbers, []
    is_dropped, is_one = table.duplicates == "drop", len(repeated) == 1
    policy = {"drop": "left out", "keep": "kept", "together": "kept on the side of that row"}[table.duplicates]
    example = f"row {numbers[repeated[0]]}, which repeats row {numbers[first[repeated[0]]]} (the header is row 1)"
    warning = (
        f"{count_noun(len(repeated), 'row')} {'repeats' if is_one else 'repeat'} an earlier one in all columns of the"
        f" experiment ({', '.join(columns)}), such as {example}; {'it is' if is_one else 'they are'} {policy}"
        f" (table.duplicates: {table.duplicates})."
    )
    if is_dropped:
        values, numbers = np.delete(values, repeated, axis=0), np.delete(numbers, repeated)
    return values, numbers, [warning]
