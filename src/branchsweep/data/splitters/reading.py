"""Makes the splitter that an experiment asks for from its table."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

import numpy as np
import pandas as pd

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.split import RowSplit, SplitKind
from branchsweep.data.cleaning import CleanRows, first_equal_rows
from branchsweep.data.columns import count_noun, is_missing, to_numbers
from branchsweep.data.encoders.categories import category_label
from branchsweep.data.splitters.given import as_given, check_parts_left
from branchsweep.data.splitters.group import Group
from branchsweep.data.splitters.shuffle import Shuffle
from branchsweep.data.splitters.splitter import Splitter
from branchsweep.data.splitters.stratify import Stratify, by_classes, by_quantiles
from branchsweep.data.splitters.time import by_time
from branchsweep.errors import DataError


def row_splitter(experiment: Experiment, frame: pd.DataFrame, rows: CleanRows, where: str) -> Splitter:
    """The splitter of the rows that are used.

    Args:
        experiment: Says how they are divided.
        frame: The table.
        rows: The rows that are used.
        where: The table, for messages.

    Raises:
        DataError: The column that divides them lacks a value, or holds values that divide nothing, or no row of a part is used.
    """
    split = experiment.resolved_split
    column = split.column_name
    if column is None:
        return Group(first_equal_rows(rows.values)) if experiment.table.duplicates == "together" else Shuffle()
    if split.kind == "stratify" and column in (targets := list(experiment.columns.values())):
        cells = pd.Series(rows.values[:, len(experiment.table.inputs) + targets.index(column)], index=rows.numbers)
    else:
        cells = frame.loc[rows.numbers, column]
    if split.kind == "column":
        check_parts_left(frame[column], cells, column, where)
    return splitter_of_cells(split, cells, where)


def splitter_of_cells(split: RowSplit, cells: pd.Series, where: str) -> Splitter:
    """The splitter by a column.

    Args:
        split: Names the column and the kind.
        cells: The cells of the column; its index are the rows' numbers in a spreadsheet.
        where: The table, for messages.

    Raises:
        DataError: As of `row_splitter`.
    """
    column, kind = str(split.column_name), split.kind
    absent = np.flatnonzero(cells.map(is_missing))
    if len(absent) and kind != "stratify":
        raise DataError(
            f"{count_noun(len(absent), 'row')} without a value in column '{column}' (split.{kind}), such as row"
            f" {cells.index[absent[0]]}; give every row its value, or leave such rows out",
            where,
        )
    nested = np.flatnonzero(cells.map(lambda cell: not isinstance(cell, Hashable)))
    if len(nested):
        raise DataError(
            f"column '{column}' (split.{kind}) holds lists or the like, such as in row {cells.index[nested[0]]};"
            f" expected single values",
            where,
        )
    return _KINDS[kind](split, cells, where)


def _grouped(split: RowSplit, cells: pd.Series) -> Group:
    labels, names = pd.factorize(cells)
    return Group(labels.astype(np.intp), str(split.group), [category_label(name) or "" for name in names])


def _stratified(split: RowSplit, cells: pd.Series, where: str) -> Stratify:
    """By quantiles where so many are asked for and the column has more values; else by its classes."""
    column = str(split.stratify)
    if not split.bins:
        return by_classes(cells, column)
    values = to_numbers(cells.to_frame())[:, 0]
    if np.isnan(values[~cells.map(is_missing).to_numpy(dtype=bool)]).any():
        raise DataError(
            f"column '{column}' (split.stratify) holds values that are no numbers, which have no quantiles; leave split.bins"
            f" out: its {count_noun(cells.nunique(), 'value')} are the classes then",
            where,
        )
    return by_quantiles(values, split.bins, column) if cells.nunique() > split.bins else by_classes(cells, column)


_KINDS: Mapping[SplitKind, Callable[[RowSplit, pd.Series, str], Splitter]] = {
    "group": lambda split, cells, _: _grouped(split, cells),
    "time": lambda split, cells, where: by_time(cells, str(split.time), split.gap or 0, where),
    "column": lambda split, cells, where: as_given(cells, str(split.column), where),
    "stratify": _stratified,
}
"""By kind, what makes the splitter of a column, with the table for messages."""
