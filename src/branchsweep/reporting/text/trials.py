"""Recorded trials as text: the leaderboard of a sweep, and the details of one trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.text import Text

from branchsweep.config.metric_names import DEFAULT_OBJECTIVE, MEASURED_NETWORK_METRICS, PARAMETERS, common_metric
from branchsweep.errors import escape_controls
from branchsweep.metrics.names import label, other_metrics, score_names
from branchsweep.reporting.formatting import (
    format_metric,
    format_param,
    format_parameters,
    format_score,
    format_score_with_error,
    score_name_legend,
    status_counts,
)
from branchsweep.reporting.text import curves
from branchsweep.reporting.text.layout import INDENT, KeyValueTable
from branchsweep.reporting.text.responsive_table import Items, ResponsiveTable, TableColumn, TableRow
from branchsweep.reporting.text.score_table import Fitting, ScoreRow, ScoreTable
from branchsweep.trial import Result, Score
from branchsweep.workflows.records.trial_filter import SECONDS

if TYPE_CHECKING:
    from branchsweep.workflows.records.leaderboard import Leaderboard
    from branchsweep.workflows.records.trial_details import TrialDetails


def render_leaderboard(board: Leaderboard) -> RenderableType:
    """Render trials of a sweep, in the order of the leaderboard."""
    if not board.recorded:
        return Group(_state(board), Text(f"{board.sweep} has no trials yet."))
    if not board.shown:
        return Text(f"None of the {board.recorded} trials of {board.sweep} matches the filters.")
    every_head = _trials(board, list(score_names(board.score_metrics))[:-1])
    table = Fitting(every_head, _trials(board, None))
    left = board.matching - len(board.shown)
    more = [Text(f"… and {left:,} more (--most)", style="dim")] if left else []
    return Group(_state(board), table, *more, Text(score_name_legend(board.score_metrics), style="dim"))


def _state(board: Leaderboard) -> Text:
    """Whether the sweep runs, was interrupted or has finished, and how many trials it has of each status."""
    style = {"interrupted": "bold yellow", "running": "bold cyan", "failed": "bold red"}.get(board.status, "bold")
    counts = status_counts(board.counts)
    trials = f", {board.recorded:,} trial{'s' * (board.recorded != 1)} ({counts})" if counts else ""
    remedy = "; branchsweep run with its experiment resumes it" if board.status == "interrupted" else ""
    return Text.assemble((board.sweep, "bold"), ": ", (board.status, style), f"{trials}{remedy}")


def _trials(board: Leaderboard, heads: Sequence[str] | None) -> ResponsiveTable:
    """The trials with the scores of these heads, or with the mean and each trial's worst and best head if None."""
    names = score_names(board.score_metrics)
    objective = [] if board.objective.ranking_metric == DEFAULT_OBJECTIVE else [board.objective.ranking_description]
    sorted_by = [board.sort] if board.sort in {SECONDS, *MEASURED_NETWORK_METRICS} else []
    *head_names, mean = names.values()
    by_head = [TableColumn(name, right=True) for name in head_names]
    extremes = [TableColumn("worst head", priority=1, right=True), TableColumn("best head", priority=2, right=True)]
    columns = (
        TableColumn("trial", right=True),
        *([*by_head, TableColumn(mean, right=True)] if heads is not None else [TableColumn(mean, right=True), *extremes]),
        *(TableColumn(name, right=True) for name in (*objective, *sorted_by)),
        TableColumn("epochs", priority=3, right=True),
        TableColumn("params", is_text=True),
    )
    rows = []
    for result in board.shown:
        score, trial = result.score, result.trial
        value = format_score_with_error(score.value, score.value_se) if score.is_complete else score.status.value
        if heads is None:
            cells = [value, *_extreme_heads(score)]
        else:
            cells = [format_score(score.heads[head].score) if head in score.heads else "-" for head in heads] + [value]
        cells += [format_score(board.evaluator.ranked_by(score)) if score.is_complete else "-" for _ in objective]
        cells += [_sort_cell(board, result) for _ in sorted_by]
        cells.append(f"{score.epochs:.0f}")  # the mean over lanes, which early stopping may end apart
        violates = "violates a constraint: " if score.is_complete and not board.evaluator.is_eligible(result) else ""
        name = f"{trial.known}: " if trial.known else ""
        first, *others = [f"{key} {format_param(param)}" for key, param in sorted(trial.params.items())] or [""]
        params = Items([f"{violates}{name}{first}", *others])
        rows.append(TableRow((f"{trial.number}", *cells, score.reason or params)))
    return ResponsiveTable(columns, rows)


