"""Converts the results of trials to the observations that samplers learn from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from branchsweep.config.sections.objective import Objective
from branchsweep.metrics.objectives import ObjectiveEvaluator, Values, objective_values
from branchsweep.search.protocols import Observation
from branchsweep.search.successive_halving import mean_gain_after_rung
from branchsweep.trial import Result, Score, Status


class Observations:
    """Makes observations from scores. The expected values of a pruned or failed trial are estimated from the other trials.

    Args:
        objective: What the search maximizes.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._scores_by_round: dict[int, list[Score]] = {}
        self._gains: dict[tuple[int, int], Mapping[str, float]] = {}
        self._worst: Values = (0.0,) * len(objective.maximize)

    def add_round(self, start: int, results: Iterable[Result]) -> None:
        """Add the results of a round.

        Args:
            start: The number of the round's first trial.
            results: Its results.
        """
        self._scores_by_round[start] = scores = [result.score for result in results if is_measured(result.score)]
        for score in scores:
            self._worst = tuple(map(min, self._worst, objective_values(self._objective, score.by_head)))

    def observation(self, start: int, score: Score, evaluator: ObjectiveEvaluator) -> Observation:
        """The observation of a trial.

        Args:
            start: The number of the first trial of its round, which was added.
            score: The trial's score.
            evaluator: The objective with the bounds of its constraints.
        """
        if not is_measured(score):
            return Observation(Status.FAILED, (), self._worst, (), 0)
        expected = score.by_head
        if score.status is Status.PRUNED:
            gains = self._mean_gains(start, max(score.rungs, default=0))
            expected = {head: value + gains.get(head, 0.0) for head, value in expected.items()}
        return Observation(
            status=score.status,
            values=evaluator.values(score),
            expected=objective_values(self._objective, expected),
            violations=evaluator.violations(score),
            epoch=max(1, round(score.epochs)),
        )

    def _mean_gains(self, start: int, rung: int) -> Mapping[str, float]:
        """By head, the mean increase of the score from a rung to the end, over the complete trials of a round."""
        if (start, rung) not in self._gains:
            self._gains[start, rung] = mean_gain_after_rung(self._scores_by_round[start], rung)
        return self._gains[start, rung]


def is_measured(score: Score) -> bool:
    """Whether the score has a finite value for every head."""
    return score.status is not Status.FAILED and bool(score.heads) and all(map(math.isfinite, score.by_head.values()))
