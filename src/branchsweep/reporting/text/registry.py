"""Registered models as text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from branchsweep.metrics.names import is_test_score
from branchsweep.reporting.formatting import format_score, tested_name_legend
from branchsweep.reporting.text.layout import BEST_STYLE, local_time
from branchsweep.reporting.text.responsive_table import ResponsiveTable, TableColumn, TableRow
from branchsweep.tracking.champion_history import CHAMPION, ChampionHistory, ChampionTenure, RegisteredVersion, RollbackResult


def render_champion_history(history: ChampionHistory) -> RenderableType:
    """Render the versions of a registered model, newest first, and the tenures of its champions, oldest first."""
    metrics = list(dict.fromkeys(name for version in history.versions for name in version.test if is_test_score(name)))
    champions = _tenures_table(history) if history.tenures else Text("no version has been champion")
    legend = [Text(tested_name_legend(metrics[0]), style="dim")] if metrics else []
    problem = [Text(), Text(history.problem, style="yellow")] if history.problem else []
    return Group(Text(history.model, style="bold"), _versions_table(history, metrics), *legend, Text(), champions, *problem)


def _versions_table(history: ChampionHistory, metrics: Sequence[str]) -> ResponsiveTable:
    columns = (
        TableColumn("version", right=True),
        TableColumn("alias"),
        TableColumn("registered", priority=2),
        TableColumn("sweep", priority=3),
        TableColumn("trial", priority=3, right=True),
        TableColumn("validation", priority=1, right=True),
        *(TableColumn(metric, right=True) for metric in metrics),
        TableColumn("because", is_text=True),
    )

    def cells(version: RegisteredVersion) -> tuple[str, ...]:
        return (
            f"{version.version}",
            ", ".join(version.aliases),
            local_time(version.registered),
            version.sweep[:8],
            f"{version.trial}" if version.sweep else "",
            format_score(version.value),
            *(format_score(version.test.get(metric)) for metric in metrics),
            version.because,
        )

    return ResponsiveTable(
        columns,
        [TableRow(cells(version), BEST_STYLE if CHAMPION in version.aliases else "") for version in history.versions],
    )


def _tenures_table(history: ChampionHistory) -> ResponsiveTable:
    columns = (
        TableColumn("version", right=True),
        TableColumn("since"),
        TableColumn("until"),
        TableColumn("because", is_text=True),
    )

    def cells(tenure: ChampionTenure) -> tuple[str, ...]:
        until = "now" if tenure.until is None else local_time(tenure.until)
        return f"{tenure.version}", local_time(tenure.since), until, tenure.because

    rows = [TableRow(cells(tenure), BEST_STYLE if tenure.until is None else "") for tenure in history.tenures]
    return ResponsiveTable(columns, rows, "champions")


def render_rollback_result(result: RollbackResult) -> RenderableType:
    """Render the outcome of a rollback."""
    champion, challenger = f"version {result.restored} is the champion again", f"version {result.replaced} the challenger"
    further = "" if result.previous is None else f"; another rollback restores version {result.previous}"
    return Text(f"{result.model}: {champion}, and {challenger}{further}.")
