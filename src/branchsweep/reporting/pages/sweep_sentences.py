"""Sentences on the page of a sweep: its answer, how far it is, its finalist, its time and its table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from branchsweep.config.metric_names import MEAN
from branchsweep.data.dataset import is_synthetic
from branchsweep.models.recipe import recipe_for
from branchsweep.reporting.figures.trials import score_label
from branchsweep.reporting.formatting import (
    SYNTHETIC_DATA_WARNING,
    format_difference,
    format_duration,
    promotion_outcome,
)
from branchsweep.workflows.sweep_report import SweepReport


def answer_sentence(report: SweepReport) -> str:
    """The result of the sweep in one sentence: the headline of the page."""
    result, heads = report.summary, list(report.experiment.heads)
    if report.unfinished:
        return _answer_so_far(report)
    if result.finalist is None:
        return f"{result.without_finalist}."
    model = result.model_description or "the best network"
    model = f"On synthetic data, {model}" if synthetic_data_warning(report) else f"T{model[1:]}"
    metric = score_label(report)
    if result.test_scores:
        best = next((baseline for baseline in result.baselines_best_first if baseline.test_scores), None)
        other = f"; {best.name} {_joined([_number3(best.test_scores[head]) for head in heads])}" if best else ""
        return f"{model} predicts {_per_head(heads, result.test_scores, metric)} on the test rows{other}."
    scores = _per_head(heads, result.finalist.scores.values, metric)
    return f"{model} predicts {scores} on validation rows; the refit on all training rows diverged."


def _answer_so_far(report: SweepReport) -> str:
    """The best trial so far in one sentence."""
    if report.marked is None:
        return f"{report.summary.without_finalist} so far."
    scores = _per_head(list(report.experiment.heads), report.marked.scores.values, score_label(report))
    on_synthetic = "on synthetic data, " if synthetic_data_warning(report) else ""
    return f"So far, {on_synthetic}trial {report.marked.trial} is the best: it predicts {scores} on validation rows."


def unfinished_sentence(report: SweepReport) -> str:
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
    first, *others = [f"{head} with {metric} {_number3(scores[head])}" for head in heads]
    return _joined([first, *(text.replace(f"{metric} ", "") for text in others)])


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _number3(score: float) -> str:
    """A score in three decimals, for sentences; `-` for NaN."""
    return f"{score:.3f}" if math.isfinite(score) else "-"


def lead_sentences(report: SweepReport) -> list[str]:
    """Sentences below the headline: which trial it is, and the decision about its promotion."""
    result = report.summary
    lead = []
    if report.marked:
        branches = "" if has_branches(report) else " without branches (the heads share all hidden layers)"
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


def has_branches(report: SweepReport) -> bool:
    """Whether some head of the network of the marked trial has hidden layers of its own."""
    return report.marked is not None and recipe_for(report.experiment, report.marked.params).architecture.has_branches


def synthetic_data_warning(report: SweepReport) -> str:
    """The warning that the table is the synthetic one; empty where it is not."""
    if not is_synthetic(report.summary.data["source"]):
        return ""
    return " ".join(report.table.warnings) or SYNTHETIC_DATA_WARNING


def elapsed_sentence(report: SweepReport) -> str:
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


def no_comparison_sentence(report: SweepReport) -> str:
    """Why the finalist is compared with no baselines."""
    if report.unfinished:
        return "The sweep is not finished: the baselines are compared with the finalist at its end."
    return f"There is nothing to compare: {answer_sentence(report)}"


def data_sentence(report: SweepReport) -> str:
    """Where the rows came from, and how they are divided."""
    data, table = report.summary.data, report.table
    split = f", {table.train:,} to train and validate, {table.test:,} to test" if table.train else ""
    split += f", divided {report.experiment.split_description}"
    duplicates = " There are no duplicate rows." if table.train and not table.warnings else ""
    return f"{data['location']}: {data['rows']:,} rows{split}. Digest {data['digest']}.{duplicates}"
