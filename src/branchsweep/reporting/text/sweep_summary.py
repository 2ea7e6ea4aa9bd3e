"""The summary of a finished sweep as text.

`branchsweep show` must not load pandas, so what depends on it is imported for types only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from branchsweep.config.metric_names import LATENCY, MEAN, MIXED
from branchsweep.data.dataset import is_synthetic
from branchsweep.metrics.names import label, score_names
from branchsweep.metrics.prediction_intervals import CheckedIntervals
from branchsweep.reporting.coverage_rows import coverage_rows
from branchsweep.reporting.formatting import (
    SYNTHETIC_DATA_WARNING,
    chosen_params,
    format_difference,
    format_duration,
    format_mean_score,
    format_metric,
    format_milliseconds,
    format_score,
    format_share,
    promotion_outcome,
    score_explained,
    shift_sentence,
    stages_sentence,
    uncapitalized,
)
from branchsweep.reporting.importance_columns import importance_columns, shared_column_note
from branchsweep.reporting.objective_rows import ObjectiveRow, objective_rows
from branchsweep.reporting.text.layout import BEST_STYLE, KeyValueTable, plain_table
from branchsweep.reporting.text.paired_tests import render_paired_tests
from branchsweep.reporting.text.responsive_table import ESSENTIAL, ResponsiveTable, TableColumn, TableRow
from branchsweep.reporting.text.score_table import Fitting, ScoreRow, ScoreTable
from branchsweep.workflows.records.baseline_result import BaselineResult
from branchsweep.workflows.records.ensemble_summary import EnsembleSummary
from branchsweep.workflows.records.sweep_summary import SweepSummary, TrialSummary

MOST_DIMENSIONS = 8
"""Hyperparameters whose importance is shown."""

BAR = 16
"""Characters of the bar of a share of 100 %."""

MANY_TEST_EVALUATIONS = 20
"""Number of models evaluated on the same test rows above which a warning is shown."""


def render_sweep_summary(result: SweepSummary, units: Mapping[str, str], is_in_mlflow: bool = True) -> RenderableType:
    """Render the summary at the end of a sweep.

    Args:
        result: The result of the sweep.
        units: The unit of each head, in order of the heads.
        is_in_mlflow: Whether the sweep is recorded in MLflow, where commands find its model.
    """
    parts: list[RenderableType] = [Text(), _title(result)]
    if is_synthetic(result.data["source"]):
        parts.append(Text(SYNTHETIC_DATA_WARNING, style="bold yellow"))
    if result.finalist is None:
        sentence = f"{result.without_finalist}, so there is nothing to compare or to register."
        parts.append(Text(sentence, style="bold red"))
        return Group(*parts, *(Text(sentence, style="bold red") for sentence in result.unmet_constraints))
    if result.pareto_front:
        parts += [Text(), _pareto_front(result)]
    parts += [Text(f"warning: {sentence}", style="bold yellow") for sentence in result.unmet_constraints]
    if result.confirmed:
        parts += [Text(), _confirmation(result)]
    parts += [Text(), _finalist(result.finalist), Text(), _baselines(result, result.finalist, list(units)), Text()]
    parts += _details(result)
    parts += _importance(result, list(units))
    warnings = [*result.collapses, *result.boundary_warnings]
    if warnings:
        parts += [*(Text(f"warning: {sentence}", style="yellow") for sentence in warnings), Text()]
    if result.test_scores is None:
        sentence = "All refits on the training rows diverged, so nothing is registered."
        parts.append(Text(sentence, style="bold red"))
    if result.registered:
        champion = result.registered
        outcome = promotion_outcome(champion.promoted)
        parts.append(Text(f"{champion.model} version {champion.version} {outcome}: {champion.because}.", style="bold"))
        version = "@champion" if champion.promoted else f"/{champion.version}"
        command = f"  branchsweep predict models:/{champion.model}{version} TABLE.xlsx -o predictions.csv"
        parts += [Text(command, style="cyan")] if is_in_mlflow else []
    parts += [Text("  branchsweep ui", style="cyan")] if is_in_mlflow else []
    if result.stages:
        parts.append(Text(stages_sentence(result.stages), style="dim"))
    if result.test_evaluations > MANY_TEST_EVALUATIONS:
        parts.append(Text(_test_evaluations_warning(result.test_evaluations), style="bold yellow"))
    return Group(*parts)


def _test_evaluations_warning(count: int) -> str:
    """A warning that the test rows lose their value, worded by the number of models that were evaluated on them."""
    effect = "are no longer" if count > 10 * MANY_TEST_EVALUATIONS else "become less and less of"
    return (
        f"warning: these test rows were used by {count} models in this store. If any of their test scores led to a choice, the "
        f"rows {effect} an unbiased test of new models: use other rows (test.seed), or new data."
    )


def _title(result: SweepSummary) -> Text:
    duration = format_duration(result.seconds)
    table = f"{result.data['location']} ({result.data['rows']:,} rows)"
    return Text.assemble((result.sweep, "bold"), f": {result.trial_counts} in {duration} on {table}; {result.stopped_because}")


def _pareto_front(result: SweepSummary) -> RenderableType:
    heads = list(result.pareto_front[0].scores)
    names = [*score_names(result.score_metrics, mean=False).values()]
    others = list(result.pareto_front[0].others)
    rows = [
        ScoreRow(
            f"  trial {member.trial}",
            {
                "": {
                    **{name: format_score(member.scores[head]) for name, head in zip(names, heads, strict=True)},
                    **{name: format_metric(name, member.others[name]) for name in others},
                }
            },
            BEST_STYLE if result.finalist is not None and member.trial == result.finalist.trial else "",
        )
        for member in result.pareto_front
    ]
    ranking = {
        name: max(member.scores[head] for member in result.pareto_front) for name, head in zip(names, heads, strict=True)
    }
    return ScoreTable("Pareto front", rows, [*names, *others], [""], {**ranking, **dict.fromkeys(others, math.nan)})


def _confirmation(result: SweepSummary) -> RenderableType:
    """The best trials by their searched and confirmed mean scores, with their differences and the selection bias in them.

    A metric of the objective that is no score has a column of its own, as confirmed.
    """
    bias = result.selection_bias
    has_latency = any(trial.latency is not None for trial in result.confirmed)
    is_objective = any(LATENCY in member.others for member in result.pareto_front)
    others = list(dict.fromkeys(name for trial in result.confirmed for name in trial.others))
    title = Text(
        f"the best trials of the search, confirmed with new seeds on new folds (mean {label(result.metric)})", style="bold"
    )
    columns = (
        TableColumn("  trial", right=True),
        TableColumn("searched", right=True),
        TableColumn("confirmed", right=True),
        TableColumn("difference", right=True),
        *([TableColumn("selection bias", right=True)] if bias.shift else []),
        *(TableColumn(name, right=True) for name in others),
        TableColumn("parameters", priority=1, right=True),
        *([TableColumn("latency, 1,000 rows", priority=ESSENTIAL if is_objective else 2, right=True)] if has_latency else []),
    )
    rows = []
    for trial in result.confirmed:
        searched, confirmed = trial.searched["mean"], trial.scores.mean
        cells: list[str | Text] = [
            f"{trial.trial}",
            format_score(searched),
            Text(format_mean_score(trial.scores, "mean", "\n")),
            format_difference(searched - confirmed),
            *([format_difference(bias.of(trial.trial, MEAN))] if bias.shift else []),
            *(format_score(trial.others[name][1] if name in trial.others else None) for name in others),
            f"{trial.parameters:,}",
            *([format_milliseconds(trial.latency or math.nan)] if has_latency else []),
        ]
        is_finalist = result.finalist is not None and trial.trial == result.finalist.trial
        rows.append(TableRow(cells, BEST_STYLE if is_finalist else ""))
    table = ResponsiveTable(columns, rows)
    return Group(title, table, Text(f"  {shift_sentence(bias)}", style="dim")) if bias.shift else Group(title, table)


def _finalist(finalist: TrialSummary) -> RenderableType:
    branches = ", no branches (the heads share all hidden layers)" if finalist.has_branches is False else ""
    title = Text(f"finalist: trial {finalist.trial}, {finalist.parameters:,} parameters{branches}", style="bold")
    return Group(title, KeyValueTable(dict(sorted(finalist.recipe.items()))))


def _baselines(result: SweepSummary, finalist: TrialSummary, heads: Sequence[str]) -> RenderableType:
    """The finalist and the baselines, the best one first, by their confirmed and test scores."""
    models = [_finalist_row(result, finalist), *result.baselines_best_first]
    rows = [
        ScoreRow(
            row.name,
            {
                "confirmed": {head: format_mean_score(row.scores, head, "\n") for head in heads},
                "test": {head: format_score(row.test_scores.get(head)) for head in heads},
            },
            "" if index else BEST_STYLE,
        )
        for index, row in enumerate(models)
    ]
    ranking = models[0].test_scores or models[0].scores.values
    table = ScoreTable(label(result.metric), rows, heads, ["confirmed", "test"], ranking)
    what = [Text(f"  {score_explained(result.score_metrics)}", style="dim")] if result.metric == MIXED else []
    return Group(table, *what)


def _best_baselines(result: SweepSummary) -> RenderableType:
    """Render the finalist against the best baseline of each head, and of the mean over the heads, by their confirmed scores.

    Args:
        result: Of a sweep with a finalist and baselines.
    """
    scores = result.finalist_scores
    assert scores is not None, "there is no best baseline without a finalist"
    columns = (
        TableColumn("  head"),
        TableColumn("finalist", right=True),
        TableColumn("best baseline", right=True),
        TableColumn("difference", right=True),
        TableColumn("name", is_text=True),
    )
    rows = [
        TableRow(
            [
                f"  {head}",
                format_score(scores.values.get(head)),
                format_score(best.score),
                format_difference(best.difference),
                best.label,
            ]
        )
        for head, best in result.best_baselines.items()
    ]
    title = f"the finalist against the best baseline of each head (confirmed {label(result.metric)})"
    return Group(Text(title, style="bold"), ResponsiveTable(columns, rows))


def _objective_metrics(metrics: Sequence[str], rows: Sequence[ObjectiveRow]) -> RenderableType:
    """What the objective names of the predictions and is no score, on the test rows, of the finalist and the baselines."""
    columns = [TableColumn("  model", is_text=True), *(TableColumn(name, right=True) for name in metrics)]
    table = ResponsiveTable(columns, [TableRow([f"  {row.model}", *row.values]) for row in rows])
    return Group(Text("the objective on the test rows", style="bold"), table)


def render_model(result: SweepSummary) -> list[RenderableType]:
    """What the model consists of and is worth.

    The best baseline of each head, what the objective names besides scores, prediction intervals, tests against the champion.

    As far as there are any.
    """
    ensemble = result.ensemble
    members = [_members(ensemble, list(result.score_metrics))] if ensemble and ensemble.members_differ else []
    baselines = [_best_baselines(result)] if result.best_baselines else []
    of_objective = list(objective_rows(result))
    objective = [_objective_metrics(result.objective_metrics, of_objective)] if of_objective else []
    intervals = [_intervals(result.intervals)] if result.intervals else []
    tests = [render_paired_tests(result.paired_tests, "the champion", "the model")] if result.paired_tests else []
    return [*members, *baselines, *objective, *intervals, *tests]


def _details(result: SweepSummary) -> list[RenderableType]:
    """The same, and what was chosen for the baselines."""
    parts = [part for rendered in render_model(result) for part in (rendered, Text())]
    chosen = {baseline.name: text for baseline in result.baselines if (text := chosen_params(baseline))}
    return [*parts, *(Text(f"  {name}: {text}", style="dim") for name, text in chosen.items()), *([Text()] if chosen else [])]


def _members(ensemble: EnsembleSummary, heads: Sequence[str]) -> RenderableType:
    """What an ensemble consists of, with what each member's prediction weighs for each head."""
    columns = (
        TableColumn("  member", is_text=True),
        TableColumn("networks", right=True),
        *(TableColumn(f"weight, {head}", right=True) for head in heads),
    )
    rows = [
        TableRow([f"  {own.name}", f"{own.networks or 'estimator'}", *(f"{own.weights[head]:.3f}" for head in heads)])
        for own in ensemble.members
    ]
    return Group(Text(f"members of the model (choose: {ensemble.choose})", style="bold"), ResponsiveTable(columns, rows))


