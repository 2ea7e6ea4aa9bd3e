"""A recorded trial as JSON, as `branchsweep show --json` prints it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from branchsweep.config.metric_names import common_metric
from branchsweep.metrics.names import STANDARD_ERROR, other_metrics
from branchsweep.trial import Result


def trial_to_data(result: Result, run_id: str, score_metrics: Mapping[str, str]) -> dict[str, Any]:
    """A trial with its score as JSON knows them, every metric under its name.

    Args:
        result: The trial with its score.
        run_id: The trial's run.
        score_metrics: The name of the metric that is the score, by head.
    """
    trial, score = result.trial, result.score
    metric = common_metric(score_metrics.values())
    return {
        "trial": trial.number,
        "run_id": run_id,
        "status": score.status.value.lower(),
        "reason": score.reason,
        "cause": score.cause,
        "ended_at": score.ended_at,
        "known": trial.known,
        "params": dict(trial.params),
        metric: dict(score.scores),
        STANDARD_ERROR.format(metric): dict(score.scores_se),
        **{
            name: {head: measured.metrics[name] for head, measured in score.heads.items() if name in measured.metrics}
            for name in other_metrics(score_metrics)
        },
        "epochs": score.epochs,
        "seconds": score.seconds,
        "lanes": score.lanes,
    }


def to_strict_json(data: Any) -> str:
    """The data as strict JSON text; null stands for NaN and infinities."""
    return json.dumps(_finite(data), ensure_ascii=False, allow_nan=False)


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {name: _finite(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return data
