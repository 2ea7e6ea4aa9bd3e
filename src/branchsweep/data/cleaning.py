"""The rows of a table that an experiment uses: columns checked, the policies on invalid and repeated rows applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.columns import Column
from branchsweep.config.sections.table import Table
from branchsweep.data.columns import (
    count_noun,
    describe_invalid,
    invalid_remedy,
    is_missing,
    require_columns,
    row_numbering,
    to_numbers,
    without_column,
)
from branchsweep.data.input_values import input_values
from branchsweep.data.target_cells import answer_missing_targets, check_weights, columns_of_targets, missing_targets
from branchsweep.errors import DataError
from branchsweep.types import Floats, Positions

LARGEST_VALUE = 1e100
"""The bound of values, so that sums of their squares do not overflow."""

SMALLEST_SPREAD = 1e-14
"""The least that a column may vary by, unless it is constant: less counts as constant to scikit-learn's scalers."""

_ROUNDING = 1e-12  # of the largest value, by which a column may vary that is constant but for rounding

_MANY_TEXTS = 0.1  # of the cells, from which they are no misspelled numbers

_HASH_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio


@dataclass(frozen=True, slots=True)
class CleanRows:
    """The rows that a table's policies leave.

    Args:
        values: `(rows, inputs + targets + weights)`, finite, or NaN where a target is missing or an input that may have gaps.
        numbers: `(rows,)`, their numbers (see `columns`).
        warnings: What was left out or found, as sentences.
        partial_targets: What is said where rows that lack some targets are left out; else empty.
    """

    values: Floats
    numbers: NDArray[np.int64]
    warnings: tuple[str, ...] = ()
    partial_targets: str = ""


def column_keys(experiment: Experiment) -> dict[str, str]:
    """The columns of an experiment, each with the key that asks for it: inputs, then targets, then weights."""
    targets = {name: f"heads.{head}.column" for head, name in experiment.columns.items()}
    return dict.fromkeys(experiment.table.inputs, "table.inputs") | targets | dict(experiment.weight_columns)


def split_key(experiment: Experiment) -> dict[str, str]:
    """The column by which rows are divided, if there is one that is neither input nor target, with the key that asks for it."""
    split = experiment.resolved_split
    is_other = split.column_name is not None and split.column_name not in column_keys(experiment)
    return {str(split.column_name): f"split.{split.kind}"} if is_other else {}


def clean_rows(experiment: Experiment, frame: pd.DataFrame, where: str) -> CleanRows:
    """The values of the rows that the table's policies leave.

    Args:
        experiment: Gives the input and target columns, and the policies.
        frame: The table, its index the rows' numbers.
        where: The table, for messages.

    Raises:
        DataError: A column is missing, a value is missing or not a number (unless such rows are dropped, or it is a target of
            which others are known), a weight is negative, or no row is left.
    """
    keys = column_keys(experiment)
    require_columns(frame.columns, keys | split_key(experiment), where)
    columns = [*experiment.table.inputs, *experiment.columns.values(), *experiment.weight_columns]
    complete = _without_invalid(frame[columns], experiment, where)
    numbering = row_numbering(frame.index)
    check_weights(experiment, complete.values, complete.numbers, where, numbering)
    values, numbers, warnings = _without_repetitions(complete.values, complete.numbers, columns, experiment.table, numbering)
    return CleanRows(values, numbers, (*complete.warnings, *warnings), complete.partial_targets)


def first_equal_rows(values: Floats) -> Positions:
    """`(rows,)`, for each row the position of the first row with the same values, or without a value in the same columns."""
    first = np.arange(len(values), dtype=np.intp)
    hashes = _row_hashes(values)
    repeated = np.flatnonzero(pd.Series(hashes).duplicated(keep=False).to_numpy())  # most rows are not
    if len(repeated):
        alike = np.where(np.isnan(values[repeated]), np.inf, values[repeated] + 0.0)
        _, index, group = np.unique(alike, axis=0, return_index=True, return_inverse=True)
        first[repeated] = repeated[index[group.reshape(-1)]]
    return first


