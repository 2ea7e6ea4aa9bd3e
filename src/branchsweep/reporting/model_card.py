"""The model card: Markdown that describes a registered model, its data, its scores and its limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from branchsweep.config.metric_names import common_metric
from branchsweep.config.sections.columns import Column
from branchsweep.data.column_summary import count_and_names
from branchsweep.metrics.collapse import means_with_medians
from branchsweep.metrics.multiclass import confusion_matrix
from branchsweep.metrics.names import label, other_metrics
from branchsweep.metrics.paired_tests import PairedTest
from branchsweep.metrics.prediction_intervals import CheckedIntervals
from branchsweep.models.drawing import draw_network
from branchsweep.models.recipe import recipe_for
from branchsweep.reporting.coverage_rows import coverage_rows
from branchsweep.reporting.escaping import escape_markdown, one_line
from branchsweep.reporting.formatting import (
    format_difference,
    format_importance,
    format_mean_score,
    format_score,
    format_share,
    score_explained,
)
from branchsweep.reporting.markdown_table import markdown_table
from branchsweep.reporting.paired_test_rows import PAIRED_TEST_TITLE, paired_test_markdown
from branchsweep.reporting.plot_files import IN_CARD
from branchsweep.workflows.explanation import Explanation
from branchsweep.workflows.promotion.gate import paired_tests_of
from branchsweep.workflows.records.baseline_result import BestBaseline, best_baselines
from branchsweep.workflows.records.ensemble_summary import model_description
from branchsweep.workflows.reporter import DescribedModel

MOST_INPUTS = 30
"""Inputs whose importance is listed."""

MOST_CLASSES = 12
"""Classes of a head whose confusion matrix is shown, at most."""

_SCORES_EXPLAINED = (
    "Searched: on the validation rows of the search, with selection bias, for it is the best of many. Confirmed: with new",
    "seeds on new folds. Test: on rows that neither training nor any choice has used.",
    "",
)


def model_card_lines(model: DescribedModel) -> Iterator[str]:
    """Lines of Markdown, following Mitchell et al. 2019 (Model Cards for Model Reporting)."""
    experiment, finalist, dataset, split = model.experiment, model.finalist, model.dataset, model.split
    heads, means = experiment.heads, means_with_medians(finalist.score)
    yield from _introduction(model)
    yield from _member_lines(model)
    yield "## Scores"
    yield ""
    others = other_metrics(experiment.score_metrics)
    metric = label(common_metric(experiment.score_metrics.values()))
    columns = [f"searched {metric}", f"confirmed {metric}", f"test {metric}", *(f"test {label(other)}" for other in others)]
    yield f"| head | unit | {' | '.join(columns)} |"
    yield "|---|---" + "|---" * len(columns) + "|"
    searched = finalist.candidate.searched
    for head, measured in model.test.items():
        in_search = f"{searched.heads[head].score:.4f}" if searched else "-"
        confirmed = format_mean_score(means, head)
        errors = (f"{measured.metrics[other]:.4g}" if other in measured.metrics else "-" for other in others)
        cells = [
            escape_markdown(head),
            escape_markdown(heads[head].unit) or "-",
            in_search,
            confirmed,
            f"{measured.score:.4f}",
            *errors,
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield escape_markdown(score_explained(experiment.score_metrics))
    yield from _SCORES_EXPLAINED
    yield from _baseline_lines(best_baselines(model.baselines, means, model.test), metric)
    yield from _interval_lines(model.intervals)
    yield from _class_lines(model)
    yield from _paired_test_lines(paired_tests_of(model.decision))
    yield f"{'Promoted to champion' if model.decision.promote else 'Not promoted'}: {escape_markdown(model.decision.because)}."
    yield ""
    yield f"![Predictions of every head for the test rows, among the files of the sweep]({IN_CARD})"
    yield ""
    yield "## Data"
    yield ""
    yield f"- {escape_markdown(dataset.location)} ({dataset.source}), {dataset.rows:,} rows, digest `{dataset.digest}`."
    divided = f"divided {escape_markdown(dataset.splitter.description)}"
    yield f"- {len(split.train):,} rows to train, {len(split.test):,} to test, {divided}; split digest `{split.digest}`."
    yield ""
    yield from _importance_lines(model.explanation)
    yield "## Limits"
    yield ""
    yield "The training rows cover these ranges of the inputs; outside of them the model extrapolates, which networks do badly."
    yield ""
    yield "| input | kind | from | to |"
    yield "|---|---|---|---|"
    yield from (
        f"| {escape_markdown(name)} | {_kind(column)} | {_limits(column, *ends)} |"
        for (name, column), ends in zip(dataset.input_columns.items(), model.ranges, strict=True)
    )
    yield ""
    yield "## Security"
    yield ""
    yield "Loading it runs its own `serving.py`, and reads `model.keras` in Keras's safe mode, without pickle."
    if any(not member.networks for member in model.described):
        yield "Estimators of scikit-learn are read by skops, which creates objects of known types only."


def _baseline_lines(best: Mapping[str, BestBaseline], metric: str) -> Iterator[str]:
    """The best baseline of each head, as a table; nothing where there is none."""
    if not best:
        return
    yield f"| head | best baseline | its confirmed {metric} | difference |"
    yield "|---|---|---|---|"
    for head, baseline in best.items():
        cells = [escape_markdown(head), escape_markdown(baseline.label)]
        yield f"| {' | '.join([*cells, format_score(baseline.score), format_difference(baseline.difference)])} |"
    yield ""
    yield "Difference: the confirmed score of this model's trial minus that of the best baseline, on the same folds."
    yield ""


def _paired_test_lines(tests: Sequence[PairedTest]) -> Iterator[str]:
    """McNemar's and DeLong's tests as a table; nothing where there are none."""
    if not tests:
        return
    yield f"{PAIRED_TEST_TITLE.format(first='the champion before', second='This model')}:"
    yield ""
    yield paired_test_markdown(tests)
    yield ""


def _interval_lines(intervals: CheckedIntervals | None) -> Iterator[str]:
    """The prediction intervals with their coverage of the test rows, as a table; nothing where there are none."""
    if intervals is None:
        return
    share = format_share(intervals.level)
    yield f"| head | {share} prediction interval | inside, of the test rows | 95 % confidence | test rows |"
    yield "|---|---|---|---|---|"
    for row in coverage_rows(intervals):
        yield f"| {escape_markdown(row.head)} | {row.half_width} | {row.inside} | {row.confidence} | {row.rows} |"
    yield ""
    yield "The intervals are as wide as the residuals of cross-validation make them, for all rows alike."
    yield f'`model.predict(table, params={{"interval": {intervals.level:g}}})` adds their ends.'
    yield ""


def _class_lines(model: DescribedModel) -> Iterator[str]:
    """The classes of heads, with the confusion matrix of the test rows; nothing where no head has any."""
    for head, settings in model.experiment.heads.items():
        if head not in model.predictions or not (classes := settings.classes):
            continue
        if len(classes) > MOST_CLASSES:
            continue
        predictions, names = model.predictions[head], [escape_markdown(name) for name in classes]
        matrix = confusion_matrix(predictions.actual, predictions.predicted)
        yield f"Test rows of each class of {escape_markdown(head)} (lines) by their predicted class (columns):"
        yield ""
        rows = ([name, *map(str, counts)] for name, counts in zip(names, matrix, strict=True))
        yield markdown_table([escape_markdown(head), *names], rows)
        yield ""


def _importance_lines(explanation: Explanation | None) -> Iterator[str]:
    """The importance of the inputs, as a table; nothing where it is not known."""
    heads = explanation.explained_heads if explanation else []
    if explanation is None or not heads:
        return
    yield "## Importance of the inputs"
    yield ""
    yield f"| input | {' | '.join(map(escape_markdown, heads))} |"
    yield "|---" + "|---" * len(heads) + "|"
    for name in explanation.ranked[:MOST_INPUTS]:
        cells = [format_importance(explanation.importance[name].get(head)) for head in heads]
        yield f"| {' | '.join([escape_markdown(name), *cells])} |"
    yield ""
    yield f"What the score of a head loses when the input is shuffled among {explanation.rows:,} test rows (permutation"
    yield "importance), with half the width of its 95 % confidence interval. Of inputs that say the same, each has a small one."
    if len(explanation.importance) > MOST_INPUTS:
        yield f"{len(explanation.importance) - MOST_INPUTS:,} inputs of less importance are not listed."
    yield ""


def _kind(column: Column) -> str:
    """What a column is, and whether it may be missing, as a cell of a table."""
    return f"{column.kind or 'numeric'}{', may be missing' if column.fills_gaps else ''}"


def _introduction(model: DescribedModel) -> Iterator[str]:
    """What the model is and where it comes from, with a drawing of the finalist's network."""
    experiment, finalist, dataset, heads = model.experiment, model.finalist, model.dataset, model.experiment.heads
    kind = model_description(len(model.members), model.described, "branched network") or "one branched network"
    yield f"# {escape_markdown(experiment.promotion.model if experiment.promotion else experiment.name)}"
    yield ""
    yield escape_markdown(experiment.question or f"Predicts {', '.join(heads)} from {', '.join(dataset.inputs)}.")
    yield ""
    origin = f"{escape_markdown(finalist.candidate.name)} of the sweep {escape_markdown(experiment.name)}"
    if len(model.described) > 1:
        yield f"It is {kind}. The finalist is {origin}, a network with {finalist.parameters:,} parameters:"
    else:
        yield f"It is {kind} with {finalist.parameters:,} parameters, {origin}:"
    yield ""
    recipe = recipe_for(experiment, finalist.candidate.trial.params)
    yield from (
        f"    {line}"
        for line in draw_network(
            recipe.architecture,
            [one_line(name) for name in dataset.inputs],
            width=recipe.encoded_width(dataset.input_columns.values()),
        )
    )
    yield ""


def _member_lines(model: DescribedModel) -> Iterator[str]:
    """What an ensemble consists of, with its weights, as a table; nothing for the networks of one recipe."""
    if len(model.described) < 2:
        return
    heads = list(model.test)
    yield "## Members"
    yield ""
    yield f"| member | networks | {' | '.join(f'weight for {escape_markdown(head)}' for head in heads)} |"
    yield f"|---|---|{'---|' * len(heads)}"
    for member in model.described:
        weights = " | ".join(f"{member.weights[head]:.3f}" for head in heads)
        yield f"| {escape_markdown(member.name)} | {member.networks or 'estimator of scikit-learn'} | {weights} |"
    yield ""
    yield "The network drawn above is the finalist's. For each head the model predicts the weighted mean of its members."
    yield ""


def _limits(column: Column, low: float, high: float) -> str:
    """The first and the last value of an input, as two cells of a table."""
    if column.kind == "categorical":
        count, names = count_and_names(column.categories or [])
        return f"{count} | {escape_markdown(names)}"
    if column.kind == "date":
        return " | ".join(str(np.datetime64(int(time), "s")) for time in (low, high))
    return f"{low:g} | {high:g}"
