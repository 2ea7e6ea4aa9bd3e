"""What several texts share: indentation, tables of keys and values, times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table

from branchsweep.reporting.formatting import (
    format_param,
)
from branchsweep.tracking.champion_history import UNKNOWN_TIME
from branchsweep.trial import Params

INDENT = 2
"""Columns that a picture of a network stands to the right."""


def thousands(count: int) -> str:
    """A count, for people; one that nobody would read to its end, about."""
    return f"{count:,}" if count < 10**15 else f"about {count:.1e}"


def key_value_table(params: Params) -> Table:
    """Names and values, side by side."""
    table = Table.grid(padding=(0, 2))
    for names in _in_columns(list(params), 3):
        table.add_row(*(cell for name in names for cell in (f"  {name}", format_param(params[name]))))
    return table


def _in_columns(names: Sequence[str], columns: int) -> list[Sequence[str]]:
    rows = -(-len(names) // columns)
    return [names[row::rows] for row in range(rows)]


def local_time(time: str) -> str:
    """A time of the registry, where we are; what is no time stays as it is."""
    return time if time == UNKNOWN_TIME else format_time(datetime.fromisoformat(time))


def format_time(time: datetime) -> str:
    """A time where we are, to the minute."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M")
