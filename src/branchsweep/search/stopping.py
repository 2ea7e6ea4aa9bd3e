"""Stopping criteria: total trials, seconds, a target value, or trials without an improvement, whichever is reached first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from branchsweep.config.experiment import Experiment
from branchsweep.metrics.objectives import to_maximize
from branchsweep.metrics.running_evaluation import RunningEvaluation


class StoppedBy(StrEnum):
    """The criterion that ended a search."""

    TRIALS = "trials"
    SECONDS = "seconds"
    TARGET = "target"
    PATIENCE = "patience"
    EXHAUSTED = "exhausted"
    CALLBACK = "callback"


@dataclass(frozen=True, slots=True)
class StopReason:
    """Why a search is over.

    Args:
        by: The criterion that was reached.
        because: The reason as text for users, with its numbers.
    """

    by: StoppedBy
    because: str


def space_exhausted(trials: int) -> StopReason:
    """The reason to stop when no new point is left after so many trials."""
    different = "1 trial" if trials == 1 else f"{trials:,} trials"
    because = f"the search space is exhausted after {different}: every other point means a network that was trained already"
    return StopReason(StoppedBy.EXHAUSTED, because)


def check_stop(experiment: Experiment, evaluation: RunningEvaluation, seconds: float) -> StopReason | None:
    """The stopping criterion that is reached; None if the search continues.

    Args:
        experiment: Determines the criteria and the objective.
        evaluation: The results so far, and the best of them.
        seconds: Wall time of the search so far.
    """
    search, incumbent, evaluator = experiment.search, evaluation.incumbent, evaluation.evaluator
    rule = experiment.objective.ranking_metric
    if search.target is not None and incumbent and evaluator.rank(incumbent.score) >= to_maximize(rule, search.target):
        metric = f"{rule} {evaluator.ranked_by(incumbent.score):.4f}"
        return StopReason(
            StoppedBy.TARGET, f"trial {incumbent.trial.number} reaches the target: {metric}, asked {search.target:g}"
        )
    if len(evaluation) >= search.trials:
        return StopReason(StoppedBy.TRIALS, f"all {search.trials} trials are done")
    if search.seconds is not None and seconds >= search.seconds:
        return StopReason(StoppedBy.SECONDS, f"{search.seconds:g} s are spent")
    if search.patience is not None and evaluation.trials_since >= search.patience:
        return StopReason(StoppedBy.PATIENCE, f"{evaluation.trials_since} trials without a new best")
    return None
