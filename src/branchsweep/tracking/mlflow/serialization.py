"""How a trial's result is written as tags, params and metrics of a run in MLflow, and read back.

Tags and params are short strings, metrics are finite numbers that may have steps. So a value that is not a number (the standard
error over one lane) is left out, and a missing value is read as NaN; and since params lose their types, a tag holds them once
more as JSON, exactly.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

from branchsweep.config.codec import NullableFloat, from_json, to_data, to_json
from branchsweep.config.metric_names import MEAN, METRICS, NETWORK_METRICS, common_metric, metric_of_head
from branchsweep.errors import TrackingError, UnreadableRecordError
from branchsweep.metrics.names import BEST, CURVE, STANDARD_ERROR, TEST, label, score_metrics_of, score_names
from branchsweep.runtime import is_environment_fact
from branchsweep.tracking.comparison_protocols import ComparisonRecord
from branchsweep.tracking.protocols import SweepRecord, TableRecord
from branchsweep.trial import EndCause, HeadScore, ParamValue, Result, Score, Status, Trial

Value = TypeVar("Value")

DESCRIPTION = "mlflow.note.content"
"""MLflow's own tag for the Markdown on a run's page."""

LOG10 = "{} log10"
"""The name of the param with the decimal logarithm of another. MLflow's charts shorten long names in the middle."""

PREFIX = "branchsweep."
"""Prefix of our own tags."""

CURVE_POINTS = 25
"""Most points of one learning curve that are recorded: more would take most of the time of recording."""

LONGEST_TAG = 8000
"""Characters of a tag's value in MLflow."""

LONGEST_REASON = 1000
"""Most characters of a reason: a sentence, not a traceback."""

LONGEST_SHOWN = 60
"""Most characters of a tag in a message."""

LANE_SCORES_TAG = "lanes_r2"
"""The tag with the score of every lane. It keeps the name that it got when every score was R²."""

SUMMARY_TAG = "summary"
"""The tag with the text that a sweep finished with."""

NAME_TAG = "name"
"""The tag with the name of a finished sweep or comparison, whose run has a title instead."""

FORMER_TAGS = {"crowned": "promoted", "meetings": "test_evaluations", "reigned": "champions"}
"""The names that earlier versions gave to tags of versions, sweeps and models, and those that are written now."""

MOST_HEADS_IN_TITLE = 4
"""Most heads whose scores are in the title of a sweep."""

LONGEST_TITLE = 250
"""Characters of a run's name in MLflow's database."""


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


def parse_tag(tags: Mapping[str, str], name: str, parse: Callable[[str], Value], default: str | None = None) -> Value:
    """The value of one of our own tags.

    Args:
        tags: From `from_tags`.
        name: Of the tag, without the prefix.
        parse: Reads its text.
        default: The text where there is no such tag; None where it has to be there.

    Raises:
        UnreadableRecordError: It is missing, or cannot be read.
    """
    text = tags.get(name, default)
    if text is None:
        raise UnreadableRecordError(f"the tag {tag_name(name)} is missing: was it edited by hand?")
    try:
        return parse(text)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
        raise UnreadableRecordError(
            f"the tag {_both_names(name)} cannot be read ({shown!r}): was it edited by hand?"
        ) from error


def _both_names(name: str) -> str:
    """The full name of a tag, with the one that it may have had in an earlier version."""
    former = next((former for former, present in FORMER_TAGS.items() if present == name), "")
    return f"{tag_name(name)} (earlier {tag_name(former)})" if former else tag_name(name)


@contextmanager
def naming_record(record: str, remedy: str = "") -> Iterator[None]:
    """A context in which an unreadable record is named.

    Args:
        record: Which run, version or file is read.
        remedy: What to do about it.

    Raises:
        UnreadableRecordError: It cannot be read.
    """
    try:
        yield
    except UnreadableRecordError as error:
        raise UnreadableRecordError(f"{record}: {error.message}{f' {remedy}' if remedy else ''}") from error


def tag_name(name: str) -> str:
    """The full name of a tag: ours get the prefix, MLflow's own (`mlflow.note.content`) have theirs."""
    return name if name.startswith("mlflow.") else PREFIX + name


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


def title(name: str, answer: str) -> str:
    """What MLflow shows as the name of the run of a finished sweep or comparison: its name, then its answer.

    The title is the only text that MLflow's page of a run shows above ids and tags in a window of any width.
    """
    return f"{name}: {answer}"[:LONGEST_TITLE] if answer else name


def name_in(run_name: str, tags: Mapping[str, str]) -> str:
    """The name of a sweep or comparison, from MLflow's name of its run, which may be its title or a name given there.

    Args:
        run_name: In MLflow.
        tags: All tags of the run.
    """
    name = tags.get(tag_name(NAME_TAG), "")
    return name if name and run_name.startswith(f"{name}: ") else run_name


