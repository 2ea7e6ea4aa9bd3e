"""The columns of a DataFrame as inputs of a network, where nobody says what they are."""

from __future__ import annotations

import numpy as np
import pandas as pd

from branchsweep.config.sections.columns import Column, DatePart
from branchsweep.data.column_kinds import inferred_kind, resolved_columns
from branchsweep.data.columns import describe_invalid
from branchsweep.data.files.column_selection import column_names
from branchsweep.data.input_values import input_values
from branchsweep.errors import DataError
from branchsweep.types import Floats

DATE_PARTS: tuple[DatePart, ...] = ("month", "day_of_week", "hour")
"""What is read of a date where nobody says it: cyclic parts, of which a later year has no new value."""

WHERE = "X"


def frame_inputs(frame: pd.DataFrame) -> tuple[dict[str, Column], Floats]:
    """What the columns are, as inferred from their cells, and their values `(rows, inputs)`.

    Args:
        frame: The DataFrame; numbers may have gaps, which are filled and marked.

    Raises:
        DataError: A column cannot be an input.
    """
    table = frame.reset_index(drop=True)
    table.columns = pd.Index(column_names(frame.columns, WHERE))
    try:
        columns = resolved_columns({name: _column(table[name]) for name in table.columns}, table, (), WHERE)
    except DataError as error:  # whose remedies are keys of an experiment
        raise DataError(f"{error.message.partition('; ')[0]}; leave it out, or convert it", WHERE) from error
    values, invalid = input_values(table, columns)
    if invalid.any():
        dates = {name for name, column in columns.items() if column.kind == "date"}
        raise DataError(describe_invalid(table, np.where(invalid, np.nan, 0.0), dates), WHERE)
    return columns, values


def _column(cells: pd.Series) -> Column:
    """What is said of a column before it is resolved."""
    kind = inferred_kind(cells)
    if kind == "date":
        return Column(kind=kind, parts=list(DATE_PARTS))
    if kind == "numeric":
        return Column(kind=kind, missing="indicator")
    return Column(kind=kind if isinstance(cells.dtype, pd.CategoricalDtype) else None)  # texts may be too many for categories
