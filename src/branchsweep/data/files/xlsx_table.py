"""Reads sheets of xlsx files, row by row: what a file says about a sheet's size is not believed.

Only the columns that are asked for are kept. What stands right of the last column's name is no part of the table.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from openpyxl.chartsheet import Chartsheet
from openpyxl.reader.excel import ExcelReader
from openpyxl.utils import get_column_letter

from branchsweep.data.columns import column_name
from branchsweep.data.files.column_selection import FIRST_LINES, ColumnSelection, hint_at_row
from branchsweep.data.files.table_file import MISSING_TEXTS, TableFile, check_size
from branchsweep.errors import DataError, did_you_mean

MOST_VALUES = 20_000_000
"""Values (rows x columns that are read) of a sheet, at most: as Python's objects they take some forty bytes each."""

MOST_ROWS = 1_048_576
"""The rows of a sheet, at most."""

MOST_BYTES = 4 << 30
"""The size of an unpacked sheet, at most."""

MOST_SHARED_BYTES = 1 << 28
"""The size of everything else in an unpacked workbook, at most: texts and styles, which are read as a whole."""

MOST_COMPRESSION = 250
"""How many times larger than the file its content may be, where that is more than 64 MiB: sheets are ten to thirty times."""

_UNNAMED = re.compile(r"Unnamed: (\d{1,5})")
_OLE = b"\xd0\xcf\x11\xe0"  # an old workbook, or an encrypted one, begins with it
_MOST_EXAMPLES = 3

Cells = tuple[Any, ...]
"""The cells of a row, from the first column to the last one that has a cell."""


def read_xlsx(path: Path, sheet: str | int | None, selection: ColumnSelection, where: str) -> TableFile:
    """The chosen columns of a sheet.

    Args:
        path: The file.
        sheet: The sheet, by name or by position from 0; the first one if None.
        selection: The columns.
        where: The table, for messages.

    Raises:
        DataError: There is no such sheet, names of columns are missing or repeated, the workbook is too large, or a formula
            has no value.
        Exception: Whatever openpyxl raises about a broken file.
    """
    with _workbook(path) as workbook:
        names = [worksheet.title for worksheet in workbook.worksheets]
        if isinstance(sheet, str) and sheet in workbook.sheetnames and sheet not in names:
            message = f"sheet {sheet!r} is a chart, and has no cells; the sheets with cells are {', '.join(names)}"
            raise DataError(message, str(path))
        worksheet = workbook[_chosen_sheet(names, sheet, path)]
        try:
            table = _read_sheet(worksheet, selection, where)
        except DataError as error:
            hint = _hint_at_header(workbook, worksheet, sheet, selection)
            if not hint:
                raise
            raise DataError(f"{error.message}{hint}", where) from error
    if table.has_gaps:
        _check_formulas(path, worksheet.title, table.columns, where)
    return TableFile(table.frame, table.warnings)


def read_first_sheets(path: Path, number: int, selection: ColumnSelection) -> list[pd.DataFrame]:
    """The first sheets of a workbook, which is opened once; none where it has fewer."""
    with _workbook(path) as workbook:
        worksheets = workbook.worksheets[:number]
        if len(worksheets) < number:
            return []
        return [_read_sheet(sheet, selection, f"{path}, sheet {sheet.title}").frame for sheet in worksheets]


def sheet_names(path: Path) -> list[str]:
    """The names of a workbook's sheets."""
    with _workbook(path) as workbook:
        return [worksheet.title for worksheet in workbook.worksheets]


@dataclass(frozen=True, slots=True)
class _Sheet:
    """What was read of a sheet.

    Args:
        frame: The chosen columns of all rows with a value.
        columns: The chosen columns by position.
        has_gaps: Whether a chosen cell, or a row with cells, has no value.
        warnings: As of `TableFile`.
    """

    frame: pd.DataFrame
    columns: dict[int, str]
    has_gaps: bool
    warnings: tuple[str, ...]


class _Reader(ExcelReader):  # type: ignore[misc]  # openpyxl has no types
    """Reads a workbook, but no charts: a sheet that is one has a name and nothing else, however broken it is."""

    def read_chartsheet(self, sheet: Any, _relation: Any) -> None:
        self.wb._add_sheet(Chartsheet(parent=self.wb, title=sheet.name))  # noqa: SLF001  # as the method of openpyxl does


