"""What each column of a table can be in an experiment: an input, and of what kind, a head, or neither, and why.

The checks are those of `loading`, applied to one column at a time: an experiment of the columns without a problem loads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from branchsweep.config.kinds import BINARY, COUNT, MULTICLASS
from branchsweep.config.sections.columns import Column, ColumnKind, DatePart
from branchsweep.config.sections.heads import MAX_WORDS
from branchsweep.config.sections.split import DEFAULT_BINS
from branchsweep.data.cleaning import check_magnitudes
from branchsweep.data.column_kinds import inferred_kind, resolved_columns
from branchsweep.data.columns import DATE_FORM, count_noun, format_cell, is_missing, to_numbers, without_missing_texts
from branchsweep.data.encoders.categories import category_codes
from branchsweep.data.encoders.date_parts import CYCLIC, seconds
from branchsweep.data.frame_inputs import DATE_PARTS
from branchsweep.data.row_warnings import dependence_warnings, looks_like_group
from branchsweep.data.tables import SourceTable
from branchsweep.errors import DataError
from branchsweep.types import Floats

MOST_CODES = 3
"""Texts of a column of numbers that may stand for missing values, at most; more of them are misspelled numbers."""

_FEWEST_COUNTED = 10  # rows, from which whole numbers in order are the numbers of the rows


@dataclass(frozen=True, slots=True)
class ColumnOutline:
    """What a column can be.

    Args:
        name: Its name.
        kind: What its values are.
        gaps: Cells without a value.
        categories: Of a categorical column.
        parts: Of a date, those that vary.
        other_tasks: Of numbers, the tasks that a head may have instead of a regression: `binary` for two different values,
            `count` for whole numbers from 0, also `multiclass` for few of them.
        classes: Of categories, and of numbers that have few different values, both without gaps: how many rows have each, in
            falling order.
        problem: Why it is no input, as a phrase; empty where it is one.
        target_problem: Why it cannot be predicted, as a phrase; empty where it can.
    """

    name: str
    kind: ColumnKind
    gaps: int = 0
    categories: tuple[str, ...] = ()
    parts: tuple[DatePart, ...] = ()
    other_tasks: tuple[str, ...] = ()
    classes: tuple[int, ...] = ()
    problem: str = ""
    target_problem: str = ""


@dataclass(frozen=True, slots=True)
class TableOutline:
    """What the columns of a table can be.

    Args:
        location: The table, for messages.
        rows: The number of its rows.
        columns: All columns in order.
        missing: Texts among numbers that stand for missing values.
    """

    location: str
    rows: int
    columns: tuple[ColumnOutline, ...]
    missing: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> ColumnOutline:
        return next(column for column in self.columns if column.name == name)

    @property
    def possible_targets(self) -> list[str]:
        """The columns that may be meant where one asks what to predict: those that vary and do not count the rows."""
        return [column.name for column in self.columns if not (column.problem or column.target_problem)]


def outline_table(table: SourceTable) -> TableOutline:
    """What the columns of a table can be.

    Args:
        table: The table with all its columns.
    """
    codes = {name: _missing_codes(table.frame[name]) for name in table.frame.columns}
    missing = tuple(sorted({code for found in codes.values() for code in found}))
    frame = without_missing_texts(table.frame, missing)
    columns = [_outline(str(name), frame[name], table.location) for name in frame.columns]
    return TableOutline(table.location, len(frame), tuple(columns), missing)


def dependences(table: SourceTable, heads: Mapping[str, str]) -> list[str]:
    """Warnings of columns by which rows are not independent, such as batches and days: those of `row_warnings`.

    Args:
        table: The table with all its columns.
        heads: By target column the name of its head.
    """
    others = [name for name in table.frame.columns if name not in heads and looks_like_group(str(name))]
    values = to_numbers(table.frame[list(heads)])
    return dependence_warnings(table.frame[others], dict(zip(heads.values(), values.T, strict=True)))


def _missing_codes(cells: pd.Series) -> set[str]:
    """The texts that stand for a missing value in a column of numbers: few different ones."""
    if pd.api.types.is_numeric_dtype(cells.dtype) or inferred_kind(cells) != "numeric":
        return set()
    unknown = cells[np.isnan(to_numbers(cells.to_frame())[:, 0])].astype(object)
    texts = {cell.strip() for cell in unknown if isinstance(cell, str)}
    return texts if len(texts) <= MOST_CODES and not any(any(map(str.isdigit, text)) for text in texts) else set()


def _outline(name: str, cells: pd.Series, where: str) -> ColumnOutline:
    kind, gaps = inferred_kind(cells), int(cells.isna().sum())
    if gaps == len(cells):
        return ColumnOutline(name, kind, gaps, problem="has no values", target_problem="has no values")
    if kind == "date":
        return _date(name, cells, gaps)
    if kind == "categorical":
        return _categorical(name, cells, gaps, where)
    return _numeric(name, cells, gaps, where)


def _date(name: str, cells: pd.Series, gaps: int) -> ColumnOutline:
    times = seconds(cells)
    unread = int(np.isnan(times).sum())
    parts = tuple(part for part in DATE_PARTS if len(np.unique(CYCLIC[part][0](times))) > 1) if not unread else ()
    problem = "" if parts else "holds dates within one hour of one day"
    if unread:
        first = cells[np.isnan(times)].iloc[0]
        shown = "no value" if is_missing(first) else format_cell(first)
        problem = f"holds dates, but {shown} in {count_noun(unread, 'row')} is not read as one: {DATE_FORM}"
    return ColumnOutline(name, "date", gaps, parts=parts, problem=problem, target_problem="holds dates")


def _categorical(name: str, cells: pd.Series, gaps: int, where: str) -> ColumnOutline:
    try:
        column = resolved_columns({name: Column()}, cells.to_frame(name), (), where)[name]
    except DataError as error:
        problem = error.message.partition("; ")[0].removeprefix(f"column '{name}' ").removeprefix("(table.inputs) ")
        return ColumnOutline(name, "categorical", gaps, problem=problem, target_problem="holds texts")
    categories = tuple(column.categories or ())
    codes = category_codes(cells.astype(object), categories)
    problem = "has the same value in all rows" if len(np.unique(codes)) == 1 else ""
    sizes = np.sort(np.unique(codes[codes >= 0], return_counts=True)[1])[::-1]
    classes = tuple(map(int, sizes)) if not gaps else ()
    target_problem = problem
    if len(categories) > MAX_WORDS:
        target_problem = f"holds {len(categories):,} different texts, more classes than the {MAX_WORDS} of a head"
    return ColumnOutline(name, "categorical", gaps, categories, classes=classes, problem=problem, target_problem=target_problem)


def _numeric(name: str, cells: pd.Series, gaps: int, where: str) -> ColumnOutline:
    values = to_numbers(cells.to_frame())
    problem = _problem_of_numbers(name, cells, values[:, 0], where)
    counts = not problem and len(values) >= _FEWEST_COUNTED and bool((np.diff(values[:, 0]) == 1.0).all())
    sizes = np.sort(np.unique(values, return_counts=True)[1])[::-1]
    classes = tuple(map(int, sizes)) if len(sizes) <= DEFAULT_BINS and not gaps else ()
    stated = "counts the rows" if counts else problem
    tasks = () if stated else _other_tasks(values[~np.isnan(values)])
    return ColumnOutline(name, "numeric", gaps, other_tasks=tasks, classes=classes, problem=stated, target_problem=problem)


def _other_tasks(values: Floats) -> tuple[str, ...]:
    """The tasks that a head of these numbers may have beside regression, which their values do not tell."""
    different = np.unique(values)
    if len(different) == 2:
        return (BINARY,)
    if different[0] != 0.0 or (different != np.round(different)).any():
        return ()
    return (COUNT, MULTICLASS) if len(different) <= MAX_WORDS else (COUNT,)


def _problem_of_numbers(name: str, cells: pd.Series, values: Floats, where: str) -> str:
    wrong = cells[np.isnan(values)].astype(object)
    wrong = wrong[[not is_missing(cell) for cell in wrong]]
    if len(wrong):
        return f"holds numbers, but {format_cell(wrong.iloc[0])} in {count_noun(len(wrong), 'row')} is none"
    try:
        check_magnitudes([name], values[:, np.newaxis], where)
    except DataError as error:
        return error.message.removeprefix(f"column '{name}' ")
    return "has the same value in all rows" if np.ptp(values[~np.isnan(values)]) == 0.0 else ""
