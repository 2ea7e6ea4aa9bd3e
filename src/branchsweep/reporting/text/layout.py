"""Layout shared by the terminal output: tables, indentation, local times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table

from branchsweep.reporting.formatting import format_param
from branchsweep.trial import Params

INDENT = 2
"""Columns by which the drawing of a network is indented."""

UNLIMITED = 10_000
"""Columns that every table fits in."""

BEST_STYLE = "bold green"
"""Style of the best trial, the finalist and the champion."""


def plain_table(title: str | None = None) -> Table:
    """A table without lines, with a bold title at its left."""
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title=title, title_justify="left", title_style="bold")


def thousands(count: int) -> str:
    """A count with thousands separators; a very large one rounded: `about 1.2e+18`."""
    return f"{count:,}" if count < 10**15 else f"about {Decimal(count):.1e}"  # a float ends at 1.8e308


@dataclass(frozen=True, slots=True)
class KeyValueTable:
    """Hyperparameters and their values, in as many of three pairs of columns as the terminal has room for: no name is cut.

    Args:
        params: The hyperparameters, in order.
    """

    params: Params

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The widest table that fits."""
        tables = (self._table(pairs) for pairs in (3, 2))
        unlimited = options.update(width=UNLIMITED)
        fitting = (table for table in tables if Measurement.get(console, unlimited, table).maximum <= options.max_width)
        yield next(fitting, None) or self._table(1)

    def _table(self, pairs: int) -> Table:
        table = Table.grid(padding=(0, 2))
        for _ in range(2 * pairs):
            table.add_column(overflow="fold")
        for names in _in_columns(list(self.params), pairs):
            table.add_row(*(cell for name in names for cell in (f"  {name}", format_param(self.params[name]))))
        return table


def _in_columns(names: Sequence[str], columns: int) -> list[Sequence[str]]:
    rows = -(-len(names) // columns)
    return [names[row::rows] for row in range(rows)]


def local_time(time: str) -> str:
    """A time of the registry (ISO 8601) in the local time zone; what is no time, as `UNKNOWN_TIME`, is returned as it is."""
    try:
        return format_time(datetime.fromisoformat(time))
    except (ValueError, OverflowError):
        return time


def format_time(time: datetime) -> str:
    """A time in the local time zone, to the minute."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M")
