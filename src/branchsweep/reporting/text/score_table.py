"""Tables of scores by head that fit the terminal: with many heads a row is a head, else a column is one.

A table of models has a column per head and kind of score (confirmed, test). Where it is wider than the terminal, long names of
models take several lines, then there is a table per kind. Where that does not suffice, or there are more heads than models, the
table is turned: a row per head, a column per model, and a table per kind. With more than `MOST_HEADS` heads the worst and the
best ones come first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from branchsweep.errors import escape_controls
from branchsweep.reporting.text.layout import plain_table
from branchsweep.reporting.text.responsive_table import ResponsiveTable

MOST_HEADS = 12
"""Heads that a turned table lists in their order; of more, the worst and the best come first."""

NAME_WIDTH = 24
"""Characters of a line of a model's name, at least, where it takes several."""

UNLIMITED = 10_000
"""A terminal as wide as any table, by which the width that a table needs is measured."""

EXTREMES = 4
"""How many of the worst heads, and of the best, come first."""

OTHERS = "other heads"
"""The title of the section of all others."""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """What a table shows of one model.

    Args:
        name: The model.
        cells: By kind of score, then by head: the score as text.
        style: Of Rich.
    """

    name: str
    cells: Mapping[str, Mapping[str, str]]
    style: str = ""


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """A table of the scores of models by head, which Rich renders as wide as the terminal allows.

    Args:
        title: Above the table.
        rows: The models.
        heads: In their order.
        kinds: The kinds of scores, as `rows` have them; "" for the only one.
        ranking: The score of each head by which the worst and the best are found; NaN for one without.
    """

    title: str
    rows: Sequence[ScoreRow]
    heads: Sequence[str]
    kinds: Sequence[str]
    ranking: Mapping[str, float]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Tables with a row per model if they fit, else turned and, if they still do not fit, cut between their columns."""
        by_model = [[table] for table in self._by_model_tables(console, options)]
        for index, tables in enumerate(by_model or [self._turned(kind, console, options) for kind in self.kinds]):
            if index:
                yield Text()
            yield from tables

    def _by_model_tables(self, console: Console, options: ConsoleOptions) -> Sequence[Table]:
        """The table of all kinds, or one for each; none where they do not fit."""
        whole = [self._by_model(self.title, self.kinds)]
        if _needed(whole[0], console, options).maximum <= options.max_width:
            return whole
        if len(self.rows) < len(self.heads):
            return []
        forms = (whole, [self._by_model(self._titled(kind), [kind]) for kind in self.kinds])

        def fit(tables: Sequence[Table]) -> bool:
            return all(_needed(table, console, options).minimum <= options.max_width for table in tables)

        return next(filter(fit, forms), [])

    def _titled(self, kind: str) -> str:
        return f"{self.title}, {kind}" if kind else self.title

    def _by_model(self, title: str, kinds: Sequence[str]) -> Table:
        """A table with a row per model, whose name takes several lines where the terminal is narrow."""
        table = plain_table(title or None)
        names = [Text(escape_controls(row.name)) for row in self.rows]
        table.add_column("", min_width=min(NAME_WIDTH, max((name.cell_len for name in names), default=0)))
        columns = {
            f"{head} {kind if len(kinds) > 1 else ''}".strip(): [row.cells[kind].get(head, "-") for row in self.rows]
            for kind in kinds
            for head in self.heads
        }
        for header, cells in columns.items():
            widest = max(cell_len(line) for cell in (header, *cells) for line in cell.splitlines() or [""])
            table.add_column(header, justify="right", no_wrap=True, min_width=widest)
        for row, name, *cells in zip(self.rows, names, *columns.values(), strict=True):
            table.add_row(name, *cells, style=row.style)
        return table

    def _turned(self, kind: str, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        """Tables with a row per head, each with as many models as fit."""
        rest = list(self.rows)
        title = self._titled(kind)
        while rest:
            count = len(rest)
            while count > 1 and _needed(self._by_head(title, kind, rest[:count]), console, options).maximum > options.max_width:
                count -= 1
            yield _with_fitting_headers(self._by_head(title, kind, rest[:count]), console, options)
            title, rest = "", rest[count:]

    def _by_head(self, title: str, kind: str, rows: Sequence[ScoreRow]) -> Table:
        table = plain_table(title or None)
        sections = heads_by_rank(self.heads, self.ranking)
        names = [*sections, *(head for heads in sections.values() for head in heads)]
        table.add_column("head", no_wrap=True, min_width=max(map(cell_len, names)))
        for row in rows:
            lines = [line for cell in row.cells[kind].values() for line in cell.splitlines()]
            table.add_column(Text(escape_controls(row.name)), justify="right", min_width=max(map(len, lines), default=1))
        for section, heads in sections.items():
            if section:
                table.add_row(Text(section, style="dim"))
            for head in heads:
                table.add_row(head, *(Text(row.cells[kind].get(head, "-"), style=row.style) for row in rows))
        return table


@dataclass(frozen=True, slots=True)
class Fitting:
    """A table where the terminal is wide enough for all of it, else something narrower.

    Args:
        table: The preferred one.
        narrow: Rendered where `table` does not fit.
    """

    table: Table | ResponsiveTable
    narrow: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """One of the two."""
        if isinstance(self.table, ResponsiveTable):
            fits = self.table.fits(options.max_width)
        else:
            fits = _needed(self.table, console, options).maximum <= options.max_width
        yield self.table if fits else self.narrow


def heads_by_rank(heads: Sequence[str], ranking: Mapping[str, float]) -> dict[str, Sequence[str]]:
    """The heads in the order in which a table lists them, by the title of each section; "" for the only one.

    Args:
        heads: In their order.
        ranking: The score of each head; heads without one, or with NaN, are among the others.
    """
    ranked = sorted((head for head in heads if not math.isnan(ranking.get(head, math.nan))), key=lambda head: ranking[head])
    if len(heads) <= MOST_HEADS or len(ranked) <= 2 * EXTREMES:
        return {"": heads}
    worst, best = ranked[:EXTREMES], ranked[-EXTREMES:][::-1]
    others = [head for head in heads if head not in {*worst, *best}]
    return {"worst heads": worst, "best heads": best, OTHERS: others}


def _with_fitting_headers(table: Table, console: Console, options: ConsoleOptions) -> Table:
    """The table with headers over as many lines as its width demands: Rich would take the width from the cells as well."""
    needed = _needed(table, console, options)
    spare = options.max_width - needed.minimum
    if needed.maximum > options.max_width:
        for column in table.columns[1:]:
            header = Measurement.get(console, options.update(max_width=UNLIMITED), column.header)
            least = max(column.min_width or 0, header.minimum)
            wider = max(0, min(spare, header.maximum - least))
            column.width, spare = least + wider, spare - wider
    return table


def _needed(table: Table, console: Console, options: ConsoleOptions) -> Measurement:
    """The width that a table needs: `minimum` with headers over several lines, `maximum` on one line."""
    return Measurement.get(console, options.update(max_width=UNLIMITED), table)
