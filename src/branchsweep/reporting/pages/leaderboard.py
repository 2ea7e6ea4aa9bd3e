"""The leaderboard on the page of a sweep: its best trials with their scores and hyperparameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from branchsweep.config.metric_names import ObjectiveMetric
from branchsweep.reporting.figures.axis_scales import format_value
from branchsweep.reporting.figures.search import ranking_label_of
from branchsweep.reporting.figures.trials import score_label
from branchsweep.reporting.formatting import format_score
from branchsweep.tracking.ui_pages import link
from branchsweep.trial import Result
from branchsweep.workflows.sweep_report import SweepReport

LEADERBOARD_ROWS = 10
"""Trials on the page's leaderboard."""


@dataclass(frozen=True, slots=True)
class LeaderboardRow:
    """A trial on the leaderboard.

    Args:
        number: Of the trial.
        page: Address of its run; empty where it has none.
        is_marked: Whether it is the finalist, or before the end the best trial so far.
        scores: The objective, then the scores by head, formatted.
        params: Its hyperparameters, after the reason why it is not complete, where it is not.
    """

    number: int
    page: str
    is_marked: bool
    scores: list[str]
    params: str


def leading_trials(report: SweepReport) -> list[Result]:
    """The complete trials, best first, as many as the page shows; where none is complete, the first of the others."""
    ranked = report.ranked
    return [result for result in ranked if result.score.is_complete][:LEADERBOARD_ROWS] or ranked[:LEADERBOARD_ROWS]


def leading_sentence(report: SweepReport, leading: Sequence[Result]) -> str:
    """What the leaderboard shows, and in which order.

    Args:
        report: The sweep.
        leading: As of `leading_trials`.
    """
    if not any(result.score.is_complete for result in leading):
        return "No trial is complete."
    constraints = ", those that meet the constraints first" if report.experiment.objective.constraints else ""
    return (
        f"The best {len(leading)} of {report.summary.trials.get('complete', 0):,} complete trials, ordered by the objective, "
        f"{ranking_label_of(report)}{constraints}. Pruned trials are not ranked: their scores are of fewer epochs."
    )


def leaderboard_columns(report: SweepReport) -> list[str]:
    """The columns of scores: the objective, by which trials are ordered, and the heads that it does not name already."""
    return [f"{ranking_label_of(report)} (objective)", *(f"{score_label(report)} {head}" for head in _other_heads(report))]


def _other_heads(report: SweepReport) -> list[str]:
    """The heads whose scores are not the objective itself."""
    heads, objective = list(report.experiment.heads), ObjectiveMetric.parsed(report.experiment.objective.ranking_metric)
    by_score = report.experiment.score_metrics.get(objective.head) == objective.metric
    shown = heads[0] if len(heads) == 1 and not objective.head else objective.head if by_score else ""
    return [head for head in heads if head != shown]


def leaderboard_row(report: SweepReport, result: Result) -> LeaderboardRow:
    """A trial as a row of the leaderboard."""
    evaluator, score, trial = report.evaluator, result.score, result.trial
    objective = format_score(evaluator.ranked_by(score) if score.heads else None)
    params = ", ".join(f"{name} {format_value(value)}" for name, value in sorted(trial.params.items()))
    violates = "violates a constraint: " if score.is_complete and not evaluator.is_eligible(result) else ""
    return LeaderboardRow(
        number=trial.number,
        page=page_address(report, report.links.trials.get(trial.number, "")),
        is_marked=report.marked is not None and trial.number == report.marked.trial,
        scores=[objective, *(format_score(score.by_head.get(head)) for head in _other_heads(report))],
        params=(f"{trial.known}: " if trial.known else "") + violates + (f"{score.reason}; " if score.reason else "") + params,
    )


def page_address(report: SweepReport, page: str) -> str:
    """The full address of a page of the store; empty where there is none."""
    return link(report.links.server, page) if page and report.links.server else ""