@contextmanager
def _workbook(path: Path, formulas: bool = False) -> Iterator[Any]:
    """A workbook, whose sheets are read row by row; with formulas instead of their values where these are asked for."""
    _check_archive(path)
    with path.open("rb") as file:  # which is closed here where openpyxl ends with an error, or in the middle of a sheet
        reader = _Reader(file, read_only=True, data_only=not formulas, keep_links=False)
        reader.read()
        yield reader.wb


def _check_archive(path: Path) -> None:
    """Check the sizes that the zip archive states, beyond which nothing is unpacked.

    Raises:
        DataError: They are too large, or it is no zip archive.
    """
    with path.open("rb") as file:
        if file.read(4) == _OLE:
            message = "it is an old workbook (.xls) or protected by a password; save it as .xlsx without a password"
            raise DataError(message, str(path))
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
    packed = max(1, path.stat().st_size)
    is_sheet = [part.filename.startswith(("xl/worksheets/", "xl/media/")) for part in parts]
    shared = sum(part.file_size for part, of_sheet in zip(parts, is_sheet, strict=True) if not of_sheet)
    total = sum(part.file_size for part in parts)
    largest = max((part.file_size for part in parts), default=0)
    if shared > MOST_SHARED_BYTES or largest > MOST_BYTES or (total > 1 << 26 and total > MOST_COMPRESSION * packed):
        raise DataError(
            f"unpacked it has {total >> 20:,} MiB, {total // packed:,} times the size of the file: more than is read of a"
            f" workbook; save it as .csv or .parquet",
            str(path),
        )


def _chosen_sheet(names: Sequence[str], sheet: str | int | None, path: Path) -> str:
    """The name of the sheet."""
    if not names:
        raise DataError("the workbook has no sheet of cells; put the table in one", str(path))
    if sheet is None:
        return names[0]
    if isinstance(sheet, int) and 0 <= sheet < len(names):
        return names[sheet]
    if isinstance(sheet, str) and sheet in names:
        return sheet
    if isinstance(sheet, str):
        hint = did_you_mean(sheet, names)
    elif str(sheet) in names:
        hint = f"; a number is a position (0 to {len(names) - 1}), so write the name in quotes: table.sheet: '{sheet}'"
    else:
        hint = f" (0 to {len(names) - 1})"
    raise DataError(f"got sheet {sheet!r}, but the sheets are {', '.join(names)}{hint}", str(path))


def _rows(worksheet: Any, where: str = "") -> Iterator[tuple[int, Cells]]:
    """The rows of a sheet, each with its number, from the first to the last one with a cell."""
    worksheet.reset_dimensions()
    for number, cells in enumerate(worksheet.iter_rows(values_only=True), start=1):
        if number > MOST_ROWS:
            raise DataError(f"it has a row beyond number {MOST_ROWS:,}, the last of a sheet; save it again", where)
        yield number, cells


def _read_sheet(worksheet: Any, selection: ColumnSelection, where: str) -> _Sheet:
    rows = _rows(worksheet, where)
    header = _header(next(rows, (1, ()))[1])
    names = selection.names(_wide_enough(header, selection), where)
    width = None if selection.reads_all else len(names)
    columns = selection.choose(names)
    written = {at for at, name in columns.items() if selection.others_as_written and name not in selection.keys}
    numbers: list[int] = []
    kept: list[Cells] = []
    beyond, widest, has_gaps = "", len(names), False
    for number, cells in rows:
        if width is not None and len(cells) > width and not beyond:
            beyond = _first_value(cells, width, number)
        if not _without_end([_value(cell) for cell in cells[:width]]):
            has_gaps = has_gaps or bool(cells)
            continue
        row = _without_end([_written(cell) if at in written else _value(cell) for at, cell in enumerate(cells[:width])])
        if len(row) > widest:
            widest = len(row)
            check_size(number, widest, f"{where}, {get_column_letter(widest)}{number}", MOST_VALUES)
        numbers.append(number)
        kept.append(tuple(row) if width is None else tuple(row[at] if at < len(row) else None for at in columns))
        if len(numbers) % 4096 == 0:
            check_size(len(numbers), widest if width is None else len(columns), where, MOST_VALUES)
    if width is None:
        columns = dict(enumerate(selection.names([*header, *[""] * (widest - len(header))], where)))
        kept = [row + (None,) * (widest - len(row)) for row in kept]
    frame = pd.DataFrame(kept, columns=pd.Index(list(columns.values())), dtype=object)
    frame = frame.where(frame.notna(), np.nan).infer_objects()
    frame.index = pd.Index(numbers, dtype=np.int64)
    has_gaps = has_gaps or bool(frame.isna().to_numpy().any())
    note = f"Cells right of the last column's name, such as {beyond}, are not read." if beyond else ""
    return _Sheet(frame, columns, has_gaps, (note,) if note else ())