def _row_hashes(values: Floats) -> NDArray[np.uint64]:
    """`(rows,)` a number for each row, the same for equal rows, and hardly ever for others (Fibonacci hashing by columns)."""
    hashes = np.zeros(len(values), np.uint64)
    for column in values.T:
        bits = np.where(np.isnan(column), np.inf, column + 0.0).view(np.uint64)
        hashes = (hashes ^ bits) * _HASH_FACTOR
        hashes ^= hashes >> np.uint64(32)
    return hashes


def check_magnitudes(columns: Sequence[str], values: Floats, where: str, keys: Mapping[str, str] | None = None) -> None:
    """Check that the columns can be scaled and computed with.

    Args:
        columns: The names of all columns, in order.
        values: `(rows, columns)`, NaN where there is none.
        where: The table, for messages.
        keys: The key of the experiment that asks for a column, by its name.

    Raises:
        DataError: A value is too large, or a column varies too little, though it varies.
    """
    known = dict(_known_columns(columns, values))
    for name in columns:
        if name not in known:
            key = (keys or {}).get(name, "")
            raise DataError(f"column '{name}'{f' ({key})' if key else ''} has no values; {without_column(key)}", where)
        column = known[name]
        low, high = float(column.min()), float(column.max())
        largest, spread = max(-low, high), high - low
        if largest > LARGEST_VALUE:
            problem = f"has values up to {largest:g}, expected at most {LARGEST_VALUE:g}"
        elif _ROUNDING * largest < spread < SMALLEST_SPREAD:
            problem = f"varies by {spread:g} ({low:g} to {high:g}), expected at least {SMALLEST_SPREAD:g}"
        else:
            continue
        raise DataError(f"column '{name}' {problem}; choose another unit for it: multiply it by a power of ten", where)


def check_constants(
    columns: Sequence[str], values: Floats, targets: Sequence[str], where: str, kinds: Mapping[str, Column] | None = None
) -> list[str]:
    """Check that targets vary.

    Args:
        columns: The names of all columns, in order.
        values: `(rows, columns)`, NaN where there is none.
        targets: The names of the target columns.
        where: The table, for messages.
        kinds: What columns are that are no numbers.

    Returns:
        Warnings about constant inputs, as sentences.

    Raises:
        DataError: A target is constant, or missing in all rows.
    """
    known = dict(_known_columns(columns, values))
    for name in targets:
        if name not in known:
            raise DataError(f"target column '{name}' has no value in any row; fill it in, or leave the head out", where)
    constant = {name: column[0] for name, column in known.items() if np.ptp(column) == 0.0}
    for name in targets:
        if name in constant:
            raise DataError(
                f"target column '{name}' has the same value, {constant[name]:g}, in all {count_noun(len(known[name]), 'row')}:"
                f" there is nothing to predict; correct the column, or leave the head out",
                where,
            )
    return [
        f"Input column '{name}' has the same value, {_shown(value, (kinds or {}).get(name))}, in all rows: it tells the network"
        f" nothing."
        for name, value in constant.items()
    ]


def _shown(value: float, column: Column | None) -> str:
    """A value as a table has it."""
    return column.categories[int(value)] if column and column.categories and value >= 0 else f"{value:g}"


def _known_columns(columns: Sequence[str], values: Floats) -> Iterator[tuple[str, Floats]]:
    """The columns that have values, each with those."""
    for name, column in zip(columns, values.T, strict=True):
        known = column[~np.isnan(column)]
        if len(known):
            yield name, known


