"""The built-in table, `table: ccpp`: hourly averages of a combined cycle power plant, and where to get them.

P. Tüfekci, "Prediction of full load electrical power output of a base load operated combined cycle power plant using machine
learning methods", International Journal of Electrical Power & Energy Systems 60 (2014) 126-140. UCI Machine Learning
Repository, dataset 294, licence CC BY 4.0.

`resolve` looks in this order, and takes the first that is there:

    1. the path given with `--data`                      a user's own file: it must be there
    2. the path in the environment variable BRANCHSWEEP_CCPP        likewise
    3. data/Folds5x2_pp.xlsx in the working directory               likewise, if there is one
    4. the user's cache (BRANCHSWEEP_CACHE names another folder)    if it holds the published table
    5. a download from the UCI repository (BRANCHSWEEP_CCPP_URL names a mirror), kept in the cache
    6. the embedded stand-in (`standin`)

Copies in circulation differ byte for byte, so a copy is known by its content: columns, rows, ranges and a digest of its values.
This module knows no table reader: it is handed one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from branchsweep.data.digest import table_digest
from branchsweep.data.download import DEADLINE, FILE_NAME, Progress, download_table
from branchsweep.errors import DataError, DownloadError
from branchsweep.runtime import cache_folder

PAGE = "https://archive.ics.uci.edu/dataset/294/combined+cycle+power+plant"
"""Where a person finds the table."""

URL = "https://archive.ics.uci.edu/static/public/294/combined+cycle+power+plant.zip"
"""The zip with the table inside."""

Source = Literal["file", "cache", "download", "stand-in"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table as its authors describe it.

    Args:
        meaning: For people.
        unit: For people.
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
"""`digest.of_table` of the five columns."""


@dataclass(frozen=True, slots=True)
class TableLocation:
    """Where the table was found.

    Args:
        source: Which kind of place.
        path: The file; None for the stand-in.
        location: The place for people: a path or an address; for the stand-in, why there is nothing better.
    """

    source: Source
    path: Path | None
    location: str


def locate_table(
    given: Path | None,
    read: Callable[[Path], Mapping[str, NDArray[np.float64]]],
    *,
    report: Callable[[str], None],
    progress: Progress,
    url: str | None = None,
    deadline: float = DEADLINE,
) -> TableLocation:
    """The first place that has the table, in the order that the module's text gives.

    A file of the user's is taken as it is: whether it is the published table is told by `fault`.

    Args:
        given: The path given with `--data`, or None.
        read: Reads a file into its columns by name, NaN where there is no number. Raises DataError if it cannot.
        report: Told in sentences what takes time or goes wrong on the way.
        progress: Told how far a download is.
        url: The address to download from instead of the repository's.
        deadline: Seconds, see `DEADLINE`.

    Raises:
        DataError: A path given by the user leads nowhere.
    """
    named = _named(given)
    if named is not None:
        return TableLocation("file", named, str(named))
    cached = cache_folder() / FILE_NAME
    if cached.is_file():
        different = _fault_of_file(cached, read)
        if not different:
            return TableLocation("cache", cached, str(cached))
        report(f"{cached}: not the published table ({different}), so it is fetched again")
    address = url or os.environ.get("BRANCHSWEEP_CCPP_URL") or URL
    try:
        report(f"downloading the power-plant table from {address}")
        download_table(address, cached, lambda path: _fault_of_file(path, read), progress=progress, deadline=deadline)
    except DownloadError as error:
        return TableLocation("stand-in", None, str(error))
    return TableLocation("download", cached, address)


def _named(given: Path | None) -> Path | None:
    """The file that the user named, or put where it is looked for; None if there is none."""
    variable = os.environ.get("BRANCHSWEEP_CCPP")
    local = Path("data", FILE_NAME)
    if given is not None:
        path, who = given, "--data"
    elif variable:
        path, who = Path(variable).expanduser(), "the environment variable BRANCHSWEEP_CCPP"
    elif local.exists():
        path, who = local, "the working directory"
    else:
        return None
    if not path.is_file():
        raise DataError(
            f"got '{path}' from {who}, expected the power-plant table, but there is no such file; correct the path, or leave it"
            f" out to have the table downloaded",
        )
    return path


def table_difference(table: Mapping[str, NDArray[np.float64]]) -> str:
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
    values: NDArray[np.float64] = np.stack([table[name] for name in COLUMNS], axis=1).round(DECIMALS)
    for position, (name, column) in enumerate(COLUMNS.items()):
        low, high = values[:, position].min(), values[:, position].max()
        if not np.isfinite(low + high):
            return f"column {name} has values that are missing or not numbers"
        if (low, high) != (column.low, column.high):
            return f"column {name} reaches from {low:g} to {high:g}, not from {column.low:g} to {column.high:g}"
    return "" if table_digest(list(COLUMNS), values) == DIGEST else "columns, rows and ranges are right, but values differ"


def _fault_of_file(path: Path, read: Callable[[Path], Mapping[str, NDArray[np.float64]]]) -> str:
    try:
        return table_difference(read(path))
    except DataError as error:
        return error.message
