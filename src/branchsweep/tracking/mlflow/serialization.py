"""How a trial's result is spelt in a tracking store, and read back.

A store takes three kinds of words about a run, each with its rules: **tags** and **params** are short strings, **metrics** are
finite numbers that may have steps. So a figure that is not a number (the standard error over one lane) is left out, and a
missing figure is read as NaN; and since params lose their types, a tag holds them once more as JSON, exactly.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from branchsweep.config.metric_names import MEAN, metric_of_head
from branchsweep.errors import TrackingError
from branchsweep.metrics.names import CURVE, METRICS, STANDARD_ERROR, score_metrics_of, score_names
from branchsweep.tracking.protocols import ComparisonRecord, SweepRecord
from branchsweep.trial import HeadScore, Result, Score, Status, Trial

DESCRIPTION = "mlflow.note.content"
"""MLflow's own tag for the Markdown on a run's page."""

PREFIX = "branchsweep."
"""What the names of our own tags begin with."""

CURVE_POINTS = 25
"""The most points of one learning curve that are written down: more would take most of the time of recording."""

LONGEST_TAG = 8000
"""Characters of a tag's value in MLflow."""

LONGEST_REASON = 1000
"""Characters of a reason that are kept: a sentence, not a traceback."""

LANE_SCORES_TAG = "lanes_r2"
"""The tag with the score of every lane. It keeps the name that it got when every score was R²."""


class MetricPoint(NamedTuple):
    """One number of a metric."""

    name: str
    value: float
    step: int = 0


def tag_name(name: str) -> str:
    """The tag's full name: ours get the prefix, MLflow's own (`mlflow.note.content`) keep theirs."""
    return name if name.startswith("mlflow.") else PREFIX + name


def trial_tags(result: Result, sweep: str) -> dict[str, str]:
    """The tags of a trial's run, under the sweep's run.

    Raises:
        TrackingError: The params are too long to be written down exactly.
    """
    trial, score = result.trial, result.score
    params = exact_params(trial)
    if len(params) > LONGEST_TAG:
        raise TrackingError(
            f"the params of trial {trial.number} take {len(params)} characters, a tag in MLflow holds {LONGEST_TAG}: "
            "vary fewer dimensions and fix the rest (space.fixed)"
        )
    words = {
        "role": "trial",
        "sweep": sweep,
        "trial": str(trial.number),
        "status": score.status.value,
        "params": params,
        "lanes": str(score.lanes),
        "reason": score.reason[:LONGEST_REASON],
        "known": trial.known,
        "rungs": json.dumps({str(epoch): list(scores) for epoch, scores in score.rungs.items()}) if score.rungs else "",
    }
    said = {tag_name(name): value for name, value in words.items() if value}
    return (
        {"mlflow.parentRunId": sweep}
        | said
        | (split_tag(tag_name(LANE_SCORES_TAG), _lanes(score)) if score.lane_scores else {})
    )


def _lanes(score: Score) -> str:
    """The score of every lane, by head, as JSON to the last digit; null for what is beyond all numbers."""
    finite = {head: [value if math.isfinite(value) else None for value in lanes] for head, lanes in score.lane_scores.items()}
    return json.dumps(finite, separators=(",", ":"))


def _lanes_read(tags: Mapping[str, str]) -> dict[str, tuple[float, ...]]:
    name = tag_name(LANE_SCORES_TAG)
    text = from_tags(tags)[LANE_SCORES_TAG] if f"{name}:2" in tags else tags.get(name, "{}")
    return {head: tuple(math.nan if value is None else value for value in lanes) for head, lanes in json.loads(text).items()}


def exact_params(trial: Trial) -> str:
    """The params as JSON, with their types."""
    return json.dumps(dict(trial.params), allow_nan=False, separators=(",", ":"))


def readable_params(trial: Trial) -> dict[str, str]:
    """The params as people read them."""
    return {name: str(value) for name, value in trial.params.items()}


def trial_metrics(score: Score, score_metrics: Mapping[str, str]) -> list[MetricPoint]:
    """All metrics of a score: `r2/PE`, `r2/mean`, `rmse/PE`, …, and `curve_r2/PE` with the epochs (from 1) as steps.

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
        *(
            MetricPoint(curves[head], curve[epoch], epoch + 1)
            for head, curve in score.curves.items()
            for epoch in thinned_indices(len(curve), CURVE_POINTS)
        ),
    ]
    return [point for point in metrics if math.isfinite(point.value)]


def thinned_indices(count: int, most: int) -> list[int]:
    """At most `most` (2 or more) of the positions 0 to `count` - 1, evenly spread, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [round(place * (count - 1) / (most - 1)) for place in range(most)]


def run_name(result: Result) -> str:
    """What the run is called: `017  PE 0.938  V 0.812`, or `017  FAILED`."""
    number, score = f"{result.trial.number:03d}", result.score
    if score.status is Status.FAILED:
        return f"{number}  {score.status}"
    figures = [f"{head} {value:.3f}" for head, value in score.by_head.items()]
    return "  ".join([number, *figures] if score.is_complete else [number, *figures, score.status])


