"""The report of a sweep: one HTML page with the headline first, then tables and figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from branchsweep.config.metric_names import MEAN, ObjectiveMetric
from branchsweep.config.sections.dimensions import Choice
from branchsweep.config.yaml.recorded import dump_yaml
from branchsweep.data.dataset import is_synthetic
from branchsweep.models.drawing import draw_network
from branchsweep.models.recipe import recipe_for
from branchsweep.reporting.coverage_rows import coverage_rows
from branchsweep.reporting.figures.axis_scales import axis_position, format_value, ticks
from branchsweep.reporting.figures.search import ranking_label_of
from branchsweep.reporting.figures.trial_marks import Point, figure_points
from branchsweep.reporting.figures.trials import SweepFigure, score_label
from branchsweep.reporting.formatting import (
    SYNTHETIC_DATA_WARNING,
    format_difference,
    format_duration,
    format_score,
    format_share,
    promotion_outcome,
)
from branchsweep.reporting.pages.html import Picture, picture, render_template
from branchsweep.reporting.pages.model_rows import best_baseline_of_each_head, ensemble_members, finalist_and_baselines
from branchsweep.reporting.paired_test_rows import paired_test_rows
from branchsweep.tracking.ui_pages import LOCAL_SERVER, link
from branchsweep.trial import Result
from branchsweep.workflows.records.sweep_summary import TrialSummary
from branchsweep.workflows.sweep_report import SweepReport

LEADERBOARD_ROWS = 10
"""Trials on the page's leaderboard."""

INTERACTIVE_TRIALS = 500
"""The leading trials that the page's script names and marks: those of a very large sweep would take megabytes."""


