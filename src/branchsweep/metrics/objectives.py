"""What a search is for, as a judgement on scores: which trial is the best, which form the front, which meet the constraints.

A score holds what was measured and knows no objective. Everything here follows from the R² of the heads, averaged over a
trial's lanes, so the same score can be judged by another objective later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from branchsweep.config.objective import HEAD_PREFIX, MEAN_METRIC, MIN_METRIC, Objective
from branchsweep.trial import Result, Score

Values = tuple[float, ...]
"""One number per objective: the more, the better."""


def metric_value(metric: str, r2: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """One figure from the R² by head.

    Args:
        metric: `mean_r2`, `min_r2`, `weighted` (the mean, each head by its weight) or `r2/HEAD`.
        r2: By head.
        weights: By head; 1 for one that is not named.
    """
    if metric.startswith(HEAD_PREFIX):
        return r2[metric.removeprefix(HEAD_PREFIX)]
    if metric == MEAN_METRIC:
        return fmean(r2.values())
    if metric == MIN_METRIC:
        return min(r2.values())
    return fmean(r2.values(), [weights.get(head, 1.0) for head in r2])


def objective_values(objective: Objective, r2: Mapping[str, float]) -> Values:
    """What is maximised, one number per objective."""
    return tuple(metric_value(metric, r2, objective.weights) for metric in objective.maximize)


def ranking_value(objective: Objective, r2: Mapping[str, float]) -> float:
    """The one number by which trials are put in order: the objective, or the rule that chooses from a front."""
    return metric_value(objective.ranking_metric, r2, objective.weights)


def objective_heads(objective: Objective, heads: Iterable[str]) -> list[str]:
    """The heads that the objective looks at."""
    named = {
        metric.removeprefix(HEAD_PREFIX)
        for metric in (*objective.maximize, objective.ranking_metric)
        if metric.startswith(HEAD_PREFIX)
    }
    everything = any(not metric.startswith(HEAD_PREFIX) for metric in objective.maximize)
    return [head for head in heads if everything or head in named]


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether `one` is at least as good in all, and better in some."""
    return all(a >= b for a, b in zip(one, other, strict=True)) and any(a > b for a, b in zip(one, other, strict=True))


def hypervolume(points: Iterable[Sequence[float]]) -> float:
    """The share of the unit cube that the points dominate: how much of what could be reached is reached.

    The reference is 0 in every objective, the R² of a head that always says the mean; 1 would be perfect in all. Computed by
    slicing along the last objective (Zitzler 1999; Knowles 2002), exact, and quick for the few objectives of a network.
    """
    return _volume([tuple(max(0.0, value) for value in point) for point in points])


def _volume(points: list[Values]) -> float:
    if not points:
        return 0.0
    if len(points[0]) == 1:
        return max(point[0] for point in points)
    total, below = 0.0, 0.0
    for height in sorted({point[-1] for point in points}):
        total += (height - below) * _volume([point[:-1] for point in points if point[-1] >= height])
        below = height
    return total


def metric_in_words(metric: str) -> str:
    """A figure in words."""
    if metric.startswith(HEAD_PREFIX):
        return f"validation R² of {metric.removeprefix(HEAD_PREFIX)}"
    return f"{ {MEAN_METRIC: 'mean', MIN_METRIC: 'lowest'}.get(metric, metric) } validation R²"


@dataclass(frozen=True, slots=True)
class ObjectiveEvaluator:
    """The objective of one sweep, its constraints with their bounds in numbers.

    Args:
        objective: What the search is for.
        bounds: What each constraint's figure must reach; NaN where that is not known (yet), because the known configuration
            has no complete score.
    """

    objective: Objective
    bounds: Values

    @classmethod
    def unbound(cls, objective: Objective) -> ObjectiveEvaluator:
        """The judge where nothing is known yet: no constraint has a bound."""
        return cls(objective, (math.nan,) * len(objective.constraints))

    def one_by_one(self) -> list[ObjectiveEvaluator]:
        """A judge for each constraint alone."""
        constraints = zip(self.objective.constraints, self.bounds, strict=True)
        return [
            ObjectiveEvaluator(self.objective.model_copy(update={"constraints": [text]}), (bound,))
            for text, bound in constraints
        ]

    def values(self, score: Score) -> Values:
        """What is maximised."""
        return objective_values(self.objective, score.of_heads)

    def rank(self, score: Score) -> float:
        """The one number by which trials are put in order."""
        return ranking_value(self.objective, score.of_heads)

    def violations(self, score: Score) -> Values:
        """By how much each constraint is violated, at most 0 where it is met; those whose bound is unknown left out."""
        constraints = zip(self.objective.parsed_constraints, self.bounds, strict=True)
        return tuple(
            bound - metric_value(constraint.metric, score.of_heads, self.objective.weights)
            for constraint, bound in constraints
            if not math.isnan(bound)
        )

    def is_eligible(self, result: Result) -> bool:
        """Whether the trial may be the best: complete, and all constraints are met, as far as can be told."""
        score = result.score
        return score.is_complete and math.isfinite(score.value) and all(by <= 0 for by in self.violations(score))

    def ranking(self, results: Iterable[Result]) -> list[Result]:
        """The eligible results by rank, the highest first; of equals, the one asked first."""
        eligible = [result for result in results if self.is_eligible(result)]
        return sorted(eligible, key=lambda result: (-self.rank(result.score), result.trial.number))

    def best(self, results: Iterable[Result]) -> Result | None:
        """The eligible result of the highest rank (of a front, by its rule); of equals, the one asked first; None for none."""
        eligible = [result for result in results if self.is_eligible(result)]
        if self.objective.is_multi_objective:
            eligible = _front(eligible, self)
        return max(eligible, key=lambda result: (self.rank(result.score), -result.trial.number), default=None)

    def front(self, results: Iterable[Result]) -> list[Result]:
        """The eligible results that no other beats in every objective, in order of the first objective, the best first."""
        found = _front([result for result in results if self.is_eligible(result)], self)
        return sorted(found, key=lambda result: (*(-value for value in self.values(result.score)), result.trial.number))


def _front(results: Sequence[Result], judge: ObjectiveEvaluator) -> list[Result]:
    points = [judge.values(result.score) for result in results]
    return [
        result for result, point in zip(results, points, strict=True) if not any(dominates(other, point) for other in points)
    ]


def make_evaluator(objective: Objective, results: Iterable[Result]) -> ObjectiveEvaluator:
    """The judge of a sweep with these results, among which are the known configurations that its constraints name."""
    bounds = objective.parsed_constraints
    if not bounds:
        return ObjectiveEvaluator(objective, ())
    measured = {result.trial.known: result.score for result in results if result.trial.known and result.score.is_complete}

    def bound(metric: str, factor: float, reference: str) -> float:
        if not reference:
            return factor
        if reference not in measured:
            return math.nan
        return factor * metric_value(metric, measured[reference].of_heads, objective.weights)

    return ObjectiveEvaluator(objective, tuple(bound(*constraint) for constraint in bounds))