def _intervals(intervals: CheckedIntervals) -> RenderableType:
    """The prediction intervals of each head, with the share of test rows whose actual values lie inside."""
    columns = (
        TableColumn("  head", is_text=True),
        TableColumn("half width", right=True),
        TableColumn("inside", right=True),
        TableColumn("95 % confidence", right=True),
        TableColumn("test rows", priority=1, right=True),
    )
    rows = [
        TableRow([f"  {row.head}", row.half_width, row.inside, row.confidence, row.rows]) for row in coverage_rows(intervals)
    ]
    title = Text(f"{format_share(intervals.level)} prediction intervals (predict --interval {intervals.level:g})", style="bold")
    return Group(title, ResponsiveTable(columns, rows))


def _finalist_row(result: SweepSummary, finalist: TrialSummary) -> BaselineResult:
    """The finalist in the form of a baseline; with its confirmed scores, if it was confirmed."""
    scores = result.finalist_scores or finalist.scores
    networks = f"mean of {result.members}" if result.members > 1 else ""
    estimators = result.ensemble.estimators if result.ensemble else 0
    if estimators:
        networks = result.model_description.removeprefix("the ").removesuffix(" of scikit-learn")
    ensemble = f"{networks}, " if networks else ""
    return BaselineResult(f"finalist ({ensemble}trial {finalist.trial})", scores, result.test_scores or {})


