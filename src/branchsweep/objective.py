"""What a search is for, as a judgement on scores: which trial is the best, which form the front, which meet the constraints.

A score holds what was measured and knows no objective. Everything here follows from the R² of the heads, averaged over a
trial's lanes, so the same score can be judged by another objective later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from branchsweep.experiment import HEAD, MEAN, MIN, Objective
from branchsweep.trial import Result, Score

Values = tuple[float, ...]
"""One number per objective: the more, the better."""


def figure(metric: str, r2: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """One figure from the R² by head.

    Args:
        metric: `mean_r2`, `min_r2`, `weighted` (the mean, each head by its weight) or `r2/HEAD`.
        r2: By head.
        weights: By head; 1 for one that is not named.
    """
    if metric.startswith(HEAD):
        return r2[metric.removeprefix(HEAD)]
    if metric == MEAN:
        return fmean(r2.values())
    if metric == MIN:
        return min(r2.values())
    return fmean(r2.values(), [weights.get(head, 1.0) for head in r2])


def values(objective: Objective, r2: Mapping[str, float]) -> Values:
    """What is maximised, one number per objective."""
    return tuple(figure(metric, r2, objective.weights) for metric in objective.maximize)


def ranked_by(objective: Objective, r2: Mapping[str, float]) -> float:
    """The one number by which trials are put in order: the objective, or the rule that chooses from a front."""
    return figure(objective.rule, r2, objective.weights)


def heads_of(objective: Objective, heads: Iterable[str]) -> list[str]:
    """The heads that the objective looks at."""
    named = {metric.removeprefix(HEAD) for metric in (*objective.maximize, objective.rule) if metric.startswith(HEAD)}
    everything = any(not metric.startswith(HEAD) for metric in objective.maximize)
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


def spoken(metric: str) -> str:
    """A figure in words."""
    if metric.startswith(HEAD):
        return f"validation R² of {metric.removeprefix(HEAD)}"
    return f"{ {MEAN: 'mean', MIN: 'lowest'}.get(metric, metric) } validation R²"


@dataclass(frozen=True, slots=True)
class Judge:
    """The objective of one sweep, its constraints with their bounds in numbers.

    Args:
        objective: What the search is for.
        bounds: What each constraint's figure must reach; NaN where that is not known (yet), because the known configuration
            has no complete score.
    """

    objective: Objective
    bounds: Values

    @classmethod
    def unbound(cls, objective: Objective) -> Judge:
        """The judge where nothing is known yet: no constraint has a bound."""
        return cls(objective, (math.nan,) * len(objective.constraints))

    def one_by_one(self) -> list[Judge]:
        """A judge for each constraint alone."""
        constraints = zip(self.objective.constraints, self.bounds, strict=True)
        return [Judge(self.objective.model_copy(update={"constraints": [text]}), (bound,)) for text, bound in constraints]

    def values(self, score: Score) -> Values:
        """What is maximised."""
        return values(self.objective, score.of_heads)

    def rank(self, score: Score) -> float:
        """The one number by which trials are put in order."""
        return ranked_by(self.objective, score.of_heads)

    def violations(self, score: Score) -> Values:
        """By how much each constraint is violated, at most 0 where it is met; those whose bound is unknown left out."""
        constraints = zip(self.objective.bounds, self.bounds, strict=True)
        return tuple(
            bound - figure(constraint.metric, score.of_heads, self.objective.weights)
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
        if self.objective.is_several:
            eligible = _front(eligible, self)
        return max(eligible, key=lambda result: (self.rank(result.score), -result.trial.number), default=None)

    def front(self, results: Iterable[Result]) -> list[Result]:
        """The eligible results that no other beats in every objective, in order of the first objective, the best first."""
        found = _front([result for result in results if self.is_eligible(result)], self)
        return sorted(found, key=lambda result: (*(-value for value in self.values(result.score)), result.trial.number))


def _front(results: Sequence[Result], judge: Judge) -> list[Result]:
    points = [judge.values(result.score) for result in results]
    return [
        result for result, point in zip(results, points, strict=True) if not any(dominates(other, point) for other in points)
    ]


class Standing:
    """Where a search stands: its judge and the best of its results, kept up to date one result after the other.

    At any moment they are what `judge` and `Judge.best` say of all results so far, whatever their order. But asking costs
    nothing, and one more result costs the same in a long search as in a short one: only a known configuration that moves the
    bound of a constraint has all of them looked at again.

    Args:
        objective: What the search is for.
        results: What there is already.
    """

    def __init__(self, objective: Objective, results: Iterable[Result] = ()) -> None:
        self._results: list[Result] = []
        self._known: list[Result] = []
        self._leading: list[Result] = []  # the front, or the best alone: who else there is cannot become the best again
        self._since = 0
        self.judge = judge(objective, ())
        self.leader: Result | None = None
        for result in results:
            self.add(result)

    def __len__(self) -> int:
        return len(self._results)

    @property
    def since(self) -> int:
        """How many of the results are of trials that were asked after the best; all of them while there is no best."""
        return self._since

    def add(self, result: Result) -> None:
        """One more result."""
        self._results.append(result)
        before, rivals = self.leader, [*self._leading, result]
        if result.trial.known:
            self._known.append(result)
            judged = judge(self.judge.objective, self._known)
            rivals = rivals if judged.bounds == self.judge.bounds else self._results
            self.judge = judged
        if rivals is self._results or self.judge.is_eligible(result):
            self.leader = self.judge.best(rivals)
            is_several = self.judge.objective.is_several
            self._leading = self.judge.front(rivals) if is_several else [self.leader] if self.leader else []
        if self.leader is before:
            self._since += before is None or result.trial.number > before.trial.number
        else:
            self._since = sum(self.leader is None or one.trial.number > self.leader.trial.number for one in self._results)


def judge(objective: Objective, results: Iterable[Result]) -> Judge:
    """The judge of a sweep with these results, among which are the known configurations that its constraints name."""
    bounds = objective.bounds
    if not bounds:
        return Judge(objective, ())
    measured = {result.trial.known: result.score for result in results if result.trial.known and result.score.is_complete}

    def bound(metric: str, factor: float, reference: str) -> float:
        if not reference:
            return factor
        if reference not in measured:
            return math.nan
        return factor * figure(metric, measured[reference].of_heads, objective.weights)

    return Judge(objective, tuple(bound(*constraint) for constraint in bounds))
