"""Converts the results of trials to the observations that samplers learn from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from branchsweep.config.sections.objective import Objective
from branchsweep.metrics.objectives import ObjectiveEvaluator, Values, measured_others, objective_values
from branchsweep.search.protocols import Observation
from branchsweep.search.successive_halving import mean_gain_after_rung
from branchsweep.trial import Result, Score, Status


class Observations:
    """Makes observations from scores. The expected values of a pruned or failed trial are estimated from the other trials.

    Args:
        objective: What the search optimizes.
        others: What it names that is no score of heads.
    """

    def __init__(self, objective: Objective, others: Sequence[str] = ()) -> None:
        self._objective, self._others = objective, others
        self._scores_by_round: dict[int, list[Score]] = {}
        self._gains: dict[tuple[int, int], Mapping[str, float]] = {}
        self._worst: Values = tuple(math.inf if name in others else 0.0 for name in objective.maximize)

    def add_round(self, start: int, results: Iterable[Result]) -> None:
        """Add the results of a round.

        Args:
            start: The number of the round's first trial.
            results: Its results.
        """
        self._scores_by_round[start] = scores = [result.score for result in results if self._is_measured(result.score)]
        for score in scores:
            values = objective_values(self._objective, score.by_head, measured_others(self._others, score))
            self._worst = tuple(map(min, self._worst, values))

    def observation(self, start: int, score: Score, evaluator: ObjectiveEvaluator) -> Observation | None:
        """The observation of a trial; None for a failed one where no other trial says what would be a bad value.

        Args:
            start: The number of the first trial of its round, which was added.
            score: The trial's score.
            evaluator: The objective with the bounds of its constraints.
        """
        if not self._is_measured(score):
            known = all(map(math.isfinite, self._worst))
            return Observation(Status.FAILED, (), self._worst, (), 0) if known else None
        expected, others = score.by_head, measured_others(self._others, score)
        if score.status is Status.PRUNED:
            gains = self._mean_gains(start, max(score.rungs, default=0))
            expected, others = (
                {name: value + gains.get(name, 0.0) for name, value in measured.items()} for measured in (expected, others)
            )
        return Observation(
            status=score.status,
            values=evaluator.values(score),
            expected=objective_values(self._objective, expected, others),
            violations=evaluator.violations(score),
            epoch=max(1, round(score.epochs)),
        )

    def _mean_gains(self, start: int, rung: int) -> Mapping[str, float]:
        """By head and other metric, the mean increase from a rung to the end, over the complete trials of a round."""
        if (start, rung) not in self._gains:
            self._gains[start, rung] = mean_gain_after_rung(self._scores_by_round[start], rung)
        return self._gains[start, rung]

    def _is_measured(self, score: Score) -> bool:
        """Whether the score has a finite value for every head, and for what else the objective names."""
        if score.status is Status.FAILED or not score.heads:
            return False
        return all(map(math.isfinite, (*score.by_head.values(), *measured_others(self._others, score).values())))
