"""The result of an outer cross-validation as text."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from branchsweep.config.metric_names import MAE, MEAN, RMSE
from branchsweep.data.dataset import is_synthetic
from branchsweep.metrics.names import label
from branchsweep.metrics.relative_rmse import RRMSE
from branchsweep.reporting.formatting import (
    SYNTHETIC_DATA_WARNING,
    format_difference,
    format_duration,
    format_p_cell,
    format_score,
    format_score_with_error,
    head_label,
)
from branchsweep.reporting.text.layout import BEST_STYLE
from branchsweep.reporting.text.responsive_table import ResponsiveTable, TableColumn, TableRow
from branchsweep.trial import MeanScores
from branchsweep.workflows.records.cross_validation_result import CrossValidationResult

RELATIVE = "relative RMSE"
"""The display label of `rrmse`."""

NOTE = (
    "Each test row was predicted by the model of a sweep that did not see it. ± is the standard error over the folds; they"
    " share training rows, so it is somewhat too small."
)


def render_cross_validation(result: CrossValidationResult) -> RenderableType:
    """Render the nested score: by head, against the baselines, and by fold."""
    table = f"{result.data['location']} ({result.data['rows']:,} rows)"
    folds = f"{len(result.folds)}" if result.is_finished else f"{len(result.folds)} of {result.planned}"
    facts = f": outer cross-validation in {folds} folds on {table}, {format_duration(result.seconds)}"
    parts: list[RenderableType] = [Text(), Text.assemble((result.name, "bold"), facts)]
    if is_synthetic(str(result.data["source"])):
        parts.append(Text(SYNTHETIC_DATA_WARNING, style="bold yellow"))
    if not result.is_finished:
        parts.append(Text("Not finished: the scores are those of the folds so far. branchsweep run resumes it.", style="bold"))
    if result.without_model:
        numbers = ", ".join(map(str, result.without_model))
        sentence = (
            f"No model in fold {numbers}: no trial is complete, or its refits diverged. The scores are those of the others."
        )
        parts.append(Text(sentence, style="bold red"))
    if result.scores:
        parts += [Text(), _scores(result), Text(NOTE, style="dim")]
    if result.baselines:
        parts += [Text(), _baselines(result)]
    return Group(*parts, *([Text(), _folds(result)] if result.folds else []))


def _scores(result: CrossValidationResult) -> RenderableType:
    metrics = [name for name in (result.metric, RRMSE, RMSE, MAE) if name in result.scores]
    titles = {RRMSE: RELATIVE}
    columns = [TableColumn("head")]
    columns += [TableColumn(titles.get(name, label(name)), max(0, rank - 1), right=True) for rank, name in enumerate(metrics)]
    rows = [
        TableRow(
            [_name(head, metrics), *(_with_error(result.scores[metric], head) for metric in metrics)],
            BEST_STYLE if head == MEAN else "",
        )
        for head in [*result.score_metrics, MEAN]
    ]
    return ResponsiveTable(columns, rows)


def _name(head: str, metrics: list[str]) -> str:
    """A head's name; that of the mean says what the mean relative RMSE is called elsewhere."""
    return head if head != MEAN else "mean (aRRMSE)" if RRMSE in metrics else "mean"


def _with_error(scores: MeanScores, head: str) -> str:
    value, error = scores.values.get(head), scores.errors.get(head)
    if value is None:
        return "-"
    if abs(value) < 10:
        return format_score_with_error(value, error)
    return f"{value:.5g}" if error is None or error != error else f"{value:.5g} ± {error:.2g}"  # noqa: PLR0124  # NaN


def _baselines(result: CrossValidationResult) -> RenderableType:
    """The baselines on the same folds, and by how much the sweep's models are better."""
    score = label(result.metric)
    columns = (
        TableColumn("baseline", is_text=True),
        TableColumn("head"),
        TableColumn(score, 2, right=True),
        TableColumn(RELATIVE, 3, right=True),
        TableColumn(f"{score} of the sweep is better by", right=True),
        TableColumn("95% interval", 4, right=True),
        TableColumn("p", 1, right=True),
    )
    rows = []
    for name, scores in result.baselines.items():
        relative: Mapping[str, float] = scores[RRMSE].values if RRMSE in scores else {}
        for head in [*result.score_metrics, MEAN]:
            difference = result.differences.get(name, {}).get(head)
            cells = [name, head_label(head), _with_error(scores[result.metric], head), format_score(relative.get(head))]
            if difference:
                interval = f"{format_difference(difference.low)} to {format_difference(difference.high)}"
                better = f"{format_difference(difference.mean)} ± {difference.error:.4f}"
                cells += [better, interval, format_p_cell(difference.p)]
            else:
                cells += ["-", "-", "-"]
            rows.append(TableRow(cells))
    return ResponsiveTable(columns, rows, "baselines on the same folds (corrected resampled t-test)")


def _folds(result: CrossValidationResult) -> RenderableType:
    columns = (
        TableColumn("fold", right=True),
        TableColumn("sweep", 2),
        TableColumn("run", 3),
        TableColumn("trial", 1, right=True),
        TableColumn("test rows", 4, right=True),
        TableColumn(f"mean {label(result.metric)}", right=True),
        TableColumn(f"mean {RELATIVE}", right=True),
        TableColumn("time", 1, right=True),
    )
    rows = []
    for fold in result.folds:
        means = result.means_of(fold)
        cells = [
            f"{fold.number}",
            fold.sweep,
            fold.run_id[:8],
            "-" if fold.trial is None else f"{fold.trial}",
            f"{fold.test_rows:,}",
            format_score(means.get(result.metric)),
            format_score(means.get(RRMSE)),
            format_duration(fold.seconds),
        ]
        rows.append(TableRow(cells))
    return ResponsiveTable(columns, rows)
