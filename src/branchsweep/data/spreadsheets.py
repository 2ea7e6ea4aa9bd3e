"""Text in tables that spreadsheet programs open: they take text that begins with `=`, `+`, `-` or `@` for a formula.

In CSV such text gets an apostrophe in front, by which spreadsheet programs know text (OWASP, CSV Injection); `plain_text` takes
it off again. In xlsx a cell says itself that it holds text.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""Text that may be taken for a formula; with apostrophes in front, so that `plain_text` can tell ours from the user's."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

NO_CELL_CHARACTER = re.compile("[\\0-\\x08\\x0b\\x0c\\x0e-\\x1f\\ud800-\\udfff\\ufffe\\uffff]")
"""The characters that XML, and with it a cell of a workbook, cannot hold."""

LONGEST_CELL = 32_767
"""The letters of a cell of a workbook, at most."""

Cell = TypeVar("Cell")


def formula_as_text(cell: Cell) -> Cell | str:
    """A cell of a CSV file: text that a spreadsheet program would take for a formula has an apostrophe in front.

    Numbers and anything else are returned as they are, text that is a number included.
    """
    if not isinstance(cell, str) or not _FORMULA.match(cell) or _NUMBER.fullmatch(cell):
        return cell
    return f"'{cell}"


def plain_text(cell: str) -> str:
    """The text that `formula_as_text` wrote as this cell."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV: floats read back as the same number, None is an empty cell, formulas are text."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([formula_as_text(cell) for cell in row] for row in (header, *rows))
    return out.getvalue()


def formulas_as_text(sheet: Worksheet) -> None:
    """Let all cells of a sheet that would be formulas be text, as they were in the table."""
    for row in sheet.iter_rows():
        for cell in row:
            if cell.data_type == "f":
                cell.data_type = "s"
                cell.quotePrefix = True  # stays text when somebody edits it
