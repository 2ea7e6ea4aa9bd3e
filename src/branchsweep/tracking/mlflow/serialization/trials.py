"""How a trial's result is written as tags, params and metrics of a run in MLflow, and read back.

Tags and params are short strings, metrics are finite numbers that may have steps. So a value that is not a number (the standard
error over one lane) is left out, and a missing value is read as NaN; and since params lose their types, a tag holds them once
more as JSON, exactly.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from branchsweep.config.codec import NullableFloat, from_json, to_data, to_json
from branchsweep.config.metric_names import MEAN, MEASURED_NETWORK_METRICS, METRICS, metric_of_head
from branchsweep.errors import TrackingError, UnreadableRecordError
from branchsweep.metrics.names import CURVE, STANDARD_ERROR, score_names
from branchsweep.tracking.mlflow.serialization.tags import LONGEST_TAG, from_tags, parse_tag, split_tag, tag_name
from branchsweep.trial import EndCause, HeadScore, ParamValue, Result, Score, Status, Trial

LOG10 = "{} log10"
"""The name of the param with the decimal logarithm of another. MLflow's charts shorten long names in the middle."""

CURVE_POINTS = 25
"""Most points of one learning curve that are recorded: more would take most of the time of recording."""

LONGEST_REASON = 1000
"""Most characters of a reason: a sentence, not a traceback."""

LANE_SCORES_TAG = "lanes_r2"
"""The tag with the score of every lane. It keeps the name that it got when every score was R²."""

Rungs = dict[int, tuple[NullableFloat, ...]]
"""The scores at each rung, by epoch."""

RungMetrics = dict[int, dict[str, NullableFloat]]
"""Other metrics at each rung, by epoch and full name."""

LaneScores = dict[str, tuple[NullableFloat, ...]]
"""The score of every lane, by head. Earlier versions wrote null for every number that is not finite."""


class MetricPoint(NamedTuple):
    """One value of a metric."""

    name: str
    value: float
    step: int = 0


def trial_tags(result: Result, sweep: str) -> dict[str, str]:
    """The tags of a trial's run.

    Args:
        result: The trial and its score.
        sweep: Run id of its sweep.

    Raises:
        TrackingError: The params are too long to be recorded exactly.
    """
    trial, score = result.trial, result.score
    params = exact_params(trial)
    if len(params) > LONGEST_TAG:
        raise TrackingError(
            f"the params of trial {trial.number} take {len(params)} characters, a tag in MLflow holds {LONGEST_TAG}: "
            "vary fewer dimensions and fix the rest (space.fixed)"
        )
    texts = {
        "role": "trial",
        "sweep": sweep,
        "trial": str(trial.number),
        "status": score.status.value,
        "params": params,
        "lanes": str(score.lanes),
        "reason": score.reason[:LONGEST_REASON],
        "cause": score.cause or "",
        "ended_at": str(score.ended_at or ""),
        "known": trial.known,
        "rungs": to_json(dict(score.rungs), Rungs) if score.rungs else "",
        "rung_metrics": to_json(dict(score.rung_metrics), RungMetrics) if score.rung_metrics else "",
    }
    tags = {tag_name(name): text for name, text in texts.items() if text}
    if score.lane_scores:
        lane_scores = json.dumps(to_data(dict(score.lane_scores), LaneScores, nan=None), separators=(",", ":"))
        tags |= split_tag(tag_name(LANE_SCORES_TAG), lane_scores)
    return {"mlflow.parentRunId": sweep, **tags}


def exact_params(trial: Trial) -> str:
    """The params as JSON, with their types."""
    return json.dumps(dict(trial.params), allow_nan=False, separators=(",", ":"))


def readable_params(trial: Trial, log_dimensions: Sequence[str] = ()) -> dict[str, str]:
    """The params as text, for display.

    Args:
        trial: The trial.
        log_dimensions: Those that are searched on a logarithmic scale; each has its logarithm beside it, `learning_rate log10`,
            for charts in MLflow, whose axes of params are linear.
    """
    logarithms = {
        LOG10.format(name): f"{math.log10(value):.4f}"
        for name in log_dimensions
        if isinstance(value := trial.params.get(name), (int, float)) and value > 0
    }
    return {name: str(value) for name, value in trial.params.items()} | logarithms


