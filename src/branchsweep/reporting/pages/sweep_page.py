"""The report of a sweep: one HTML page with the headline first, then tables and figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from branchsweep.config.yaml.recorded import dump_yaml
from branchsweep.data.dataset import is_synthetic
from branchsweep.models.drawing import draw_network
from branchsweep.models.recipe import recipe_for
from branchsweep.reporting.figures.axis_scales import axis_position, format_value, ticks
from branchsweep.reporting.figures.trials import SweepFigure, score_label
from branchsweep.reporting.formatting import SYNTHETIC_DATA_WARNING, format_mean_score, format_score, promotion_outcome
from branchsweep.reporting.pages.html import Picture, picture, render_template
from branchsweep.workflows.records.sweep_summary import BaselineResult, BestTrial
from branchsweep.workflows.sweep_report import SweepReport

LEADERBOARD_ROWS = 10
"""Trials on the page's leaderboard."""


def render_sweep_page(report: SweepReport, figures: Sequence[DrawnFigure], has_interactive: bool) -> str:
    """The report as one HTML file that loads nothing.

    Args:
        report: The sweep.
        figures: Its figures, in the order of the page.
        has_interactive: Whether the interactive page is among the files of the sweep.
    """
    result, experiment = report.summary, report.experiment
    return render_template(
        "sweep.html",
        name=result.sweep,
        version=report.environment.get("version", ""),
        trials=f"{len(report.results):,}",
        answer=answer_sentence(report),
        lead=_lead(report),
        question=experiment.question,
        synthetic=_synthetic_data(report),
        facts=_facts(report),
        warnings=[*result.unmet_constraints, *result.collapses],
        heads=list(experiment.heads),
        metric=score_label(report),
        comparison=_comparison(report),
        no_comparison=_no_comparison(report),
        network=_network(report),
        recipe=_recipe(result.best) if result.best else "",
        figures=figures,
        edges=list(result.boundary_warnings),
        no_edges="No value of the best trial is at a movable end of its range." if result.best else "There is no best trial.",
        ranges=_ranges(report),
        leading=_leading(report),
        has_interactive=has_interactive,
        data_sentence=_data_sentence(report),
        data_warnings=[] if _synthetic_data(report) else list(report.table.warnings),
        columns=_columns(report),
        commands=_commands(report),
        yaml=dump_yaml(experiment),
        versions="\n".join(f"{name.removeprefix('version_')} {value}" for name, value in sorted(report.environment.items())),
        foot=f"Run {result.run_id} in MLflow. This file is self-contained: it loads nothing from elsewhere.",
    )


@dataclass(frozen=True, slots=True)
class DrawnFigure:
    """A figure with its text and its picture.

    Args:
        name: Name of its file, without suffix.
        title: The heading.
        caption: How to read the figure; if there is no picture, the reason.
        picture: None where there is nothing to draw, or it cannot be drawn.
    """

    name: str
    title: str
    caption: str
    picture: Picture | None = None

    @classmethod
    def of(cls, figure: SweepFigure, as_file: bool) -> DrawnFigure:
        """Draw the picture of a figure, also as a file if that is wanted."""
        label = f"{figure.title}. {figure.caption}"
        drawn = None if figure.figure is None else picture(figure.figure, label, as_file)
        return cls(figure.name, figure.title, figure.caption, drawn)


def _ranges(report: SweepReport) -> list[tuple[str, str, str, str, float | None]]:
    """For each dimension its name, lowest and highest value, the best trial's value, and its position in pixels, 0 to 200."""
    best, rows = report.summary.best, []
    for name, dimension in report.experiment.space.dimensions.items():
        value = best.params.get(name) if best else None
        position, labels = axis_position(dimension, value), ticks(dimension)
        x = None if math.isnan(position) else 4 + 192 * min(max(position, 0.0), 1.0)
        rows.append((name, labels[0][1], labels[-1][1], "" if value is None else format_value(value), x))
    return rows


def _columns(report: SweepReport) -> list[Mapping[str, str]]:
    return [
        {
            "name": column.name,
            "role": {"input": "input", "head": "predicted"}[column.role],
            "unit": column.unit,
            **{key: f"{getattr(column, key):.5g}" for key in ("low", "mean", "high", "sd")},
        }
        for column in report.table.columns
    ]


def answer_sentence(report: SweepReport) -> str:
    """The result of the sweep in one sentence: the headline of the page."""
    result, heads = report.summary, list(report.experiment.heads)
    if result.best is None:
        return f"{result.without_best}."
    model = f"the mean of {result.members} networks" if result.members > 1 else "the best network"
    model = f"On synthetic data, {model}" if _synthetic_data(report) else f"T{model[1:]}"
    metric = score_label(report)
    if result.test_scores:
        baselines = [
            f"{baseline.name} {_joined([number3(baseline.test_scores[head]) for head in heads])}"
            for baseline in result.baselines
            if baseline.test_scores
        ]
        others = f"; {', '.join(baselines)}" if baselines else ""
        return f"{model} predicts {_per_head(heads, result.test_scores, metric)} on the test rows{others}."
    scores = _per_head(heads, result.best.scores.values, metric)
    return f"{model} predicts {scores} on validation rows; the refit on all training rows diverged."


def _per_head(heads: Sequence[str], scores: Mapping[str, float], metric: str) -> str:
    first, *others = [f"{head} with {metric} {number3(scores[head])}" for head in heads]
    return _joined([first, *(text.replace(f"{metric} ", "") for text in others)])


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def number3(score: float) -> str:
    """A score in three decimals, for sentences; `-` for NaN."""
    return f"{score:.3f}" if math.isfinite(score) else "-"


