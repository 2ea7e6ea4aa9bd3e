"""What a ledger must remember of a sweep in order to write down more of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from branchsweep.config.objective import Objective
from branchsweep.errors import TrackingError
from branchsweep.metrics.objectives import Values, dominates, hypervolume, objective_values
from branchsweep.trial import Result, Status, Trial


class RecordedTrials:
    """The trials that stand in the ledger, their number by status, and the best scores so far.

    Args:
        objective: What the search is for.
        results: What stands there already.
    """

    def __init__(self, objective: Objective, results: Iterable[Result] = ()) -> None:
        self._objective = objective
        self._front: list[Values] = []
        self._trials: dict[int, Trial] = {}
        self._counts: Counter[Status] = Counter()
        self._best: dict[str, float] = {}
        for result in results:
            self.add(result)

    def __len__(self) -> int:
        return len(self._trials)

    def add(self, result: Result) -> None:
        """Remember one more result."""
        self._trials[result.trial.number] = result.trial
        self._counts[result.score.status] += 1
        if result.score.is_complete:
            scores = {"mean": result.score.value, **{head: score.r2 for head, score in result.score.heads.items()}}
            self._best |= {name: max(r2, self._best.get(name, r2)) for name, r2 in scores.items()}
            if self._objective.is_multi_objective and result.score.heads:
                point = objective_values(self._objective, result.score.of_heads)
                if not any(other == point or dominates(other, point) for other in self._front):
                    self._front = [point, *(other for other in self._front if not dominates(point, other))]

    def unrecorded(self, results: Sequence[Result]) -> list[Result]:
        """Those of `results` that do not stand in the ledger, each number once, in order of the numbers.

        Raises:
            TrackingError: A number stands there with other params: two searches write into one sweep.
        """
        fresh: dict[int, Result] = {}
        for result in results:
            number = result.trial.number
            recorded = self._trials.get(number) or (fresh[number].trial if number in fresh else None)
            if recorded is None:
                fresh[number] = result
            elif recorded.params != result.trial.params:
                raise TrackingError(
                    f"trial {number} is already recorded with other params ({dict(recorded.params)}, now "
                    f"{dict(result.trial.params)}): another process writes into this sweep; stop one of the two and run again"
                )
        return [fresh[number] for number in sorted(fresh)]

    @property
    def progress_metrics(self) -> dict[str, float]:
        """Progress as metrics: `trials/complete`, …, and of the complete trials `best_r2/mean`, `best_r2/<head>`.

        With several objectives also `hypervolume`, the share of what could be reached that the front of the complete trials
        has reached; constraints are left aside.
        """
        counts = {f"trials/{status.lower()}": float(self._counts[status]) for status in Status}
        best = {f"best_r2/{name}": r2 for name, r2 in self._best.items()}
        return counts | best | ({"hypervolume": hypervolume(self._front)} if self._objective.is_multi_objective else {})
