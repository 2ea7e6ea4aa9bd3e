"""Registered models as text."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from branchsweep.metrics.names import is_test_score
from branchsweep.reporting.formatting import (
    format_score,
)
from branchsweep.reporting.text.layout import local_time
from branchsweep.tracking.champion_history import CHAMPION, ChampionHistory, RollbackResult


def render_champion_history(history: ChampionHistory) -> RenderableType:
    """Render the versions of a registered model, newest first, and the tenures of its champions, oldest first."""
    metrics = list(dict.fromkeys(name for version in history.versions for name in version.test if is_test_score(name)))
    versions = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("version", "alias", "registered", "sweep", "trial", "validation", *metrics, "because"):
        versions.add_column(column, justify="left" if column in {"alias", "registered", "sweep", "because"} else "right")
    for version in history.versions:
        tests = [format_score(version.test.get(metric)) for metric in metrics]
        cells = [
            f"{version.version}",
            ", ".join(version.aliases),
            local_time(version.registered),
            version.sweep[:8],
            f"{version.trial}" if version.sweep else "",
        ]
        style = "bold green" if CHAMPION in version.aliases else ""
        versions.add_row(*cells, format_score(version.value), *tests, version.because, style=style)
    tenures = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title="champions", title_justify="left", title_style="bold")
    for column in ("version", "since", "until", "because"):
        tenures.add_column(column, justify="right" if column == "version" else "left")
    for tenure in history.tenures:
        style = "bold green" if tenure.until is None else ""
        until = "now" if tenure.until is None else local_time(tenure.until)
        tenures.add_row(f"{tenure.version}", local_time(tenure.since), until, tenure.because, style=style)
    champions = tenures if history.tenures else Text("no version has been champion")
    problem = [Text(), Text(history.problem, style="yellow")] if history.problem else []
    return Group(Text(history.model, style="bold"), versions, Text(), champions, *problem)


def render_rollback_result(result: RollbackResult) -> RenderableType:
    """Render the outcome of a rollback."""
    champion, challenger = f"version {result.restored} is the champion again", f"version {result.replaced} the challenger"
    further = "" if result.previous is None else f"; another rollback restores version {result.previous}"
    return Text(f"{result.model}: {champion}, and {challenger}{further}.")
