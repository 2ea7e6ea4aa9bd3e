"""Objectives: which trial is the best, which form the Pareto front, which meet the constraints.

A score holds what was measured and knows no objective. Everything here follows from the metrics of the heads, averaged over a
trial's lanes, and from those of the network, so the same score can be evaluated by another objective later.

Scores travel by head, and what else an objective names by its full name, `rmse/PE` or `parameters`: the *others*.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from branchsweep.config.metric_names import LATENCY, WEIGHTED, ObjectiveMetric, common_metric
from branchsweep.config.sections.objective import Constraint, Objective
from branchsweep.metrics.functions import mean
from branchsweep.metrics.names import higher_is_better, label
from branchsweep.trial import Result, Score

Values = tuple[float, ...]
"""One number per objective: the higher, the better."""


NO_OTHERS: Mapping[str, float] = MappingProxyType({})
"""Where an objective names scores alone."""


def metric_value(
    name: str, by_head: Mapping[str, float], weights: Mapping[str, float], others: Mapping[str, float] = NO_OTHERS
) -> float:
    """The value of an objective's metric.

    Args:
        name: `mean_r2`, `min_r2`, `weighted` (the mean, each head by its weight), `r2/HEAD`, or one of `others`.
        by_head: The values of the metric that is named, by head; for `weighted` the scores.
        weights: By head; 1 for a head that is not named.
        others: By full name, what is no score.
    """
    if name in others:
        return others[name]
    metric = ObjectiveMetric.parsed(name)
    if metric.head:
        return by_head[metric.head]
    if metric.aggregate == WEIGHTED:
        return mean(by_head.values(), [weights.get(head, 1.0) for head in by_head])
    return min(by_head.values()) if metric.aggregate == "min" else mean(by_head.values())


def to_maximize(name: str, value: float) -> float:
    """A metric's value with its sign changed where less is better; minus infinity where it is not known."""
    if math.isnan(value):
        return -math.inf
    return value if higher_is_better(ObjectiveMetric.parsed(name).metric) else -value


def objective_values(objective: Objective, by_head: Mapping[str, float], others: Mapping[str, float] = NO_OTHERS) -> Values:
    """The values to maximize, one per objective, from the scores by head and the objective's others."""
    return tuple(to_maximize(name, metric_value(name, by_head, objective.weights, others)) for name in objective.maximize)


def ranking_value(objective: Objective, by_head: Mapping[str, float], others: Mapping[str, float] = NO_OTHERS) -> float:
    """The metric that trials are ranked by, from the scores by head: the objective, or the rule that chooses from a front.

    Args:
        objective: The objective.
        by_head: The scores.
        others: Its others.
    """
    return metric_value(objective.ranking_metric, by_head, objective.weights, others)


def objective_heads(objective: Objective, heads: Iterable[str]) -> list[str]:
    """The heads that the objective depends on, in the order of `heads`."""
    maximized = [ObjectiveMetric.parsed(name) for name in objective.maximize]
    ranking = ObjectiveMetric.parsed(objective.ranking_metric)
    named = {metric.head for metric in (*maximized, ranking)}
    of_predictions = [metric for metric in maximized if not metric.is_of_network] or [ranking]
    all_heads = any(metric.aggregate for metric in of_predictions)
    return [head for head in heads if all_heads or head in named]


def dominates(point: Sequence[float], other: Sequence[float]) -> bool:
    """Whether `point` is at least as high as `other` in every objective, and higher in one."""
    return all(a >= b for a, b in zip(point, other, strict=True)) and any(a > b for a, b in zip(point, other, strict=True))


