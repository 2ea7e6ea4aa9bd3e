"""How a contestant of a comparison is spelt in a tracking store: as a trial of a sweep is, wherever both have the same figure.

So `r2/PE` of a contestant may stand beside `r2/PE` of a trial in one table. What belongs to comparisons alone: `half_r2/PE` has
one step per half, `difference/PE` and `p_adjusted/PE` are against the reference, and costs have plain names.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from branchsweep.config.metric_names import MEAN, common_metric, metric_of_head
from branchsweep.metrics.comparison_result import ComparisonResult, ContestantResult, PairwiseDifference
from branchsweep.metrics.names import HALF, STANDARD_ERROR
from branchsweep.tracking.mlflow.serialization import LONGEST_REASON, MetricPoint, description_tag, tag_name
from branchsweep.trial import ParamValue

FEW = 3
"""The most different values of a param that are counted one by one; of more numbers, the ends are told."""


def contestant_tags(measured: ContestantResult, comparison: str) -> dict[str, str]:
    """The tags of a contestant's run, under the comparison's run."""
    words = {
        "role": "contestant",
        "comparison": comparison,
        "contestant": measured.name,
        "reason": measured.failure[:LONGEST_REASON],
    }
    mlflows = {"mlflow.parentRunId": comparison, **description_tag(measured.description)}
    return mlflows | {tag_name(name): value for name, value in words.items() if value}


def contestant_params(measured: ContestantResult) -> dict[str, str]:
    """What the contestant is, and what was chosen for it in the halves, where it differs from the default in any of them.

    A tunable of a network that is one head's alone is called `PE/trunk.depth`. Where the halves chose differently, its value
    tells how: `3 (6×), 2 (4×)`, or `0.0004 to 0.02`.
    """
    said = {"what": measured.description}
    heads = dict.fromkeys(head for half in measured.recipes for head in half)
    for head in heads:
        halves = [half.get(head, {}) for half in measured.recipes]
        for name in dict.fromkeys(name for half in halves for name in half):
            said[f"{head}/{name}" if head else name] = choices([half.get(name) for half in halves])
    return said


def choices(values: Sequence[ParamValue | None]) -> str:
    """What was chosen in the halves, for people; None stands for the default."""
    counts = Counter("default" if value is None else str(value) for value in values)
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if len(counts) == 1:
        return next(iter(counts))
    if len(counts) > FEW and len(numbers) == len(values):
        return f"{min(numbers):.4g} to {max(numbers):.4g}"
    return ", ".join(f"{value} ({count}×)" for value, count in counts.most_common())


def contestant_metrics(
    measured: ContestantResult, contrasts: Sequence[PairwiseDifference], score_metrics: Mapping[str, str]
) -> list[MetricPoint]:
    """All figures of a contestant.

    Args:
        measured: The contestant.
        contrasts: All of the comparison; those of this contestant are picked.
        score_metrics: The name of the metric that is the score, by head.
    """
    return [point for point in _points(measured, contrasts, score_metrics) if math.isfinite(point.value)]


def _points(
    measured: ContestantResult, contrasts: Sequence[PairwiseDifference], score_metrics: Mapping[str, str]
) -> Iterator[MetricPoint]:
    named = {**score_metrics, MEAN: common_metric(score_metrics.values())}
    by_metric = [(named[head], head, halves) for head, halves in measured.scores.items()]
    by_metric += [(metric, head, halves) for metric, by_head in measured.metrics.items() for head, halves in by_head.items()]
    for metric, head, halves in by_metric:
        yield MetricPoint(metric_of_head(metric, head), mean(halves))
        yield MetricPoint(metric_of_head(STANDARD_ERROR.format(metric), head), corrected_error(halves))
    for head, halves in measured.scores.items():
        name = metric_of_head(HALF.format(named[head]), head)
        yield from (MetricPoint(name, value, step) for step, value in enumerate(halves, 1))
    for contrast in contrasts:
        if contrast.contestant == measured.name:
            yield MetricPoint(f"difference/{contrast.head}", contrast.difference)
            yield MetricPoint(f"p_adjusted/{contrast.head}", contrast.p_adjusted)
    cost = measured.cost
    if cost.parameters is not None:
        yield MetricPoint("parameters", cost.parameters)
    yield MetricPoint("training_seconds", cost.training_seconds)
    yield MetricPoint("tuning_seconds", cost.tuning_seconds)
    yield MetricPoint("latency_ms", 1000 * cost.latency)
    yield MetricPoint("bytes", cost.bytes)


def mean(halves: Sequence[float]) -> float:
    """The mean over the halves; NaN where there are none, or one of them has no figure."""
    return float(np.mean(halves)) if len(halves) and np.isfinite(halves).all() else math.nan


def corrected_error(halves: Sequence[float]) -> float:
    """The standard error of the mean over halves (Nadeau and Bengio 2003): s √(1/n + 1).

    Halves share rows, so their figures are correlated, and s/√n would be too sure of itself. The 1 is the ratio of rows tested
    on to rows learnt from. NaN for less than two halves, or where one of them has no figure.
    """
    if len(halves) < 2 or not np.isfinite(halves).all():
        return math.nan
    return float(np.std(halves, ddof=1)) * math.sqrt(1 / len(halves) + 1)


def total_seconds(measured: ContestantResult) -> float:
    """What it took to tune the contestant and to fit it on every half; what is unknown takes none."""
    halves = max((len(of) for of in measured.scores.values()), default=0)
    parts = (measured.cost.tuning_seconds, halves * measured.cost.training_seconds)
    return sum(part for part in parts if math.isfinite(part))


def sharing_gain_metrics(findings: ComparisonResult) -> list[MetricPoint]:
    """What is told of the comparison itself: what each figure gains by sharing."""
    return [MetricPoint(f"gain/{contrast.head}", contrast.difference) for contrast in findings.transfer]
