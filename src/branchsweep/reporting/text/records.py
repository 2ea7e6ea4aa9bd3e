"""What the store holds, as text: lists of sweeps, leaderboards, one trial, a replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from branchsweep.config.metric_names import DEFAULT_OBJECTIVE, common_metric
from branchsweep.metrics.names import label, other_metrics, score_names
from branchsweep.reporting.formatting import (
    format_param,
    format_score,
    format_score_with_error,
)
from branchsweep.reporting.text import curves
from branchsweep.reporting.text.layout import INDENT, format_time, key_value_table
from branchsweep.trial import Score

if TYPE_CHECKING:
    from branchsweep.tracking.run_records import ComparisonSummary
    from branchsweep.workflows.leaderboard import Leaderboard, TrialDetails
    from branchsweep.workflows.replay import ComparedMetric, Replay

NO_TRIALS = "This sweep has no trials yet."


class Listed(Protocol):
    """A sweep in a list of sweeps."""

    @property
    def run_id(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def started(self) -> datetime: ...  # noqa: D102
    @property
    def status(self) -> str: ...  # noqa: D102
    @property
    def trials(self) -> Mapping[str, int]: ...  # noqa: D102
    @property
    def best(self) -> Mapping[str, float]: ...  # noqa: D102
    @property
    def data(self) -> str: ...  # noqa: D102


def render_run_lists(sweeps: Sequence[Listed], comparisons: Sequence[ComparisonSummary]) -> RenderableType:
    """The sweeps and the comparisons of a store, in the order given."""
    return Group(_sweeps(sweeps), Text(), _comparisons(comparisons)) if comparisons else _sweeps(sweeps)


def _comparisons(comparisons: Sequence[ComparisonSummary]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("run", "comparison", "started", "status", "answer"):
        table.add_column(column, overflow="fold")
    for one in comparisons:
        name = f"{one.name} (stand-in)" if one.data == "stand-in" else one.name
        table.add_row(
            one.run_id[:8],
            name,
            one.started.astimezone().strftime("%Y-%m-%d %H:%M"),
            one.status.lower(),
            " ".join(one.answer[:1]),
        )
    return table


def _sweeps(listed: Sequence[Listed]) -> RenderableType:
    if not listed:
        return Text("There are no sweeps here yet: branchsweep run experiments/branched.yaml begins one.")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("run", "sweep", "started", "status", "trials", "best R²"):
        table.add_column(column, overflow="fold")
    for one in listed:
        best = "  ".join(f"{head} {score:.4f}" for head, score in one.best.items())
        others = [f"{one.trials[status]} {status}" for status in ("pruned", "failed") if one.trials.get(status)]
        trials = ", ".join([f"{one.trials.get('complete', 0)}", *others])
        name = f"{one.name} (stand-in)" if one.data == "stand-in" else one.name
        table.add_row(one.run_id[:8], name, format_time(one.started), one.status.lower(), trials, best)
    return table


def render_leaderboard(board: Leaderboard) -> RenderableType:
    """Trials of a sweep, in the order that was asked for."""
    if not board.shown:
        return Text(f"None of the {board.recorded} trials of {board.sweep} is as you ask." if board.recorded else NO_TRIALS)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    own = [] if board.objective.ranking_metric == DEFAULT_OBJECTIVE else [board.objective.ranking_description]
    extra = [board.sort] if board.sort in {"seconds", "parameters"} else []
    for column in ("trial", *score_names(board.score_metrics).values(), *own, *extra):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("params")
    for result in board.shown:
        score, trial = result.score, result.trial
        figures = [format_score(score.heads[head].score) if head in score.heads else "-" for head in board.heads]
        mean = format_score_with_error(score.value, score.value_se) if score.is_complete else score.status.value
        said = ", ".join(f"{name} {format_param(param)}" for name, param in sorted(trial.params.items()))
        known = f"{trial.known}: " if trial.known else ""
        ranked = [format_score(board.judged.rank(score)) if score.is_complete else "-" for _ in own]
        more = [f"{score.seconds:.1f}" if name == "seconds" else f"{board.parameters[trial.number]:,}" for name in extra]
        broken = "breaks a constraint: " if score.is_complete and not board.judged.is_eligible(result) else ""
        table.add_row(f"{trial.number}", *figures, mean, *ranked, *more, score.reason or broken + known + said)
    left = board.meeting - len(board.shown)
    return Group(table, Text(f"… and {left:,} more (--most)", style="dim")) if left else table


def render_trial_details(seen: TrialDetails) -> RenderableType:
    """One trial: how it ended, what it was, what it scored, and how it learnt."""
    score, trial = seen.result.score, seen.result.trial
    style = {"COMPLETE": "bold green", "FAILED": "bold red"}.get(score.status.value, "bold yellow")
    status = score.status.value.lower()
    ended = score.reason if score.reason.startswith(status) else f"{status}{', ' * bool(score.reason)}{score.reason}"
    known = f" ({trial.known})" if trial.known else ""
    title = Text.assemble((f"{seen.sweep}, trial {trial.number}", "bold"), known, ": ", (ended, style))
    lanes = f"{score.lanes} lane{'s' * (score.lanes != 1)}"
    facts = Text(f"run {seen.run_id}; {score.epochs:g} epochs, {score.seconds:.1f} s, {lanes}", style="dim")
    parts: list[RenderableType] = [title, facts, Text()]
    parts += [Text("chosen by the search", style="bold"), key_value_table(dict(sorted(trial.params.items())))]
    if seen.fixed:
        parts += [Text("fixed", style="bold"), key_value_table(dict(sorted(seen.fixed.items())))]
    picture = "\n".join(f"{'':{INDENT}}{line}".rstrip() for line in seen.picture)
    parts += [Text(), Text(picture, no_wrap=True, style="cyan")]
    if score.heads:
        parts += [Text(), _scores(seen, score)]
    plots = [Text("\n".join([head, *curves.braille_plot(points)]), no_wrap=True) for head, points in seen.curves.items()]
    if plots:
        parts += [Text(), Text("validation R² while it learnt", style="bold"), Columns(plots, padding=(0, 2))]
    return Group(*parts, Text(), Text(seen.replay, style="cyan"))


def _scores(seen: TrialDetails, score: Score) -> Table:
    """Head by head: the average with its standard error, then lane by lane and rung by rung what is behind it."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for head in (*seen.heads, "mean"):
        table.add_column(head, justify="right", no_wrap=True)
    errors, scores = score.scores_se, score.scores
    cells = (format_score_with_error(value, errors.get(head)) for head, value in scores.items())
    table.add_row(f"  {label(common_metric(seen.score_metrics.values()))}", *cells, style="bold")
    for metric in other_metrics(seen.score_metrics):
        cells = (
            f"{measured.metrics[metric]:.4g} {seen.heads[head]}".strip() if metric in measured.metrics else "-"
            for head, measured in score.heads.items()
        )
        table.add_row(f"  {label(metric)}", *cells, "")
    for name, lane in seen.lanes.items():
        table.add_row(
            f"  {name}", *(format_score(score) for score in lane.values()), format_score(sum(lane.values()) / len(lane))
        )
    for epoch, at_rung in score.rungs.items():
        mean = format_score(sum(at_rung) / len(at_rung))
        table.add_row(f"  rung at epoch {epoch}", *map(format_score, at_rung), mean, style="dim")
    return table


