"""Registered models as text."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from branchsweep.reporting.formatting import (
    format_score,
)
from branchsweep.reporting.text.layout import local_time
from branchsweep.tracking.champion_history import CHAMPION, ChampionHistory, RollbackResult


def render_champion_history(told: ChampionHistory) -> RenderableType:
    """What the registry knows of a model: its versions, the newest first, and who reigned, in order."""
    figures = list(dict.fromkeys(name for one in told.versions for name in one.test if name.startswith("test_r2/")))
    versions = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("version", "title", "registered", "sweep", "trial", "validation", *figures, "because"):
        versions.add_column(column, justify="left" if column in {"title", "registered", "sweep", "because"} else "right")
    for one in told.versions:
        tests = [format_score(one.test.get(figure)) for figure in figures]
        cells = [
            f"{one.version}",
            ", ".join(one.titles),
            local_time(one.registered),
            one.sweep[:8],
            f"{one.trial}" if one.sweep else "",
        ]
        style = "bold green" if CHAMPION in one.titles else ""
        versions.add_row(*cells, format_score(one.value), *tests, one.because, style=style)
    reigns = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title="champions", title_justify="left", title_style="bold")
    for column in ("version", "since", "until", "because"):
        reigns.add_column(column, justify="right" if column == "version" else "left")
    for reign in told.reigns:
        lasts = reign.until is None
        until = "now" if reign.until is None else local_time(reign.until)
        reigns.add_row(f"{reign.version}", local_time(reign.since), until, reign.because, style="bold green" if lasts else "")
    return Group(Text(told.model, style="bold"), versions, Text(), reigns if told.reigns else Text("nobody was ever crowned"))


def render_rollback_result(done: RollbackResult) -> RenderableType:
    """What a rollback did."""
    further = "" if done.previous is None else f"; one more rollback brings back version {done.previous}"
    return Text(
        f"{done.model}: version {done.restored} is the champion again, and version {done.deposed} the challenger{further}."
    )
