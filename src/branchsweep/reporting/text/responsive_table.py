"""Tables that leave out their least important columns where the terminal is narrow.

Rich shortens cells that do not fit, names first of all. Here no cell is ever shortened: columns are left out by their priority,
which a line below the table says, and texts continue on the next line. Where the essential columns alone are too wide, each row
becomes a list of names and values below each other, which leaves out nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
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
class Items:
    """The items of a list, such as names with values: a line ends between two of them, never within one.

    Args:
        texts: The items.
        separator: Between them.
    """

    texts: Sequence[str]
    separator: str = ", "

    @property
    def plain(self) -> str:
        """All on one line."""
        return self.separator.join(map(escape_controls, self.texts))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As many items on each line as fit."""
        lines: list[str] = []
        for index, item in enumerate(map(escape_controls, self.texts)):
            text = item + self.separator * (index + 1 < len(self.texts))
            if lines and cell_len(lines[-1] + text.rstrip()) <= options.max_width:
                lines[-1] += text
            else:
                lines.append(text)
        yield Text("\n".join(line.rstrip() for line in lines), overflow="fold")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """At least the longest item, at most all of them on one line."""
        longest = max((cell_len(text + self.separator.rstrip()) for text in map(escape_controls, self.texts)), default=0)
        return Measurement(min(longest, options.max_width), min(max(longest, cell_len(self.plain)), options.max_width))


Cell = str | Text | Items
r"""The content of a cell; text is not read as Rich's markup. Line breaks of a `str` are shown as `\n`, those of a `Text` break
its lines."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of a table.

    Args:
        cells: As many as there are columns.
        style: Of Rich.
    """

    cells: Sequence[Cell]
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
        if self._width(shown) > options.max_width:
            yield from self._lists()
            return
        yield self._table(shown)
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

    def _table(self, shown: Sequence[int]) -> Table:
        table = plain_table()
        for index in shown:
            column, width = self.columns[index], self._column_width(index)
            table.add_column(column.title, justify="right" if column.right else "left", overflow="fold", min_width=width)
        for row in self.rows:
            table.add_row(*(_rendered(row.cells[index]) for index in shown), style=row.style)
        return table

    def _lists(self) -> Iterator[RenderableType]:
        """Each row as a list of its columns, below its first cell if that column has no title; empty cells are left out."""
        has_names = not self.columns[0].title.strip()
        for number, row in enumerate(self.rows):
            if has_names:
                yield Text(_shown(row.cells[0]).plain.rstrip(), style=row.style)
            elif number:
                yield Text()
            pairs = [(column.title.strip(), cell) for column, cell in zip(self.columns, row.cells, strict=True)]
            listed = Table.grid(padding=(0, GAP))
            listed.add_column(style="dim", no_wrap=True)
            listed.add_column(overflow="fold")
            for title, cell in pairs[has_names:]:
                if _shown(cell).plain.strip():
                    listed.add_row(title, _rendered(cell), style=row.style)
            yield Padding(listed, (0, 0, 0, 2 * GAP if has_names else 0))


def _rendered(cell: Cell) -> Text | Items:
    return Text(escape_controls(cell)) if isinstance(cell, str) else cell


def _shown(cell: Cell) -> Text:
    """All of a cell as text, to measure it."""
    return Text(cell.plain) if isinstance(cell, Items) else Text(escape_controls(cell)) if isinstance(cell, str) else cell
