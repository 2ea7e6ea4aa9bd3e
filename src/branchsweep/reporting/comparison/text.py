"""The result of a comparison as text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

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
    format_p_value,
    format_parameters,
    format_seconds,
    head_label,
    verdict_legend,
)
from branchsweep.reporting.text.layout import plain_table

if TYPE_CHECKING:
    from branchsweep.metrics.comparison_result import ComparisonResult, ContestantResult

SCORE_COLUMNS = 4
"""Columns of scores that fit into a terminal of a hundred columns; with one less, the costs fit too."""

VERDICT_STYLES = {"gains": "bold green", "loses": "bold red"}
"""Styles of significant differences."""


def render_comparison(result: ComparisonResult) -> RenderableType:
    """Render the conclusions, the scores and costs of all contestants, and the gain by sharing layers."""
    parts: list[RenderableType] = [Text()]
    if result.data["source"] == "stand-in":
        parts.append(Text(SYNTHETIC_DATA_WARNING, style="bold yellow"))
    parts += [Text(sentence, style="" if index else "bold green") for index, sentence in enumerate(result.conclusions)]
    if result.cuts:
        parts.append(Text(quick_sentence(result.cuts), style="bold yellow"))
    rows, heads = comparison_rows(result), scored_heads(result)
    with_costs = len(heads) < SCORE_COLUMNS
    for first in range(0, len(heads), SCORE_COLUMNS):
        parts += [Text(), _contestants(result, rows, heads[first : first + SCORE_COLUMNS], with_costs)]
    if not with_costs:
        parts += [Text(), _contestants(result, rows, (), with_costs=True)]
    parts += [Text(), Text(_legend(result), style="dim")]
    for row in rows:
        if row.contestant.failure:
            parts.append(Text(f"{row.contestant.name} failed: {row.contestant.failure}", style="bold red"))
    if result.transfer:
        parts += [Text(), _transfer(result)]
    parts += [Text(f"warning: {sentence}", style="yellow") for sentence in result.warnings]
    return Group(*parts)


def _contestants(result: ComparisonResult, rows: Sequence[ComparisonRow], heads: Sequence[str], with_costs: bool) -> Table:
    """Two lines per contestant: its scores, and below them the differences to the reference."""
    scores = f"{label(result.metric)} on {half_count(result)} halves, and the difference to {result.reference}"
    table = plain_table(scores if heads else "costs")
    table.add_column("", min_width=12, overflow="fold")
    for name in (*heads, *(("parameters", "training", "latency") if with_costs else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        cells = [_cell(row, row.cells.get(head)) for head in heads]
        style = "bold" if row.is_reference else "red" if row.contestant.failure else ""
        table.add_row(Text(row.contestant.name), *cells, *(_costs(row.contestant) if with_costs else ()), style=style)
    return table


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
    table = plain_table(f"gain by sharing layers: {first.contestant} minus {first.reference}")
    for column in ("", label(result.metric), f"{format_alpha(result.alpha)} interval", "p, adjusted", "sharing"):
        table.add_column(column, justify="left" if column in {"", "sharing"} else "right", no_wrap=column != "sharing")
    for gain in result.transfer:
        table.add_row(
            f"  {head_label(gain.head)}",
            format_difference(gain.difference),
            f"{format_difference(gain.low)} to {format_difference(gain.high)}",
            format_p_value(gain.p_adjusted),
            Text(
                f"{VERDICT_MARKS[gain.verdict]} {verdict_text(gain, result.equivalence_margin)}",
                style=VERDICT_STYLES.get(gain.verdict, ""),
            ),
        )
    return table
