"""Reads csv files.

A file of the plain kind is read by pyarrow, which takes only the columns that are asked for; whatever it does not read as
pandas does (blank lines, lines with too few values, other encodings) is read by pandas, with the same values.
"""

from __future__ import annotations

import gzip
import mmap
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as pyarrow_csv

from branchsweep.config.sections.csv_options import CsvOptions
from branchsweep.data.files.column_selection import ColumnSelection
from branchsweep.data.files.csv_format import UTF_8, CsvHeader, read_header
from branchsweep.data.files.number_marks import WHOLE, WITH_COMMA, WITH_POINT, NumberMarks, mixed_marks
from branchsweep.data.files.table_file import (
    FIRST_ROW,
    MISSING_TEXTS,
    MOST_BYTES_IN_MEMORY,
    TableFile,
    check_memory,
    check_size,
)
from branchsweep.errors import DataError
from branchsweep.runtime import available_memory, temporary_folder

MOST_UNPACKED_BYTES = 4 << 30
"""The size of an unpacked csv file, at most."""

_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_SAMPLE = 1 << 20  # bytes in which lines are counted
_TAIL = 1 << 16  # bytes in which blank lines at the end are looked for
_BLOCK = 1 << 24  # bytes that pyarrow reads at a time; a line must fit in


def read_csv(path: Path, selection: ColumnSelection, where: str, options: CsvOptions) -> TableFile:
    """The chosen columns of a csv file.

    Args:
        path: The file.
        selection: The columns.
        where: The table, for messages.
        options: What the user says of how the file is written.

    Raises:
        DataError: How it is written cannot be recognised, names of columns are missing or repeated, a line has too many values,
            or it is too large.
        Exception: Whatever pandas raises about a broken file.
    """
    header = read_header(path, selection, where, options)
    if not header.names:
        return TableFile(pd.DataFrame())
    check_memory(_rows(path), len(header.chosen), where, available_memory())
    others = [name for name in header.chosen.values() if name not in selection.keys]
    written = others if selection.others_as_written else ()
    may_be_text = selection.others_as_text or written or not others
    frame = _read_with_pyarrow(path, header, selection.keys, written) if may_be_text else None
    if frame is None:
        frame = _read_with_pandas(path, header, where, written)
    check_size(len(frame), len(header.chosen), where)
    if header.format.marks.decimal == ",":
        frame = _with_decimal_points(frame, selection.keys, where)
        frame = frame.assign(**{name: _number_with_points(frame[name]) for name in written})
    return TableFile(frame, header.format.warnings(path), header.format.pandas_arguments)


def _rows(path: Path) -> int:
    """About how many rows a file has, by the length of its first lines."""
    with path.open("rb") as file:
        start = file.read(_SAMPLE)
    lines = max(1, start.count(b"\n"))
    return path.stat().st_size * lines // max(1, len(start))


def read_gzipped_csv(path: Path, selection: ColumnSelection, where: str, options: CsvOptions) -> TableFile:
    """The chosen columns of a csv file that gzip has compressed; as `read_csv`.

    Raises:
        DataError: As of `read_csv`; or it is larger than `MOST_UNPACKED_BYTES` when it is unpacked.
        Exception: Whatever gzip and pandas raise about a broken file.
    """
    with temporary_folder() as folder:
        unpacked = folder / path.name.removesuffix(".gz")
        with gzip.open(path) as packed, unpacked.open("wb") as file:
            while chunk := packed.read(_BLOCK):
                file.write(chunk)
                if file.tell() > MOST_UNPACKED_BYTES:
                    raise DataError(f"it is larger than {MOST_UNPACKED_BYTES:,} bytes unpacked; save it as .parquet", where)
        return read_csv(unpacked, selection, where, options)


