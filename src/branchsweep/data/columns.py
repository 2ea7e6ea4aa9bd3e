"""Columns of a table as numbers, and messages about the cells that are none.

A row is named by its number in a spreadsheet, in messages and in the index of every frame: the header is row 1, so the first
row of values is row 2.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from branchsweep.errors import DataError, did_you_mean
from branchsweep.types import Floats

MOST_EXAMPLES = 5
"""How many cells a message names where there may be many."""

_MOST_COLUMNS = 30  # that a message lists
_MOST_CHARACTERS = 40  # of a cell that a message shows


def require_columns(frame: pd.DataFrame, keys: Mapping[str, str], where: str) -> None:
    """Check that columns are there.

    Args:
        frame: The table.
        keys: The columns' names, each with the key of the experiment that asks for it.
        where: The file, for the message.

    Raises:
        DataError: A column is missing; the message has the nearest name.
    """
    present = [str(name) for name in frame.columns]
    candidates = [name for name in present if name not in keys] or present
    missing = [
        f"column '{name}' ({key}) not found{did_you_mean(name, candidates) or ';'}"
        for name, key in keys.items()
        if name not in present
    ]
    if missing:
        more = f" and {len(present) - _MOST_COLUMNS} more" if len(present) > _MOST_COLUMNS else ""
        names = ", ".join(present[:_MOST_COLUMNS]) + more
        raise DataError(f"{' '.join(missing)} the columns of the table are {names}", where)


def to_numbers(frame: pd.DataFrame) -> Floats:
    """The values `(rows, columns)`; NaN where there is no finite number."""
    values = np.stack([_column_to_numbers(frame.iloc[:, column]) for column in range(frame.shape[1])], axis=1)
    values[~np.isfinite(values)] = np.nan
    return values


def _column_to_numbers(column: pd.Series) -> Floats:
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        column = column.astype(object)
    elif pd.api.types.is_complex_dtype(dtype) or not (
        pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype)
    ):  # dates, time spans and the like, which pandas would count in nanoseconds
        return np.full(len(column), np.nan)
    return np.array(pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))


def describe_invalid(frame: pd.DataFrame, values: Floats) -> str:
    """A sentence that counts the cells without a number, and shows the first of them.

    Args:
        frame: The columns as they were read.
        values: `(rows, columns)`, those of `to_numbers`.
    """
    rows, columns = np.nonzero(np.isnan(values))
    examples = [
        f"column '{frame.columns[column]}' row {frame.index[row]}: {format_cell(frame.iat[row, column])}"
        for row, column in zip(rows[:MOST_EXAMPLES], columns[:MOST_EXAMPLES], strict=True)
    ]
    more = ", …" if len(rows) > MOST_EXAMPLES else ""
    counts = f"{count_noun(len(rows), 'value')} in {count_noun(len(np.unique(rows)), 'row')}"
    return (
        f"{counts} {'is' if len(rows) == 1 else 'are'} missing or not a finite number ({', '.join(examples)}{more};"
        f" the header is row 1)"
    )


def format_cell(cell: object) -> str:
    """A cell as messages show it."""
    if is_missing(cell):
        return "missing"
    return repr(cell[:_MOST_CHARACTERS]) if isinstance(cell, str) else str(cell)[:_MOST_CHARACTERS]


def is_missing(cell: object) -> bool:
    """Whether a cell has no value."""
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, (float, np.floating)) and bool(np.isnan(cell)))


def count_noun(number: int, noun: str) -> str:
    """The number with its noun, in the plural where it should be: `1 row`, `9,568 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
