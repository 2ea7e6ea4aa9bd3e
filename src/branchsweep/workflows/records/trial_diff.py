"""The difference of two recorded trials, or of the trials of two registered versions: values side by side, scores paired."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from branchsweep.config.codec import to_public_json
from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import find_hyperparameter
from branchsweep.config.metric_names import MEAN, metric_of_head
from branchsweep.config.sections.validation import KFold
from branchsweep.metrics.names import other_metrics, score_names
from branchsweep.metrics.significance import SignificanceSettings, corrected_t, mean_by_fold
from branchsweep.models.recipe import recipe_for
from branchsweep.tracking.champion_history import RegisteredVersion
from branchsweep.tracking.protocols import SweepRecord
from branchsweep.trial import MeanScores, ParamValue, Result, Score
from branchsweep.workflows.records.sweep_summary import SweepSummary

CONFIDENCE = 0.95
"""Level of the intervals of paired differences."""

Value = ParamValue | None


@dataclass(frozen=True, slots=True)
class ComparedTrial:
    """One of the two: a trial, with the registered version that was made of it where that was named.

    Args:
        name: What it is called: `branched:17`, or `plant version 2`.
        sweep_id: The sweep's run.
        run_id: The trial's run.
        record: What was written down about its sweep.
        experiment: The sweep's experiment.
        result: The trial with its score.
        summary: What the sweep finished with; None for one that has not, or whose summary cannot be read.
        version: The registered version that is compared; None for a trial.
    """

    name: str
    sweep_id: str
    run_id: str
    record: SweepRecord
    experiment: Experiment
    result: Result
    summary: SweepSummary | None = None
    version: RegisteredVersion | None = None


@dataclass(frozen=True, slots=True)
class DiffRow:
    """A value of both, beside each other.

    Args:
        name: What is compared.
        first: The first one's value; None where it has none.
        second: The second one's.
        differs: Whether they differ.
    """

    name: str
    first: Value
    second: Value
    differs: bool

    @classmethod
    def of(cls, name: str, first: Value, second: Value) -> DiffRow:
        """The row of two values; they are equal if their types and values are."""
        return cls(name, first, second, (type(first), first) != (type(second), second))


@dataclass(frozen=True, slots=True)
class ScoreDiff:
    """The scores of both for a head, or for their mean, and the difference over the same folds.

    Args:
        name: Of the metric, in full: `r2/PE`.
        first: The first one's validation score, averaged over folds and seeds; NaN where there is none.
        first_error: Its standard error.
        second: The second one's.
        second_error: Its standard error.
        difference: The second one's minus the first one's.
        low: Lower end of its 95 % interval (corrected resampled t-test over folds); NaN without two folds that both have.
        high: Its upper end.
        p: Two-sided p-value.
    """

    name: str
    first: float
    first_error: float
    second: float
    second_error: float
    difference: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan


@dataclass(frozen=True, slots=True)
class TrialDiff:
    """The difference of two trials, as `branchsweep diff` shows it.

    Args:
        first: What the first one is called.
        second: What the second one is called.
        score_metrics: The name of the metric that is the score, by head.
        facts: Where both come from, and how they were trained.
        hyperparameters: Every hyperparameter that one of them chose or fixed.
        scores: By head, and the mean.
        metrics: Other metrics by head, such as `rmse/PE`.
        evidence: What was measured after the search: confirmed scores, scores on the test rows, the decision.
        folds: How many folds the differences are paired over; 0 where they are not paired.
        not_paired_because: Why they are not, as a sentence; empty where they are.
        notes: What a reader should know, as sentences.
    """

    first: str
    second: str
    score_metrics: Mapping[str, str]
    facts: Sequence[DiffRow]
    hyperparameters: Sequence[DiffRow]
    scores: Sequence[ScoreDiff]
    metrics: Sequence[DiffRow]
    evidence: Sequence[DiffRow]
    folds: int
    not_paired_because: str
    notes: Sequence[str]

    @property
    def sections(self) -> Mapping[str, Sequence[DiffRow]]:
        """The tables of values by title, in their order; scores are a table of their own, after the second."""
        return {
            "trial": self.facts,
            "hyperparameters": self.hyperparameters,
            "other metrics": self.metrics,
            "evidence": self.evidence,
        }

    def to_json(self) -> str:
        """One JSON object; null for what has no value."""
        return to_public_json(self)


def compare_trials(first: ComparedTrial, second: ComparedTrial) -> TrialDiff:
    """Compare two recorded trials."""
    metrics = {**first.record.score_metrics, **second.record.score_metrics}
    unpaired = _not_paired_because(first, second)
    folds = 0 if unpaired else _folds(first.experiment)
    return TrialDiff(
        first=first.name,
        second=second.name,
        score_metrics=metrics,
        facts=_rows(_facts(first), _facts(second)),
        hyperparameters=_hyperparameters(first, second),
        scores=[_score(name, head, first, second, folds) for head, name in score_names(metrics).items()],
        metrics=_rows(_metrics(first), _metrics(second)),
        evidence=_rows(_evidence(first), _evidence(second)),
        folds=folds,
        not_paired_because=unpaired,
        notes=_notes(first, second),
    )


def _rows(first: Mapping[str, Value], second: Mapping[str, Value]) -> list[DiffRow]:
    """The rows of two mappings, in the order of their keys; what has no value in either is left out."""
    names = dict.fromkeys([*first, *second])
    rows = [DiffRow.of(name, first.get(name), second.get(name)) for name in names]
    return [row for row in rows if (row.first, row.second) != (None, None)]


def _facts(compared: ComparedTrial) -> dict[str, Value]:
    record, score, trial = compared.record, compared.result.score, compared.result.trial
    validation = compared.experiment.validation
    design = f"{validation.folds} folds" if isinstance(validation, KFold) else f"hold-out of {validation.fraction:g}"
    inputs = compared.experiment.table.inputs.values()
    return {
        "sweep": f"{record.name} ({compared.sweep_id[:8]})",
        "trial": f"{trial.number}{f' ({trial.known})' if trial.known else ''}",
        "run": compared.run_id[:12],
        "status": score.status.value.lower(),
        "reason": score.reason or None,
        "epochs": round(score.epochs, 1),
        "networks": score.lanes,
        "parameters": recipe_for(compared.experiment, trial.params).parameters(inputs),
        "seconds": round(score.seconds, 1),
        "table": f"{record.table.location}, {record.table.rows:,} rows ({record.table.digest[:12]})",
        "split": record.split_digest[:12],
        "validation": f"{design}, {validation.seeds} seed{'s' * (validation.seeds > 1)}",
        "seed": record.seed,
        "heads": ", ".join(record.heads),
    }


def _hyperparameters(first: ComparedTrial, second: ComparedTrial) -> list[DiffRow]:
    """Hyperparameters that either chose or fixed; where only one did, the value that the other was trained with."""
    given = [{**compared.experiment.space.fixed, **compared.result.trial.params} for compared in (first, second)]
    heads = list(dict.fromkeys([*first.record.heads, *second.record.heads]))

    def value(params: Mapping[str, ParamValue], name: str) -> Value:
        if name in params:
            return params[name]
        hyperparameter = find_hyperparameter(name, heads)
        return params.get(hyperparameter.name, hyperparameter.default) if hyperparameter else None

    names = sorted({*given[0], *given[1]})
    return [DiffRow.of(name, value(given[0], name), value(given[1], name)) for name in names]


def _score(name: str, head: str, first: ComparedTrial, second: ComparedTrial, folds: int) -> ScoreDiff:
    one, other = first.result.score, second.result.score
    values = [score.scores.get(head, math.nan) for score in (one, other)]
    errors = [score.scores_se.get(head, math.nan) for score in (one, other)]
    compared = ScoreDiff(name, values[0], errors[0], values[1], errors[1], values[1] - values[0])
    by_fold = [_by_fold(score, head, folds) for score in (one, other)] if folds > 1 else []
    if not by_fold or not all(map(len, by_fold)):
        return compared
    difference = corrected_t(by_fold[1] - by_fold[0], 1 / folds, SignificanceSettings(confidence=CONFIDENCE))
    return ScoreDiff(
        name, values[0], errors[0], values[1], errors[1], difference.mean, difference.low, difference.high, difference.p
    )


def _by_fold(score: Score, head: str, folds: int) -> np.ndarray:
    """The score of each fold, averaged over its seeds; empty where it is not recorded, or no number."""
    heads = [head] if head != MEAN else list(score.lane_scores)
    lanes = np.array([score.lane_scores.get(own, ()) for own in heads], dtype=float)
    if not lanes.size or not np.isfinite(lanes).all():
        return np.array([])
    mean = lanes.mean(axis=0)
    return mean_by_fold(mean, [lane * folds // len(mean) for lane in range(len(mean))])


def _folds(experiment: Experiment) -> int:
    return experiment.validation.folds if isinstance(experiment.validation, KFold) else 1


def _not_paired_because(first: ComparedTrial, second: ComparedTrial) -> str:
    """Why the scores of both are not of the same folds; empty where they are."""
    records, scores = (first.record, second.record), (first.result.score, second.result.score)
    if records[0].table.digest != records[1].table.digest:
        return "Both were scored on different tables, so their scores are not of the same rows."
    if not records[0].split_digest or records[0].split_digest != records[1].split_digest:
        return "Both were scored on different splits of the table, so their scores are not of the same folds."
    for compared in (first, second):
        if not compared.result.score.lane_scores:
            return f"{compared.name} has no scores by fold."
    if first.experiment.validation != second.experiment.validation or scores[0].lanes != scores[1].lanes:
        return "Both were validated differently (folds, seeds), so their scores are not of the same folds."
    return "" if _folds(first.experiment) > 1 else "There is one validation set, so the difference has no interval."


def _metrics(compared: ComparedTrial) -> dict[str, Value]:
    heads = compared.result.score.heads
    return {
        metric_of_head(metric, head): float(f"{measured.metrics[metric]:.4g}")
        for metric in other_metrics(compared.record.score_metrics)
        for head, measured in heads.items()
        if metric in measured.metrics
    }


def _evidence(compared: ComparedTrial) -> dict[str, Value]:
    """What was measured after the search, and what followed from it."""
    summary, version, number = compared.summary, compared.version, compared.result.trial.number
    rows: dict[str, Value] = {}
    confirmed = next((found for found in summary.confirmed if found.trial == number), None) if summary else None
    if confirmed:
        rows |= {f"confirmed {name}": _with_error(confirmed.scores, head) for head, name in _names(compared).items()}
    is_finalist = summary is not None and summary.finalist is not None and summary.finalist.trial == number
    if version:
        rows |= {name: round(value, 4) for name, value in version.test.items()}
    elif is_finalist and summary and summary.test_scores:
        rows |= {f"test_{name}": round(summary.test_scores[head], 4) for head, name in _names(compared).items() if head != MEAN}
    if is_finalist and summary:
        rows["networks of the model"] = summary.members
    if version:
        rows |= {
            "aliases": ", ".join(version.aliases) or "none",
            "registered": version.registered,
            "decision": version.because,
        }
    elif is_finalist and summary and summary.registered:
        registered = summary.registered
        rows["registered as"] = f"{registered.model} version {registered.version}"
        rows["decision"] = registered.because
    return rows


def _names(compared: ComparedTrial) -> Mapping[str, str]:
    return score_names(compared.record.score_metrics)


def _with_error(scores: MeanScores, head: str) -> str | None:
    value, error = scores.values.get(head, math.nan), scores.errors.get(head, math.nan)
    if math.isnan(value):
        return None
    return f"{value:.4f}" if math.isnan(error) else f"{value:.4f} ± {error:.4f}"


def _notes(first: ComparedTrial, second: ComparedTrial) -> list[str]:
    notes = []
    for compared in (first, second):
        score = compared.result.score
        if not score.is_complete:
            status, epochs = score.status.value.lower(), score.ended_at or score.epochs
            notes.append(f"{compared.name} {'was pruned' if status == 'pruned' else status} after {epochs:g} epochs.")
    same = first.sweep_id == second.sweep_id
    return [*notes, *(["Scores by which a search chose have a selection bias; the confirmed ones have none."] if same else [])]
