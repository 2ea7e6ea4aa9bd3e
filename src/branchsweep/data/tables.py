"""Tables as users have them: files of several formats, and DataFrames.

The readers are in `files/`, one module for each format.
"""

from __future__ import annotations

import warnings as python_warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from branchsweep.config.addresses import Address
from branchsweep.config.sections.columns import Column
from branchsweep.config.sections.csv_options import CSV_ENDINGS, CsvOptions
from branchsweep.config.sections.database import is_database
from branchsweep.config.sections.table import Table
from branchsweep.data.columns import describe_invalid, invalid_remedy, to_numbers, without_missing_texts
from branchsweep.data.dataset import TableSource
from branchsweep.data.files import arff_table, arrow_table, csv_table, json_table, xlsx_table
from branchsweep.data.files.column_selection import ALL_COLUMNS, ColumnSelection, all_columns_with, column_names
from branchsweep.data.files.table_file import FIRST_ROW, CsvArguments, TableFile
from branchsweep.data.input_values import input_values
from branchsweep.data.plain_values import numbers_without_texts, plain_values
from branchsweep.errors import DataError, did_you_mean

XLSX = ".xlsx"


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table as it was read, with where it came from.

    Args:
        frame: One row per row of values, its index the row's number in a spreadsheet; column names are text.
        source: The kind of place that it came from.
        location: Its source as shown to users.
        path: The file; None where there is none.
        warnings: What a user should know about it, as sentences.
        csv_arguments: As of `TableFile`.
    """

    frame: pd.DataFrame
    source: TableSource
    location: str
    path: Path | None
    warnings: tuple[str, ...] = ()
    csv_arguments: CsvArguments = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What a user says of how a file is to be read.

    Args:
        sheet: The sheet of an xlsx file, by name or by position from 0; the first one if None.
        csv: How a csv file is written; recognised where nothing is said.
    """

    sheet: str | int | None = None
    csv: CsvOptions = field(default_factory=CsvOptions)

    @classmethod
    def of(cls, table: Table) -> FileOptions:
        """What an experiment says of its table."""
        return cls(table.sheet, table.csv or CsvOptions())

    def that_apply_to(self, path: Path) -> FileOptions:
        """Those of the kind of file that is read instead of the experiment's own table."""
        is_xlsx, is_csv = path.suffix.lower() == XLSX, file_ending(path) in CSV_ENDINGS
        return FileOptions(self.sheet if is_xlsx else None, self.csv if is_csv else CsvOptions())


AS_FOUND = FileOptions()
"""The first sheet of a workbook; a csv file as it is recognised."""


def read_table(path: Path, sheet: str | int | None = None) -> pd.DataFrame:
    """The table in a file with all its columns; see `read_file`."""
    return read_file(path, FileOptions(sheet)).frame


def read_file(path: Path, options: FileOptions = AS_FOUND, selection: ColumnSelection = ALL_COLUMNS) -> SourceTable:
    """The table in a file, its columns named by the first row. Rows without any value are left out.

    Args:
        path: A file with one of `ENDINGS`.
        options: How it is to be read.
        selection: Which columns are read.

    Raises:
        DataError: There is no such file or sheet, the file is of another kind, too large, or cannot be read, names of columns
            are missing or repeated, or there are no rows.
    """
    ending, sheet = file_ending(path), options.sheet
    if ending not in ENDINGS:
        hint = "; a database is named by table.source: sqlite:///FILE with table.query" if _is_like_database(path) else ""
        raise DataError(f"got a file that ends in '{path.suffix}', expected one of {', '.join(ENDINGS)}{hint}", str(path))
    if not path.is_file():
        problem = "that is a folder, not a file" if path.is_dir() else "there is no such file"
        siblings = [sibling.name for sibling in path.parent.glob("*.*") if file_ending(sibling) in ENDINGS]
        where = str(Address(str(path)))  # a URL with a password may have been given for a path
        raise DataError(f"{problem}{did_you_mean(path.name, siblings) or ', correct the path'}", where)
    if sheet is not None and ending != XLSX:
        raise DataError(f"got sheet {sheet!r}, but only an xlsx file has sheets; leave table.sheet out", str(path))
    if options.csv.given and ending not in CSV_ENDINGS:
        message = f"got {', '.join(options.csv.given)} of a csv file, but this is none; leave table.csv (or --csv) out"
        raise DataError(message, str(path))
    where = table_name(path, sheet)
    with _parser_errors(path):
        if ending == XLSX:
            table = xlsx_table.read_xlsx(path, sheet, selection, where)
        elif ending in CSV_ENDINGS:
            read_csv = csv_table.read_gzipped_csv if ending.endswith(".gz") else csv_table.read_csv
            table = read_csv(path, selection, where, options.csv)
        else:
            table = _READERS[ending](path, selection, where)
    _require_rows(table.frame, where)
    return SourceTable(table.frame, "file", where, path, table.warnings, table.csv_arguments)


