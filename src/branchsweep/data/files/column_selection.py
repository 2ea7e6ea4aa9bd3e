"""Which columns of a file are read, and what they are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from branchsweep.data.columns import column_name, require_columns
from branchsweep.errors import DataError

FIRST_LINES = 50
"""Rows among which the names of the columns are looked for where they are not in the first one."""

_UNNAMED = "Unnamed: "


def _all(_: str) -> bool:
    return True


def _none(_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class ColumnSelection:
    """Which columns of a file are read.

    Args:
        keys: The columns that must be there, each once, with the key of the experiment that asks for it.
        is_read: Whether a further column is read, by its name.
        unique: Whether each column of the file must have a name of its own, and not only those of `keys`.
        others_as_text: Whether the further columns may be read as texts, whatever is in them.
        others_as_written: Whether the further columns are read as they are: in a csv file 00001 is no 1, and `NA` is a text.
            Only of numbers with a decimal comma, that is a point.
    """

    keys: Mapping[str, str] = field(default_factory=dict)
    is_read: Callable[[str], bool] = _none
    unique: bool = False
    others_as_text: bool = False
    others_as_written: bool = False

    @property
    def reads_all(self) -> bool:
        """Whether all columns are read."""
        return self.is_read is _all

    def names(self, cells: Iterable[object], where: str, hint: str = "") -> list[str]:
        """The names of all columns as text, each once.

        A column without a name is named by its position, and further columns of one name are numbered, both as pandas does.

        Args:
            cells: The cells of the first row, from left to right.
            where: The table, for messages.
            hint: What may be wrong with the first row, as a sentence's end for the message about missing columns.

        Raises:
            DataError: Names are missing or repeated.
        """
        names = column_names(cells, where, None if self.unique else self.keys)
        require_columns(names, self.keys, where, hint)
        return names

    def choose(self, names: Iterable[str]) -> dict[int, str]:
        """The columns to read, by their positions."""
        return {position: name for position, name in enumerate(names) if name in self.keys or self.is_read(name)}


ALL_COLUMNS = ColumnSelection(is_read=_all, unique=True)
"""All columns, each of which must have a name of its own."""


def all_columns_with(keys: Mapping[str, str]) -> ColumnSelection:
    """All columns, of which those of `keys` must be there, and the others stay as they are written."""
    return ColumnSelection(keys, is_read=_all, others_as_written=True)


def hint_at_row(rows: Iterable[Sequence[str]], keys: Iterable[str]) -> str:
    """Which row below the first one has all names, as the end of a message; empty if none has.

    Args:
        rows: The cells of the first rows.
        keys: The names.
    """
    wanted = set(keys)
    for number, row in enumerate(rows, start=1):
        if number > 1 and wanted and wanted <= {cell.strip() for cell in row}:
            return f"; row {number} has all these names: delete the rows above it"
    return ""


def column_names(cells: Iterable[object], where: str, needed: Iterable[str] | None = None) -> list[str]:
    """The columns' names as text, each once.

    Args:
        cells: The cells of the first row, from left to right.
        where: The table, for messages.
        needed: The names that only one column may have; all if None. Others are numbered where they are repeated.

    Raises:
        DataError: A name is repeated, or there is none.
    """
    names = [column_name(cell) for cell in cells]
    counts = Counter(names)
    repeated = sorted(name for name in (counts if needed is None else set(needed)) if name and counts[name] > 1)
    if repeated:
        raise DataError(f"more than one column is called '{repeated[0]}'; give each column a name of its own", where)
    if names and not any(names):
        raise DataError("row 1 is expected to hold the names of the columns, but holds none; put them there", where)
    return _distinct([name or f"{_UNNAMED}{position}" for position, name in enumerate(names)])


def is_generated_name(name: str) -> bool:
    """Whether a name may be that of a column without one."""
    return name.removeprefix(_UNNAMED).replace(".", "").isdecimal() and name.startswith(_UNNAMED)


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, repeated ones with a number behind a dot."""
    taken, seen = set(names), set[str]()
    found = []
    for name in names:
        distinct, number = name, 0
        while distinct in seen or (number and distinct in taken):
            number += 1
            distinct = f"{name}.{number}"
        seen.add(distinct)
        found.append(distinct)
    return found
