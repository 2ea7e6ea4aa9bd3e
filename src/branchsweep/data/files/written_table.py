"""Writes tables: xlsx, csv and parquet files that can be read again."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from branchsweep.data.files.column_selection import column_names
from branchsweep.data.spreadsheets import formula_as_text, formulas_as_text
from branchsweep.errors import DataError


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table (without its index) as the file's ending says: whole, or not at all.

    Args:
        frame: The table.
        path: An `.xlsx`, `.csv` or `.parquet` file; one that is there already is replaced.

    Raises:
        DataError: The ending is another, there is no such folder, two columns have one name, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        raise DataError(f"got a file that ends in '{path.suffix}', expected one of {', '.join(WRITERS)}", str(path))
    if not path.parent.is_dir():
        raise DataError(f"there is no folder {path.parent}; make it, or write elsewhere", str(path))
    column_names(frame.columns, str(path))
    temporary = path.with_name(f".{uuid.uuid4().hex}{suffix}")  # beside the target, so that the last step is a rename
    try:
        WRITERS[suffix](frame, temporary)
        temporary.replace(path)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be written ({error})", str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _write_xlsx(frame: pd.DataFrame, path: Path) -> None:
    with pd.ExcelWriter(path, engine="openpyxl") as workbook:
        frame.to_excel(workbook, index=False)
        for sheet in workbook.sheets.values():
            formulas_as_text(sheet)


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    safe = frame.copy()
    for name in safe.select_dtypes(["object", "string"]):
        safe[name] = safe[name].map(formula_as_text)
    safe.rename(columns=formula_as_text).to_csv(path, index=False)


WRITERS: Mapping[str, Callable[[pd.DataFrame, Path], None]] = {
    ".xlsx": _write_xlsx,
    ".csv": _write_csv,
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False, engine="pyarrow"),
}
"""By ending, what writes a file of that kind."""


def make_dataframe(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> pd.DataFrame:
    """A DataFrame of rows with named columns."""
    return pd.DataFrame([list(row) for row in rows], columns=pd.Index(list(columns)))
