"""Columns of a table as numbers, and messages about the cells that are none.

A row is named by its number, in messages and in the index of every frame: as a spreadsheet counts, where the header is row 1
and the first row of values row 2; by its line in JSON lines; from 1 where the names are in no row. The name of the index says
which of these it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from branchsweep.errors import DataError, did_you_mean
from branchsweep.types import Floats

MOST_EXAMPLES = 5
"""How many cells a message names where there may be many."""

_MOST_COLUMNS = 30  # that a message lists
_MOST_CANDIDATES = 1000  # among which the nearest name is looked for
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
_SEPARATOR = re.compile(r"(?<=\w)\s*[^\w\s.()\[\]-]\s*(?=\w)|(?<=\w) (?=\w)")
_DECIMAL_POINT = (
    "write numbers with a decimal point, and without a mark between thousands (of a csv file they may be"
    " named: table.csv: {decimal: ','} or {thousands: ','})"
)
_REMEDIES = {
    re.compile(r"[+\-\u2212]?[\d.]*,[\d,]+(\.\d+)?"): _DECIMAL_POINT,
    re.compile(r"[+\-\u2212]?\d{1,3}([\s\u00a0\u2009\u202f'\u2019_]\d{3})+([.,]\d+)?"): _DECIMAL_POINT,
    re.compile(r"[\u2212\u2012\u2013]\s*\d.*"): "write the minus sign as a hyphen (-)",
    re.compile(r"[+-]?\d+([.,]\d+)?\s*%"): "write numbers without the percent sign",
}  # by the texts to which it applies
_MOST_CHARACTERS = 40  # of a cell that a message shows
DATE_FORM = "write dates as 2024-05-31, or 2024-05-31 14:30"
"""How to mend dates that are not read, as half a sentence."""


def require_columns(names: Iterable[object], keys: Mapping[str, str], where: str, hint: str = "") -> None:
    """Check that columns are there.

    Args:
        names: The names of the table's columns.
        keys: The columns that must be there, each with the key of the experiment that asks for it.
        where: The file, for the message.
        hint: A further sentence for the message.

    Raises:
        DataError: A column is missing; the message has the nearest name.
    """
    present = [str(name) for name in names]
    known = set(present)
    candidates = ([name for name in present if name not in keys] or present)[:_MOST_CANDIDATES]
    missing = [
        f"column '{name}' ({key}) not found{did_you_mean(name, candidates) or ';'}"
        for name, key in keys.items()
        if name not in known
    ]
    if missing:
        more = f" and {len(present) - _MOST_COLUMNS:,} more" if len(present) > _MOST_COLUMNS else ""
        listed = ", ".join(present[:_MOST_COLUMNS]) + more
        hint = hint or _hint_at_names(present)
        raise DataError(f"{' '.join(missing)} the columns of the table are {listed}{hint}", where)


def _hint_at_names(names: Sequence[str]) -> str:
    """What may be wrong with names, as the end of a message."""
    if all(_NUMBER.fullmatch(name.strip()) for name in names):
        return "; row 1 is expected to hold the names of the columns, but holds numbers: put a row of names above them"
    if len(names) == 1 and (found := _SEPARATOR.search(names[0])):
        return (
            f"; that is one column: between columns a comma, a semicolon or a tab is expected; where it is another character,"
            f" name it (table.csv: {{separator: '{found[0]}'}})"
        )
    return ""


def without_missing_texts(frame: pd.DataFrame, missing: Iterable[float | str]) -> pd.DataFrame:
    """The frame without the texts that stand for a missing value, with or without spaces around them.

    Args:
        frame: The table.
        missing: The numbers and texts that stand for a missing value.
    """
    texts = frozenset(code for code in missing if isinstance(code, str))
    if not texts:
        return frame

    def stands_for_missing(cell: object) -> bool:
        return isinstance(cell, str) and cell.strip() in texts

    may_be_texts = [name for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name].dtype)]
    return frame.assign(**{name: frame[name].mask(frame[name].map(stands_for_missing).astype(bool)) for name in may_be_texts})


def to_numbers(frame: pd.DataFrame, missing: Sequence[float | str] = ()) -> Floats:
    """The values `(rows, columns)`; NaN where there is no finite number.

    Args:
        frame: The columns.
        missing: The numbers that stand for a missing value; texts do, whatever they are.
    """
    codes = [code for code in missing if not isinstance(code, str)]
    columns = [_column_to_numbers(frame.iloc[:, column], codes) for column in range(frame.shape[1])]
    values = np.stack(columns, axis=1)
    values[~np.isfinite(values)] = np.nan
    return values


def _column_to_numbers(column: pd.Series, missing: Sequence[float]) -> Floats:
    values = _as_floats(column)
    codes = np.asarray(missing, dtype=np.float64)
    if column.dtype == np.float32:  # in which no number is -99.9
        codes = codes.astype(np.float32).astype(np.float64)
    values[np.isin(values, codes)] = np.nan
    return values


def _as_floats(column: pd.Series) -> Floats:
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        column = column.astype(object)
    elif pd.api.types.is_complex_dtype(dtype) or not (
        pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype)
    ):  # dates, time spans and the like, which pandas would count in nanoseconds
        return np.full(len(column), np.nan)
    return np.array(pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))


def row_numbering(index: pd.Index) -> str:
    """How the rows of a frame are numbered, as half a sentence.

    Args:
        index: Of the frame.
    """
    return "the header is row 1" if index.name is None else str(index.name)


def describe_invalid(frame: pd.DataFrame, values: Floats, dates: Collection[str] = ()) -> str:
    """A sentence that counts the cells without a number or a date, and shows the first of them.

    Args:
        frame: The columns as they were read.
        values: `(rows, columns)`, those of `to_numbers`.
        dates: The columns in which dates are expected.
    """
    rows, columns = np.nonzero(np.isnan(values))
    examples = [
        f"column '{frame.columns[column]}' row {frame.index[row]}:"
        f" {_invalid_cell(frame.iat[row, column], frame.columns[column] in dates)}"
        for row, column in zip(rows[:MOST_EXAMPLES], columns[:MOST_EXAMPLES], strict=True)
    ]
    are_dates = {frame.columns[column] in dates for column in np.unique(columns)}
    expected = "not a finite number" if are_dates == {False} else "no date" if are_dates == {True} else "no number or date"
    more = ", …" if len(rows) > MOST_EXAMPLES else ""
    counts = f"{count_noun(len(rows), 'value')} in {count_noun(len(np.unique(rows)), 'row')}"
    return (
        f"{counts} {'is' if len(rows) == 1 else 'are'} missing or {expected} ({', '.join(examples)}{more};"
        f" {row_numbering(frame.index)})"
    )


def invalid_remedy(
    frame: pd.DataFrame, values: Floats, keys: Mapping[str, str] | None = None, dates: Collection[str] = ()
) -> str:
    """What to write instead of the first cells that are no numbers or dates, as half a sentence; empty where that is not known.

    Args:
        frame: The columns as they were read.
        values: `(rows, columns)`, those of `to_numbers`.
        keys: The key of the experiment that asks for a column, by its name.
        dates: The columns in which dates are expected.
    """
    rows, columns = np.nonzero(np.isnan(values))
    found = []
    cells = [(frame.columns[column], frame.iat[row, column]) for row, column in zip(rows[:1000], columns[:1000], strict=True)]
    texts = {cell.strip() for name, cell in cells if isinstance(cell, str) and name not in dates}
    found += [remedy for pattern, remedy in _REMEDIES.items() if any(pattern.fullmatch(text) for text in texts)]
    if any(name in dates and not is_missing(cell) for name, cell in cells):
        found.append(DATE_FORM)
    without_values = [position for position, column in enumerate(values.T) if np.isnan(column).all()]
    if without_values and not found:
        name = str(frame.columns[without_values[0]])
        key = (keys or {}).get(name, "")
        lacks = "has no values" if frame.iloc[:, without_values[0]].map(is_missing).all() else "holds no numbers"
        return f"column '{name}'{f' ({key})' if key else ''} {lacks}: {without_column(key)}"
    return ", and ".join(dict.fromkeys(found))


def without_column(key: str) -> str:
    """What to do about a column that cannot be used, as half a sentence.

    Args:
        key: The key of the experiment that asks for it; empty where none does.
    """
    if key == "table.inputs":
        return "leave it out of table.inputs (where they are '*', name it in table.exclude)"
    if key.startswith("heads.") and key.endswith(".column"):
        return f"name a column of numbers there, or leave head {key.removeprefix('heads.').removesuffix('.column')} out"
    return f"name a column of numbers there, or leave {key} out" if key else "correct it"


def is_misspelled_number(text: str) -> bool:
    """Whether a text is a number in a form that is not read, such as 1,5."""
    return any(pattern.fullmatch(text.strip()) for pattern in _REMEDIES)


def _invalid_cell(cell: object, is_date: bool) -> str:
    """A cell without a usable number or date, as messages show it."""
    is_code = not is_date and isinstance(cell, (int, float, np.number)) and not isinstance(cell, bool) and np.isfinite(cell)
    return f"{format_cell(cell)}, a code for missing" if is_code else format_cell(cell)


def format_cell(cell: object) -> str:
    """A cell as messages show it."""
    if is_missing(cell):
        return "missing"
    return repr(cell[:_MOST_CHARACTERS]) if isinstance(cell, str) else str(cell)[:_MOST_CHARACTERS]


def column_name(cell: object) -> str:
    """The name of a column as text; empty where the cell has no value."""
    if is_missing(cell):
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def is_missing(cell: object) -> bool:
    """Whether a cell has no value."""
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, (float, np.floating)) and bool(np.isnan(cell)))


def count_noun(number: int, noun: str) -> str:
    """The number with its noun, in the plural where it should be: `1 row`, `9,568 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