def from_dataframe(frame: pd.DataFrame, needed: Sequence[str] | None = None) -> SourceTable:
    """A user's DataFrame as a table: columns are named by text, rows numbered as in a spreadsheet.

    Args:
        frame: The DataFrame.
        needed: The columns that must have a name of their own; all if None.

    Raises:
        DataError: Two columns have one name, or there are no rows.
    """
    location = "the DataFrame"
    table = frame.reset_index(drop=True)
    table.columns = pd.Index(column_names(frame.columns, location, needed))
    table.index = pd.RangeIndex(FIRST_ROW, FIRST_ROW + len(table))
    table = table.dropna(how="all")
    _require_rows(table, location)
    return SourceTable(table, "dataframe", location, None)


def column_names_of(path: Path, options: FileOptions = AS_FOUND) -> list[str]:
    """The names of all columns of a file, in order.

    Raises:
        DataError: As of `read_file`; each column must have a name of its own.
    """
    names: list[str] = []

    def is_read(name: str) -> bool:
        names.append(name)
        return len(names) == 1  # of the values, those of one column are enough

    read_file(path, options, ColumnSelection(is_read=is_read, unique=True))
    return names


def read_first_sheets(path: Path, number: int) -> list[pd.DataFrame]:
    """The first sheets of a workbook, which is opened once; none where it has fewer.

    Raises:
        DataError: The workbook or one of these sheets cannot be read.
    """
    with _parser_errors(path):
        return xlsx_table.read_first_sheets(path, number, ALL_COLUMNS)


def sheet_named(path: Path, sheet: str | None) -> str | int | None:
    """The sheet that a user names by a text, which may be a position from 0, too; a sheet of that name goes first.

    Raises:
        DataError: The workbook cannot be read.
    """
    if sheet is None or not sheet.isdecimal() or path.suffix.lower() != ".xlsx" or not path.is_file():
        return sheet
    with _parser_errors(path):
        return sheet if sheet in xlsx_table.sheet_names(path) else int(sheet)


def read_inputs(
    path: Path,
    options: FileOptions,
    inputs: Mapping[str, Column],
    missing: Sequence[float | str] = (),
    as_written: bool = False,
) -> SourceTable:
    """A table to predict from: numeric input columns as numbers, all other columns as they are.

    Args:
        path: As of `read_file`.
        options: As of `read_file`.
        inputs: The columns that the model reads. One that may have gaps may be absent.
        missing: The numbers and texts that stand for a missing value.
        as_written: Whether all other columns of a csv file stay the texts that they are; else columns of plain numbers are
            numbers, and a text for a missing number is none.

    Raises:
        DataError: As of `read_file`; or an input column is not there, or one of its values is missing, or no number or date.
    """
    table = _with_all_columns(path, options, inputs)
    measured = {name: column for name, column in inputs.items() if name in table.frame and column.kind != "categorical"}
    columns = without_missing_texts(table.frame[list(measured)], missing)
    values, invalid = input_values(columns, measured, missing)
    if invalid.any():
        marked = np.where(invalid, np.nan, 0.0)
        dates = {name for name, column in measured.items() if column.kind == "date"}
        remedy = invalid_remedy(columns, marked, dates=dates) or "correct them"
        raise DataError(f"{describe_invalid(columns, marked, dates)}; {remedy}", table.location)
    further = table.frame.drop(columns=[name for name in inputs if name in table.frame])
    if file_ending(path) not in CSV_ENDINGS:
        others = numbers_without_texts(further)
    elif as_written:
        others = {}
    else:
        others = plain_values(further)
    numbers = {name: values[:, index] for index, name in enumerate(measured) if measured[name].kind != "date"}
    return replace(table, frame=table.frame.assign(**numbers, **others))