def _without_invalid(frame: pd.DataFrame, experiment: Experiment, where: str) -> CleanRows:
    """The rows with a value in all columns that need one, and in those of the targets as `targets.missing` says."""
    table, policy = experiment.table, experiment.targets.missing
    inputs, invalid_inputs = input_values(frame, table.inputs, table.missing)
    others = to_numbers(frame.iloc[:, len(table.inputs) :], table.missing)
    for position, head in enumerate(experiment.heads.values()):
        if head.classes is not None:  # whose 0 and 1 are codes of classes, and none for missing
            others[:, [position]] = to_numbers(frame.iloc[:, [len(table.inputs) + position]])
    values = np.concatenate([inputs, others], axis=1)
    missing = missing_targets(experiment, frame, values)
    invalid = np.concatenate([invalid_inputs, np.isnan(others)], axis=1) & ~missing
    is_used, warnings, further = ~invalid.any(axis=1), [], ""
    if not is_used.all():
        described = np.where(invalid, np.nan, 0.0)
        dates = {name for name, column in table.inputs.items() if column.kind == "date"}
        sentence = describe_invalid(frame, described, dates)
        remedy = invalid_remedy(frame, described, column_keys(experiment), dates)
        remedy = remedy or _input_remedy(frame, table.inputs, described) or "correct them"
        if not is_used.any():
            raise DataError(f"{sentence}, so no row is left to use; {remedy}", where)
        if table.invalid == "error":
            raise DataError(f"{sentence}; {remedy}, or leave such rows out with table.invalid: drop", where)
        warnings.append(f"{sentence}; these rows are left out (table.invalid: drop).")
    missing = missing[:, columns_of_targets(experiment)]
    if missing[is_used].any():
        known = ~missing
        answer = answer_missing_targets(known[is_used], list(experiment.heads), policy)
        is_used &= known.any(axis=1) if policy == "mask" else known.all(axis=1)
        if policy == "error":
            raise DataError(answer, where)
        if not is_used.any():
            raise DataError(f"{answer} So no row is left to use", where)
        warnings.append(answer)
        further = answer if policy == "drop" else ""
    if is_used.all():
        return CleanRows(values, frame.index.to_numpy(dtype=np.int64), tuple(warnings), further)
    return CleanRows(values[is_used], frame.index.to_numpy(dtype=np.int64)[is_used], tuple(warnings), further)


def _input_remedy(frame: pd.DataFrame, inputs: Mapping[str, Column], marked: Floats) -> str:
    """How to keep rows with empty cells or texts in numeric inputs, as half a sentence; empty where that is not known."""
    gaps: list[str] = []
    for name, cells in zip(inputs, marked.T, strict=False):
        invalid = frame[name][np.isnan(cells)]
        if inputs[name].kind not in (None, "numeric") or not len(invalid):
            continue
        empty = invalid.map(is_missing)
        if len(invalid) - empty.sum() > _MANY_TEXTS * len(frame):
            return f"correct them, say that the values are categories (table.inputs: {{{name}: {{kind: categorical}}}})"
        gaps += [name] if empty.iloc[0] else []
    if len(gaps) > 1:
        return (
            f"{len(gaps):,} inputs have gaps: fill those of all with table.inputs: {{'*': {{missing: indicator}}}} (all columns"
            f" that are not named) or of some with {{{gaps[0]}: {{missing: indicator}}, {gaps[1]}: …}}, correct them"
        )
    return f"fill the gaps with table.inputs: {{{gaps[0]}: {{missing: indicator}}}}, correct them" if gaps else ""


def _without_repetitions(
    values: Floats, numbers: NDArray[np.int64], columns: Sequence[str], table: Table, numbering: str
) -> tuple[Floats, NDArray[np.int64], list[str]]:
    """The values that the policy leaves, their rows' numbers, and warnings. Rows are equal where all columns are."""
    first = first_equal_rows(values)
    repeated = np.flatnonzero(first != np.arange(len(values)))
    if not len(repeated):
        return values, numbers, []
    is_dropped, is_one = table.duplicates == "drop", len(repeated) == 1
    policy = {"drop": "left out", "keep": "kept", "together": "kept on the side of that row"}[table.duplicates]
    example = f"row {numbers[repeated[0]]}, which repeats row {numbers[first[repeated[0]]]} ({numbering})"
    warning = (
        f"{count_noun(len(repeated), 'row')} {'repeats' if is_one else 'repeat'} an earlier one in all columns of the"
        f" experiment ({', '.join(columns)}), such as {example}; {'it is' if is_one else 'they are'} {policy}"
        f" (table.duplicates: {table.duplicates})."
    )
    if is_dropped:
        values, numbers = np.delete(values, repeated, axis=0), np.delete(numbers, repeated)
    return values, numbers, [warning]
