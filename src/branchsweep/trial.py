"""What travels between search, training and tracking: a `Trial`, its `Score`, and both together as a `Result`.

All are frozen values that are compared by what they hold. They name no experiment, store or driver, and import nothing of the
package, so every folder may use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

ParamValue = bool | int | float | str
"""The value of one hyperparameter."""

Params = Mapping[str, ParamValue]
"""Values by the hyperparameters' names, such as `{"trunk.depth": 2, "learning_rate": 0.001}`."""


class Status(StrEnum):
    """How a trial ended."""

    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAILED = "FAILED"


class EndCause(StrEnum):
    """Why a trial ended before it was complete.

    `error`: a user's function that builds networks failed for its values. `diverged`: a prediction was not finite. `pruned`:
    other trials ranked before it at a rung. `stopped`: it had come to a rung when the search was over.
    """

    ERROR = "error"
    DIVERGED = "diverged"
    PRUNED = "pruned"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Trial:
    """Params to be trained and scored.

    Args:
        number: Counts from 0 in the order in which the driver proposed the trials. The trial's seeds derive from it and from
            the experiment's seed, never from where or with which other trials it is trained.
        params: The hyperparameters that the search chose, by name. One that is not named has the value that the experiment
            fixes, or the hyperparameter's default.
        known: The name of the initial trial (`"article"`) that this is, empty for one that a driver proposed.
    """

    number: int
    params: Params
    known: str = ""


@dataclass(frozen=True, slots=True)
class HeadScore:
    """How well one head predicts, averaged over the trial's lanes (folds and seeds).

    Args:
        score: The share of explained deviance: 1 for a perfect prediction, 0 for a constant one. Of a regression head R².
        score_se: Standard error of `score` over the lanes: the standard deviation divided by the root of their number; NaN
            for one lane.
        metrics: All metrics by name (`r2`, `rmse`, `mae`), the score among them under its name. Errors are in the head's unit.
    """

    score: float
    score_se: float
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MeanScores:
    """Scores by head, and their mean over the heads as `mean`, each averaged over lanes.

    Args:
        values: The scores.
        errors: Their standard errors over the lanes; NaN for one lane.
        medians: Where some lane's score lies far below the others, so that mean and error do not describe them: the median.
    """

    values: Mapping[str, float]
    errors: Mapping[str, float]
    medians: Mapping[str, float] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """The mean over the heads."""
        return self.values["mean"]


@dataclass(frozen=True, slots=True)
class Score:
    """The outcome of one trial.

    Args:
        status: How the trial ended.
        value: The mean of the heads' scores, averaged over the lanes; NaN if the trial failed.
        value_se: Standard error of `value` over the lanes; NaN for one lane.
        heads: Score and metrics by head, in the experiment's order; empty if the trial failed.
        reason: Why a trial failed or was pruned, as a sentence; empty for a complete one.
        epochs: Epochs trained until the kept weights, averaged over the lanes.
        seconds: The trial's share of the wall time of its populations.
        lanes: The number of networks (folds x seeds) that the averages are over.
        curves: The score on the validation rows after each epoch, averaged over the lanes, by head.
        rungs: By the epoch of each rung that the trial reached, its score there by head, in the experiment's order.
        rung_metrics: By the epoch of each rung, the other metrics there that the objective names, by their full names
            (`rmse/PE`).
        network: What is known of its network before it is trained, such as `parameters`; empty in the record of a version that
            did not keep it.
        lane_scores: By head, the score of every lane, in order of (fold, seed); empty if the trial failed, or was recorded by a
            version that did not keep them.
        cause: What `reason` says, as a code; None for a complete trial, or one recorded by a version that did not keep it.
        ended_at: The epoch (from 1) after which the trial failed or was pruned; 0 where there is no `cause`.
    """

    status: Status
    value: float = float("nan")
    value_se: float = float("nan")
    heads: Mapping[str, HeadScore] = field(default_factory=dict)
    reason: str = ""
    epochs: float = 0.0
    seconds: float = 0.0
    lanes: int = 0
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    rungs: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    rung_metrics: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    network: Mapping[str, float] = field(default_factory=dict)
    lane_scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    cause: EndCause | None = None
    ended_at: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether the value may be compared with others."""
        return self.status is Status.COMPLETE

    @property
    def by_head(self) -> Mapping[str, float]:
        """The scores by head."""
        return {head: measured.score for head, measured in self.heads.items()}

    @property
    def scores(self) -> Mapping[str, float]:
        """The scores by head, and their mean as `mean`."""
        return {**self.by_head, "mean": self.value}

    @property
    def scores_se(self) -> Mapping[str, float]:
        """The standard errors of `scores`."""
        return {**{head: measured.score_se for head, measured in self.heads.items()}, "mean": self.value_se}

    @property
    def means(self) -> MeanScores:
        """`scores` and `scores_se`: what a summary keeps of a score."""
        return MeanScores(self.scores, self.scores_se)


@dataclass(frozen=True, slots=True)
class Result:
    """A trial and its score."""

    trial: Trial
    score: Score

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.trial.number

    @property
    def params(self) -> Params:
        """The hyperparameters that the search chose."""
        return self.trial.params

    @property
    def value(self) -> float:
        """The mean of the heads' scores."""
        return self.score.value

    def without_curves(self) -> Result:
        """The same without the learning curves, which are large and not needed once they are recorded."""
        return replace(self, score=replace(self.score, curves={}))