def _lead(report: SweepReport) -> list[str]:
    """Sentences below the headline: which trial it is, and the decision about its promotion."""
    result = report.summary
    lead = []
    if result.best:
        confirmed = result.confirmed_best
        means = (confirmed.searched["mean"], confirmed.scores.mean) if confirmed else None
        gap = f" {_optimism_gap(*means, score_label(report))}" if means else ""
        trial = (
            f"It is trial {result.best.trial} of {len(report.results):,}, a network of {result.best.parameters:,} parameters."
        )
        lead.append(f"{trial}{gap}")
    if result.registered:
        champion = result.registered
        outcome = promotion_outcome(champion.promoted)
        lead.append(f"{champion.model} version {champion.version} {outcome}: {champion.because}.")
    return lead


def _optimism_gap(searched: float, confirmed: float, metric: str) -> str:
    """The mean score in the search and in the confirmation, in a sentence."""
    if not (math.isfinite(searched) and math.isfinite(confirmed)):
        return ""
    return f"Its mean {metric} was {searched:.4f} in the search and {confirmed:.4f} when confirmed with new seeds on new folds."


def _synthetic_data(report: SweepReport) -> str:
    if not is_synthetic(report.summary.data["source"]):
        return ""
    return " ".join(report.table.warnings) or SYNTHETIC_DATA_WARNING


def _facts(report: SweepReport) -> list[tuple[str, str]]:
    result = report.summary
    minutes, seconds = divmod(round(sum(trial.score.seconds for trial in report.results)), 60)
    return [
        ("trials", f"{len(report.results):,}"),
        ("complete", f"{result.trials.get('complete', 0):,}"),
        ("pruned", f"{result.trials.get('pruned', 0):,}"),
        ("failed", f"{result.trials['failed']:,}" if result.trials.get("failed") else ""),
        ("training time", f"{minutes} min {seconds} s" if minutes else f"{seconds} s"),
        ("rows", f"{result.data['rows']:,}"),
    ]


def _no_comparison(report: SweepReport) -> str:
    return f"There is nothing to compare: {answer_sentence(report)}"


def _comparison(report: SweepReport) -> list[Mapping[str, Any]]:
    """Rows of the table of the best model and the baselines."""
    result, heads = report.summary, list(report.experiment.heads)
    if result.best is None:
        return []
    best = result.best
    rows = [BaselineResult("best of the sweep", result.best_scores or best.scores, result.test_scores or {}), *result.baselines]
    remark = f"trial {best.trial}" + (f", the mean of {result.members} networks" if result.members > 1 else "")
    highest = {head: max((row.test_scores.get(head, -math.inf) for row in rows), default=-math.inf) for head in heads}
    return [
        {
            "name": row.name,
            "remark": remark if index == 0 else "",
            "test": [
                {"text": format_score(row.test_scores.get(head)), "is_best": row.test_scores.get(head) == highest[head]}
                for head in heads
            ],
            "confirmed": [{"text": format_mean_score(row.scores, head)} for head in heads],
        }
        for index, row in enumerate(rows)
    ]


def _network(report: SweepReport) -> str:
    if report.summary.best is None:
        return ""
    recipe, inputs = recipe_for(report.experiment, report.summary.best.params), report.experiment.table.inputs
    return "\n".join(draw_network(recipe.architecture, inputs, width=recipe.encoded_width(len(inputs))))


def _recipe(best: BestTrial) -> str:
    return ", ".join(f"{name} {format_value(value)}" for name, value in sorted(best.recipe.items()))


@dataclass(frozen=True, slots=True)
class LeaderboardRow:
    """A trial on the leaderboard.

    Args:
        number: Of the trial.
        is_best: Whether it is the best trial of the sweep.
        r2: Its scores by head, formatted.
        params: Its hyperparameters, or the reason why it is not complete.
    """

    number: int
    is_best: bool
    scores: list[str]
    params: str


def _leading(report: SweepReport) -> list[LeaderboardRow]:
    best = report.summary.best.trial if report.summary.best else None
    return [
        LeaderboardRow(
            number=result.trial.number,
            is_best=result.trial.number == best,
            scores=[format_score(result.score.by_head.get(head)) for head in report.experiment.heads],
            params=(f"{result.trial.known}: " if result.trial.known else "")
            + (
                result.score.reason
                or ", ".join(f"{name} {format_value(value)}" for name, value in sorted(result.trial.params.items()))
            ),
        )
        for result in report.ranked[:LEADERBOARD_ROWS]
    ]


def _data_sentence(report: SweepReport) -> str:
    data, table = report.summary.data, report.table
    split = f", {table.train:,} to train and validate, {table.test:,} to test" if table.train else ""
    duplicates = " There are no duplicate rows." if table.train and not table.warnings else ""
    return f"{data['location']}: {data['rows']:,} rows{split}. Digest {data['digest']}.{duplicates}"


def _commands(report: SweepReport) -> str:
    result = report.summary
    lines = ["branchsweep run experiment.yaml --fresh            # the whole sweep"]
    if result.best:
        lines.append(
            f"branchsweep replay {result.run_id[:12]} --trial {result.best.trial}    # trains its best trial again and compares"
        )
    if result.registered:
        lines.append(
            f"branchsweep predict models:/{result.registered.model}/{result.registered.version} TABLE.xlsx -o predictions.csv"
        )
    lines.append(f"branchsweep report {result.run_id[:12]} -o report.html   # this page")
    return "\n".join(lines)
