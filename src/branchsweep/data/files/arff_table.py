"""Reads arff files, the format of Weka and of the Mulan tables, with scipy."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from branchsweep.data.files.column_selection import ColumnSelection
from branchsweep.data.files.table_file import MOST_BYTES_IN_MEMORY, TableFile, check_bytes, check_size, rows_from_1
from branchsweep.errors import DataError

_ATTRIBUTE = re.compile(r"""\s*@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S+)(.*)""", re.IGNORECASE | re.DOTALL)
_DATA = re.compile(r"\s*@data\b", re.IGNORECASE)
_ESCAPED = re.compile(r"\\(.)")


def read_arff(path: Path, selection: ColumnSelection, where: str) -> TableFile:
    """The chosen columns of an arff file; `?` is a missing value, a nominal attribute a column of texts.

    The first row of values is row 2, as if the names of the attributes were in row 1.

    Raises:
        DataError: Names of columns are missing or repeated, the file has attributes of a kind that scipy does not read
            (string, relational) or is too large.
        Exception: Whatever scipy raises about a broken file.
    """
    check_bytes(path, MOST_BYTES_IN_MEMORY, where)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    written, first = _with_plain_names(lines)
    if not written or first > len(lines):
        raise DataError("expected lines that begin with @attribute, a line @data, and a line for each row of values", where)
    names = selection.names(written, where)
    _check_lengths(lines, first, len(names), where)
    try:
        from scipy.io import arff  # noqa: PLC0415  # other tables need none

        values, attributes = arff.loadarff(io.StringIO("".join(lines)))
    except NotImplementedError as error:  # string and relational attributes, and sparse rows
        message = f"{error}; of arff files numeric, nominal and date attributes are read: save it as .csv"
        raise DataError(message, where) from error
    chosen = selection.choose(names)
    check_size(len(values), len(chosen), where)
    kinds = attributes.types()
    columns = {name: _column(values[f"a{position}"], kinds[position]) for position, name in chosen.items()}
    frame = pd.DataFrame(columns)
    frame.index = rows_from_1(len(frame))
    return TableFile(frame.dropna(how="all"))


def _with_plain_names(lines: list[str]) -> tuple[list[str], int]:
    """Gives the attributes the names a0, a1, …, for scipy reads quoted names only in part.

    Args:
        lines: Of the file; those of attributes are changed.

    Returns:
        The names that were written, and the position of the first line of values; beyond the end without a line @data.
    """
    names: list[str] = []
    for index, line in enumerate(lines):
        if _DATA.match(line):
            return names, index + 1
        if found := _ATTRIBUTE.match(line):
            lines[index] = f"@attribute a{len(names)}{found[2]}"
            name = found[1]
            names.append(_ESCAPED.sub(r"\1", name[1:-1]) if name[0] in "'\"" and len(name) > 1 else name)
    return names, len(lines) + 1


def _check_lengths(lines: Sequence[str], first: int, length: int, where: str) -> None:
    """Check that every line has as many values as there are attributes: scipy would leave values out.

    Raises:
        DataError: One has not.
    """
    for number, line in enumerate(lines[first:], start=first + 1):
        if line.lstrip().startswith("{"):
            raise DataError(f"line {number} is a sparse row, which is not read: save the table as .csv", where)
        if "," not in line or line.lstrip().startswith("%"):
            continue
        (values,) = csv.reader([line], quotechar="'", skipinitialspace=True)
        if len(values) != length:
            raise DataError(f"line {number} has {len(values)} values, but there are {length} attributes; correct it", where)


def _column(values: NDArray[np.void], kind: str) -> pd.Series:
    """An attribute's values: numbers, times, or texts."""
    if kind != "nominal":
        return pd.Series(values)
    return pd.Series([None if cell == b"?" else cell.decode("utf-8") for cell in values], dtype="category")
