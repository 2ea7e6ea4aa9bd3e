"""The result of a comparison as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from branchsweep.reporting.comparison.table import (
    ComparisonRow,
    MetricCell,
    comparison_metrics,
    comparison_rows,
    difference_verdict,
    halves,
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
    metric_label,
)
from branchsweep.reporting.text.layout import plain_table

if TYPE_CHECKING:
    from branchsweep.metrics.comparison_result import ComparisonResult, ContestantResult

MOST_FIGURES = 4
"""Columns of scores that fit into a terminal of a hundred columns; with one less, the costs fit too."""


def render_comparison(found: ComparisonResult) -> RenderableType:
    """The end of a comparison: its answer, then where everyone stands, then what sharing gains."""
    parts: list[RenderableType] = [Text()]
    if found.data["source"] == "stand-in":
        parts.append(Text(SYNTHETIC_DATA_WARNING, style="bold yellow"))
    parts += [Text(sentence, style="" if place else "bold green") for place, sentence in enumerate(found.conclusions)]
    rows, shown = comparison_rows(found), comparison_metrics(found)
    with_costs = len(shown) < MOST_FIGURES
    for first in range(0, len(shown), MOST_FIGURES):
        parts += [Text(), _standings(found, rows, shown[first : first + MOST_FIGURES], with_costs)]
    if not with_costs:
        parts += [Text(), _standings(found, rows, (), with_costs=True)]
    parts += [Text(), Text(_legend(found), style="dim")]
    parts += [Text(f"{row.one.name} failed: {row.one.failure}", style="bold red") for row in rows if row.one.failure]
    if found.transfer:
        parts += [Text(), _transfer(found)]
    parts += [Text(f"warning: {sentence}", style="yellow") for sentence in found.warnings]
    return Group(*parts)


def _standings(found: ComparisonResult, rows: Sequence[ComparisonRow], shown: Sequence[str], with_costs: bool) -> Table:
    """Two lines for each contestant: R², and below it the difference to the reference."""
    title = f"R² on {halves(found)} halves, and the difference to {found.reference}" if shown else "what they take"
    table = plain_table(title)
    table.add_column("", min_width=12, overflow="fold")
    for name in (*shown, *(("parameters", "training", "latency") if with_costs else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        cells = [_placed(row, row.places.get(figure)) for figure in shown]
        style = "bold" if row.is_reference else "red" if row.one.failure else ""
        table.add_row(Text(row.one.name), *cells, *(_costs(row.one) if with_costs else ()), style=style)
    return table


def _placed(row: ComparisonRow, place: MetricCell | None) -> Text:
    if place is None:
        return Text("failed")
    if place.contrast is None:
        return Text(f"{place.score}\n{'reference' if row.is_reference else ''}")
    style = {"better": "bold green", "worse": "bold red"}.get(place.verdict, "")
    return Text.assemble(
        place.score, "\n", (f"{VERDICT_MARKS[place.verdict]} {format_difference(place.contrast.difference)}", style)
    )


def _costs(one: ContestantResult) -> tuple[str, str, str]:
    if one.failure:
        return "-", "-", "-"
    return (
        format_parameters(one.cost.parameters),
        format_seconds(one.cost.training_seconds),
        format_milliseconds(one.cost.latency),
    )


def _legend(found: ComparisonResult) -> str:
    return (
        f"▲ ▼ significantly better or worse (combined 5x2cv F, Holm, alpha {found.alpha:g}), = undecided\n"
        "± standard error over the halves; training on one half; latency per 1,000 rows"
    )


def _transfer(found: ComparisonResult) -> RenderableType:
    """A line per figure: what it gains by sharing."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left", title_style="bold")
    table.title = f"what a head gains by sharing: {found.transfer[0].contestant} less {found.transfer[0].reference}"
    for column in ("", "R²", f"{format_alpha(found.alpha)} interval", "p, adjusted", "sharing"):
        table.add_column(column, justify="left" if column in {"", "sharing"} else "right", no_wrap=True)
    outcomes = {"better": "helps", "worse": "hurts", "undecided": "undecided"}
    for gain in found.transfer:
        words = difference_verdict(gain)
        style = {"better": "bold green", "worse": "bold red"}.get(words, "")
        interval = f"{format_difference(gain.low)} to {format_difference(gain.high)}"
        outcome = Text(f"{VERDICT_MARKS[words]} {outcomes[words]}", style=style)
        table.add_row(
            f"  {metric_label(gain.head)}",
            format_difference(gain.difference),
            interval,
            format_p_value(gain.p_adjusted),
            outcome,
        )
    return table
