"""The published description of the built-in table, `table: ccpp`: hourly averages of a combined cycle power plant.

P. Tüfekci, "Prediction of full load electrical power output of a base load operated combined cycle power plant using machine
learning methods", International Journal of Electrical Power & Energy Systems 60 (2014) 126-140. UCI Machine Learning
Repository, dataset 294, licence CC BY 4.0.

Copies in circulation differ byte for byte, so a copy is identified by its content: columns, number of rows, ranges and a digest
of its values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from branchsweep.data.columns import to_numbers
from branchsweep.data.digest import table_digest
from branchsweep.types import Floats

FILE_NAME = "Folds5x2_pp.xlsx"
"""The file's name in the repository."""

PAGE = "https://archive.ics.uci.edu/dataset/294/combined+cycle+power+plant"
"""The page of the table in the repository."""

URL = "https://archive.ics.uci.edu/static/public/294/combined+cycle+power+plant.zip"
"""The zip with the table in it."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table as its authors describe it.

    Args:
        meaning: What it measures.
        unit: Its unit.
        low: Smallest value.
        high: Largest value.
        mean: Mean of all rows.
        deviation: Standard deviation of all rows.
    """

    meaning: str
    unit: str
    low: float
    high: float
    mean: float
    deviation: float


COLUMNS: Mapping[str, Column] = {
    "AT": Column("ambient temperature", "degrees C", 1.81, 37.11, 19.651231, 7.452473),
    "V": Column("exhaust vacuum", "cm Hg", 25.36, 81.56, 54.305804, 12.707893),
    "AP": Column("ambient pressure", "millibar", 992.89, 1033.30, 1013.259078, 5.938784),
    "RH": Column("relative humidity", "%", 25.56, 100.16, 73.308978, 14.600269),
    "PE": Column("net hourly electrical energy output", "MW", 420.26, 495.76, 454.365009, 17.066995),
}
"""The published description, in the order of the file's columns."""

OTHER_NAMES: Mapping[str, str] = {"EP": "PE"}
"""Names that copies in circulation give a column."""

ROWS = 9568
"""Rows of the table."""

DECIMALS = 2
"""Decimals of every published value."""

DIGEST = "9d10d7eaa1a4a8047453779f9555d9f2ebbd29c956874da8ea53c22eaf16ec8c"
"""`table_digest` of the five columns."""


def with_published_names(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the published names of columns, where a copy in circulation has others."""
    renamed = {other: name for other, name in OTHER_NAMES.items() if name not in frame.columns}
    return frame.rename(columns=renamed)


def with_published_decimals(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the decimals that are published: 14.96 for 14.960000000000001."""
    return frame.assign(**{name: frame[name].astype(float).round(DECIMALS) for name in COLUMNS})


def frame_difference(frame: pd.DataFrame) -> str:
    """`table_difference` of a frame with published names."""
    return table_difference({name: to_numbers(frame[[name]])[:, 0] for name in COLUMNS if name in frame.columns})


def table_difference(table: Mapping[str, Floats]) -> str:
    """How a table differs from the published one, as half a sentence; empty if it does not.

    Values are compared to the decimals that are published: spreadsheet programs save 14.96 as 14.960000000000001.

    Args:
        table: Columns `(rows,)` by name, NaN where there is no number. Further columns do not matter.
    """
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        return f"it has no column {' and no column '.join(missing)}"
    rows = len(table["AT"])
    if rows != ROWS:
        return f"it has {rows:,} rows, not {ROWS:,}"
    values: Floats = np.stack([table[name] for name in COLUMNS], axis=1).round(DECIMALS)
    for index, (name, column) in enumerate(COLUMNS.items()):
        low, high = values[:, index].min(), values[:, index].max()
        if not np.isfinite(low + high):
            return f"column {name} has values that are missing or not numbers"
        if (low, high) != (column.low, column.high):
            return f"column {name} reaches from {low:g} to {high:g}, not from {column.low:g} to {column.high:g}"
    return "" if table_digest(list(COLUMNS), values) == DIGEST else "columns, rows and ranges are right, but values differ"
