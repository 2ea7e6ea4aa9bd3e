"""How a csv file is written: its encoding, what separates its columns, the marks of its numbers.

What an experiment says of it (`table.csv`) holds; the rest is recognised where that is safe. A file in UTF-8 with commas
between columns is the plain kind. Of any other, the separator is the one under which every line has as many values as the
first, and more cells are numbers than under another. `number_marks.py` recognises the decimal mark and the mark between
thousands.
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
from typing import Any, TextIO

from branchsweep.config.sections.csv_options import CsvOptions
from branchsweep.data.files.column_selection import FIRST_LINES, ColumnSelection, hint_at_row
from branchsweep.data.files.number_marks import POINT, NumberMarks, find_marks, is_number
from branchsweep.data.files.table_file import CsvArguments
from branchsweep.data.spreadsheets import plain_text
from branchsweep.errors import DataError, shortened

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""What may stand between columns, where it is recognised."""

_FURTHER = {" ": "spaces", ":": "colons", "^": "carets", "#": "hashes", "~": "tildes"}

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
_NAMED_BY = "table.csv, or --csv of predict"
_SHOWN = 80  # characters of a line that a message shows
_ENCODING_HINT = (
    "; the file is not UTF-8: where names look wrong, name its encoding (table.csv: {encoding: ...}), or save it as 'CSV UTF-8'"
)


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """How a csv file is written.

    Args:
        encoding: A codec.
        skipped_lines: Lines before the header: 1 with Excel's `sep=;`, else 0.
        separator: Between columns; a space stands for any number of spaces.
        marks: Those of numbers.
        header_lines: Lines of the header; more than 1 where a name has a line break.
        is_guess: Whether the encoding is Windows-1252 because it is no other.
    """

    encoding: str = UTF_8
    skipped_lines: int = 0
    separator: str = ","
    marks: NumberMarks = POINT
    header_lines: int = 1
    is_guess: bool = False

    @property
    def pandas_arguments(self) -> CsvArguments:
        """The arguments of `pandas.read_csv`."""
        arguments: dict[str, str | int] = {}
        if self.separator != ",":
            arguments["sep"] = r"\s+" if self.separator == " " else self.separator
        arguments |= self.marks.pandas_arguments
        if self.encoding != UTF_8:
            arguments["encoding"] = self.encoding
        if self.skipped_lines:
            arguments["skiprows"] = self.skipped_lines
        return arguments

    def warnings(self, path: Path) -> tuple[str, ...]:
        """What a user should know of how the file is read, as sentences."""
        sentences = []
        if (self.separator, self.marks) != (",", POINT):
            between = SEPARATORS.get(self.separator) or _FURTHER.get(self.separator) or f"'{self.separator}'"
            parts = [f"{between} between columns", *self.marks.descriptions]
            listed = f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
            sentences.append(f"{path.name} is read with {listed}.")
        if self.is_guess:
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
            yield from split_lines(lines, self.separator)


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


def read_header(path: Path, selection: ColumnSelection, where: str, options: CsvOptions) -> CsvHeader:
    """How a csv file is written, and its columns.

    Args:
        path: The file.
        selection: The columns.
        where: The table, for messages.
        options: What the user says of how it is written.

    Raises:
        DataError: That cannot be recognised, or is not how it is written; or names of columns are missing or repeated.
    """
    encoding = _named_encoding(path, options.encoding, where) if options.encoding else _encoding(path, where)
    found = CsvFormat(encoding)
    with found.open(path) as text:
        lines = _first_lines(text, where)
    skipped = 0
    declared = _SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
    if declared:
        lines, skipped = lines[1:], 1
    if not lines:
        return CsvHeader(found, (), {})
    separator = options.separator or (declared[1] if declared else _separator(lines, where))
    reader = _reader(lines, separator)
    header = [plain_text(cell) for cell in _cells(next(reader), separator)]
    header_lines = reader.line_num
    if options.separator and len(header) == 1 and not selection.keys.keys() <= set(header):
        raise _wrong_separator(lines, separator, where)
    is_guess = options.encoding is None and encoding in {"cp1252", "latin-1"}
    above = hint_at_row((next(csv.reader([line], delimiter=","), []) for line in lines[:FIRST_LINES]), selection.keys)
    names = selection.names(header, where, above or (_ENCODING_HINT if is_guess else ""))
    chosen = selection.choose(names)
    needed = {position: name for position, name in chosen.items() if name in selection.keys}
    marks = find_marks(_records(lines, separator)[1:], needed, (options, separator), where)
    return CsvHeader(CsvFormat(encoding, skipped, separator, marks, header_lines, is_guess), names, chosen)


def split_lines(lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    """The cells of each line."""
    return (_cells(record, separator) for record in _reader(lines, separator))


def _reader(lines: Iterable[str], separator: str, strict: bool = False) -> Any:
    return csv.reader(lines, delimiter=separator, strict=strict, skipinitialspace=separator == " ")


def _cells(record: list[str], separator: str) -> list[str]:
    """The cells of a line, without the empty one that spaces at its end make."""
    return record[:-1] if separator == " " and record and not record[-1] else record


def _wrong_separator(lines: Sequence[str], separator: str, where: str) -> DataError:
    """The error for a separator that is in no line."""
    line = shortened(lines[0].strip(), _SHOWN)
    message = f"got '{separator}' as separator ({_NAMED_BY}), but the first line is '{line}'"
    with suppress(DataError):
        found = _separator(lines, where)
        if found in lines[0] and found != separator:
            message += f", which has {SEPARATORS[found]} between columns"
    return DataError(f"{message}; correct the separator, or leave it out", where)


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


def _named_encoding(path: Path, encoding: str, where: str) -> str:
    """The encoding that the user names, with which the whole file can be read.

    Raises:
        DataError: It cannot.
    """
    codec = UTF_8 if codecs.lookup(encoding).name == "utf-8" else encoding
    line = 1
    with path.open("rb") as file:
        decoder = codecs.getincrementaldecoder(codec)()
        try:
            while chunk := file.read(_CHUNK):
                line += decoder.decode(chunk).count("\n")
            decoder.decode(b"", final=True)
        except UnicodeError as error:
            found = _encoding(path, where)
            looks_like = "Windows-1252 (cp1252)" if found in {"cp1252", "latin-1"} else found.removesuffix("-sig")
            place = f" near line {line:,}" if line > 1 else ""
            reason = getattr(error, "reason", str(error))
            message = f"got {encoding} as encoding ({_NAMED_BY}), but the file is not in it{place} ({reason})"
            remedy = f"the file looks like {looks_like}: correct the encoding, or leave it out"
            raise DataError(f"{message}; {remedy}", where) from error
    return codec


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
        records.extend(_cells(record, separator) for record in _reader(lines, separator, strict=True))
    return records or list(islice(split_lines(lines, separator), 1))


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
    return sum(map(is_number, cells)) / len(cells) if cells else 0.0