def _sort_cell(board: Leaderboard, result: Result) -> str:
    """The seconds of a trial, or the metric of its network, that the leaderboard is sorted by."""
    if board.sort == SECONDS:
        return f"{result.score.seconds:.1f}"
    if board.sort == PARAMETERS:
        return format_parameters(board.parameters[result.number])
    measured = result.score.network.get(board.sort)
    return "-" if measured is None else format_metric(board.sort, measured)


def _extreme_heads(score: Score) -> list[str]:
    """The worst and the best head of a trial, each with its score."""
    ranked = sorted(score.heads, key=lambda head: score.heads[head].score)
    return [f"{head} {format_score(score.heads[head].score)}" for head in (ranked[0], ranked[-1])] if ranked else ["-", "-"]


def render_trial_details(details: TrialDetails) -> RenderableType:
    """Render one trial: its status, hyperparameters, network, scores and learning curves."""
    score, trial = details.result.score, details.result.trial
    networks = f"{score.lanes} network{'s' * (score.lanes != 1)}"
    facts = Text(f"run {details.run_id}; {score.epochs:.0f} epochs, {score.seconds:.1f} s, {networks}", style="dim")
    parts: list[RenderableType] = [_title(details), facts, Text()]
    parts += [Text("chosen by the search", style="bold"), KeyValueTable(dict(sorted(trial.params.items())))]
    if details.fixed:
        parts += [Text("fixed", style="bold"), KeyValueTable(dict(sorted(details.fixed.items())))]
    drawing = "\n".join(f"{'':{INDENT}}{line}".rstrip() for line in details.picture)
    parts += [Text(), Text(drawing, no_wrap=True, style="cyan")]
    if score.heads:
        parts += [Text(), _scores(details, score)]
    plots = [Text("\n".join([head, *curves.braille_plot(points)]), no_wrap=True) for head, points in details.curves.items()]
    if plots:
        title = Text(f"learning curves: validation {_score_label(details)} by epoch", style="bold")
        parts += [Text(), title, Columns(plots, padding=(0, 2))]
    return Group(*parts, Text(), Text(details.replay, style="cyan"))


def _title(details: TrialDetails) -> Text:
    score, trial = details.result.score, details.result.trial
    style = {"COMPLETE": "bold green", "FAILED": "bold red"}.get(score.status.value, "bold yellow")
    status = score.status.value.lower()
    ended = score.reason if score.reason.startswith(status) else f"{status}{', ' * bool(score.reason)}{score.reason}"
    name = f" ({trial.known})" if trial.known else ""
    return Text.assemble((f"{details.sweep}, trial {trial.number}", "bold"), name, ": ", (ended, style))


def _score_label(details: TrialDetails) -> str:
    return label(common_metric(details.score_metrics.values()))


def _scores(details: TrialDetails, score: Score) -> ScoreTable:
    """Metrics by head, and the scores of each lane and at each rung."""
    heads, errors = [*details.heads, "mean"], score.scores_se
    by_head = {head: format_score_with_error(value, errors.get(head)) for head, value in score.scores.items()}
    rows = [ScoreRow(f"  {_score_label(details)}", {"": by_head}, "bold")]
    for metric in other_metrics(details.score_metrics):
        values = {
            head: f"{measured.metrics[metric]:.4g} {escape_controls(details.heads[head])}".strip()
            if metric in measured.metrics
            else "-"
            for head, measured in score.heads.items()
        }
        rows.append(ScoreRow(f"  {label(metric)}", {"": {**values, "mean": ""}}))
    rows += [ScoreRow(f"  {name}", {"": _with_mean(scores)}) for name, scores in details.lanes.items()]
    for epoch, scores in score.rungs.items():
        rows.append(
            ScoreRow(f"  rung at epoch {epoch}", {"": _with_mean(dict(zip(details.heads, scores, strict=True)))}, "dim")
        )
    ranking = {head: score.scores[head] for head in details.heads if head in score.scores}
    return ScoreTable("", rows, heads, [""], ranking)


def _with_mean(scores: Mapping[str, float]) -> dict[str, str]:
    return {head: format_score(score) for head, score in {**scores, "mean": sum(scores.values()) / len(scores)}.items()}
