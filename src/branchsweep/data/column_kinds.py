"""What the input columns of a table are: what an experiment says of them, and what is inferred from their cells."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from branchsweep.config.sections.columns import MAX_CATEGORIES, Column, ColumnKind
from branchsweep.data.columns import (
    DATE_FORM,
    count_noun,
    format_cell,
    is_missing,
    is_misspelled_number,
    to_numbers,
    without_column,
)
from branchsweep.data.encoders.categories import UNKNOWN, category_codes, category_label
from branchsweep.data.files.table_file import MISSING_TEXTS
from branchsweep.errors import DataError
from branchsweep.types import Floats

MOST_NAMED = 5
"""Categories that a message names, at most."""

MOST_INFERRED, MOST_SHARE = 50, 0.5
"""Categories of a column that nobody says is categorical, at most: so many, or this share of its rows if that is more."""

_DATE = re.compile(r"\d{4}-\d\d?-\d\d?([ T]\d\d?:\d\d.*)?")
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_OTHER_DATE = re.compile(
    rf"(?:\d{{4}}([./]){_DAY}\1{_DAY}|{_DAY}([./-]){_DAY}\2\d{{4}}|\d\d([./-])\d\d\3\d\d)(,?[ T]\d\d?:\d\d.*)?"
)
_FIRST_CELLS = 1000  # among which dates in other forms are looked for
_NUMBER_LABEL = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
_DATE_SHARE = 0.5  # of the cells, from which a column with other texts in it is one of dates, some of them wrong
_NUMERIC_SHARE = 0.5  # of the cells, from which a column with other texts in it is one of numbers, some of them wrong


def resolved_columns(
    columns: Mapping[str, Column], frame: pd.DataFrame, missing: Iterable[float | str], where: str
) -> dict[str, Column]:
    """The columns with their kinds, categories and gaps.

    Args:
        columns: What the experiment says of them.
        frame: The table.
        missing: What stands for a missing value; texts among it are none any more.
        where: The table, for messages.

    Raises:
        DataError: A column cannot be used as it is.
    """
    codes = list(missing)
    return {name: _resolved(name, column, frame[name], codes, where) for name, column in columns.items()}


def _resolved(name: str, column: Column, cells: pd.Series, missing: list[float | str], where: str) -> Column:
    kind = column.kind or inferred_kind(cells)
    if kind == "date" and column.kind is None:
        raise DataError(_date_message(name, cells), where)
    if kind == "numeric" and column.missing == "indicator" and not pd.isna(to_numbers(cells.to_frame(), missing)).any():
        return column.model_copy(update={"kind": kind, "missing": "mean"})  # a column of zeros would tell nothing
    if kind != "categorical":
        return column.model_copy(update={"kind": kind})
    return _with_categories(name, column, cells, where)


def _date_message(name: str, cells: pd.Series) -> str:
    """What to write of a column of dates, as a sentence, with the first cell that is not read as one."""
    wrong = [(row, cell) for row, cell in cells.astype(object).items() if not is_missing(cell) and not _is_date(cell)]
    so_far = f"column '{name}' (table.inputs) holds dates"
    if wrong:
        row, cell = wrong[0]
        so_far += f", but {format_cell(cell)} in row {row} is not read as one; {DATE_FORM}"
    return (
        f"{so_far}; say what the network reads of them, as in"
        f" inputs: {{{name}: {{kind: date, parts: [month, hour, day_of_week]}}}}, or {without_column('table.inputs')}"
    )


def inferred_kind(cells: pd.Series) -> ColumnKind:
    """What a column's cells are: numbers unless they say otherwise."""
    dtype = cells.dtype
    if pd.api.types.is_bool_dtype(dtype) or isinstance(dtype, pd.CategoricalDtype):
        return "categorical"
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "date"
    if pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_timedelta64_dtype(dtype):
        return "numeric"
    known = [cell for cell in cells.astype(object) if not is_missing(cell) and str(cell).strip() not in MISSING_TEXTS]
    if not known:
        return "numeric"
    if all(category_label(cell) in ("True", "False") for cell in known):
        return "categorical"
    first = known[:_FIRST_CELLS]
    if sum(_is_date(cell) or _OTHER_DATE.fullmatch(str(cell).strip()) is not None for cell in first) > _DATE_SHARE * len(first):
        return "date"
    if not all(isinstance(cell, (str, bool, int, float)) for cell in known):
        return "numeric"  # lists, spans of time and the like: messages say that they are no numbers
    numbers = pd.to_numeric(pd.Series(known, dtype=object), errors="coerce").notna()
    share = np.mean([is_number or is_misspelled_number(str(cell)) for is_number, cell in zip(numbers, known, strict=True)])
    return "numeric" if share >= _NUMERIC_SHARE else "categorical"


