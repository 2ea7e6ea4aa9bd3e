"""Writes tables: xlsx, csv and parquet files that can be read again."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from branchsweep.data.files.column_selection import column_names
from branchsweep.data.files.table_file import FIRST_ROW
from branchsweep.data.spreadsheets import LONGEST_CELL, NO_CELL_CHARACTER, formula_as_text, formulas_as_text
from branchsweep.errors import DataError


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table (without its index) as the file's ending says: whole, or not at all.

    Args:
        frame: The table.
        path: An `.xlsx`, `.csv` or `.parquet` file; one that is there already is replaced.

    Raises:
        DataError: The ending is another, there is no such folder, two columns have one name, a text does not fit a cell of a
            workbook, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        raise DataError(f"got a file that ends in '{path.suffix}', expected one of {', '.join(WRITERS)}", str(path))
    if not path.parent.is_dir():
        raise DataError(f"there is no folder {path.parent}; make it, or write elsewhere", str(path))
    frame = frame.set_axis(column_names(frame.columns, str(path)), axis="columns")
    if suffix == ".xlsx":
        _check_cells(frame, str(path))
    temporary = path.with_name(f".{uuid.uuid4().hex}{suffix}")  # beside the target, so that the last step is a rename
    try:
        WRITERS[suffix](frame, temporary)
        temporary.replace(path)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be written ({error})", str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _write_xlsx(frame: pd.DataFrame, path: Path) -> None:
    large = [name for name, column in frame.items() if _has_large_integers(column)]
    frame = frame.assign(**{str(name): frame[name].astype("string") for name in large})
    with pd.ExcelWriter(path, engine="openpyxl") as workbook:
        frame.to_excel(workbook, index=False)
        for sheet in workbook.sheets.values():
            formulas_as_text(sheet)


def _has_large_integers(column: pd.Series) -> bool:
    """Whether spreadsheet programs, which keep fifteen digits, would change a number of a column of integers."""
    return pd.api.types.is_integer_dtype(column.dtype) and bool(((column >= 10**15) | (column <= -(10**15))).any())


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    safe = frame.assign(**{name: texts.map(formula_as_text) for name, texts in _text_columns(frame)})
    safe.rename(columns=formula_as_text).to_csv(path, index=False)


def _text_columns(frame: pd.DataFrame) -> list[tuple[str, pd.Series]]:
    """The columns that may hold texts, by name; categories as the objects that they stand for."""
    return [(str(name), column.astype(object)) for name, column in frame.items() if _may_be_text(column)]


def _may_be_text(column: pd.Series) -> bool:
    dtype = column.cat.categories.dtype if isinstance(column.dtype, pd.CategoricalDtype) else column.dtype
    return pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype)


def _check_cells(frame: pd.DataFrame, where: str) -> None:
    """Check that a workbook can hold every text of a table as it is.

    Raises:
        DataError: A name or a cell is too long, or has a character that no workbook can have.
    """
    names = pd.Series(list(frame.columns), dtype=object)
    for name, texts in [("", names), *_text_columns(frame)]:
        for position, text in enumerate(texts):
            if not isinstance(text, str):
                continue
            found = NO_CELL_CHARACTER.search(text)
            if not found and len(text) <= LONGEST_CELL:
                continue
            place = f"a cell of column {name!r} (row {position + FIRST_ROW})" if name else f"the name of column {position + 1}"
            problem = (
                f"has the character U+{ord(found[0]):04X}, which no workbook can hold"
                if found
                else f"has {len(text):,} letters, and a cell of a workbook holds {LONGEST_CELL:,}"
            )
            raise DataError(f"{place} {problem}; write a .csv or .parquet file, or correct the table", where)


WRITERS: Mapping[str, Callable[[pd.DataFrame, Path], None]] = {
    ".xlsx": _write_xlsx,
    ".csv": _write_csv,
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False, engine="pyarrow"),
}
"""By ending, what writes a file of that kind."""


def make_dataframe(
    columns: Sequence[Hashable], rows: Sequence[Sequence[object]], index: Sequence[str] | None = None
) -> pd.DataFrame:
    """A DataFrame of rows with named columns; tuples name columns of several levels.

    Args:
        columns: The names of the columns.
        rows: The cells of each row.
        index: The names of the rows; their numbers if None.
    """
    return pd.DataFrame(
        [list(row) for row in rows], columns=pd.Index(list(columns)), index=None if index is None else pd.Index(index)
    )