def _importance(result: SweepSummary, heads: Sequence[str]) -> list[RenderableType]:
    """The most important hyperparameters, by the largest share that each has for any head; with bars where there is room.

    Where there are none, the reason, if it is recorded.
    """
    columns = importance_columns(result.importance, heads)
    if not columns:
        reason = result.without_importance
        return [Text(f"no hyperparameter importance: {uncapitalized(reason)}"), Text()] if reason else []
    title = "hyperparameter importance (PED-ANOVA)"
    largest: dict[str, float] = {}
    for column in columns:
        for name, share in column.shares.items():
            largest[name] = max(share, largest.get(name, 0.0))
    names = sorted(largest, key=lambda name: -largest[name])[:MOST_DIMENSIONS]
    bars = plain_table(title)
    labels = [", ".join(column.heads) for column in columns]
    for column_label in ("", *labels):
        bars.add_column(column_label, no_wrap=True)
    for name in names:
        bars.add_row(f"  {name}", *(_bar(column.shares.get(name, 0.0)) for column in columns))
    rows = [
        ScoreRow(
            f"  {name}",
            {"": {text: f"{column.shares.get(name, 0.0):.0%}" for text, column in zip(labels, columns, strict=True)}},
        )
        for name in names
    ]
    table = Fitting(bars, ScoreTable(title, rows, labels, [""], {}))
    note = shared_column_note(columns)
    return [table, *([Text(f"  {note}", style="dim")] if note else []), Text()]


def _bar(share: float) -> str:
    """A share in percent and as a bar."""
    return f"{share:4.0%} {'█' * round(share * BAR)}"