def _read_with_pandas(path: Path, header: CsvHeader, where: str, texts: Collection[str]) -> pd.DataFrame:
    """The frame.

    Args:
        path: The file.
        header: How it is written.
        where: The table, for messages.
        texts: The columns that stay as they are written, where `NA` is a text like any other.
    """
    if path.stat().st_size > MOST_BYTES_IN_MEMORY:
        raise DataError(
            f"of more than {MOST_BYTES_IN_MEMORY >> 20:,} MiB only plain csv files are read (UTF-8, as many values in every"
            f" line, no line blank); make it so, or save it as .parquet",
            where,
        )
    # Blank lines are read, as rows without values, so that rows can be numbered; `round_trip` makes a number the one that
    # was written, to the last bit; without `index_col` a column too many would become the index.
    try:
        frame = pd.read_csv(
            path,
            encoding=header.format.encoding,
            sep=r"\s+" if header.format.separator == " " else header.format.separator,
            decimal=header.format.marks.decimal,
            skiprows=header.format.skipped_lines,
            header=0,
            names=list(header.names),
            index_col=False,
            skip_blank_lines=False,
            float_precision="round_trip",
            low_memory=False,
            dtype=dict.fromkeys(texts, "str"),
            keep_default_na=False,
            na_values={name: [""] if name in texts else sorted(MISSING_TEXTS) for name in header.names},
        )
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise _ragged_line(path, header, where) or error from error
    frame.index = pd.RangeIndex(FIRST_ROW, FIRST_ROW + len(frame))
    frame = frame.dropna(how="all")[list(header.chosen.values())]
    if not header.format.marks.thousands:
        return frame
    numbers = [name for name in frame.columns if name not in texts and _is_text(frame[name])]
    return frame.assign(**{name: frame[name].map(header.format.marks.without_thousands) for name in numbers})


def _ragged_line(path: Path, header: CsvHeader, where: str) -> DataError | None:
    """The error for a line with more values than there are columns; None if there is none."""
    for number, record in enumerate(header.format.records(path), start=1):
        if len(record) > len(header.names):
            values = f"row {number} has {len(record)} values, but row 1 has {len(header.names)} names"
            return DataError(f"{values}; give every value its column, and put texts with a separator in quotes", where)
    return None


def _read_with_pyarrow(
    path: Path, header: CsvHeader, numbers: Collection[str], written: Collection[str]
) -> pd.DataFrame | None:
    """The frame; None where pandas would read more, or other values.

    Args:
        path: The file.
        header: How it is written.
        numbers: The columns that must be numbers; the others are texts.
        written: Those of the others that stay as they are written, where `NA` is a text like any other.
    """
    if header.format.encoding != UTF_8 or header.format.header_lines > 1 or header.format.separator == " ":
        return None
    kinds = {name: pa.float64() if name in numbers else pa.string() for name in header.chosen.values()}
    table = _pyarrow_table(path, header, kinds) or _pyarrow_table(path, header, dict.fromkeys(kinds, pa.string()))
    if table is None:
        return None
    missing = {name: [""] if name in written else sorted(MISSING_TEXTS) for name in kinds}
    cells = {name: _without_texts(table.column(name), missing[name]) for name in kinds}
    columns = {name: _as_pandas(column, header.format.marks, name in numbers) for name, column in cells.items()}
    frame = pd.DataFrame(columns)
    frame.index = pd.RangeIndex(FIRST_ROW, FIRST_ROW + len(frame))
    suspects = np.flatnonzero(frame.isna().all(axis=1))
    return frame.drop(index=_rows_without_values(path, header, suspects)) if len(suspects) else frame


def _pyarrow_table(path: Path, header: CsvHeader, kinds: dict[str, pa.DataType]) -> pa.Table | None:
    """The columns of these types; None where a line has more or fewer values, or a value is of another type."""
    with pa.memory_map(str(path)) as file, path.open("rb") as descriptor:
        content = file.read_buffer()
        tail = content.slice(max(0, content.size - _TAIL)).to_pybytes()
        blank = len(tail) - len(tail.rstrip(b"\r\n"))  # lines at the end
        with mmap.mmap(descriptor.fileno(), 0, access=mmap.ACCESS_READ) as text:
            has_quotes = text.find(b'"', max(0, text.find(b"\n"))) >= 0
        try:
            return pyarrow_csv.read_csv(
                pa.BufferReader(content.slice(0, content.size - blank)),
                pyarrow_csv.ReadOptions(
                    column_names=list(header.names), skip_rows=header.format.skipped_lines + 1, block_size=_BLOCK
                ),
                pyarrow_csv.ParseOptions(
                    delimiter=header.format.separator, newlines_in_values=has_quotes, ignore_empty_lines=False
                ),
                pyarrow_csv.ConvertOptions(
                    column_types=kinds,
                    include_columns=list(kinds),
                    null_values=sorted(MISSING_TEXTS),  # of numbers
                    decimal_point=header.format.marks.decimal,
                ),
            )
        except (pa.ArrowInvalid, pa.ArrowKeyError):
            return None