def read_inputs_with_gaps(
    path: Path, options: FileOptions, inputs: Mapping[str, Column], missing: Sequence[float | str] = ()
) -> SourceTable:
    """A table whose input columns may have any gaps: what is no number in a numeric one is missing.

    Args:
        path: As of `read_file`.
        options: As of `read_file`.
        inputs: As of `read_inputs`.
        missing: As of `read_inputs`.

    Raises:
        DataError: As of `read_file`; or an input column is not there.
    """
    table = _with_all_columns(path, options, inputs)
    numeric = [name for name, column in inputs.items() if name in table.frame and column.kind == "numeric"]
    values = to_numbers(without_missing_texts(table.frame[numeric], missing), missing)
    return replace(table, frame=table.frame.assign(**dict(zip(numeric, values.T, strict=True))))


def _with_all_columns(path: Path, options: FileOptions, inputs: Mapping[str, Column]) -> SourceTable:
    """A table with the inputs of a model and all other columns; an input that may have gaps may be absent."""
    optional = [name for name, column in inputs.items() if column.fills_gaps]
    names = column_names_of(path, options) if optional else []
    absent = [name for name in optional if name not in names]
    required = [name for name in inputs if name not in absent]
    table = read_file(path, options, all_columns_with(dict.fromkeys(required, "an input of the model")))
    notes = [f"there is no column '{name}': its values count as missing{did_you_mean(name, names)}" for name in absent]
    return replace(table, warnings=(*table.warnings, *notes))


def _is_like_database(path: Path) -> bool:
    """Whether a path is the URL of a database, of whose slashes a path keeps one, or that of a SQLite file."""
    return path.suffix.lower() in {".db", ".sqlite", ".sqlite3"} or is_database(str(path).replace(":/", "://", 1))


def file_ending(path: Path) -> str:
    """The ending that says of what kind a file is, in small letters: `.xlsx`, `.csv.gz`."""
    return "".join(path.suffixes[-2:]).lower() if path.suffix.lower() == ".gz" else path.suffix.lower()


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
    except MemoryError as error:
        raise DataError(
            "there is not enough memory to read it; save the columns that are needed as .parquet", str(path)
        ) from error
    except Exception as error:  # three parsers, and a broken file may break any part of them
        reason = " ".join(str(error).split()) or type(error).__name__
        ending = file_ending(path)
        message = f"cannot be read as {ending[1:]} ({reason}); open it, and save it again as {ending}"
        raise DataError(message, str(path)) from error


def _require_rows(frame: pd.DataFrame, where: str) -> None:
    if frame.empty:
        message = "the table is empty; row 1 is expected to hold the names of the columns, and rows of values to follow"
        raise DataError(message, where)


_READERS: Mapping[str, Callable[[Path, ColumnSelection, str], TableFile]] = {
    ".parquet": arrow_table.read_parquet,
    ".feather": arrow_table.read_feather,
    ".jsonl": json_table.read_json_lines,
    ".arff": arff_table.read_arff,
}
"""By ending, what reads a file of that kind; workbooks and csv files have options of their own."""

ENDINGS = (XLSX, *CSV_ENDINGS, *_READERS)
"""The endings of the files that are read."""
