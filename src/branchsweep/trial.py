"""The words that flow: a question (`Trial`), its answer (`Score`), the two together (`Result`).

All are frozen values compared by what they hold. A trial does not know its study, and a score does not know who asked:
that keeps the graph of the project free of cycles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

ParamValue = bool | int | float | str
"""A value of one tunable."""

Params = Mapping[str, ParamValue]
"""Values by the tunables' names, such as `{"trunk.depth": 2, "learning_rate": 0.001}`."""


class Status(StrEnum):
    """How a trial ended."""

    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Trial:
    """One question: how good is the network with these params?

    Args:
        number: Counts from 0 in the order of asking. The trial's seeds derive from it and the experiment's seed, never from
            where or with whom the trial was trained.
        params: The tunables that the search chose, by name. What is not named has the value the experiment fixes, or the
            tunable's default.
        known: The name of the known configuration that the trial is (`"article"`), empty for one that a driver invented.
    """

    number: int
    params: Params
    known: str = ""


@dataclass(frozen=True, slots=True)
class HeadScore:
    """How well one head predicts, averaged over the trial's lanes (folds and seeds).

    Args:
        r2: Coefficient of determination, 1 for a perfect prediction, 0 for the mean of the target.
        r2_se: Standard error of `r2` over the lanes: the standard deviation divided by the root of their number; NaN for
            one lane.
        rmse: Root of the mean squared error, in the head's unit.
        mae: Mean absolute error, in the head's unit.
    """

    r2: float
    r2_se: float
    rmse: float
    mae: float


@dataclass(frozen=True, slots=True)
class Score:
    """One answer.

    Args:
        status: How the trial ended.
        value: The mean of the heads' R², averaged over the lanes; NaN where the trial failed.
        value_se: Standard error of `value` over the lanes; NaN for one lane.
        heads: The figures of each head, by its name, in the experiment's order; empty where the trial failed.
        reason: Why a trial failed or was pruned, as a sentence; empty for a complete one.
        epochs: Epochs trained until the kept weights, averaged over the lanes.
        seconds: The trial's share of the wall time its population took.
        lanes: How many networks (folds x seeds) stand behind the averages.
        curves: R² on the validation rows after each epoch, averaged over the lanes, by head.
        rungs: By the epoch of each rung that the trial came to, its R² there by head, in the experiment's order.
        lanes_r2: By head, the R² of every lane behind the average, in order of (fold, seed); empty where the trial failed, or
            where it was recorded before lanes were.
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
    lanes_r2: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether the value may be compared with others."""
        return self.status is Status.COMPLETE

    @property
    def of_heads(self) -> Mapping[str, float]:
        """R² by head."""
        return {head: figures.r2 for head, figures in self.heads.items()}

    @property
    def r2(self) -> Mapping[str, float]:
        """R² by head, and the value as `mean`."""
        return {**self.of_heads, "mean": self.value}

    @property
    def r2_se(self) -> Mapping[str, float]:
        """The standard errors of `r2`."""
        return {**{head: figures.r2_se for head, figures in self.heads.items()}, "mean": self.value_se}


@dataclass(frozen=True, slots=True)
class Result:
    """A question with its answer."""

    trial: Trial
    score: Score

    def without_curves(self) -> Result:
        """What there is to remember once the learning curves are written down."""
        return replace(self, score=replace(self.score, curves={}))
