"""The difference of two trials as text: what differs in rows, what is equal in a line below them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from branchsweep.errors import escape_controls
from branchsweep.reporting.formatting import format_difference, format_p_cell, format_score_with_error, score_name_legend
from branchsweep.reporting.text.responsive_table import ResponsiveTable, TableColumn, TableRow

if TYPE_CHECKING:
    from branchsweep.trial import ParamValue
    from branchsweep.workflows.records.trial_diff import DiffRow, TrialDiff


def render_trial_diff(diff: TrialDiff, *, every: bool = False) -> RenderableType:
    """Render the difference of two trials.

    Args:
        diff: The difference.
        every: Whether equal values are rows, too, after those that differ; else they are a line below the table.
    """
    tables = {title: list(_section(diff, title, rows, every)) for title, rows in diff.sections.items() if rows}
    order = ["trial", "hyperparameters", "scores", "other metrics", "evidence"]
    tables["scores"] = [_scores(diff), *_remarks(diff)]
    parts: list[RenderableType] = []
    for title in order:
        if title in tables:
            parts += [Text(), *tables[title]] if parts else tables[title]
    return Group(*parts)


def diff_cell(value: ParamValue | None) -> str:
    """A value as text; `-` for none."""
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def interval(low: float, high: float) -> str:
    """An interval as text; `-` for none."""
    return "-" if math.isnan(low) else f"{format_difference(low)} to {format_difference(high)}"


def _section(diff: TrialDiff, title: str, rows: Sequence[DiffRow], every: bool) -> list[RenderableType]:
    differing, equal = ([row for row in rows if row.differs is wanted] for wanted in (True, False))
    shown = [*differing, *(equal if every else [])]
    parts: list[RenderableType] = []
    if shown:
        columns = (TableColumn(""), TableColumn(diff.first, is_text=True), TableColumn(diff.second, is_text=True))
        lines = [
            TableRow((f"  {row.name}", diff_cell(row.first), diff_cell(row.second)), "bold" if row.differs else "dim")
            for row in shown
        ]
        parts.append(ResponsiveTable(columns, lines, title))
    else:
        parts.append(Text(f"{title}: all equal", style="bold"))
    if equal and not every:
        listed = ", ".join(f"{row.name} {diff_cell(row.first)}" for row in equal)
        parts.append(Text(escape_controls(f"  equal: {listed}"), style="dim"))
    return parts


def _scores(diff: TrialDiff) -> ResponsiveTable:
    columns = (
        TableColumn(""),
        TableColumn(diff.first, right=True),
        TableColumn(diff.second, right=True),
        TableColumn("difference", right=True),
        *((TableColumn("95% interval", right=True), TableColumn("p", 1, right=True)) if diff.folds else ()),
    )
    rows = []
    for score in diff.scores:
        values = (
            format_score_with_error(score.first, score.first_error),
            format_score_with_error(score.second, score.second_error),
            format_difference(score.difference),
        )
        paired = (interval(score.low, score.high), format_p_cell(score.p)) if diff.folds else ()
        rows.append(TableRow((f"  {score.name}", *values, *paired)))
    return ResponsiveTable(columns, rows, f"validation scores, and {diff.second} minus {diff.first}")


def _remarks(diff: TrialDiff) -> list[Text]:
    paired = f"Paired over {diff.folds} folds (corrected resampled t-test)." if diff.folds else diff.not_paired_because
    sentences = (f"{score_name_legend(diff.score_metrics)}.", paired, *diff.notes)
    return [Text(escape_controls(sentence), style="dim") for sentence in sentences]
