"""The lists of recorded sweeps and comparisons as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from branchsweep.config.metric_names import MEAN
from branchsweep.data.dataset import is_synthetic
from branchsweep.reporting.formatting import status_counts
from branchsweep.reporting.text.layout import format_time
from branchsweep.reporting.text.responsive_table import Items, ResponsiveTable, TableColumn, TableRow

if TYPE_CHECKING:
    from branchsweep.tracking.run_records import ListedComparison, ListedCrossValidation, ListedSweep


def render_run_lists(
    sweeps: Sequence[ListedSweep],
    comparisons: Sequence[ListedComparison],
    cross_validations: Sequence[ListedCrossValidation] = (),
) -> RenderableType:
    """Render the sweeps, the comparisons and the outer cross-validations of a store, in the given order."""
    parts: list[RenderableType] = [_sweeps(sweeps)]
    if comparisons:
        parts += [Text(), _with_answers("comparison", comparisons)]
    if cross_validations:
        parts += [Text(), _with_answers("outer cross-validation", cross_validations)]
    return Group(*parts)


def _sweeps(sweeps: Sequence[ListedSweep]) -> RenderableType:
    if not sweeps:
        return Text("There are no sweeps yet. Start one with: branchsweep run experiments/branched.yaml")
    columns = (
        TableColumn("run", priority=3),
        TableColumn("sweep"),
        TableColumn("started", priority=2),
        TableColumn("status"),
        TableColumn("trials", priority=1),
        TableColumn("best scores", is_text=True),
    )
    rows = []
    for sweep in sweeps:
        mean_first = sorted(sweep.best, key=lambda head: head != MEAN)
        best = Items([f"{head} {sweep.best[head]:.4f}" for head in mean_first], "  ")
        trials = Text((status_counts(sweep.trials) or "none yet").replace(", ", "\n"))
        name = _with_source(sweep.name, sweep.data)
        rows.append(TableRow((sweep.run_id[:8], name, format_time(sweep.started), sweep.status.lower(), trials, best)))
    table = ResponsiveTable(columns, rows)
    problems = [Text(sweep.problem, style="yellow") for sweep in sweeps if sweep.problem]
    return Group(table, Text(), *problems) if problems else table


def _with_answers(what: str, runs: Sequence[ListedComparison] | Sequence[ListedCrossValidation]) -> RenderableType:
    """Runs whose result is a sentence."""
    columns = (
        TableColumn("run", priority=2),
        TableColumn(what),
        TableColumn("started", priority=1),
        TableColumn("status"),
        TableColumn("answer", is_text=True),
    )
    rows = []
    for run in runs:
        answer = run.answer if isinstance(run.answer, str) else " ".join(run.answer[:1])
        name = _with_source(run.name, run.data)
        rows.append(TableRow((run.run_id[:8], name, format_time(run.started), run.status.lower(), answer)))
    return ResponsiveTable(columns, rows)


def _with_source(name: str, source: str) -> str:
    """The name of a run, with a remark if it used the synthetic table."""
    return f"{name} (synthetic data)" if is_synthetic(source) else name
