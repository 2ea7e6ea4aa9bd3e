"""The result of a replay as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from branchsweep.reporting.formatting import format_score, format_score_with_error
from branchsweep.reporting.text.responsive_table import ResponsiveTable, TableColumn, TableRow

if TYPE_CHECKING:
    from branchsweep.workflows.records.replay_result import ComparedMetric, Replay


def render_replay_result(replay: Replay) -> RenderableType:
    """Render recorded and replayed metrics with their differences, and the circumstances that differ."""
    recorded, replayed = replay.recorded, replay.replayed
    epochs = _difference(abs(replayed.epochs - recorded.epochs))
    rows = [
        ("  status", recorded.status.value, replayed.status.value, ""),
        ("  epochs", f"{recorded.epochs:g}", f"{replayed.epochs:g}", epochs),
    ]
    errors = {metric.head: metric for metric in replay.metrics if metric.is_standard_error}
    rows += [
        _compared(metric, errors.get(metric.head) if metric.epoch is None else None)
        for metric in replay.metrics
        if not metric.is_standard_error
    ]
    rows += [(f"  {fact.label}", *fact.values, "") for fact in replay.facts if fact.decides or not fact.is_as_recorded]
    columns = (
        TableColumn(""),
        TableColumn("recorded", right=True, is_text=True),
        TableColumn("replayed", right=True, is_text=True),
        TableColumn("difference", right=True),
    )
    table = ResponsiveTable(columns, [TableRow(row) for row in rows])
    title = Text(f"{replay.sweep}, trial {replay.trial.number}", style="bold")
    conclusion = Text(replay.sentence, style="bold green" if replay.agrees else "bold red")
    return Group(title, table, Text(), conclusion)


def _compared(metric: ComparedMetric, error: ComparedMetric | None) -> tuple[str, str, str, str]:
    """A row of the table: a metric, recorded and replayed, with its standard error if there is one."""
    name = metric.name if metric.epoch is None else f"{metric.name}, epoch {metric.epoch}"
    if error is None:
        return f"  {name}", format_score(metric.recorded), format_score(metric.replayed), _difference(metric.gap)
    recorded = format_score_with_error(metric.recorded, error.recorded)
    replayed = format_score_with_error(metric.replayed, error.replayed)
    return f"  {name}", recorded, replayed, _difference(max(metric.gap, error.gap))


def _difference(difference: float) -> str:
    return "0" if not difference else f"{difference:.1e}"