def hypervolume(points: Iterable[Sequence[float]]) -> float:
    """The share of the unit cube that the points dominate.

    The reference point is 0 in every objective, the score of a constant prediction; 1 is a perfect prediction in all. Computed
    by slicing along the last objective (Zitzler 1999; Knowles 2002): exact, and fast for a few objectives.
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


def ranking_label(objective: Objective, score_metrics: Mapping[str, str]) -> str:
    """The label of the metric that trials are ranked by, such as `mean validation R²` or `validation R² of PE`."""
    metric = ObjectiveMetric.parsed(objective.ranking_metric)
    if metric.head:
        return f"validation {label(metric.metric)} of {metric.head}"
    if metric.aggregate == WEIGHTED:
        return f"{objective.ranking_description} validation {label(common_metric(score_metrics.values()))}"
    return f"{'lowest' if metric.aggregate == 'min' else 'mean'} validation {label(metric.metric)}"


def maximized_label(objective: Objective, score_metrics: Mapping[str, str]) -> str:
    """The label of what `ObjectiveEvaluator.rank` returns, for figures where up is better: `negative validation RMSE of PE`."""
    more_is_better = higher_is_better(ObjectiveMetric.parsed(objective.ranking_metric).metric)
    return f"{'' if more_is_better else 'negative '}{ranking_label(objective, score_metrics)}"


@dataclass(frozen=True, slots=True)
class ObjectiveEvaluator:
    """The objective of one sweep, and its constraints with their bounds as numbers.

    Args:
        objective: What the search maximizes.
        bounds: The least value that each constraint allows; NaN where it is not known (yet), because the initial trial that
            the constraint refers to has no complete score.
    """

    objective: Objective
    bounds: Values

    @classmethod
    def unbound(cls, objective: Objective) -> ObjectiveEvaluator:
        """The evaluator where no bound is known."""
        return cls(objective, (math.nan,) * len(objective.constraints))

    def one_by_one(self) -> list[ObjectiveEvaluator]:
        """An evaluator for each constraint alone."""
        constraints = zip(self.objective.constraints, self.bounds, strict=True)
        return [
            ObjectiveEvaluator(self.objective.model_copy(update={"constraints": [text]}), (bound,))
            for text, bound in constraints
        ]

    def values(self, score: Score) -> Values:
        """The values to maximize, one per objective."""
        return tuple(self._to_maximize(name, score) for name in self.objective.maximize)

    def measured(self, score: Score) -> Values:
        """The values of the objectives as they are named: of some less is better."""
        return tuple(measured_value(name, score, self.objective.weights) for name in self.objective.maximize)

    def rank(self, score: Score) -> float:
        """The value that trials are ranked by: the higher, the better."""
        return self._to_maximize(self.objective.ranking_metric, score)

    def ranked_by(self, score: Score) -> float:
        """The metric that trials are ranked by, as it is named: of some less is better."""
        return measured_value(self.objective.ranking_metric, score, self.objective.weights)

    def violations(self, score: Score) -> Values:
        """By how much each constraint is violated, at most 0 where it is met.

        Constraints of unknown bound are left out, and those on the latency of a network that was not measured.
        """
        constraints = zip(self.objective.parsed_constraints, self.bounds, strict=True)
        return tuple(
            self._violation(constraint, bound, score)
            for constraint, bound in constraints
            if not math.isnan(bound) and (constraint.metric != LATENCY or LATENCY in score.network)
        )

    def _violation(self, constraint: Constraint, bound: float, score: Score) -> float:
        value = measured_value(constraint.metric, score, self.objective.weights)
        if math.isnan(value):
            return 1.0  # finite, for samplers learn from it
        return value - bound if constraint.at_most else bound - value

    def is_fast_enough(self, score: Score) -> bool:
        """Whether the constraints on latency are met, as far as it was measured."""
        if LATENCY not in score.network:
            return True
        constraints = zip(self.objective.parsed_constraints, self.bounds, strict=True)
        return all(self._violation(own, bound, score) <= 0 for own, bound in constraints if own.metric == LATENCY)

    def is_eligible(self, result: Result) -> bool:
        """Whether the trial may be the best: it is complete, finite, and violates no constraint of known bound."""
        score = result.score
        if not score.is_complete or not math.isfinite(score.value):
            return False
        are_known = all(map(math.isfinite, (self.rank(score), *self.values(score))))
        return are_known and all(by <= 0 for by in self.violations(score))

    def ranking(self, results: Iterable[Result]) -> list[Result]:
        """The eligible results by rank, the highest first; of equals, the lowest trial number first."""
        eligible = [result for result in results if self.is_eligible(result)]
        return sorted(eligible, key=lambda result: (-self.rank(result.score), result.trial.number))

    def best(self, results: Iterable[Result]) -> Result | None:
        """The eligible result of the highest rank, with several objectives the highest of the front.

        Returns:
            Of equals the one of the lowest trial number; None if no result is eligible.
        """
        eligible = [result for result in results if self.is_eligible(result)]
        if self.objective.is_multi_objective:
            eligible = self._not_dominated(eligible)
        return max(eligible, key=lambda result: (self.rank(result.score), -result.trial.number), default=None)

    def front(self, results: Iterable[Result]) -> list[Result]:
        """The Pareto front: the eligible results that no other dominates, the highest in the first objective first."""
        front = self._not_dominated([result for result in results if self.is_eligible(result)])
        return sorted(front, key=lambda result: (*(-value for value in self.values(result.score)), result.trial.number))

    def _to_maximize(self, name: str, score: Score) -> float:
        return to_maximize(name, measured_value(name, score, self.objective.weights))

    def _not_dominated(self, results: Sequence[Result]) -> list[Result]:
        points = [self.values(result.score) for result in results]
        return [
            result
            for result, point in zip(results, points, strict=True)
            if not any(dominates(other, point) for other in points)
        ]


def measured_value(name: str, score: Score, weights: Mapping[str, float]) -> float:
    """The value of an objective's metric in a score: of any metric that its heads have.

    Args:
        name: As in `metric_value`.
        score: With heads.
        weights: By head; 1 for a head that is not named.
    """
    parsed = ObjectiveMetric.parsed(name)
    metric = parsed.metric
    if parsed.is_of_network:
        return score.network.get(metric, math.nan)
    return metric_value(
        name, {head: measured.metrics.get(metric, measured.score) for head, measured in score.heads.items()}, weights
    )


def measured_others(names: Iterable[str], score: Score) -> Mapping[str, float]:
    """The values of these metrics in a score, by their full names; see `Objective.others`."""
    return {name: measured_value(name, score, {}) for name in names}


def make_evaluator(objective: Objective, results: Iterable[Result]) -> ObjectiveEvaluator:
    """The evaluator of a sweep, its bounds computed from the results of the initial trials that constraints refer to."""
    constraints = objective.parsed_constraints
    if not constraints:
        return ObjectiveEvaluator(objective, ())
    scores = {result.trial.known: result.score for result in results if result.trial.known and result.score.is_complete}

    def bound(constraint: Constraint) -> float:
        if not constraint.reference:
            return constraint.factor
        if constraint.reference not in scores:
            return math.nan
        return constraint.factor * measured_value(constraint.metric, scores[constraint.reference], objective.weights)

    return ObjectiveEvaluator(objective, tuple(map(bound, constraints)))
