"""The scores of baselines on the rows of the finalist, and which of them are the best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from branchsweep.config.metric_names import MEAN
from branchsweep.trial import HeadScore, MeanScores, Params


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """A baseline, scored on the same rows as the finalist.

    Args:
        name: For people.
        scores: Its scores on the folds of the confirmation.
        test_scores: Score on the test rows by head; empty where it was not evaluated on them.
        test_metrics: All metrics on the test rows, by head and name; empty in the record of a version that did not keep them.
        params: Of an estimator, the hyperparameters that were fixed or chosen, those of a single head as `PE/max_features`; the
            others have scikit-learn's defaults.
        trials: The trials of the search that chose them; 0 where nothing was searched.
        estimators: By head what an estimator is there, in words (`logistic regression`); empty for a network.
    """

    name: str
    scores: MeanScores
    test_scores: Mapping[str, float]
    test_metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    params: Params = field(default_factory=dict)
    trials: int = 0
    estimators: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, scores: MeanScores, test: Mapping[str, HeadScore]) -> BaselineResult:
        """The result of a baseline with these scores on the test rows, by head."""
        test_scores = {head: measured.score for head, measured in test.items()}
        return cls(name, scores, test_scores, {head: measured.metrics for head, measured in test.items()})

    def confirmed(self, head: str = MEAN) -> float:
        """The confirmed score of a head, or the mean over the heads; minus infinity where it has none, as one that diverged."""
        score = self.scores.values.get(head, math.nan)
        return score if math.isfinite(score) else -math.inf


@dataclass(frozen=True, slots=True)
class BestBaseline:
    """The best baseline of a head, beside the finalist.

    Args:
        name: The baseline's.
        label: What it is for the head alone.
        score: Its confirmed score.
        difference: The finalist's confirmed score minus that.
    """

    name: str
    label: str
    score: float
    difference: float


def best_first(baselines: Iterable[BaselineResult], head: str = MEAN) -> list[BaselineResult]:
    """The baselines by their confirmed score of a head, or by the mean over the heads; those without any come last."""
    return sorted(baselines, key=lambda baseline: -baseline.confirmed(head))


def best_baselines(baselines: Sequence[BaselineResult], finalist: MeanScores, heads: Iterable[str]) -> dict[str, BestBaseline]:
    """By head, and for `mean`, the baseline with the highest confirmed score, beside the finalist's.

    Args:
        baselines: With their scores.
        finalist: Its scores.
        heads: In their order.

    Returns:
        Heads of which no baseline has a score are left out.
    """
    best = {head: best_first(baselines, head)[:1] for head in (*heads, MEAN)}
    return {
        head: BestBaseline(
            first.name,
            first.estimators.get(head, first.name),
            first.confirmed(head),
            finalist.values.get(head, math.nan) - first.confirmed(head),
        )
        for head, found in best.items()
        for first in found
        if math.isfinite(first.confirmed(head))
    }
