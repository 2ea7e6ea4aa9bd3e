"""Whether a model may become the first champion of its name: there is no champion that it could be compared with.

It is judged against what is always there, and any objection makes it a challenger:

1. On no head of the objective it is as bad as a constant guess, neither when it was confirmed nor on the test rows.
2. No baseline is better by more than the gate's margin on the folds of the confirmation, nor by far on the test rows.
3. On no head its test score lies far below its confirmed scores: then its refit is not what was confirmed.

"By far" is `collapse.is_far_below`. A small difference on the test rows is no objection, as they must not choose.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import NamedTuple

from branchsweep.config.sections.objective import Objective
from branchsweep.metrics.collapse import is_far_below
from branchsweep.metrics.names import label
from branchsweep.metrics.objectives import objective_heads, ranking_label, ranking_value
from branchsweep.tracking.registry_protocols import PromotionCause
from branchsweep.workflows.promotion.candidates import ReevaluatedTrial
from branchsweep.workflows.records.baseline_result import BaselineResult


class Objection(NamedTuple):
    """Why a model is not sound, as a code and as a sentence."""

    cause: PromotionCause
    sentence: str


@dataclass(frozen=True, slots=True)
class FirstVersion:
    """A model that would be the first champion, with what it is judged by.

    Args:
        finalist: The trial with its confirmed scores.
        test_scores: Of the exported model, by head; None where the test rows are not to be used.
        baselines: With their scores on the same folds and test rows.
    """

    finalist: ReevaluatedTrial
    test_scores: Mapping[str, float] | None
    baselines: Sequence[BaselineResult]

    def objection(self, objective: Objective, margin: float) -> Objection | None:
        """Why it is not sound; None if it is.

        Args:
            objective: By which models are ranked.
            margin: What a baseline may be better by.
        """
        guesses = self._guesses(objective_heads(objective, self.finalist.score.by_head))
        confirmed = self._baselines_better_when_confirmed(objective, margin)
        tested = self._baselines_better_on_test_rows(objective_heads(objective, self.test_scores or {}))
        sentences = {
            PromotionCause.CONSTANT_GUESS: guesses,
            PromotionCause.BASELINE_BETTER: chain(confirmed, tested),
            PromotionCause.NOT_AS_CONFIRMED: self._disagreements(),
        }
        return next((Objection(cause, sentence) for cause, found in sentences.items() for sentence in found), None)

    def _guesses(self, heads: Sequence[str]) -> Iterator[str]:
        confirmed = self.finalist.score.by_head
        for scores, where in ((confirmed, "when confirmed"), (self.test_scores or {}, "on the test rows")):
            for head in heads:
                score = scores.get(head, 1.0)
                if score <= 0:
                    yield f"{head} is no better than a constant guess: {self._label(head)} {score:.4f} {where}"

    def _baselines_better_when_confirmed(self, objective: Objective, margin: float) -> Iterator[str]:
        score_metrics = self.finalist.candidate.experiment.score_metrics
        objective = objective.by_scores(score_metrics)  # of baselines there are scores alone, and the margin is one of scores
        metric = ranking_label(objective, score_metrics)
        own = ranking_value(objective, self.finalist.score.by_head)
        heads = list(self.finalist.score.by_head)
        ranked = {
            baseline.name: ranking_value(objective, {head: baseline.scores.values[head] for head in heads})
            for baseline in self.baselines
            if all(math.isfinite(baseline.scores.values.get(head, math.nan)) for head in heads)
        }
        best = max(ranked, key=lambda name: ranked[name], default="")
        if best and ranked[best] > own + margin:
            yield f"{best} is better: {metric} {ranked[best]:.4f} against {own:.4f} on the folds of the confirmation"

    def _baselines_better_on_test_rows(self, heads: Sequence[str]) -> Iterator[str]:
        scores = self.test_scores or {}
        for baseline, head in product(self.baselines, heads):
            other = baseline.test_scores.get(head, math.nan)
            if is_far_below(scores[head], [other]):
                name = baseline.estimators.get(head, baseline.name)
                yield f"{name} is far better on the test rows: {head} {other:.4f} against {scores[head]:.4f}"

    def _disagreements(self) -> Iterator[str]:
        confirmed = self.finalist.score
        for head, score in (self.test_scores or {}).items():
            if is_far_below(score, [lane[head] for lane in self.finalist.lane_scores.values()]):
                measured = f"{confirmed.by_head[head]:.4f} ± {confirmed.heads[head].score_se:.4f}"
                yield f"{head} has {self._label(head)} {score:.4f} on the test rows, far below the confirmed {measured}"

    def _label(self, head: str) -> str:
        return label(self.finalist.candidate.experiment.score_metrics[head])
