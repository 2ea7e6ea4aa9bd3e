"""Reads and writes tables: xlsx, csv and parquet files."""

from __future__ import annotations

import csv
import uuid
import warnings as python_warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from branchsweep.data.dataset import Floats, count_rows
from branchsweep.errors import DataError, did_you_mean

EXAMPLES = 5
"""How many places a message names where there may be many."""


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
        kind = "that is a folder, not a file" if path.is_dir() else "there is no such file"
        beside = [other.name for other in path.parent.glob("*.*") if other.suffix.lower() in _READERS]
        raise DataError(f"{kind}{did_you_mean(path.name, beside) or ', correct the path'}", str(path))
    if sheet is not None and suffix != ".xlsx":
        raise DataError(f"got sheet {sheet!r}, but only an xlsx file has sheets; leave table.sheet out", str(path))
    with _parsing(path):
        frame = _READERS[suffix](path, sheet)
    frame = frame.dropna(how="all")
    if frame.empty:
        raise DataError(
            "the table is empty; row 1 is expected to hold the names of the columns, and rows of values to follow",
            table_name(path, sheet),
        )
    return frame


@contextmanager
def _parsing(path: Path) -> Generator[None]:
    """Makes one message of whatever a foreign parser says of a file."""
    try:
        with python_warnings.catch_warnings():
            python_warnings.simplefilter("ignore")  # openpyxl's, about styles and validations that it does not keep
            python_warnings.simplefilter("error", pd.errors.ParserWarning)  # pandas' way to say that it leaves values out
            yield
    except DataError:
        raise
    except PermissionError as error:
        raise DataError("you may not read this file; ask its owner, or copy one that you may read", str(path)) from error
    except Exception as error:  # three foreign parsers, and a broken file may break any part of them
        reason = " ".join(str(error).split()) or type(error).__name__
        kind = path.suffix.lower()
        raise DataError(f"cannot be read as {kind[1:]} ({reason}); open it, and save it again as {kind}", str(path)) from error


def table_name(path: Path, sheet: str | int | None) -> str:
    """The file, and its sheet where one is named."""
    return str(path) if sheet is None else f"{path}, sheet {sheet}"


def _read_xlsx(path: Path, sheet: str | int | None) -> pd.DataFrame:
    with pd.ExcelFile(path, engine="openpyxl") as book:
        sheets = [str(name) for name in book.sheet_names]
        wanted = sheets[0] if sheet is None else sheet
        if wanted not in (range(len(sheets)) if isinstance(wanted, int) else sheets):
            hint = did_you_mean(wanted, sheets) if isinstance(wanted, str) else f" (0 to {len(sheets) - 1})"
            raise DataError(f"got sheet {wanted!r}, but the sheets are {', '.join(sheets)}{hint}", str(path))
        return _sheet(book, wanted, table_name(path, sheet))


def _sheet(book: pd.ExcelFile, sheet: str | int, where: str) -> pd.DataFrame:
    cells = book.parse(sheet, header=None)
    if cells.empty:
        return pd.DataFrame()
    frame = cells.iloc[1:].infer_objects()  # with the header among them, all columns of numbers were columns of objects
    frame.columns = pd.Index(_header(cells.iloc[0], where))
    frame.index = pd.RangeIndex(2, 2 + len(frame))
    return frame


def _first_sheets(path: Path, number: int) -> list[pd.DataFrame]:
    """The first sheets of a workbook, which is opened once; none where it has fewer.

    Raises:
        DataError: The workbook or one of these sheets cannot be read.
    """
    with _parsing(path), pd.ExcelFile(path, engine="openpyxl") as book:
        names = [str(name) for name in book.sheet_names[:number]]
        if len(names) < number:
            return []
        return [_sheet(book, name, table_name(path, name)).dropna(how="all") for name in names]


def _read_csv(path: Path, sheet: str | int | None) -> pd.DataFrame:
    encoding = "utf-8-sig"  # UTF-8 with or without the mark that spreadsheet programs put in front
    with path.open(encoding=encoding, newline="") as lines:
        header = _header(next(csv.reader(lines), []), table_name(path, sheet))
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
    frame.index = pd.RangeIndex(2, 2 + len(frame))
    return frame


