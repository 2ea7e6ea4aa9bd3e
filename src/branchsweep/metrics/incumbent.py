"""The best trial so far, kept up to date one result after the other."""

from __future__ import annotations

from collections.abc import Iterable

from branchsweep.config.objective import Objective
from branchsweep.metrics.objectives import make_evaluator
from branchsweep.trial import Result


class Incumbent:
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
        self.judge = make_evaluator(objective, ())
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
            judged = make_evaluator(self.judge.objective, self._known)
            rivals = rivals if judged.bounds == self.judge.bounds else self._results
            self.judge = judged
        if rivals is self._results or self.judge.is_eligible(result):
            self.leader = self.judge.best(rivals)
            is_several = self.judge.objective.is_multi_objective
            self._leading = self.judge.front(rivals) if is_several else [self.leader] if self.leader else []
        if self.leader is before:
            self._since += before is None or result.trial.number > before.trial.number
        else:
            self._since = sum(self.leader is None or one.trial.number > self.leader.trial.number for one in self._results)
