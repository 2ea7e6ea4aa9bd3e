"""How a csv file is written: its encoding, what separates its columns, its decimal mark. Recognised where that is safe.

A file in UTF-8 with commas between columns is the plain kind. Of any other, the separator is the one under which every line has
as many values as the first, and more cells are numbers than under another; the decimal mark is the one that all numbers of the
columns that are read have.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from branchsweep.data.files.column_selection import FIRST_LINES, ColumnSelection, hint_at_row
from branchsweep.data.files.table_file import CsvArguments
from branchsweep.data.spreadsheets import plain_text
from branchsweep.errors import DataError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""What may stand between columns."""

UTF_8 = "utf-8-sig"
"""UTF-8 with or without the mark that spreadsheet programs put in front."""

_MARKS = (
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before that of UTF-16, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # which names the separator of the columns to Excel
_SAMPLE_LINES = 200
_FEWEST_LINES = 3
_SAMPLE_CHARACTERS = 1 << 19
_LONGEST_LINE = 1 << 24  # characters
_CHUNK = 1 << 24  # bytes

WITH_COMMA = re.compile(r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*")
"""A number with a decimal comma."""

WITH_POINT = re.compile(r"\s*[+-]?\d*\.\d+([eE][+-]?\d+)?\s*")
"""A number with a decimal point."""

WHOLE = re.compile(r"\s*[+-]?\d+\.?([eE][+-]?\d+)?\s*")
"""A number without a decimal mark."""

_THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2}(,\d{3})+\s*")


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """How a csv file is written.

    Args:
        encoding: A codec.
        skipped_lines: Lines before the header: 1 with Excel's `sep=;`, else 0.
        separator: Between columns.
        decimal: The decimal mark.
        header_lines: Lines of the header; more than 1 where a name has a line break.
    """

    encoding: str = UTF_8
    skipped_lines: int = 0
    separator: str = ","
    decimal: str = "."
    header_lines: int = 1

    @property
    def pandas_arguments(self) -> CsvArguments:
        """The arguments of `pandas.read_csv`."""
        arguments: dict[str, str | int] = {}
        if self.separator != ",":
            arguments["sep"] = self.separator
        if self.decimal != ".":
            arguments["decimal"] = self.decimal
        if self.encoding != UTF_8:
            arguments["encoding"] = self.encoding
        if self.skipped_lines:
            arguments["skiprows"] = self.skipped_lines
        return arguments

    def warnings(self, path: Path) -> tuple[str, ...]:
        """What a user should know of how the file is read, as sentences."""
        sentences = []
        if (self.separator, self.decimal) != (",", "."):
            mark = " and a decimal comma" if self.decimal == "," else ""
            sentences.append(
                f"{path.name} is read with {SEPARATORS.get(self.separator, self.separator)} between columns{mark}."
            )
        if self.encoding in {"cp1252", "latin-1"}:
            sentences.append(f"{path.name} is not UTF-8: it is read as Windows-1252, in which numbers are the same.")
        return tuple(sentences)

    def open(self, path: Path) -> TextIO:
        """The file, opened at its header."""
        lines = path.open(encoding=self.encoding, newline="")
        for _ in range(self.skipped_lines):
            lines.readline()
        return lines

    def records(self, path: Path) -> Iterator[list[str]]:
        """The cells of each line, the header's first."""
        with self.open(path) as lines:
            yield from csv.reader(lines, delimiter=self.separator)


@dataclass(frozen=True, slots=True)
class CsvHeader:
    """The first row of a csv file.

    Args:
        format: How the file is written.
        names: The names of all columns, each once; empty for a file without a line.
        chosen: The columns to read, by their positions.
    """

    format: CsvFormat
    names: Sequence[str]
    chosen: dict[int, str]


def read_header(path: Path, selection: ColumnSelection, where: str) -> CsvHeader:
    """How a csv file is written, and its columns.

    Raises:
        DataError: That cannot be recognised; or names of columns are missing or repeated.
    """
    encoding = _encoding(path, where)
    found = CsvFormat(encoding)
    with found.open(path) as text:
        lines = _first_lines(text, where)
    skipped = 0
    declared = _SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
    if declared:
        lines, skipped = lines[1:], 1
    if not lines:
        return CsvHeader(found, (), {})
    separator = declared[1] if declared else _separator(lines, where)
    reader = csv.reader(lines, delimiter=separator)
    header = [plain_text(cell) for cell in next(reader)]
    header_lines = reader.line_num
    above = hint_at_row((next(csv.reader([line], delimiter=","), []) for line in lines[:FIRST_LINES]), selection.keys)
    names = selection.names(header, where, above or _encoding_hint(encoding))
    chosen = selection.choose(names)
    needed = {position: name for position, name in chosen.items() if name in selection.keys}
    decimal = _decimal(_records(lines, separator)[1:], needed, separator, where)
    return CsvHeader(CsvFormat(encoding, skipped, separator, decimal, header_lines), names, chosen)


def mixed_marks(comma: str, point: str, where: str) -> DataError:
    """The error for a file in which some numbers have a decimal comma and others a decimal point.

    Args:
        comma: A cell with a comma, with its place.
        point: A cell with a point, with its place.
        where: The table.
    """
    return DataError(f"{comma} has a decimal comma, but {point} has a point; write all numbers with a point", where)


def _encoding(path: Path, where: str) -> str:
    """The file's encoding: that of its mark, UTF-8, or Windows-1252 where it is not UTF-8."""
    with path.open("rb") as file:
        start = file.read(1 << 16)
        for mark, encoding in _MARKS:
            if start.startswith(mark):
                return encoding
        if b"\0" in start:
            return _wide_encoding(start, where)
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while chunk := file.read(_CHUNK):
                if not chunk.isascii() or decoder.getstate()[0]:
                    decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return _single_byte_encoding(path)
    return UTF_8


def _wide_encoding(start: bytes, where: str) -> str:
    """UTF-16 without a mark, by which of two bytes is zero in most characters."""
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if max(even, odd) > 0.4 * len(start) and min(even, odd) == 0:
        return "utf-16-be" if even > odd else "utf-16-le"
    raise DataError("it holds bytes that no text has, so it is no csv file; give the file the ending of what it is", where)


def _single_byte_encoding(path: Path) -> str:
    """Windows-1252, or Latin-1 where there are bytes that Windows-1252 leaves open."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if any(byte in chunk for byte in (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d")):
                return "latin-1"
    return "cp1252"


def _encoding_hint(encoding: str) -> str:
    if encoding in {"cp1252", "latin-1"}:
        return "; the file is not UTF-8: where names look wrong, save it as 'CSV UTF-8'"
    return ""


def _first_lines(text: TextIO, where: str) -> list[str]:
    """The first lines: the header and some rows of values."""
    lines: list[str] = []
    characters = 0
    while len(lines) < _SAMPLE_LINES and (len(lines) < _FEWEST_LINES or characters < _SAMPLE_CHARACTERS):
        line = text.readline(_LONGEST_LINE)
        if len(line) == _LONGEST_LINE:
            message = f"line {len(lines) + 1} has more than {_LONGEST_LINE:,} characters; it is no line of a table"
            raise DataError(message, where)
        if not line:
            break
        lines.append(line)
        characters += len(line)
    return lines


def _records(lines: Sequence[str], separator: str) -> list[list[str]]:
    """The cells of each line; of the last ones none where a quoted cell goes on after them."""
    records: list[list[str]] = []
    with suppress(csv.Error):  # a cell beyond csv's longest, or one that the lines end in
        records.extend(csv.reader(lines, delimiter=separator, strict=True))
    return records or list(islice(csv.reader(lines, delimiter=separator), 1))


def _separator(lines: Sequence[str], where: str) -> str:
    """What separates the columns.

    Raises:
        DataError: Another character than the comma does, but not in all lines alike.
    """
    by_separator = {separator: _records(lines, separator) for separator in SEPARATORS}
    fitting = {separator: records for separator, records in by_separator.items() if _fits(records)}
    if len(fitting) == 1:
        return next(iter(fitting))
    if fitting:
        return max(fitting, key=lambda separator: _share_of_numbers(fitting[separator][1:]))
    commas = by_separator[","]
    if commas and len(commas[0]) == 1 and any(separator in commas[0][0] for separator in SEPARATORS):
        raise DataError(
            f"the columns must be separated by commas, but the first line is '{commas[0][0]}', and not all lines have as many"
            f" values as it has names; save it so",
            where,
        )
    return ","


def _fits(records: Sequence[Sequence[str]]) -> bool:
    """Whether there are several columns, and all lines have a value in each."""
    return bool(records) and len(records[0]) > 1 and all(len(record) == len(records[0]) for record in records if record)


def _share_of_numbers(records: Iterable[Sequence[str]]) -> float:
    """The share of numbers among the cells with a value."""
    cells = [cell for record in records for cell in record if cell.strip()]
    numbers = sum(any(kind.fullmatch(cell) for kind in (WHOLE, WITH_POINT, WITH_COMMA)) for cell in cells)
    return numbers / len(cells) if cells else 0.0


def _decimal(records: Iterable[Sequence[str]], chosen: dict[int, str], separator: str, where: str) -> str:
    """The decimal mark of the columns that must be numbers.

    Raises:
        DataError: Some have a comma and others a point.
    """
    commas, points, evident = "", "", separator == ";"  # spreadsheet programs write semicolons where the comma is the mark
    for number, record in enumerate(records, start=2):
        for position, name in chosen.items():
            cell = record[position] if position < len(record) else ""
            place = f"column '{name}' row {number}: '{cell.strip()}'"
            if WITH_COMMA.fullmatch(cell):
                commas = commas or place
                evident = evident or not _THOUSANDS.fullmatch(cell)
            elif WITH_POINT.fullmatch(cell):
                points = points or place
    if commas and points and evident:
        raise mixed_marks(commas, points, where)
    return "," if commas and evident else "."
