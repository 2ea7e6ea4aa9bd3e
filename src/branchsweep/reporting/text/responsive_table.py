"""Tables that leave out their least important columns where the terminal is narrow.

Rich shortens cells that do not fit, names first of all. Here no cell is ever shortened: columns are left out by their priority,
which a line below the table says, texts continue on the next line, and so does whatever is still too wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from branchsweep.errors import escape_controls
from branchsweep.reporting.text.layout import plain_table

ESSENTIAL = 0
"""The priority of a column that is always shown."""

TEXT_WIDTH = 24
"""Characters that a column of sentences has at least, if it has as many."""

GAP = 2
"""Characters between two columns, as `plain_table` has them."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table.

    Args:
        title: Its header.
        priority: `ESSENTIAL`, or a larger number; the largest is left out first.
        right: Aligned to the right, as numbers are.
        is_text: It has sentences, which may take several lines.
    """

    title: str
    priority: int = ESSENTIAL
    right: bool = False
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class TableRow:
    r"""A row of a table.

    Args:
        cells: As many as there are columns; text is not read as Rich's markup. Line breaks of a `str` are
            shown as `\n`, those of a `Text` break its lines.
        style: Of Rich.
    """

    cells: Sequence[str | Text]
    style: str = ""


@dataclass(frozen=True, slots=True)
class ResponsiveTable:
    """A table that Rich renders with as many of its columns as fit.

    Args:
        columns: In their order.
        rows: In their order.
        title: Above the table.
    """

    columns: Sequence[TableColumn]
    rows: Sequence[TableRow]
    title: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table, and which of its columns are not shown."""
        shown = self.fitting_columns(options.max_width)
        if self.title:
            yield Text(self.title, style="bold")  # not as the table's own, which would be as narrow as its columns
        yield self._table(shown, keeps_widths=self._width(shown) <= options.max_width)
        missing = [column.title.strip() for index, column in enumerate(self.columns) if index not in shown]
        if missing:
            yield Text(f"not shown in {options.max_width} columns: {', '.join(missing)}", style="dim")

    def fits(self, width: int) -> bool:
        """Whether all columns fit into so many characters."""
        return self._width(range(len(self.columns))) <= width

    def fitting_columns(self, width: int) -> Sequence[int]:
        """The positions of the columns that fit beside each other into so many characters, the essential ones always."""
        shown = list(range(len(self.columns)))
        optional = [index for index in shown if self.columns[index].priority != ESSENTIAL]
        for index in sorted(optional, key=lambda index: (-self.columns[index].priority, -index)):
            if self._width(shown) <= width:
                break
            shown.remove(index)
        return shown

    def _width(self, shown: Sequence[int]) -> int:
        return sum(map(self._column_width, shown)) + GAP * (len(shown) - 1)

    def _column_width(self, index: int) -> int:
        """The characters that a column needs."""
        column = self.columns[index]
        cells = map(_shown, (column.title, *(row.cells[index] for row in self.rows)))
        longest = max((cell_len(line) for cell in cells for line in cell.plain.splitlines()), default=0)
        return min(longest, max(TEXT_WIDTH, cell_len(column.title))) if column.is_text else longest

    def _table(self, shown: Sequence[int], keeps_widths: bool) -> Table:
        table = plain_table()
        for index in shown:
            column, width = self.columns[index], self._column_width(index) if keeps_widths else None
            table.add_column(column.title, justify="right" if column.right else "left", overflow="fold", min_width=width)
        for row in self.rows:
            cells = [row.cells[index] for index in shown]
            table.add_row(*map(_shown, cells), style=row.style)
        return table


def _shown(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(escape_controls(cell))