def render_replay_result(said: Replay) -> RenderableType:
    """A trial's record beside what came of training it again: figure by figure, then what else is not as it was."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("", "recorded", "replayed", "difference"):
        table.add_column(column, justify="right" if column else "left", overflow="fold")
    then, now = said.recorded, said.replayed
    table.add_row("  status", then.status.value, now.status.value)
    table.add_row("  epochs", f"{then.epochs:g}", f"{now.epochs:g}", _gap(abs(now.epochs - then.epochs)))
    errors = {metric.head: metric for metric in said.figures if metric.is_standard_error}
    for metric in said.figures:
        if not metric.is_standard_error:
            table.add_row(*_beside(metric, errors.get(metric.head) if metric.epoch is None else None))
    for one in said.circumstances:
        if one.decides or not one.is_as_recorded:
            table.add_row(f"  {one.called}", *one.then_and_now)
    style = "bold green" if said.agrees else "bold red"
    return Group(
        Text(f"{said.sweep}, trial {said.trial.number}", style="bold"), table, Text(), Text(said.sentence, style=style)
    )


def _beside(figure: ComparedMetric, error: ComparedMetric | None) -> tuple[str, str, str, str]:
    """An R² then and now, each with its standard error if it has one, and how far the one or the other is off."""
    called = figure.name if figure.epoch is None else f"{figure.name}, epoch {figure.epoch}"
    if error is None:
        return f"  {called}", format_score(figure.recorded), format_score(figure.replayed), _gap(figure.gap)
    then, now = (
        format_score_with_error(figure.recorded, error.recorded),
        format_score_with_error(figure.replayed, error.replayed),
    )
    return f"  {called}", then, now, _gap(max(figure.gap, error.gap))


def _gap(gap: float) -> str:
    return "0" if not gap else f"{gap:.1e}"


MOST_FIGURES = 4
"""Figures side by side in a terminal of a hundred columns; three, and there is room for what they cost."""