def render_sweep_page(report: SweepReport, figures: Sequence[DrawnFigure], has_plotly: bool) -> str:
    """The report as one HTML file that loads nothing.

    Args:
        report: The sweep.
        figures: Its figures, in the order of the page.
        has_plotly: Whether the separate interactive page can be made.
    """
    result, experiment, leading = report.summary, report.experiment, leading_trials(report)
    return render_template(
        "sweep.html",
        name=result.sweep,
        version=report.environment.get("version", ""),
        unfinished=_unfinished_sentence(report),
        marked_name=report.marked_name,
        trials=f"{len(report.results):,}",
        answer=answer_sentence(report),
        lead=_lead(report),
        question=experiment.question,
        synthetic=_synthetic_data(report),
        facts=_facts(report),
        elapsed=_elapsed_sentence(report),
        test_evaluations=result.test_evaluations,
        warnings=[*result.unmet_constraints, *result.collapses],
        heads=list(experiment.heads),
        links=_links(report),
        server=report.links.server,
        is_local=report.links.server == LOCAL_SERVER,
        score_columns=leaderboard_columns(report),
        metric=score_label(report),
        comparison=finalist_and_baselines(report),
        no_comparison=_no_comparison(report),
        best_baselines=best_baseline_of_each_head(report),
        members=ensemble_members(report),
        interval_share=format_share(result.intervals.level) if result.intervals else "",
        coverage=list(coverage_rows(result.intervals)) if result.intervals else [],
        paired_tests=list(paired_test_rows(result.paired_tests)),
        network=_network(report),
        has_branches=_has_branches(report),
        recipe=_recipe(report.marked) if report.marked else "",
        figures=figures,
        interaction=interaction_data(report, figures),
        edges=list(result.boundary_warnings),
        no_edges=f"No value of the {report.marked_name} is at a movable end of its range."
        if report.marked
        else f"There is no {report.marked_name}.",
        ranges=_ranges(report),
        leading=[leaderboard_row(report, result) for result in leading],
        leading_sentence=_leading_sentence(report, leading),
        has_plotly=has_plotly,
        interactive_command=f"branchsweep report {result.run_id[:12]} --interactive -o figures",
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
        points: Where the trials are in the picture.
        has_lines: Whether the points of a trial are connected.
    """

    name: str
    title: str
    caption: str
    picture: Picture | None = None
    points: tuple[Point, ...] = ()
    has_lines: bool = False

    @classmethod
    def of(cls, figure: SweepFigure, as_file: bool) -> DrawnFigure:
        """Draw the picture of a figure, also as a file if that is wanted."""
        label = f"{figure.title}. {figure.caption}"
        if figure.figure is None:
            return cls(figure.name, figure.title, figure.caption)
        drawn = picture(figure.figure, label, as_file)  # which makes the layout final
        points = tuple(figure_points(figure.figure, figure.marks))
        return cls(figure.name, figure.title, figure.caption, drawn, points, figure.has_lines)


@dataclass(frozen=True, slots=True)
class DimensionRow:
    """A dimension of the search space, with the value of the trial that is marked.

    Args:
        name: The hyperparameter.
        low: Its lowest value; empty where values have no order.
        high: Its highest value; likewise.
        choices: The values where they have no order, so that none lies at an end or between others.
        value: That trial's; empty where the dimension was not active.
        position: Of the value on the range, in pixels, 0 to 200; None where it has none.
    """

    name: str
    low: str
    high: str
    choices: tuple[str, ...]
    value: str
    position: float | None


def _ranges(report: SweepReport) -> list[DimensionRow]:
    best, rows = report.marked, []
    for name, dimension in report.experiment.space.dimensions.items():
        given = best.params.get(name) if best else None
        value = "" if given is None else format_value(given)
        if isinstance(dimension, Choice) and not dimension.ordered:
            rows.append(DimensionRow(name, "", "", tuple(map(format_value, dimension.choices)), value, None))
            continue
        position, labels = axis_position(dimension, given), ticks(dimension)
        x = None if math.isnan(position) else 4 + 192 * min(max(position, 0.0), 1.0)
        rows.append(DimensionRow(name, labels[0][1], labels[-1][1], (), value, x))
    return rows


def _columns(report: SweepReport) -> list[Mapping[str, str]]:
    return [
        {
            "name": column.name,
            "role": {"input": "input", "head": "predicted"}[column.role],
            "unit": column.unit,
            "kind": column.kind,
            "detail": column.detail,
            **{key: _number(getattr(column, key)) for key in ("low", "mean", "high", "sd")},
        }
        for column in report.table.columns
    ]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.5g}"


def answer_sentence(report: SweepReport) -> str:
    """The result of the sweep in one sentence: the headline of the page."""
    result, heads = report.summary, list(report.experiment.heads)
    if report.unfinished:
        return _answer_so_far(report)
    if result.finalist is None:
        return f"{result.without_finalist}."
    model = result.model_description or "the best network"
    model = f"On synthetic data, {model}" if _synthetic_data(report) else f"T{model[1:]}"
    metric = score_label(report)
    if result.test_scores:
        best = next((baseline for baseline in result.baselines_best_first if baseline.test_scores), None)
        other = f"; {best.name} {_joined([number3(best.test_scores[head]) for head in heads])}" if best else ""
        return f"{model} predicts {_per_head(heads, result.test_scores, metric)} on the test rows{other}."
    scores = _per_head(heads, result.finalist.scores.values, metric)
    return f"{model} predicts {scores} on validation rows; the refit on all training rows diverged."


def _answer_so_far(report: SweepReport) -> str:
    """The best trial so far in one sentence."""
    if report.marked is None:
        return f"{report.summary.without_finalist} so far."
    scores = _per_head(list(report.experiment.heads), report.marked.scores.values, score_label(report))
    on_synthetic = "on synthetic data, " if _synthetic_data(report) else ""
    return f"So far, {on_synthetic}trial {report.marked.trial} is the best: it predicts {scores} on validation rows."


def _unfinished_sentence(report: SweepReport) -> str:
    """How far the sweep is; empty for a finished one."""
    if report.unfinished is None:
        return ""
    as_of, planned = report.unfinished.as_of, report.experiment.search.trials
    return (
        f"{len(report.results):,} of {planned:,} trials have ended as of {as_of:%Y-%m-%d %H:%M}, and the sweep is "
        f"{report.unfinished.state}. No trial is confirmed on new folds, none is evaluated on the test rows, and the scores "
        "are those of the search: the best of many, so too high. The same command resumes a sweep that was interrupted."
    )


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
    if report.marked:
        branches = "" if _has_branches(report) else " without branches (the heads share all hidden layers)"
        which = "It" if report.unfinished else f"The finalist is trial {report.marked.trial} of {len(report.results):,}. It"
        lead.append(f"{which} is a network{branches} of {report.marked.parameters:,} parameters.{_confirmed_sentence(report)}")
    if result.registered:
        champion = result.registered
        outcome = promotion_outcome(champion.promoted)
        lead.append(f"{champion.model} version {champion.version} {outcome}: {champion.because}.")
    return lead


def _confirmed_sentence(report: SweepReport) -> str:
    """The finalist's mean scores in the search and in the confirmation, and what their difference is made of."""
    trial, bias = report.summary.confirmed_finalist, report.summary.selection_bias
    if trial is None or not (math.isfinite(trial.searched[MEAN]) and math.isfinite(trial.scores.mean)):
        return ""
    scores = f"{trial.searched[MEAN]:.4f} in the search and {trial.scores.mean:.4f} when confirmed with new seeds on new folds"
    parts = (
        f": a shift of {format_difference(bias.shift[MEAN])} that the {bias.trials} confirmed trials share, and a selection "
        f"bias of {format_difference(bias.of(trial.trial, MEAN))}"
        if bias.shift
        else ""
    )
    return f" Its mean {score_label(report)} was {scores}{parts}."


def _has_branches(report: SweepReport) -> bool:
    """Whether some head of the network of the marked trial has hidden layers of its own."""
    return report.marked is not None and recipe_for(report.experiment, report.marked.params).architecture.has_branches


def _synthetic_data(report: SweepReport) -> str:
    if not is_synthetic(report.summary.data["source"]):
        return ""
    return " ".join(report.table.warnings) or SYNTHETIC_DATA_WARNING


def _facts(report: SweepReport) -> list[tuple[str, str]]:
    result = report.summary
    return [
        ("trials", f"{len(report.results):,}"),
        ("complete", f"{result.trials.get('complete', 0):,}"),
        ("pruned", f"{result.trials.get('pruned', 0):,}"),
        ("failed", f"{result.trials['failed']:,}" if result.trials.get("failed") else ""),
        ("confirmed", result.confirmed_counts.replace(" confirmed", "").partition(" (")[0]),
        ("elapsed", "" if report.unfinished else format_duration(result.seconds)),
        ("rows", f"{result.data['rows']:,}"),
        ("test evaluations", f"{result.test_evaluations:,}" if result.test_evaluations else ""),
    ]


def _elapsed_sentence(report: SweepReport) -> str:
    """What the elapsed time is; empty before the end."""
    if report.unfinished:
        return ""
    seconds, search = report.summary.seconds, report.summary.search_seconds
    if search > seconds:  # its search was partly done by an earlier run of the same sweep
        return (
            "Elapsed: wall-clock time of the last run of this sweep, which was resumed; its search took "
            f"{format_duration(search)} in all runs that came to their end."
        )
    elapsed = f"Elapsed: wall-clock time from the start of the command, {format_duration(search)} of it for the search"
    others = [f"{stage} {format_duration(time)}" for stage, time in report.summary.stages.items() if stage != "search"]
    return f"{elapsed}; the rest for {', '.join(others) or 'confirmation, refit, test evaluations and baselines'}."


def _no_comparison(report: SweepReport) -> str:
    if report.unfinished:
        return "The sweep is not finished: the baselines are compared with the finalist at its end."
    return f"There is nothing to compare: {answer_sentence(report)}"


def _network(report: SweepReport) -> str:
    if report.marked is None:
        return ""
    recipe, inputs = recipe_for(report.experiment, report.marked.params), report.experiment.table.inputs
    return "\n".join(draw_network(recipe.architecture, list(inputs), width=recipe.encoded_width(inputs.values())))


def _recipe(trial: TrialSummary) -> str:
    return ", ".join(f"{name} {format_value(value)}" for name, value in sorted(trial.recipe.items()))


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


def _leading_sentence(report: SweepReport, leading: Sequence[Result]) -> str:
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
        page=_page(report, report.links.trials.get(trial.number, "")),
        is_marked=report.marked is not None and trial.number == report.marked.trial,
        scores=[objective, *(format_score(score.by_head.get(head)) for head in _other_heads(report))],
        params=(f"{trial.known}: " if trial.known else "") + violates + (f"{score.reason}; " if score.reason else "") + params,
    )


