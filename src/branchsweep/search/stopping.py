"""When a search is over: total trials, seconds, a target, or trials without a new best, whichever comes first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from branchsweep.config.experiment import Experiment
from branchsweep.metrics.running_evaluation import RunningEvaluation


class StoppedBy(StrEnum):
    """What ended a search."""

    TRIALS = "trials"
    SECONDS = "seconds"
    TARGET = "target"
    PATIENCE = "patience"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True)
class StopReason:
    """That a search is over.

    Args:
        by: Which budget ran out.
        because: The same in words.
    """

    by: StoppedBy
    because: str


def space_exhausted(trials: int) -> StopReason:
    """The search has nothing new to ask."""
    return StopReason(StoppedBy.EXHAUSTED, f"the search space is exhausted after {trials} trials")


def check_stop(experiment: Experiment, evaluation: RunningEvaluation, seconds: float) -> StopReason | None:
    """Whether the search is over, and why.

    Args:
        experiment: Gives the budgets and the objective.
        evaluation: The results so far, and the best of them.
        seconds: Wall time that the search has taken.
    """
    search, incumbent, rank = experiment.search, evaluation.incumbent, evaluation.evaluator.rank
    if search.target is not None and incumbent and rank(incumbent.score) >= search.target:
        figure = f"{experiment.objective.ranking_metric} {rank(incumbent.score):.4f}"
        return StopReason(
            StoppedBy.TARGET, f"trial {incumbent.trial.number} reaches the target: {figure}, asked {search.target:g}"
        )
    if len(evaluation) >= search.trials:
        return StopReason(StoppedBy.TRIALS, f"all {search.trials} trials are done")
    if search.seconds is not None and seconds >= search.seconds:
        return StopReason(StoppedBy.SECONDS, f"{search.seconds:g} s are spent")
    if search.patience is not None and evaluation.trials_since >= search.patience:
        return StopReason(StoppedBy.PATIENCE, f"{evaluation.trials_since} trials without a new best")
    return None
