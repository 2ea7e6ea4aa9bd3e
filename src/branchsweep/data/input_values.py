"""The input columns of a table as numbers: values, positions of categories, seconds of dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from branchsweep.config.sections.columns import Column
from branchsweep.data.columns import is_missing, to_numbers
from branchsweep.data.encoders.categories import category_codes
from branchsweep.data.encoders.date_parts import seconds
from branchsweep.types import Floats


def input_values(
    frame: pd.DataFrame, columns: Mapping[str, Column], missing: Sequence[float | str] = ()
) -> tuple[Floats, NDArray[np.bool_]]:
    """The values `(rows, columns)`, and `(rows, columns)` which cells have none where one is needed.

    Args:
        frame: The table.
        columns: The input columns, whose kinds are known.
        missing: What stands for a missing value; texts among it are none any more.

    Returns:
        NaN stands for a value that is missing. A cell of a column that may have gaps has none where there is a text that is no
        number.
    """
    values, invalid = np.empty((len(frame), len(columns))), np.zeros((len(frame), len(columns)), bool)
    for position, (name, column) in enumerate(columns.items()):
        cells = frame[name]
        if column.kind == "categorical":
            values[:, position] = category_codes(cells.astype(object), column.categories or [])
            continue
        values[:, position] = seconds(cells) if column.kind == "date" else to_numbers(cells.to_frame(), missing)[:, 0]
        absent = np.isnan(values[:, position])
        if column.fills_gaps and absent.any():
            numbers = to_numbers(cells.to_frame())[:, 0]
            is_text = np.array([not is_missing(cell) for cell in cells[absent].astype(object)])
            absent[absent] = is_text & np.isnan(numbers[absent])
        invalid[:, position] = absent
    return values, invalid
