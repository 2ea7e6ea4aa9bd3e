"""The result of a comparison as text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from branchsweep.data.dataset import is_synthetic
from branchsweep.metrics.comparison_conclusions import quick_sentence
from branchsweep.metrics.names import label
from branchsweep.reporting.comparison.table import (
    ComparisonRow,
    ScoreCell,
    comparison_rows,
    half_count,
    scored_heads,
    verdict_text,
)
from branchsweep.reporting.formatting import (
    SYNTHETIC_DATA_WARNING,
    VERDICT_MARKS,
    format_alpha,
    format_difference,
    format_milliseconds,
    format_p_cell,
    format_parameters,
    format_seconds,
    head_label,
    verdict_legend,
)
from branchsweep.reporting.paired_test_rows import PAIRED_TESTS_OF_HALVES
from branchsweep.reporting.text.paired_tests import render_paired_tests
from branchsweep.reporting.text.responsive_table import ResponsiveTable, TableColumn, TableRow

if TYPE_CHECKING:
    from branchsweep.metrics.comparison_result import ComparisonResult, ContestantResult

COSTS = ("parameters", "training", "latency")
"""The columns of what a contestant costs."""

VERDICT_STYLES = {"gains": "bold green", "loses": "bold red"}
"""Styles of significant differences."""


def render_comparison(result: ComparisonResult) -> RenderableType:
    """Render the conclusions, the scores and costs of all contestants, and the gain by sharing layers."""
    parts: list[RenderableType] = [Text()]
    if is_synthetic(result.data["source"]):
        parts.append(Text(SYNTHETIC_DATA_WARNING, style="bold yellow"))
    parts += [Text(sentence, style="" if index else "bold green") for index, sentence in enumerate(result.conclusions)]
    if result.cuts:
        parts.append(Text(quick_sentence(result.cuts), style="bold yellow"))
    rows = comparison_rows(result)
    parts += [Text(), _Contestants(result, rows, scored_heads(result)), Text(), Text(_legend(result), style="dim")]
    for row in rows:
        if row.contestant.failure:
            parts.append(Text(f"{row.contestant.name} failed: {row.contestant.failure}", style="bold red"))
    if result.transfer:
        parts += [Text(), _transfer(result)]
    if result.transfer_tests:
        first = result.transfer[0]
        tests = render_paired_tests(result.transfer_tests, first.reference, first.contestant)
        parts += [Text(), tests, Text(PAIRED_TESTS_OF_HALVES, style="dim")]
    parts += [Text(f"warning: {sentence}", style="yellow") for sentence in result.warnings]
    return Group(*parts)


@dataclass(frozen=True, slots=True)
class _Contestants:
    """Two lines per contestant: its scores, and below them the differences to the reference; then what it costs.

    As many heads stand beside each other as fit into the terminal; the costs have a table of their own where they do not fit
    beside all heads.
    """

    result: ComparisonResult
    rows: Sequence[ComparisonRow]
    heads: Sequence[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        if self._table(self.heads, with_costs=True).fits(width):
            yield self._table(self.heads, with_costs=True)
            return
        rest = self.heads
        while rest:
            count = next((count for count in range(len(rest), 1, -1) if self._table(rest[:count]).fits(width)), 1)
            yield self._table(rest[:count])
            yield Text()
            rest = rest[count:]
        yield self._table((), with_costs=True)

    def _table(self, heads: Sequence[str], *, with_costs: bool = False) -> ResponsiveTable:
        result = self.result
        scores = f"{label(result.metric)} on {half_count(result)} halves, and the difference to {result.reference}"
        names = (*heads, *(COSTS if with_costs else ()))
        rows = [
            TableRow(
                (
                    row.contestant.name,
                    *(_cell(row, row.cells.get(head)) for head in heads),
                    *(_costs(row.contestant) if with_costs else ()),
                ),
                "bold" if row.is_reference else "red" if row.contestant.failure else "",
            )
            for row in self.rows
        ]
        columns = (TableColumn(""), *(TableColumn(name, right=True) for name in names))
        return ResponsiveTable(columns, rows, scores if heads else "costs")


def _cell(row: ComparisonRow, cell: ScoreCell | None) -> Text:
    if cell is None:
        return Text("failed")
    if cell.difference is None:
        return Text("\n".join([*cell.lines, "reference" if row.is_reference else ""]))
    difference = f"{VERDICT_MARKS[cell.verdict]} {format_difference(cell.difference.difference)}"
    return Text.assemble("\n".join(cell.lines), "\n", (difference, VERDICT_STYLES.get(cell.verdict, "")))


def _costs(contestant: ContestantResult) -> tuple[str, str, str]:
    if contestant.failure:
        return "-", "-", "-"
    cost = contestant.cost
    return format_parameters(cost.parameters), format_seconds(cost.training_seconds), format_milliseconds(cost.latency)


def _legend(result: ComparisonResult) -> str:
    return (
        f"{verdict_legend(result.alpha, result.equivalence_margin)}\n"
        "± standard error over the halves; training on one half; latency per 1,000 rows"
    )


def _transfer(result: ComparisonResult) -> RenderableType:
    """The gain of each head by sharing layers with the others."""
    first = result.transfer[0]
    columns = (
        TableColumn(""),
        TableColumn(f"gain in {label(result.metric)}", right=True),
        TableColumn(f"{format_alpha(result.alpha)} interval", right=True),
        TableColumn("adjusted p", priority=1, right=True),
        TableColumn("verdict", is_text=True),
    )
    rows = [
        TableRow(
            (
                f"  {head_label(gain.head)}",
                format_difference(gain.difference),
                f"{format_difference(gain.low)} to {format_difference(gain.high)}",
                format_p_cell(gain.p_adjusted),
                Text(
                    f"{VERDICT_MARKS[gain.verdict]} {verdict_text(gain, result.equivalence_margin)}",
                    style=VERDICT_STYLES.get(gain.verdict, ""),
                ),
            )
        )
        for gain in result.transfer
    ]
    return ResponsiveTable(columns, rows, f"gain by sharing layers: {first.contestant} minus {first.reference}")
