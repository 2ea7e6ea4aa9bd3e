"""What a sampler learns from the results of trials."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from branchsweep.config.objective import Objective
from branchsweep.metrics.objectives import ObjectiveEvaluator, Values, objective_values
from branchsweep.search.protocols import Observation
from branchsweep.search.successive_halving import mean_gain_after_rung
from branchsweep.trial import Result, Score, Status


class Observations:
    """What an sampler learns from scores: each as the answer that it is in the light of the others.

    Args:
        objective: What the search is for.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._rounds: dict[int, list[Score]] = {}
        self._gains: dict[tuple[int, int], Mapping[str, float]] = {}
        self._worst: Values = (0.0,) * len(objective.maximize)

    def take(self, of_round: int, results: Iterable[Result]) -> None:
        """The scores of a round."""
        self._rounds[of_round] = scores = [result.score for result in results if is_measured(result.score)]
        for score in scores:
            self._worst = tuple(map(min, self._worst, objective_values(self._objective, score.by_head)))

    def answer(self, of_round: int, score: Score, judged: ObjectiveEvaluator) -> Observation:
        """The answer that the score of a trial of this round is."""
        if not is_measured(score):
            return Observation(Status.FAILED, (), self._worst, (), 0)
        expected = score.by_head
        if score.status is Status.PRUNED:
            gains = self._gain(of_round, max(score.rungs, default=0))
            expected = {head: score + gains.get(head, 0.0) for head, score in expected.items()}
        return Observation(
            status=score.status,
            values=judged.values(score),
            expected=objective_values(self._objective, expected),
            violations=judged.violations(score),
            epoch=max(1, round(score.epochs)),
        )

    def _gain(self, of_round: int, rung: int) -> Mapping[str, float]:
        """By head, what the trials of a round that went on from a rung to their end gained on the way, on average."""
        if (of_round, rung) not in self._gains:
            self._gains[of_round, rung] = mean_gain_after_rung(self._rounds[of_round], rung)
        return self._gains[of_round, rung]


def is_measured(score: Score) -> bool:
    """Whether the score has a finite value for every head."""
    return score.status is not Status.FAILED and bool(score.heads) and all(map(math.isfinite, score.by_head.values()))