def _read_parquet(path: Path, sheet: str | int | None) -> pd.DataFrame:
    frame = pd.read_parquet(path, engine="pyarrow")
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    frame.columns = pd.Index(_header(frame.columns, table_name(path, sheet)))
    frame.index = pd.RangeIndex(2, 2 + len(frame))
    return frame


def _header(cells: Iterable[object], where: str) -> list[str]:
    """The columns' names as text. A column without a name is called by its place, as pandas does."""
    names = [_name(cell) for cell in cells]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise DataError(f"more than one column is called '{twice[0]}'; give each column a name of its own", where)
    if names and not any(names):
        raise DataError("row 1 is expected to hold the names of the columns, but holds none; put them there", where)
    return [name or f"Unnamed: {place}" for place, name in enumerate(names)]


def _name(cell: object) -> str:
    if _is_missing(cell):
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _is_missing(cell: object) -> bool:
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, (float, np.floating)) and bool(np.isnan(cell)))


_READERS: Mapping[str, Callable[[Path, str | int | None], pd.DataFrame]] = {
    ".xlsx": _read_xlsx,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}

_WRITERS: Mapping[str, Callable[[pd.DataFrame, Path], None]] = {
    ".xlsx": lambda frame, path: frame.to_excel(path, index=False, engine="openpyxl"),
    ".csv": lambda frame, path: frame.to_csv(path, index=False),
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False, engine="pyarrow"),
}


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
    part = path.with_name(f".{uuid.uuid4().hex}{suffix}")  # beside the target, so that the last step is a rename
    try:
        _WRITERS[suffix](frame, part)
        part.replace(path)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be written ({error})", str(path)) from error
    finally:
        part.unlink(missing_ok=True)


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
    return frame.assign(**{name: values[:, place] for place, name in enumerate(inputs)})


def require_columns(frame: pd.DataFrame, keys: Mapping[str, str], where: str) -> None:
    """Raises DataError unless each column that is a key of `keys` is there; `keys` tells who asks for it."""
    present = [str(name) for name in frame.columns]
    spare = [name for name in present if name not in keys] or present
    missing = [
        f"column '{name}' ({key}) not found{did_you_mean(name, spare) or ';'}"
        for name, key in keys.items()
        if name not in present
    ]
    if missing:
        listed = ", ".join(present[:30]) + (f" and {len(present) - 30} more" if len(present) > 30 else "")
        raise DataError(f"{' '.join(missing)} the columns of the table are {listed}", where)


def to_numbers(frame: pd.DataFrame) -> Floats:
    """The values `(rows, columns)`; NaN where there is no finite number."""
    values = np.stack([_column_numbers(frame.iloc[:, place]) for place in range(frame.shape[1])], axis=1)
    values[~np.isfinite(values)] = np.nan
    return values


def _column_numbers(column: pd.Series) -> Floats:
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        column = column.astype(object)
    elif pd.api.types.is_complex_dtype(kind) or not (
        pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_object_dtype(kind) or pd.api.types.is_string_dtype(kind)
    ):  # dates, spans of time and the like, which pandas would count in nanoseconds
        return np.full(len(column), np.nan)
    return np.array(pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))


def describe_invalid(frame: pd.DataFrame, values: Floats) -> str:
    """The places without a number, counted, and the first of them with what stands there."""
    rows, columns = np.nonzero(np.isnan(values))
    places = [
        f"column '{frame.columns[column]}' row {frame.index[row]}: {shown_examples(frame.iat[row, column])}"
        for row, column in zip(rows[:EXAMPLES], columns[:EXAMPLES], strict=True)
    ]
    more = ", …" if len(rows) > EXAMPLES else ""
    counted = f"{count_rows(len(rows), 'value')} in {count_rows(len(np.unique(rows)), 'row')}"
    return (
        f"{counted} {'is' if len(rows) == 1 else 'are'} missing or not a finite number ({', '.join(places)}{more};"
        f" the header is row 1)"
    )


def shown_examples(cell: object) -> str:
    """A cell as messages show it."""
    if _is_missing(cell):
        return "missing"
    return repr(cell[:40]) if isinstance(cell, str) else str(cell)[:40]
