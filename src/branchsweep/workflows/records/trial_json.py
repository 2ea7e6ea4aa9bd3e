"""A recorded trial as JSON, as `branchsweep show --json` prints it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from branchsweep.config.codec import Inline
from branchsweep.config.metric_names import common_metric
from branchsweep.metrics.names import STANDARD_ERROR, other_metrics
from branchsweep.trial import EndCause, Params, Result


@dataclass(frozen=True, slots=True)
class TrialJson:
    """A trial with its score.

    Args:
        trial: The trial's number.
        run_id: The trial's run.
        status: How it ended, in small letters.
        reason: Why it failed or was pruned.
        cause, ended_at: See `Score`, as epochs, seconds and lanes.
        known: The name of the initial trial that it is.
        params: Its params.
        metrics: By name (`r2`, `r2_se`, `rmse`, …), every metric by head, and the scores and their errors for `mean` too.
    """

    trial: int
    run_id: str
    status: str
    reason: str
    cause: EndCause | None
    ended_at: int
    known: str
    params: Params
    metrics: Inline[Mapping[str, Mapping[str, float]]]
    epochs: float
    seconds: float
    lanes: int

    @classmethod
    def of(cls, result: Result, run_id: str, score_metrics: Mapping[str, str]) -> TrialJson:
        """The form in JSON of a trial.

        Args:
            result: The trial with its score.
            run_id: The trial's run.
            score_metrics: The name of the metric that is the score, by head.
        """
        trial, score = result.trial, result.score
        metric = common_metric(score_metrics.values())
        others = {
            name: {head: measured.metrics[name] for head, measured in score.heads.items() if name in measured.metrics}
            for name in other_metrics(score_metrics)
        }
        return cls(
            trial=trial.number,
            run_id=run_id,
            status=score.status.value.lower(),
            reason=score.reason,
            cause=score.cause,
            ended_at=score.ended_at,
            known=trial.known,
            params=trial.params,
            metrics={metric: score.scores, STANDARD_ERROR.format(metric): score.scores_se, **others},
            epochs=score.epochs,
            seconds=score.seconds,
            lanes=score.lanes,
        )
