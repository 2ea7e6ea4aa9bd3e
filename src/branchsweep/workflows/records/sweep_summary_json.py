"""The form of a sweep's summary that `branchsweep run --json` prints, and that the documentation promises.

Programs of users rely on it. Fields have the names of `SweepSummary`, and scores are under the name of their metric (`r2`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from branchsweep.config.codec import Inline
from branchsweep.metrics.paired_tests import PairedTest
from branchsweep.metrics.prediction_intervals import CheckedIntervals
from branchsweep.tracking.registry_protocols import PromotionCause
from branchsweep.trial import Params

ByMetric = Mapping[str, Mapping[str, float]]
"""By name of the metric, its values by head."""


@dataclass(frozen=True, slots=True)
class FinalistJson:
    """The finalist as JSON."""

    trial: int
    params: Params
    scores: Inline[ByMetric]


@dataclass(frozen=True, slots=True)
class VersionJson:
    """The registered version as JSON; `promoted` says whether it became the champion."""

    model: str
    version: int
    promoted: bool
    because: str
    cause: PromotionCause | None


@dataclass(frozen=True, slots=True)
class ConfirmedTrialJson:
    """A confirmed trial as JSON; `selection_bias` is empty where it cannot be told from the shift.

    `latency` is in seconds for 1,000 rows; null where no constraint asked for it. `others` are the metrics that the objective
    names and that are no scores, as `searched` and as `confirmed`.
    """

    trial: int
    searched: Mapping[str, float]
    scores: Inline[ByMetric]
    selection_bias: Mapping[str, float]
    latency: float | None
    others: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class EnsembleMemberJson:
    """A recipe or an estimator in an ensemble as JSON; `networks` is 0 for an estimator, `weights` are by head."""

    name: str
    networks: int
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class EnsembleJson:
    """An ensemble as JSON; it has no scores where the finalist is judged by its own."""

    choose: str
    members: Sequence[EnsembleMemberJson]
    scores: Inline[ByMetric]


@dataclass(frozen=True, slots=True)
class ParetoTrialJson:
    """A trial on the Pareto front as JSON, with the objectives that are no scores by their names."""

    trial: int
    scores: Inline[ByMetric]
    others: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class BaselineJson:
    """A baseline as JSON.

    Args:
        scores: Its confirmed scores.
        test: Its scores and other metrics on the test rows.
        params: What is fixed or was chosen in so many `trials`.
        trials: Those of its search.
        estimators: By head what an estimator is there, in words; empty for a network.
    """

    scores: Inline[ByMetric]
    test: ByMetric
    params: Params
    trials: int
    estimators: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BestBaselineJson:
    """The best baseline of a head as JSON: its name in `baselines`, its confirmed score, and the finalist's minus that."""

    name: str
    score: Inline[Mapping[str, float]]
    difference: float


@dataclass(frozen=True, slots=True)
class SweepSummaryJson:
    """The summary of a sweep as `branchsweep run --json` prints it.

    Fields that are not listed are those of `SweepSummary`.

    Args:
        finalist: The trial that was chosen by confirmation, with its scores in the search.
        test: The scores and other metrics of its model on the test rows.
        registered: The registered version.
        shift: What all confirmed trials share of the difference between searched and confirmed scores, by head.
        baselines: By name.
        best_baselines: By head and for `mean`, the baseline with the best confirmed score.
    """

    sweep: str
    run_id: str
    data: Mapping[str, str | int]
    trials: Mapping[str, int]
    finalist: FinalistJson | None
    test: ByMetric | None
    registered: VersionJson | None
    seconds: float
    stages: Mapping[str, float]
    stopped_by: str
    confirmed: Sequence[ConfirmedTrialJson]
    to_confirm: int
    shift: Mapping[str, float]
    members: int
    ensemble: EnsembleJson | None
    test_evaluations: int
    pareto_front: Sequence[ParetoTrialJson]
    unmet_constraints: Sequence[str]
    baselines: Mapping[str, BaselineJson]
    best_baselines: Mapping[str, BestBaselineJson]
    importance: Mapping[str, Mapping[str, float]]
    without_importance: str
    boundary_warnings: Sequence[str]
    collapses: Sequence[str]
    intervals: CheckedIntervals | None
    paired_tests: Sequence[PairedTest]