def unknown_categories(columns: Mapping[str, Column], x: Floats) -> list[str]:
    """Warnings about categories that the experiment's own lists lack.

    Args:
        columns: The inputs.
        x: `(rows, inputs, …)`, their values.
    """
    counts = {name: int((x[:, position] == UNKNOWN).sum()) for position, name in enumerate(columns)}
    return [
        f"Column '{name}' has {count_noun(counts[name], 'row')} of a category that is not among its categories"
        f" ({_named(column.categories)}): to the network they are none of these."
        for name, column in columns.items()
        if column.categories and counts[name]
    ]


def _named(labels: Sequence[str]) -> str:
    return ", ".join(labels[:MOST_NAMED]) + (", …" if len(labels) > MOST_NAMED else "")


def _is_date(cell: object) -> bool:
    return hasattr(cell, "isoformat") or _DATE.fullmatch(str(cell).strip()) is not None


def _with_categories(name: str, column: Column, cells: pd.Series, where: str) -> Column:
    lists = [cell for cell in cells.astype(object) if not isinstance(cell, Hashable)]
    if lists:
        message = f"column '{name}' (table.inputs) has cells that are no categories, such as {format_cell(lists[0])}"
        raise DataError(f"{message}: texts, numbers or booleans are expected; leave it out", where)
    labels = [category_label(cell) for cell in cells.drop_duplicates()]
    distinct = {label for label in labels if label is not None}
    has_gaps = column.has_gaps or None in labels
    if column.categories is not None:
        if distinct and np.all(category_codes(distinct, column.categories) == UNKNOWN):
            message = f"column '{name}' has the categories {_named(sorted(distinct, key=_order))}, and none of those that"
            raise DataError(f"{message} table.inputs lists: {_named(column.categories)}; correct the list", where)
        return column.model_copy(update={"kind": "categorical", "has_gaps": has_gaps})
    most = MAX_CATEGORIES if column.kind else max(MOST_INFERRED, int(MOST_SHARE * len(cells)))
    if len(distinct) > min(most, MAX_CATEGORIES):
        remedy = without_column("table.inputs")
        if column.kind is None:
            remedy += f", or say that these are categories ({{{name}: {{kind: categorical}}}})"
        raise DataError(
            f"column '{name}' has {len(distinct):,} different values in {count_noun(len(cells), 'row')}, too many for"
            f" categories (at most {min(most, MAX_CATEGORIES):,}): it may be a name, an identifier or a free text; {remedy}",
            where,
        )
    if not distinct:
        raise DataError(f"column '{name}' (table.inputs) has no values; {without_column('table.inputs')}", where)
    ordered = sorted(distinct, key=_order)
    return column.model_copy(update={"kind": "categorical", "categories": ordered, "has_gaps": has_gaps})


def _order(label: str) -> tuple[bool, float, str]:
    """Numbers first, by their size; then texts."""
    return (False, float(label), "") if _NUMBER_LABEL.fullmatch(label) else (True, 0.0, label)