def result_from_run(tags: Mapping[str, str], metrics: Mapping[str, float], score_metrics: Mapping[str, str]) -> Result:
    """The result that a finished run tells of; without its curves, which stay in the store.

    Args:
        tags: The run's.
        metrics: Its metrics, the last value of each.
        score_metrics: The name of the metric that is the score, by head.

    Raises:
        TrackingError: The run was not written by this module.
    """
    try:
        trial = Trial(int(tags[tag_name("trial")]), json.loads(tags[tag_name("params")]), tags.get(tag_name("known"), ""))
        status, lanes = Status(tags[tag_name("status")]), int(tags[tag_name("lanes")])
        rungs = {int(epoch): tuple(scores) for epoch, scores in json.loads(tags.get(tag_name("rungs"), "{}")).items()}
        lane_scores = _lanes_read(tags)
    except (KeyError, ValueError) as error:
        raise TrackingError(f"a run of this sweep cannot be read as a trial ({error!r}): was it edited by hand?") from error

    def metric(name: str) -> float:
        return metrics.get(name, math.nan)

    return Result(
        trial,
        Score(
            status=status,
            value=metric(score_names(score_metrics)[MEAN]),
            value_se=metric(score_names(score_metrics, STANDARD_ERROR)[MEAN]),
            heads=_heads(metrics, score_metrics),
            reason=tags.get(tag_name("reason"), ""),
            epochs=metrics.get("epochs", 0.0),
            seconds=metrics.get("seconds", 0.0),
            lanes=lanes,
            rungs=rungs,
            lane_scores=lane_scores,
        ),
    )


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


def split_tag(name: str, value: str, longest: int = LONGEST_TAG) -> dict[str, str]:
    """A tag of any length: what does not fit goes on in `name:2`, `name:3`, …, where MLflow would cut it off silently.

    MLflow's own tags are cut, for nobody would look for the rest.
    """
    if not name.startswith(PREFIX):
        return {name: value[:longest]}
    pieces = [value[start : start + longest] for start in range(0, len(value), longest)] or [""]
    return {name if place == 0 else f"{name}:{place + 1}": piece for place, piece in enumerate(pieces)}


def from_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Our own tags by name, without the prefix, those that were split made whole again."""
    ours = {name.removeprefix(PREFIX): value for name, value in tags.items() if name.startswith(PREFIX)}
    pieces = sorted((name.partition(":") for name in ours if ":" in name), key=lambda parts: int(parts[2]))
    for name, _, place in pieces:
        ours[name] += ours.pop(f"{name}:{place}")
    return ours


def to_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Our own tags as a store takes them: with their full names, those that are too long split."""
    return {name: piece for key, value in tags.items() for name, piece in split_tag(tag_name(key), value).items()}


def replace_tags(before: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, str]:
    """As `spelt`, for a run that has tags: pieces of what was longer before are emptied, for a tag is hard to remove."""
    now = to_tags(tags)
    return now | {name: "" for name in before if name.partition(":")[0] in now and name not in now}


def description_tag(text: str) -> dict[str, str]:
    """The tag whose Markdown MLflow shows on the page of a run; none for an empty text."""
    return {DESCRIPTION: text} if text else {}


def record_from_tags(tags: Mapping[str, str], *own: str) -> dict[str, Any]:
    """What `beginning` spelt, read back: fields that the records of sweeps and of comparisons share, by name.

    Args:
        tags: Ours, joined.
        own: More tags of the kind, which are no facts.
    """
    fields = ("role", "key", "question", "heads", "score_metrics", *own)
    return {
        "key": tags["key"],
        "question": tags.get("question", ""),
        "heads": json.loads(tags["heads"]),
        "score_metrics": score_metrics_from_tags(tags),
        "tags": {name: value for name, value in tags.items() if name not in fields},
    }


def score_metrics_from_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    """The name of the metric that is the score, by head, from our own tags; R² in a store of an earlier version."""
    return score_metrics_of(json.loads(tags.get("heads", "{}")), json.loads(tags.get("score_metrics", "{}")))


def start_tags(record: SweepRecord | ComparisonRecord, role: str, **own: str) -> dict[str, str]:
    """The tags of a sweep's or a comparison's run as it begins.

    Args:
        record: What is written down of it.
        role: By which its kind is found: `sweep` or `comparison`.
        own: More tags of the kind, by name; `description` is what the run's page shows, the question if empty.
    """
    commit = record.tags.get("git_commit")
    mlflows = {
        "mlflow.source.name": "branchsweep",
        **({"mlflow.source.git.commit": commit} if commit else {}),
        **description_tag(own.pop("description", "") or record.question),
    }
    said = {"role": role, "key": record.key, "question": record.question, "heads": json.dumps(dict(record.heads))}
    said["score_metrics"] = json.dumps(dict(record.score_metrics))
    return mlflows | to_tags({**record.tags, **said, **own})
