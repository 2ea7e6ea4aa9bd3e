"""What the readers of all kinds of files share: what they return, and how much they read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from branchsweep.data.columns import count_noun
from branchsweep.errors import DataError

FIRST_ROW = 2
"""The number of the first row of values, as a spreadsheet counts: row 1 is the header."""

LINES, FROM_FIRST = "row N is line N of the file", "the first row is row 1"
"""How rows are numbered where no row holds the names: the name of the index of such frames, which messages show."""

MOST_VALUES = 1_000_000_000
"""Values (rows x columns that are read) of a table, at most: 8 GB as numbers."""

MOST_VALUES_UNKNOWN = 100_000_000
"""The same where it is not known how much memory there is."""

READING_COPIES = 7
"""How many times as much memory as its values (8 bytes each) the reading of a large table takes at most, as measured by
`benchmarks/large_tables.py`."""

SMALL_BYTES = 1 << 30
"""Tables that are read with less memory than this are read without asking how much there is."""

MOST_BYTES_IN_MEMORY = 1 << 30
"""The size of a file that is read as a whole, at most: that takes several times as much memory."""

MISSING_TEXTS = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL"}
    | {"NaN", "None", "n/a", "nan", "null"}
)
"""The texts that stand for a missing value: those of `pandas.read_csv`."""

CsvArguments = Mapping[str, str | int]
"""Arguments of `pandas.read_csv`, apart from its defaults."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """What was read of a file.

    Args:
        frame: One row per row of values, its index the row's number (see `data.columns`); rows without any value in the file
            are left out; the columns are those that were chosen.
        warnings: How the file was read where there was a choice, as sentences.
        csv_arguments: Of a csv file that is not the plain kind, how pandas reads it.
    """

    frame: pd.DataFrame
    warnings: tuple[str, ...] = ()
    csv_arguments: CsvArguments = field(default_factory=dict)


def rows_from_1(count: int) -> pd.RangeIndex:
    """The numbers of so many rows of a file whose names are in no row."""
    return pd.RangeIndex(1, count + 1, name=FROM_FIRST)


def check_size(rows: int, columns: int, where: str, most: int = MOST_VALUES) -> None:
    """Check that a table is within the number of values that are read.

    Raises:
        DataError: It is not.
    """
    if rows * columns > most:
        size = f"{count_noun(rows, 'row')} of {count_noun(columns, 'column')} that are read"
        raise DataError(f"the table is too large: {size} are {rows * columns:,} values, and at most {most:,} are read", where)


def check_memory(rows: int, columns: int, where: str, available: int | None) -> None:
    """Check that there is memory to read a table.

    Args:
        rows: Its rows, perhaps an estimate.
        columns: The columns that are read.
        where: The table, for messages.
        available: Bytes of memory; None where that is not known.

    Raises:
        DataError: There is not.
    """
    needed = READING_COPIES * 8 * rows * columns
    if available is None:
        check_size(rows, columns, where, MOST_VALUES_UNKNOWN)
        return
    if needed <= max(SMALL_BYTES, available):
        return
    fitting = available // (READING_COPIES * 8 * columns)
    size = f"{count_noun(rows, 'row')} of {count_noun(columns, 'column')}"
    raise DataError(
        f"reading about {size} takes about {needed / 1e9:.1f} GB of memory, and {available / 1e9:.1f} GB are available, enough"
        f" for {count_noun(fitting, 'row')}; name fewer columns, or take a part of the rows",
        where,
    )


def check_bytes(path: Path, most: int, where: str) -> None:
    """Check that a file is no larger than so many bytes.

    Raises:
        DataError: It is.
    """
    size = path.stat().st_size
    if size > most:
        raise DataError(f"the file has {size:,} bytes, and at most {most:,} are read; save it as .parquet", where)
