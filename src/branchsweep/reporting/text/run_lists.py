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
from branchsweep.reporting.text.responsive_table import ResponsiveTable, TableColumn, TableRow

if TYPE_CHECKING:
    from branchsweep.tracking.run_records import ListedComparison, ListedSweep


def render_run_lists(sweeps: Sequence[ListedSweep], comparisons: Sequence[ListedComparison]) -> RenderableType:
    """Render the sweeps and the comparisons of a store, in the given order."""
    return Group(_sweeps(sweeps), Text(), _comparisons(comparisons)) if comparisons else _sweeps(sweeps)


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
        best = "  ".join(f"{head} {sweep.best[head]:.4f}" for head in mean_first)
        trials = Text((status_counts(sweep.trials) or "none yet").replace(", ", "\n"))
        name = _with_source(sweep.name, sweep.data)
        rows.append(TableRow((sweep.run_id[:8], name, format_time(sweep.started), sweep.status.lower(), trials, best)))
    table = ResponsiveTable(columns, rows)
    problems = [Text(sweep.problem, style="yellow") for sweep in sweeps if sweep.problem]
    return Group(table, Text(), *problems) if problems else table


def _comparisons(comparisons: Sequence[ListedComparison]) -> RenderableType:
    columns = (
        TableColumn("run", priority=2),
        TableColumn("comparison"),
        TableColumn("started", priority=1),
        TableColumn("status"),
        TableColumn("answer", is_text=True),
    )
    rows = []
    for comparison in comparisons:
        name, answer = _with_source(comparison.name, comparison.data), " ".join(comparison.answer[:1])
        rows.append(TableRow((comparison.run_id[:8], name, format_time(comparison.started), comparison.status.lower(), answer)))
    return ResponsiveTable(columns, rows)


def _with_source(name: str, source: str) -> str:
    """The name of a run, with a remark if it used the synthetic table."""
    return f"{name} (synthetic data)" if is_synthetic(source) else name