def trial_metrics(score: Score, score_metrics: Mapping[str, str]) -> list[MetricPoint]:
    """All metrics of a score: `r2/PE`, `r2/mean`, `rmse/PE`, `parameters`, …, and `curve_r2/PE` with the epochs as steps.

    Args:
        score: The score.
        score_metrics: The name of the metric that is the score, by head.
    """
    errors, curves = score_names(score_metrics, STANDARD_ERROR), score_names(score_metrics, CURVE)
    metrics = [
        MetricPoint(score_names(score_metrics)[MEAN], score.value),
        MetricPoint(errors[MEAN], score.value_se),
        *(
            MetricPoint(metric_of_head(metric, head), value)
            for head, measured in score.heads.items()
            for metric, value in {score_metrics[head]: measured.score, **measured.metrics}.items()
        ),
        *(MetricPoint(errors[head], measured.score_se) for head, measured in score.heads.items()),
        MetricPoint("epochs", score.epochs),
        MetricPoint("seconds", score.seconds),
        *(MetricPoint(name, value) for name, value in score.network.items()),
        *(
            MetricPoint(curves[head], curve[epoch], epoch + 1)
            for head, curve in score.curves.items()
            for epoch in thinned_indices(len(curve), CURVE_POINTS)
        ),
    ]
    return [point for point in metrics if math.isfinite(point.value)]


def thinned_indices(count: int, most: int) -> list[int]:
    """At most `most` (2 or more) of the indices 0 to `count` - 1, evenly spaced, with the first and the last."""
    if count <= most:
        return list(range(count))
    return [round(index * (count - 1) / (most - 1)) for index in range(most)]


def run_name(result: Result) -> str:
    """The name of a trial's run: `017  PE 0.938  V 0.812`, or `017  FAILED`."""
    number, score = f"{result.trial.number:03d}", result.score
    if score.status is Status.FAILED:
        return f"{number}  {score.status}"
    scores = [f"{head} {value:.3f}" for head, value in score.by_head.items()]
    return "  ".join([number, *scores] if score.is_complete else [number, *scores, score.status])


def result_from_run(tags: Mapping[str, str], metrics: Mapping[str, float], score_metrics: Mapping[str, str]) -> Result:
    """The result of a finished run, without its learning curves, which stay in the store.

    Args:
        tags: All tags of the run.
        metrics: The last value of each of its metrics.
        score_metrics: The name of the metric that is the score, by head.

    Raises:
        UnreadableRecordError: The run was not written by this module, or was changed since.
    """
    own = from_tags(tags)
    number, params = parse_tag(own, "trial", int), parse_tag(own, "params", partial(from_json, dict[str, ParamValue]))
    score = Score(
        status=parse_tag(own, "status", Status),
        value=metrics.get(score_names(score_metrics)[MEAN], math.nan),
        value_se=metrics.get(score_names(score_metrics, STANDARD_ERROR)[MEAN], math.nan),
        heads=_heads(metrics, score_metrics),
        reason=own.get("reason", ""),
        epochs=metrics.get("epochs", 0.0),
        seconds=metrics.get("seconds", 0.0),
        lanes=parse_tag(own, "lanes", int),
        rungs=parse_tag(own, "rungs", partial(from_json, Rungs), "{}"),
        rung_metrics=parse_tag(own, "rung_metrics", partial(from_json, RungMetrics), "{}"),
        network={name: metrics[name] for name in MEASURED_NETWORK_METRICS if name in metrics},
        lane_scores=parse_tag(own, LANE_SCORES_TAG, partial(from_json, LaneScores), "{}"),
        cause=parse_tag(own, "cause", EndCause) if "cause" in own else None,
        ended_at=parse_tag(own, "ended_at", int, "0"),
    )
    return Result(Trial(number, params, own.get("known", "")), _with_all_heads(score, score_metrics))


def _with_all_heads(score: Score, score_metrics: Mapping[str, str]) -> Score:
    """A complete score with every head, NaN where its score is no number.

    Raises:
        UnreadableRecordError: A head's score is missing, though the scores of its lanes are numbers.
    """
    if not score.is_complete:
        return score
    names = score_names(score_metrics)
    missing = [head for head in score_metrics if math.isnan(score.by_head.get(head, math.nan))]
    for head in [*missing, *([MEAN] if math.isnan(score.value) and not missing else [])]:
        lanes = [lane for own in ([head] if head != MEAN else score_metrics) for lane in score.lane_scores.get(own, ())]
        if lanes and all(map(math.isfinite, lanes)):
            raise UnreadableRecordError(f"the metric {names[head]} is missing: was it deleted by hand?")
    unknown = HeadScore(math.nan, math.nan)
    return replace(score, heads={head: score.heads.get(head, unknown) for head in score_metrics})


def _heads(metrics: Mapping[str, float], score_metrics: Mapping[str, str]) -> dict[str, HeadScore]:
    """The heads' scores, NaN for what is missing; without heads of which no metric was recorded."""
    errors, heads = score_names(score_metrics, STANDARD_ERROR), {}
    for head, score_metric in score_metrics.items():
        names = {metric: metric_of_head(metric, head) for metric in METRICS}
        found = {metric: metrics[name] for metric, name in names.items() if name in metrics}
        if found:
            score = found.get(score_metric, math.nan)
            heads[head] = HeadScore(score, metrics.get(errors[head], math.nan), {score_metric: score, **found})
    return heads