def sweep_answer(metrics: Mapping[str, float], score_metrics: Mapping[str, str]) -> str:
    """The scores that a sweep finished with, for its title: on the test rows, or the best validation scores without them.

    Args:
        metrics: Of the sweep's run.
        score_metrics: The name of the metric that is the score, by head.

    Returns:
        `R² PE 0.938, V 0.805 on test rows`, for many heads the mean alone; empty where nothing was scored.
    """
    for form, rows in ((TEST, "on test rows"), (BEST, "on validation rows")):
        scores = {head: metrics.get(name, math.nan) for head, name in score_names(score_metrics, form).items()}
        mean = scores.pop(MEAN)
        shown = {MEAN: mean} if len(scores) > MOST_HEADS_IN_TITLE else scores
        if all(map(math.isfinite, shown.values())):
            listed = ", ".join(f"{head} {score:.3f}" for head, score in shown.items())
            return f"{label(common_metric(score_metrics.values()))} {listed} {rows}"
    return ""


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
        network={name: metrics[name] for name in NETWORK_METRICS if name in metrics},
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


def split_tag(name: str, value: str, longest: int = LONGEST_TAG) -> dict[str, str]:
    """A tag of any length: what does not fit is continued in `name:2`, `name:3`, …, where MLflow would cut it off silently.

    MLflow's own tags are cut.

    Args:
        name: Full name.
        value: Its text.
        longest: Most characters of one tag.
    """
    if not name.startswith(PREFIX):
        return {name: value[:longest]}
    pieces = [value[start : start + longest] for start in range(0, len(value), longest)] or [""]
    return {name if index == 0 else f"{name}:{index + 1}": piece for index, piece in enumerate(pieces)}


def from_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Our own tags by name, without the prefix, and the pieces of split ones joined, under their present names."""
    own_tags = {name.removeprefix(PREFIX): value for name, value in tags.items() if name.startswith(PREFIX)}
    pieces = [name.partition(":") for name in own_tags if name.partition(":")[2].isdecimal()]
    for name, _, number in sorted(pieces, key=lambda parts: int(parts[2])):
        piece = own_tags.pop(f"{name}:{number}")
        own_tags[name] = own_tags.get(name, "") + piece  # without its beginning it cannot be read, which is found when it is
    former = {FORMER_TAGS[name]: own_tags.pop(name) for name in FORMER_TAGS if name in own_tags}
    return former | own_tags


def to_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Our own tags with their full names, those that are too long split."""
    return {name: piece for key, value in tags.items() for name, piece in split_tag(tag_name(key), value).items()}


def replace_tags(before: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, str]:
    """As `to_tags`, for a run that has tags already: pieces of a tag that was longer before are emptied.

    Args:
        before: The tags of the run.
        tags: The new ones, by name.
    """
    new = to_tags(tags)
    return new | {name: "" for name in before if name.partition(":")[0] in new and name not in new}


def description_tag(text: str) -> dict[str, str]:
    """The tag whose Markdown MLflow shows on the page of a run; none for an empty text."""
    return {DESCRIPTION: text} if text else {}


def record_from_tags(tags: Mapping[str, str]) -> dict[str, Any]:
    """What `start_tags` wrote, read back: the fields that records of sweeps and of comparisons share, by name.

    Args:
        tags: From `from_tags`.
    """
    return {
        "key": parse_tag(tags, "key", str),
        "question": tags.get("question", ""),
        "heads": parse_tag(tags, "heads", _texts_by_head),
        "score_metrics": score_metrics_from_tags(tags),
        "table": TableRecord(
            source=tags.get("data_source", ""),
            location=tags.get("data_location", ""),
            digest=tags.get("data_digest", ""),
            rows=parse_tag(tags, "data_rows", int, "0"),
        ),
        "seed": parse_tag(tags, "seed", int) if "seed" in tags else None,
        "environment": environment_from_tags(tags),
    }


def environment_from_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The versions, the commit and the device among our own tags, by name."""
    return {name: value for name, value in tags.items() if is_environment_fact(name)}


def score_metrics_from_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    """The name of the metric that is the score, by head, from our own tags; R² in a store of an earlier version."""
    heads = parse_tag(tags, "heads", _texts_by_head, "{}")
    return score_metrics_of(heads, parse_tag(tags, "score_metrics", _texts_by_head, "{}"))


def _texts_by_head(text: str) -> dict[str, str]:
    return from_json(dict[str, str], text)


def start_tags(record: SweepRecord | ComparisonRecord, role: str, **own: str) -> dict[str, str]:
    """The tags of the run of a sweep or a comparison when it starts.

    Args:
        record: What is written down about it.
        role: `sweep` or `comparison`.
        own: Further tags, by name, none for an empty text; `description` is what the run's page shows, the question if empty.
    """
    commit = record.environment.get("git_commit")
    of_mlflow = {
        "mlflow.source.name": "branchsweep",
        **({"mlflow.source.git.commit": commit} if commit else {}),
        **description_tag(own.pop("description", "") or record.question),
    }
    table = record.table
    facts = {
        "data_source": table.source,
        "data_location": table.location,
        "data_digest": table.digest,
        "data_rows": str(table.rows or ""),
        "seed": "" if record.seed is None else str(record.seed),
        **own,
    }
    fields = {
        "role": role,
        "key": record.key,
        "question": record.question,
        "heads": json.dumps(dict(record.heads)),
        "score_metrics": json.dumps(dict(record.score_metrics)),
        **record.environment,
        **{name: text for name, text in facts.items() if text},
    }
    return of_mlflow | to_tags(fields)