def interaction_data(report: SweepReport, figures: Sequence[DrawnFigure]) -> Mapping[str, Any]:
    """What the page's script needs to name trials and to mark them: the leading trials, and their points by figure."""
    leading = report.ranked[:INTERACTIVE_TRIALS]
    rows = [(result, leaderboard_row(report, result)) for result in leading]
    numbers = {result.trial.number for result in leading}
    return {
        "columns": leaderboard_columns(report),
        "trials": {
            row.number: {
                "name": f"trial {row.number}",
                "status": result.score.status.value.lower(),
                "scores": row.scores,
                "params": row.params,
                "page": row.page,
            }
            for result, row in rows
        },
        "figures": {
            figure.name: {"has_lines": figure.has_lines, "points": [point for point in figure.points if point[0] in numbers]}
            for figure in figures
            if figure.points
        },
    }


def _page(report: SweepReport, page: str) -> str:
    """The full address of a page of the store; empty where there is none."""
    return link(report.links.server, page) if page and report.links.server else ""


def _links(report: SweepReport) -> list[tuple[str, str]]:
    """What is linked in the store's pages, and its addresses; empty for a store without pages."""
    links, registered = report.links, report.summary.registered
    pages = {
        "run of the sweep": links.run,
        "all trials": links.table,
        "trials compared in charts": links.charts,
        **({f"{registered.model} version {registered.version}": links.version(registered.model, registered.version)}
           if registered else {}),
        **{f"comparison {name}": page for name, page in links.comparisons.items()},
    }  # fmt: skip
    return [(name, address) for name, page in pages.items() if (address := _page(report, page))]


def _data_sentence(report: SweepReport) -> str:
    data, table = report.summary.data, report.table
    split = f", {table.train:,} to train and validate, {table.test:,} to test" if table.train else ""
    split += f", divided {report.experiment.split_description}"
    duplicates = " There are no duplicate rows." if table.train and not table.warnings else ""
    return f"{data['location']}: {data['rows']:,} rows{split}. Digest {data['digest']}.{duplicates}"


def _commands(report: SweepReport) -> str:
    result = report.summary
    lines = ["branchsweep run experiment.yaml --fresh            # the whole sweep"]
    if report.marked:
        replay = f"branchsweep replay {result.run_id[:12]} --trial {report.marked.trial}"
        lines.append(f"{replay}    # trains the {report.marked_name} again and compares")
    if result.registered:
        lines.append(
            f"branchsweep predict models:/{result.registered.model}/{result.registered.version} TABLE.xlsx -o predictions.csv"
        )
    lines.append(f"branchsweep report {result.run_id[:12]} -o report.html   # this page")
    return "\n".join(lines)
