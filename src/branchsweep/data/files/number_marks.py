"""The marks in the numbers of a csv file: the decimal mark, and the one between thousands.

Both are recognised where the columns that must be numbers leave no doubt. `1.234,5` and `1,234,567` have one meaning, and so
has a space or an apostrophe before three digits. `1,234` has two: it is 1234 only where other cells show that, or the
experiment says so (`table.csv`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from branchsweep.config.sections.csv_options import CsvOptions
from branchsweep.errors import DataError

WITH_COMMA = re.compile(r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*")
"""A number with a decimal comma."""

WITH_POINT = re.compile(r"\s*[+-]?\d*\.\d+([eE][+-]?\d+)?\s*")
"""A number with a decimal point."""

WHOLE = re.compile(r"\s*[+-]?\d+\.?([eE][+-]?\d+)?\s*")
"""A number without a decimal mark."""

_SPACES_AND_APOSTROPHES = " \u00a0\u2009\u202f'\u2019"
_GROUPED_BY_COMMAS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_CERTAIN = {
    ",": re.compile(r"[+-]?[1-9]\d{0,2}((,\d{3}){2,}|(,\d{3})+\.\d*)"),
    ".": re.compile(r"[+-]?[1-9]\d{0,2}((\.\d{3}){2,}|(\.\d{3})+,\d*)"),
    **{mark: re.compile(rf"[+-]?[1-9]\d{{0,2}}({mark}\d{{3}})+([.,]\d*)?") for mark in _SPACES_AND_APOSTROPHES},
}  # by the mark between thousands, the numbers in which it can be nothing else
_NAMES = {
    ".": "points",
    ",": "commas",
    " ": "spaces",
    "\u00a0": "no-break spaces",
    "\u2009": "thin spaces",
    "\u202f": "narrow no-break spaces",
    "'": "apostrophes",
    "\u2019": "apostrophes",
}


@dataclass(frozen=True, slots=True)
class NumberMarks:
    """The marks in numbers.

    Args:
        decimal: A point or a comma.
        thousands: Between groups of three digits; empty where there is none.
    """

    decimal: str = "."
    thousands: str = ""

    @property
    def pandas_arguments(self) -> dict[str, str | int]:
        """The arguments of `pandas.read_csv`."""
        given = {"decimal": self.decimal if self.decimal != "." else "", "thousands": self.thousands}
        return {name: mark for name, mark in given.items() if mark}

    @property
    def descriptions(self) -> list[str]:
        """What is other than a decimal point, as parts of a sentence."""
        decimal = ["a decimal comma"] if self.decimal == "," else []
        return [*decimal, *([f"{_NAMES.get(self.thousands, self.thousands)} between thousands"] if self.thousands else [])]

    @property
    def grouped(self) -> str:
        """The regular expression of a number with the mark between thousands."""
        mark, decimal = re.escape(self.thousands), re.escape(self.decimal)
        return rf"^\s*[+-]?[1-9]\d{{0,2}}({mark}\d{{3}})+({decimal}\d*)?\s*$"

    def without_thousands(self, cell: Any) -> Any:
        """A cell that is a number, without the mark between thousands; any other as it is."""
        is_grouped = self.thousands and isinstance(cell, str) and self.thousands in cell and re.match(self.grouped, cell)
        return cell.replace(self.thousands, "") if is_grouped else cell

    def column_without_thousands(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """A column of texts, likewise."""
        if not self.thousands:
            return column
        is_grouped = pc.match_substring_regex(column, self.grouped)
        return pc.if_else(is_grouped, pc.replace_substring(column, self.thousands, ""), column)


POINT = NumberMarks()
"""A decimal point alone."""


def is_number(cell: str) -> bool:
    """Whether a cell is a number, with either decimal mark."""
    return any(kind.fullmatch(cell) for kind in (WHOLE, WITH_POINT, WITH_COMMA))


def find_marks(
    records: Iterable[Sequence[str]], columns: Mapping[int, str], given: tuple[CsvOptions, str], where: str
) -> NumberMarks:
    """The marks of the numbers in the columns that must be numbers.

    Args:
        records: The cells of the first rows, the row after the header first.
        columns: By position, the columns' names.
        given: What the user says of the file, and the separator between its columns.
        where: The table, for messages.

    Raises:
        DataError: Some numbers have a decimal comma and others a point.
    """
    options, separator = given
    cells = {
        f"column '{name}' row {number}: '{record[position].strip()}'": record[position].strip()
        for number, record in enumerate(records, start=2)
        for position, name in columns.items()
        if position < len(record)
    }
    thousands = options.thousands or _thousands(cells, options.decimal, where)
    decimal = options.decimal or {",": ".", ".": ","}.get(thousands)
    possible = [NumberMarks(mark, thousands) for mark in (decimal or ".,")]
    without = {
        place: reduce(lambda cell, marks: marks.without_thousands(cell), possible, cell) for place, cell in cells.items()
    }
    comma, point = (_first(without, kind) for kind in (WITH_COMMA, WITH_POINT))
    if decimal == "," and point:
        raise mixed_marks(comma or "according to table.csv the file", point, where)
    if decimal:
        return possible[0]
    # Spreadsheet programs write semicolons where the comma is the decimal mark.
    evident = separator == ";" or any(
        WITH_COMMA.fullmatch(cell) and not _GROUPED_BY_COMMAS.fullmatch(cell) for cell in without.values()
    )
    if comma and evident:
        if point:
            raise mixed_marks(comma, point, where)
        return possible[1]
    return possible[0]


def mixed_marks(comma: str, point: str, where: str) -> DataError:
    """The error for a file in which some numbers have a decimal comma and others a point.

    Args:
        comma: A cell with a comma, with its place.
        point: A cell with a point, with its place.
        where: The table.
    """
    return DataError(
        f"{comma} has a decimal comma, but {point} has a point; write all numbers with a point, or where a mark stands between"
        " thousands, name both (table.csv: {decimal: ',', thousands: '.'})",
        where,
    )


def _first(cells: Mapping[str, str], kind: re.Pattern[str]) -> str:
    """The place of the first cell of a kind; empty where there is none."""
    return next((place for place, cell in cells.items() if kind.fullmatch(cell)), "")


def _thousands(cells: Mapping[str, str], decimal: str | None, where: str) -> str:
    """The mark between thousands, where it can be nothing else in some cell; empty where there is none.

    Raises:
        DataError: It is a comma in some cells and a point in others.
    """
    found: dict[str, str] = {}
    for place, cell in cells.items():
        for mark, kind in _CERTAIN.items():
            if mark not in found and mark != decimal and kind.fullmatch(cell):
                found[mark] = place
    if "," in found and "." in found:
        raise mixed_marks(found["."], found[","], where)
    return next(iter(found), "")