def _without_texts(column: pa.ChunkedArray, texts: Collection[str]) -> pa.ChunkedArray:
    """A column of texts without some of them, which stand for a missing value; one of numbers as it is."""
    if not pa.types.is_string(column.type):
        return column
    return pc.if_else(pc.is_in(column, value_set=pa.array(texts)), pa.scalar(None, pa.string()), column)


def _as_pandas(column: pa.ChunkedArray, marks: NumberMarks, is_number: bool) -> pd.Series:
    """A column as pandas reads it: numbers where all values are, else texts."""
    if is_number and pa.types.is_string(column.type):
        column = marks.column_without_thousands(column)
        texts = pd.Series(column.to_pandas(), dtype=object)
        values = texts.dropna()
        if len(values) and values.isin(_BOOLEANS).all():
            return texts.map(_BOOLEANS, na_action="ignore").infer_objects()
        column = pc.utf8_trim_whitespace(column)
        if marks.decimal != ".":
            if pc.any(pc.match_substring(column, ".")).as_py():  # a number with a point is none in such a file
                return texts
            column = pc.replace_substring(column, marks.decimal, ".")
        try:
            column = pc.cast(column, pa.float64())
        except pa.ArrowInvalid:
            return texts
    return pd.Series(column.to_pandas())


def _rows_without_values(path: Path, header: CsvHeader, suspects: Collection[int]) -> list[int]:
    """Of the rows at these positions the numbers of those without any value, in the columns that are not read either."""
    wanted = {position + FIRST_ROW for position in suspects}
    records = enumerate(header.format.records(path), start=1)
    return [number for number, record in records if number in wanted and MISSING_TEXTS.issuperset(record)]


def _is_text(column: pd.Series) -> bool:
    """Whether a column may hold texts."""
    return pd.api.types.is_object_dtype(column.dtype) or pd.api.types.is_string_dtype(column.dtype)


def _with_decimal_points(frame: pd.DataFrame, numbers: Collection[str], where: str) -> pd.DataFrame:
    """The frame with points in the texts that are numbers with a comma: those of a column with other texts in it.

    Raises:
        DataError: A number has a point already.
    """
    changed = {}
    for name in numbers:
        texts = frame[name]
        if not _is_text(texts):
            continue
        is_comma, is_point = (
            texts.map(lambda cell, kind=kind: isinstance(cell, str) and bool(kind.fullmatch(cell))).astype(bool)
            for kind in (WITH_COMMA, WITH_POINT)
        )
        if is_point.any():
            places = [f"row {frame.index[is_point][0]} of column '{name}' ('{texts[is_point].iloc[0]}')"]
            raise mixed_marks("the file", places[0], where)
        changed[name] = texts.map(lambda cell: cell.replace(",", ".") if isinstance(cell, str) else cell).where(is_comma, texts)
    return frame.assign(**changed)


def _number_with_points(column: pd.Series) -> pd.Series:
    """A column of texts, with points where all of them are numbers and some have a decimal comma; else as it is written."""
    cells = set(column.dropna())
    if not any(WITH_COMMA.fullmatch(cell) for cell in cells) or not all(
        WITH_COMMA.fullmatch(cell) or WHOLE.fullmatch(cell) or cell in MISSING_TEXTS for cell in cells
    ):
        return column
    return column.map(lambda cell: cell.strip().replace(",", "."), na_action="ignore")
