"""Descriptions of sweeps for MLflow's UI, as Markdown: a short one while the sweep runs, and one with its results.

Text of the user (a question, names of heads and trials, reasons) is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import MEAN, common_metric
from branchsweep.data.dataset import is_synthetic
from branchsweep.metrics.names import BEST, label
from branchsweep.metrics.relative_rmse import RRMSE
from branchsweep.reporting.escaping import escape_markdown
from branchsweep.reporting.formatting import SYNTHETIC_DATA_WARNING, capitalized, format_mean_score, promotion_outcome
from branchsweep.tracking.protocols import TrackingLinks
from branchsweep.trial import Result
from branchsweep.workflows.records.cross_validation_result import CrossValidationResult
from branchsweep.workflows.records.sweep_summary import SweepSummary
from branchsweep.workflows.sweep_report import SweepReport

REPORT = "report.html"
"""Name of the HTML report among the files of a sweep."""

SUMMARY = "summary.json"
"""Name of the summary as JSON among the files of a sweep."""

GAP = "&emsp;"
"""Space before each number of a table: MLflow's UI leaves none between columns."""


def running_description(experiment: Experiment) -> str:
    """The description of a running sweep: its question, and where its progress is shown."""
    heads = ", ".join(escape_markdown(head) for head in experiment.heads)
    metric = common_metric(experiment.score_metrics.values())
    lines = [
        *([f"**{escape_markdown(experiment.question)}**", ""] if experiment.question else []),
        f"A running sweep of up to {experiment.search.trials:,} trials over the heads {heads}.",
        "",
        f"- Model metrics: `{BEST.format(metric)}/…` are the best scores so far.",
        "- The trials are the child runs of this run; their names show their scores.",
        "- When the sweep has finished, its results are shown here. If it was stopped, run the same command again to resume.",
    ]
    return "\n".join(lines) + "\n"


def finished_description(report: SweepReport, links: TrackingLinks, files: Sequence[str] = ()) -> str:
    """The description of a finished sweep.

    Args:
        report: The sweep.
        links: Links to MLflow's pages; what has no page is named without a link.
        files: Names of the files that are kept with the sweep.
    """
    result, question, best = report.summary, report.experiment.question, report.best
    lines = [_answer(result, links), ""]  # first, since MLflow's page folds all but the first lines
    lines += [f"*{escape_markdown(question)}*", ""] if question else []
    if is_synthetic(result.data["source"]):
        lines += [f"**{SYNTHETIC_DATA_WARNING}**", ""]
    if best:
        lines += [*_table(result, list(report.experiment.heads), best, links), ""]
    lines += [*_promotion(result, links), *_warnings(result), _trial_counts(result), ""]
    linked = _file_links(links, files)
    return "\n".join([*lines, *([" · ".join(linked), ""] if linked else [])]).rstrip() + "\n"


def nested_description(result: CrossValidationResult) -> str:
    """The description of a finished outer cross-validation: the nested score by head, and of the baselines."""
    shown = [metric for metric in (result.metric, RRMSE) if metric in result.scores]
    score = label(result.metric)
    lines = [f"**{result.answer or 'No fold has a model.'}**", ""]
    if is_synthetic(str(result.data["source"])):
        lines += [f"**{SYNTHETIC_DATA_WARNING}**", ""]
    titles = [{RRMSE: "relative RMSE"}.get(metric, label(metric)) for metric in shown]
    baselines = [escape_markdown(name) for name in result.baselines]
    header = ["head", *titles, *(f"{score}, {name}" for name in baselines)]
    lines += [f"| {f' | {GAP}'.join(header)} |", f"|---|{'---:|' * (len(header) - 1)}"]
    for head in [*result.score_metrics, MEAN]:
        values = [result.scores[metric] for metric in shown] + [scores[result.metric] for scores in result.baselines.values()]
        lines.append(
            f"| {f' | {GAP}'.join([escape_markdown(head), *(format_mean_score(scores, head) for scores in values)])} |"
        )
    explanation = (
        f"Means over the test rows of {len(result.folds)} folds, ± their standard error. The sweep of each fold, a child run of"
        " this one, chose its model on its training rows alone; no model is registered. `predictions.csv` has the prediction"
        " for every row. The mean relative RMSE is called aRRMSE elsewhere."
    )
    return "\n".join([*lines, "", explanation]) + "\n"


