"""The difference of two recorded trials, or of the trials of two registered versions: values side by side, scores paired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from branchsweep.config.codec import to_public_json
from branchsweep.config.hyperparameters import find_hyperparameter
from branchsweep.metrics.names import score_names
from branchsweep.trial import ParamValue
from branchsweep.workflows.records.compared_trial import ComparedTrial, Value, evidence, metric_values, trial_facts
from branchsweep.workflows.records.paired_scores import ScoreDiff, fold_count, score_diff, why_not_paired


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
    unpaired = why_not_paired(first, second)
    folds = 0 if unpaired else fold_count(first)
    return TrialDiff(
        first=first.name,
        second=second.name,
        score_metrics=metrics,
        facts=_rows(trial_facts(first), trial_facts(second)),
        hyperparameters=_hyperparameters(first, second),
        scores=[
            score_diff(name, head, (first.result.score, second.result.score), folds)
            for head, name in score_names(metrics).items()
        ],
        metrics=_rows(metric_values(first), metric_values(second)),
        evidence=_rows(evidence(first), evidence(second)),
        folds=folds,
        not_paired_because=unpaired,
        notes=_notes(first, second),
    )


def _rows(first: Mapping[str, Value], second: Mapping[str, Value]) -> list[DiffRow]:
    """The rows of two mappings, in the order of their keys; what has no value in either is left out."""
    names = dict.fromkeys([*first, *second])
    rows = [DiffRow.of(name, first.get(name), second.get(name)) for name in names]
    return [row for row in rows if (row.first, row.second) != (None, None)]


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


def _notes(first: ComparedTrial, second: ComparedTrial) -> list[str]:
    notes = []
    for compared in (first, second):
        score = compared.result.score
        if not score.is_complete:
            status, epochs = score.status.value.lower(), score.ended_at or score.epochs
            notes.append(f"{compared.name} {'was pruned' if status == 'pruned' else status} after {epochs:g} epochs.")
    same = first.sweep_id == second.sweep_id
    return [*notes, *(["Scores by which a search chose have a selection bias; the confirmed ones have none."] if same else [])]
