"""The trials that a tracker has recorded: which results are new, and the progress of the sweep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

from branchsweep.config.metric_names import MEAN
from branchsweep.config.sections.objective import Objective
from branchsweep.errors import TrackingError
from branchsweep.metrics.names import BEST, score_names
from branchsweep.metrics.objectives import Values, dominates, hypervolume, objective_values
from branchsweep.trial import Result, Status, Trial


class RecordedTrials:
    """The recorded trials of a sweep, their numbers by status, and the best scores so far.

    Args:
        objective: What the search optimises.
        score_metrics: The name of the metric that is the score, by head.
    """

    def __init__(self, objective: Objective, score_metrics: Mapping[str, str]) -> None:
        self._objective = objective
        self._score_metrics = score_metrics
        self._front: list[Values] = []
        self._trials: dict[int, Trial] = {}
        self._counts: Counter[Status] = Counter()
        self._best: dict[str, float] = {}

    @classmethod
    def of(cls, objective: Objective, score_metrics: Mapping[str, str], results: Iterable[Result]) -> Self:
        """Those of a sweep with these results; the other arguments are the class's."""
        recorded = cls(objective, score_metrics)
        for result in results:
            recorded.add(result)
        return recorded

    def __len__(self) -> int:
        return len(self._trials)

    @property
    def _has_volume(self) -> bool:
        """Whether the objectives are several scores, which all lie between 0, of a constant guess, and 1."""
        return self._objective.is_multi_objective and not self._objective.others(self._score_metrics)

    def add(self, result: Result) -> None:
        """Add a result that was recorded."""
        self._trials[result.trial.number] = result.trial
        self._counts[result.score.status] += 1
        if result.score.is_complete:
            scores = {MEAN: result.score.value, **result.score.by_head}
            self._best |= {head: max(score, self._best.get(head, score)) for head, score in scores.items()}
            if self._has_volume and result.score.heads:
                values = objective_values(self._objective, result.score.by_head)
                if not any(other == values or dominates(other, values) for other in self._front):
                    self._front = [values, *(other for other in self._front if not dominates(values, other))]

    def unrecorded(self, results: Sequence[Result]) -> list[Result]:
        """Those of `results` that are not recorded, each number once, in order of the numbers.

        Raises:
            TrackingError: A trial of the same number is recorded with other params: two searches write into one sweep.
        """
        unrecorded: dict[int, Result] = {}
        for result in results:
            number = result.trial.number
            recorded = self._trials.get(number) or (unrecorded[number].trial if number in unrecorded else None)
            if recorded is None:
                unrecorded[number] = result
            elif recorded.params != result.trial.params:
                raise TrackingError(
                    f"trial {number} is already recorded with other params ({dict(recorded.params)}, now "
                    f"{dict(result.trial.params)}): another process writes into this sweep; stop one of the two and run again"
                )
        return [unrecorded[number] for number in sorted(unrecorded)]

    @property
    def progress_metrics(self) -> dict[str, float]:
        """Progress as metrics: `trials/complete`, …, and of the complete trials `best_r2/mean`, `best_r2/<head>`.

        With several objectives that are scores also `hypervolume`, the share of the objective space that the Pareto front of
        the complete trials dominates, regardless of constraints.
        """
        counts = {f"trials/{status.lower()}": float(self._counts[status]) for status in Status}
        names = score_names(self._score_metrics, BEST)
        best = {names[head]: score for head, score in self._best.items()}
        return counts | best | ({"hypervolume": hypervolume(self._front)} if self._has_volume else {})