def _answer(result: SweepSummary, links: TrackingLinks) -> str:
    """The test scores of the final model and of the best baseline, in a sentence."""
    if result.finalist is None:
        return f"{result.without_finalist}, so there is nothing to compare or to register."
    trial = _linked(f"trial {result.finalist.trial}", links.trials.get(result.finalist.trial, ""))
    networks = capitalized(result.model_description or "the network")
    model = f"{networks} of {trial} ({result.finalist.parameters:,} parameters{' each' * (result.members > 1)})"
    if result.ensemble and result.ensemble.members_differ:
        model = f"{networks} (finalist {trial}, {result.finalist.parameters:,} parameters)"
    if result.test_scores is None:
        return f"{model} is the finalist, but diverged in the refit on all training rows."
    metric = label(result.metric)
    best = next((baseline for baseline in result.baselines_best_first if baseline.test_scores), None)
    compared = f"; {escape_markdown(best.name)}: {_scores(best.test_scores, metric)}" if best else ""
    return f"{model} reaches **{_scores(result.test_scores, metric)}** on the test rows{compared}."


def _scores(scores: Mapping[str, float], metric: str) -> str:
    return ", ".join(f"{metric} {score:.3f} for {escape_markdown(head)}" for head, score in scores.items())


def _table(result: SweepSummary, heads: Sequence[str], best: Sequence[Result], links: TrackingLinks) -> Iterator[str]:
    """The best trials with their searched scores, and their confirmed mean score if they were confirmed."""
    confirmed = {trial.trial: trial for trial in result.confirmed}
    columns = ["trial", *heads, "mean", *(["mean, confirmed"] if confirmed else [])]
    yield f"| {f' | {GAP}'.join(escape_markdown(column) for column in columns)} |"
    yield f"|---|{'---:|' * (len(columns) - 1)}"
    for trial in best:
        number, known = trial.trial.number, trial.trial.known
        name = _linked(f"{number:03d}", links.trials.get(number, "")) + (f" ({escape_markdown(known)})" if known else "")
        is_finalist = result.finalist is not None and result.finalist.trial == number
        cells = [f"**{name}**" if is_finalist else name, *(f"{trial.score.scores[head]:.4f}" for head in (*heads, "mean"))]
        if number in confirmed:
            scores = confirmed[number].scores
            cells.append("failed" if math.isnan(scores.mean) else format_mean_score(scores, "mean"))
        elif confirmed:
            cells.append("")
        yield f"| {f' | {GAP}'.join(cells)} |"
    yield ""
    metric = label(result.metric)
    yield f"Validation {metric} in the search, with selection bias (the best of many); confirmed: new seeds on new folds."


def _promotion(result: SweepSummary, links: TrackingLinks) -> list[str]:
    champion = result.registered
    if champion is None:
        return []
    name = f"{escape_markdown(champion.model)} version {champion.version}"
    version = _linked(name, links.version(champion.model, champion.version))
    return [f"{version} {promotion_outcome(champion.promoted)}: {escape_markdown(champion.because)}.", ""]


def _warnings(result: SweepSummary) -> list[str]:
    sentences = [*result.unmet_constraints, *result.collapses, *result.boundary_warnings]
    return [*(f"- Warning: {escape_markdown(sentence)}" for sentence in sentences), *([""] if sentences else [])]


def _trial_counts(result: SweepSummary) -> str:
    """Trials by status, duration, table, and the reason why the search stopped, in a sentence."""
    location = str(result.data["location"])
    table = Path(location).name if result.data["source"] == "file" else location  # without the folder, which is private
    rows = f"{escape_markdown(table)}, {result.data['rows']:,} rows"
    stopped = escape_markdown(result.stopped_because)
    return f"{result.trial_counts} in {result.seconds:.0f} s on {rows}; {stopped}."


def _file_links(links: TrackingLinks, files: Sequence[str]) -> list[str]:
    pages = {
        "all trials, best first": links.table,
        "charts": links.charts,
        "report": links.file(REPORT) if REPORT in files else "",
        "summary as JSON": links.file(SUMMARY) if SUMMARY in files else "",
        "registered models": links.models,
    }
    return [f"[{name}]({page})" for name, page in pages.items() if page]


def _linked(text: str, page: str) -> str:
    return f"[{text}]({page})" if page else text