def _wide_enough(header: list[str], selection: ColumnSelection) -> list[str]:
    """The header, with further columns without names where such are asked for."""
    asked = [int(found[1]) for key in selection.keys if (found := _UNNAMED.fullmatch(key))]
    return [*header, *[""] * (max(asked, default=-1) + 1 - len(header))]


def _without_end(cells: list[Any]) -> list[Any]:
    """The cells up to the last one with a value."""
    while cells and cells[-1] is None:
        cells.pop()
    return cells


def _header(cells: Cells) -> list[str]:
    """The names in a row, up to the last one."""
    return [column_name(cell) for cell in _without_end([_value(cell) for cell in cells])]


def _value(cell: Any) -> Any:
    """The value of a cell; None where it stands for a missing one."""
    return None if isinstance(cell, str) and cell in MISSING_TEXTS else cell


def _written(cell: Any) -> Any:
    """A cell as it is, also where its text stands for a missing value elsewhere; None for an empty text."""
    return None if cell == "" else cell


def _first_value(cells: Cells, start: int, number: int) -> str:
    """The place of the first cell with a value from a position on, such as `XFD7`; empty if there is none."""
    for position, cell in enumerate(cells[start:], start=start + 1):
        if _value(cell) is not None:
            return f"{get_column_letter(position)}{number}"
    return ""


def _hint_at_header(workbook: Any, worksheet: Any, sheet: str | int | None, selection: ColumnSelection) -> str:
    """Where the names of the columns are, if not in row 1 of the sheet, as the end of a message."""
    names = (_header(cells) for _, cells in islice(_rows(worksheet), FIRST_LINES))
    if hint := hint_at_row(names, selection.keys):
        return hint
    found = _sheets_with(workbook, worksheet.title, selection) if sheet is None else []
    if not found:
        return ""
    return f"; sheet '{found[0]}' has all of them: name it (table.sheet: {found[0]}, or --sheet '{found[0]}' of predict)"


def _sheets_with(workbook: Any, other_than: str, selection: ColumnSelection) -> list[str]:
    """The other sheets that have all columns that must be there."""
    others = [sheet for sheet in workbook.worksheets if sheet.title != other_than and selection.keys]
    headers = {sheet.title: _header(next(_rows(sheet), (1, ()))[1]) for sheet in others}
    return [title for title, header in headers.items() if set(selection.keys) <= set(header)]


def _check_formulas(path: Path, sheet: str, columns: dict[int, str], where: str) -> None:
    """Check that every formula of the chosen columns has a value, which the program that wrote it may have left out.

    Raises:
        DataError: One has none.
    """
    found: list[str] = []
    with _workbook(path) as with_values, _workbook(path, formulas=True) as with_formulas:
        with_values[sheet].reset_dimensions()
        for (number, formulas), values in zip(_rows(with_formulas[sheet]), with_values[sheet].iter_rows(), strict=True):
            found += [
                f"column '{name}' row {number}"
                for position, name in columns.items()
                if position < len(formulas) and formulas[position] is not None and _is_unset(values[position])
            ]
            if len(found) >= _MOST_EXAMPLES:
                break
    if found:
        raise DataError(
            f"formulas without a value ({', '.join(found[:_MOST_EXAMPLES])}): the program that wrote the file did not calculate"
            f" them; open it in a spreadsheet program, and save it again",
            where,
        )


def _is_unset(cell: Any) -> bool:
    """Whether a cell has no value: an empty text, such as a formula may result in, is one."""
    return cell.value is None and cell.data_type == "n"
