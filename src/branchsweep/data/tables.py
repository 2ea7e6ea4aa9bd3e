"""Reads and writes tables: xlsx, csv and parquet files.

With `columns.py`, `cleaning.py`, `built_in_table.py` and `loading.py` the only modules that use pandas (the deployed model
apart).
"""

from __future__ import annotations

import csv
import uuid
import warnings as python_warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from branchsweep.data.columns import describe_invalid, is_missing, require_columns, to_numbers
from branchsweep.data.dataset import TableSource
from branchsweep.data.spreadsheets import formula_as_text, formulas_as_text, plain_text
from branchsweep.errors import DataError, did_you_mean

FIRST_ROW = 2
"""The number of the first row of values, as a spreadsheet counts: row 1 is the header."""


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table as it was read, with where it came from.

    Args:
        frame: One row per row of values, its index the row's number in a spreadsheet; column names are text.
        source: The kind of place that it came from.
        location: Its source as shown to users.
        path: The file; None where there is none.
        warnings: What a user should know about it, as sentences.
    """

    frame: pd.DataFrame
    source: TableSource
    location: str
    path: Path | None
    warnings: tuple[str, ...] = ()


def read_table(path: Path, sheet: str | int | None = None) -> pd.DataFrame:
    """The table in a file, its columns named by the first row. Rows without any value are left out.

    Args:
        path: An `.xlsx`, `.csv` (UTF-8, separated by commas) or `.parquet` file.
        sheet: The sheet of an xlsx file, by name or by position from 0; the first one if None.

    Returns:
        One row per row of values, its index the row's number in a spreadsheet; column names are text.

    Raises:
        DataError: There is no such file or sheet, the file is of another kind or cannot be read, two columns have one name,
            or there are no rows.
    """
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise DataError(f"got a file that ends in '{path.suffix}', expected one of {', '.join(_READERS)}", str(path))
    if not path.is_file():
        problem = "that is a folder, not a file" if path.is_dir() else "there is no such file"
        siblings = [sibling.name for sibling in path.parent.glob("*.*") if sibling.suffix.lower() in _READERS]
        raise DataError(f"{problem}{did_you_mean(path.name, siblings) or ', correct the path'}", str(path))
    if sheet is not None and suffix != ".xlsx":
        raise DataError(f"got sheet {sheet!r}, but only an xlsx file has sheets; leave table.sheet out", str(path))
    with _parser_errors(path):
        frame = _READERS[suffix](path, sheet)
    return _without_empty_rows(frame, table_name(path, sheet))


def from_dataframe(frame: pd.DataFrame) -> SourceTable:
    """A user's DataFrame as a table: columns are named by text, rows numbered as in a spreadsheet.

    Raises:
        DataError: Two columns have one name, or there are no rows.
    """
    location = "the DataFrame"
    table = frame.reset_index(drop=True)
    table.columns = pd.Index(_column_names(frame.columns, location))
    table.index = pd.RangeIndex(FIRST_ROW, FIRST_ROW + len(table))
    return SourceTable(_without_empty_rows(table, location), "dataframe", location, None)


def read_first_sheets(path: Path, number: int) -> list[pd.DataFrame]:
    """The first sheets of a workbook, which is opened once; none where it has fewer.

    Raises:
        DataError: The workbook or one of these sheets cannot be read.
    """
    with _parser_errors(path), pd.ExcelFile(path, engine="openpyxl") as workbook:
        names = [str(name) for name in workbook.sheet_names[:number]]
        if len(names) < number:
            return []
        return [_read_sheet(workbook, name, table_name(path, name)).dropna(how="all") for name in names]


def read_inputs(path: Path, sheet: str | int | None, inputs: Sequence[str]) -> pd.DataFrame:
    """A table to predict from: the input columns as numbers, all other columns as they are.

    Args:
        path: As of `read_table`.
        sheet: As of `read_table`.
        inputs: The columns that the model reads.

    Raises:
        DataError: As of `read_table`; or an input column is not there, or one of its values is missing or not a number.
    """
    frame = read_table(path, sheet)
    where = table_name(path, sheet)
    require_columns(frame, dict.fromkeys(inputs, "an input of the model"), where)
    values = to_numbers(frame[list(inputs)])
    if not np.isfinite(values).all():
        raise DataError(f"{describe_invalid(frame[list(inputs)], values)}; correct them", where)
    return frame.assign(**{name: values[:, index] for index, name in enumerate(inputs)})


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table (without its index) as the file's ending says: whole, or not at all.

    Args:
        frame: The table.
        path: An `.xlsx`, `.csv` or `.parquet` file; one that is there already is replaced.

    Raises:
        DataError: The ending is another, there is no such folder, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        raise DataError(f"got a file that ends in '{path.suffix}', expected one of {', '.join(_WRITERS)}", str(path))
    if not path.parent.is_dir():
        raise DataError(f"there is no folder {path.parent}; make it, or write elsewhere", str(path))
    temporary = path.with_name(f".{uuid.uuid4().hex}{suffix}")  # beside the target, so that the last step is a rename
    try:
        _WRITERS[suffix](frame, temporary)
        temporary.replace(path)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be written ({error})", str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def table_name(path: Path, sheet: str | int | None) -> str:
    """The file for messages, with its sheet where one is named."""
    return str(path) if sheet is None else f"{path}, sheet {sheet}"


@contextmanager
def _parser_errors(path: Path) -> Generator[None]:
    """Context in which whatever a parser raises about a file becomes one DataError."""
    try:
        with python_warnings.catch_warnings():
            python_warnings.simplefilter("ignore")  # openpyxl's, about styles and validations that it does not keep
            python_warnings.simplefilter("error", pd.errors.ParserWarning)  # by which pandas says that it leaves values out
            yield
    except DataError:
        raise
    except PermissionError as error:
        raise DataError("you may not read this file; ask its owner, or copy one that you may read", str(path)) from error
    except Exception as error:  # three parsers, and a broken file may break any part of them
        reason = " ".join(str(error).split()) or type(error).__name__
        suffix = path.suffix.lower()
        message = f"cannot be read as {suffix[1:]} ({reason}); open it, and save it again as {suffix}"
        raise DataError(message, str(path)) from error


def _without_empty_rows(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    frame = frame.dropna(how="all")
    if frame.empty:
        message = "the table is empty; row 1 is expected to hold the names of the columns, and rows of values to follow"
        raise DataError(message, where)
    return frame


def _read_xlsx(path: Path, sheet: str | int | None) -> pd.DataFrame:
    with pd.ExcelFile(path, engine="openpyxl") as workbook:
        sheets = [str(name) for name in workbook.sheet_names]
        chosen = sheets[0] if sheet is None else sheet
        if chosen not in (range(len(sheets)) if isinstance(chosen, int) else sheets):
            hint = did_you_mean(chosen, sheets) if isinstance(chosen, str) else f" (0 to {len(sheets) - 1})"
            raise DataError(f"got sheet {chosen!r}, but the sheets are {', '.join(sheets)}{hint}", str(path))
        return _read_sheet(workbook, chosen, table_name(path, sheet))


def _read_sheet(workbook: pd.ExcelFile, sheet: str | int, where: str) -> pd.DataFrame:
    cells = workbook.parse(sheet, header=None)
    if cells.empty:
        return pd.DataFrame()
    frame = cells.iloc[1:].infer_objects()  # with the header among them, all columns of numbers were columns of objects
    frame.columns = pd.Index(_column_names(cells.iloc[0], where))
    frame.index = pd.RangeIndex(FIRST_ROW, FIRST_ROW + len(frame))
    return frame


def _read_csv(path: Path, sheet: str | int | None) -> pd.DataFrame:
    encoding = "utf-8-sig"  # UTF-8 with or without the mark that spreadsheet programs put in front
    with path.open(encoding=encoding, newline="") as lines:
        header = _column_names(map(plain_text, next(csv.reader(lines), [])), table_name(path, sheet))
    if not header:
        return pd.DataFrame()
    if len(header) == 1 and any(separator in header[0] for separator in ";\t|"):
        raise DataError(f"the columns must be separated by commas, but the first line is '{header[0]}'; save it so", str(path))
    # Blank lines are read, as rows without values, so that rows can be numbered; `round_trip` makes a number the one that
    # was written, to the last bit; without `index_col` a column too many would become the index.
    frame = pd.read_csv(
        path,
        encoding=encoding,
        header=0,
        names=header,
        index_col=False,
        skip_blank_lines=False,
        float_precision="round_trip",
        low_memory=False,
    )
    frame.index = pd.RangeIndex(FIRST_ROW, FIRST_ROW + len(frame))
    return frame


def _read_parquet(path: Path, sheet: str | int | None) -> pd.DataFrame:
    frame = pd.read_parquet(path, engine="pyarrow")
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    frame.columns = pd.Index(_column_names(frame.columns, table_name(path, sheet)))
    frame.index = pd.RangeIndex(FIRST_ROW, FIRST_ROW + len(frame))
    return frame


def _column_names(cells: Iterable[object], where: str) -> list[str]:
    """The columns' names as text. A column without a name is named by its position, as pandas does."""
    names = [_column_name(cell) for cell in cells]
    repeated = sorted({name for name in names if name and names.count(name) > 1})
    if repeated:
        raise DataError(f"more than one column is called '{repeated[0]}'; give each column a name of its own", where)
    if names and not any(names):
        raise DataError("row 1 is expected to hold the names of the columns, but holds none; put them there", where)
    return [name or f"Unnamed: {index}" for index, name in enumerate(names)]


def _column_name(cell: object) -> str:
    if is_missing(cell):
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


_READERS: Mapping[str, Callable[[Path, str | int | None], pd.DataFrame]] = {
    ".xlsx": _read_xlsx,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}


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


_WRITERS: Mapping[str, Callable[[pd.DataFrame, Path], None]] = {
    ".xlsx": _write_xlsx,
    ".csv": _write_csv,
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False, engine="pyarrow"),
}


def make_dataframe(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> pd.DataFrame:
    """A DataFrame of rows with named columns."""
    return pd.DataFrame([list(row) for row in rows], columns=pd.Index(list(columns)))
