"""The best trial so far, updated one result at a time."""

from __future__ import annotations

from branchsweep.config.sections.objective import Objective
from branchsweep.metrics.objectives import make_evaluator
from branchsweep.trial import Result


class RunningEvaluation:
    """The evaluator and the incumbent of a search, updated one result at a time.

    At any moment `evaluator` equals `make_evaluator(objective, results)` and `incumbent` its `best(results)`, in whatever order
    the results were added. Adding a result takes as long in a long search as in a short one: only an initial trial that changes
    the bound of a constraint has all results evaluated again.

    Args:
        objective: What the search maximizes.

    Attributes:
        evaluator: The objective with the bounds of its constraints.
        incumbent: The best result so far; None if none is eligible.
    """

    def __init__(self, objective: Objective) -> None:
        self._results: list[Result] = []
        self._initial: list[Result] = []  # of the initial trials, which constraints may refer to
        self._candidates: list[Result] = []  # the front, or the incumbent alone: no other earlier result can become the best
        self._trials_since = 0
        self.evaluator = make_evaluator(objective, ())
        self.incumbent: Result | None = None

    def __len__(self) -> int:
        return len(self._results)

    @property
    def trials_since(self) -> int:
        """The number of results whose trials have a higher number than the incumbent's; all results if there is none."""
        return self._trials_since

    def add(self, result: Result) -> None:
        """Add a result."""
        self._results.append(result)
        before, candidates = self.incumbent, [*self._candidates, result]
        if result.trial.known:
            self._initial.append(result)
            evaluator = make_evaluator(self.evaluator.objective, self._initial)
            candidates = candidates if evaluator.bounds == self.evaluator.bounds else self._results
            self.evaluator = evaluator
        if candidates is self._results or self.evaluator.is_eligible(result):
            self.incumbent = self.evaluator.best(candidates)
            if self.evaluator.objective.is_multi_objective:
                self._candidates = self.evaluator.front(candidates)
            else:
                self._candidates = [self.incumbent] if self.incumbent else []
        if self.incumbent is before:
            self._trials_since += before is None or result.trial.number > before.trial.number
        else:
            number = -1 if self.incumbent is None else self.incumbent.trial.number
            self._trials_since = sum(earlier.trial.number > number for earlier in self._results)
