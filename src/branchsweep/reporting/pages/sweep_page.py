"""The report of a sweep: one HTML page with the headline first, then tables and figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from branchsweep.config.sections.dimensions import Choice
from branchsweep.config.yaml.recorded import dump_yaml
from branchsweep.models.drawing import draw_network
from branchsweep.models.recipe import recipe_for
from branchsweep.reporting.coverage_rows import coverage_rows
from branchsweep.reporting.figures.axis_scales import axis_position, format_value, ticks
from branchsweep.reporting.formatting import (
    format_duration,
    format_share,
    score_explained,
)
from branchsweep.reporting.objective_rows import objective_rows
from branchsweep.reporting.pages.drawn_figures import DrawnFigure, interaction_data
from branchsweep.reporting.pages.html import render_template
from branchsweep.reporting.pages.leaderboard import (
    leaderboard_columns,
    leaderboard_row,
    leading_sentence,
    leading_trials,
    page_address,
)
from branchsweep.reporting.pages.model_rows import best_baseline_of_each_head, ensemble_members, finalist_and_baselines
from branchsweep.reporting.pages.reproduction import interactive_command, reproduction_commands, reproduction_sentence
from branchsweep.reporting.pages.sweep_sentences import (
    answer_sentence,
    data_sentence,
    elapsed_sentence,
    has_branches,
    lead_sentences,
    no_comparison_sentence,
    synthetic_data_warning,
    unfinished_sentence,
)
from branchsweep.reporting.paired_test_rows import paired_test_rows
from branchsweep.tracking.ui_pages import LOCAL_SERVER
from branchsweep.workflows.records.sweep_summary import TrialSummary
from branchsweep.workflows.sweep_report import SweepReport


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
        unfinished=unfinished_sentence(report),
        marked_name=report.marked_name,
        trials=f"{len(report.results):,}",
        answer=answer_sentence(report),
        lead=lead_sentences(report),
        question=experiment.question,
        synthetic=synthetic_data_warning(report),
        facts=_facts(report),
        elapsed=elapsed_sentence(report),
        test_evaluations=result.test_evaluations,
        warnings=[*result.unmet_constraints, *result.collapses],
        heads=list(experiment.heads),
        links=_links(report),
        server=report.links.server,
        is_local=report.links.server == LOCAL_SERVER,
        score_columns=leaderboard_columns(report),
        metric_explained=score_explained(report.experiment.score_metrics),
        comparison=finalist_and_baselines(report),
        no_comparison=no_comparison_sentence(report),
        best_baselines=best_baseline_of_each_head(report),
        objective_metrics=result.objective_metrics,
        objective_rows=list(objective_rows(result)),
        members=ensemble_members(report),
        interval_share=format_share(result.intervals.level) if result.intervals else "",
        coverage=list(coverage_rows(result.intervals)) if result.intervals else [],
        paired_tests=list(paired_test_rows(result.paired_tests)),
        network=_network(report),
        has_branches=has_branches(report),
        recipe=_recipe(report.marked) if report.marked else "",
        figures=figures,
        interaction=interaction_data(report, figures),
        edges=list(result.boundary_warnings),
        no_edges=f"No value of the {report.marked_name} is at a movable end of its range."
        if report.marked
        else f"There is no {report.marked_name}.",
        ranges=dimension_rows(report),
        leading=[leaderboard_row(report, result) for result in leading],
        leading_sentence=leading_sentence(report, leading),
        has_plotly=has_plotly,
        interactive_command=interactive_command(report),
        data_sentence=data_sentence(report),
        data_warnings=[] if synthetic_data_warning(report) else list(report.table.warnings),
        columns=_columns(report),
        depends_on=reproduction_sentence(report),
        commands=reproduction_commands(report),
        yaml=dump_yaml(experiment),
        versions="\n".join(f"{name.removeprefix('version_')} {value}" for name, value in sorted(report.environment.items())),
        foot=f"Run {result.run_id}{' in MLflow' * report.is_in_mlflow}.",
    )


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


def dimension_rows(report: SweepReport) -> list[DimensionRow]:
    """The ranges of the search space."""
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


def _network(report: SweepReport) -> str:
    if report.marked is None:
        return ""
    recipe, inputs = recipe_for(report.experiment, report.marked.params), report.experiment.table.inputs
    return "\n".join(draw_network(recipe.architecture, list(inputs), width=recipe.encoded_width(inputs.values())))


def _recipe(trial: TrialSummary) -> str:
    return ", ".join(f"{name} {format_value(value)}" for name, value in sorted(trial.recipe.items()))


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
    return [(name, address) for name, page in pages.items() if (address := page_address(report, page))]
