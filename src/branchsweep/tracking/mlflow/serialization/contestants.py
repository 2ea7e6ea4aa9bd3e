"""How a contestant of a comparison is written as tags, params and metrics of a run in MLflow.

Metrics have the names that a trial's have, so `r2/PE` of a contestant can be compared with `r2/PE` of a trial in one table.
Those that only comparisons have: `half_r2/PE` has one step per half, `r2_median/PE` is over the halves, `difference/PE`,
`p_adjusted/PE` and `p_equivalence/PE` are against the reference, and costs have plain names. The verdict against the reference
is the tag `verdict/PE`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from branchsweep.config.metric_names import MEAN, common_metric, metric_of_head
from branchsweep.metrics.comparison_result import ComparisonResult, ContestantResult, PairwiseDifference
from branchsweep.metrics.names import HALF, MEDIAN, STANDARD_ERROR
from branchsweep.tracking.mlflow.serialization.tags import description_tag, tag_name
from branchsweep.tracking.mlflow.serialization.trials import LONGEST_REASON, MetricPoint
from branchsweep.trial import ParamValue

CUTS, VERDICT = "cuts", "verdict"
"""Names of tags: what a quick form cut off; and before a slash and a head, the verdict on a difference."""

MOST_COUNTED = 3
"""Most different values of a param that are counted; of more numbers, the range is given."""


def contestant_tags(
    measured: ContestantResult, comparison: str, differences: Sequence[PairwiseDifference] = ()
) -> dict[str, str]:
    """The tags of a contestant's run.

    Args:
        measured: The contestant.
        comparison: Run id of the comparison.
        differences: All of the comparison, of which those of this contestant are selected.
    """
    texts = {
        "role": "contestant",
        "comparison": comparison,
        "contestant": measured.name,
        "reason": measured.failure[:LONGEST_REASON],
        "collapsed": "; ".join(str(collapse) for head in measured.scores for collapse in measured.collapses_of(head)),
        **verdict_texts([difference for difference in differences if difference.contestant == measured.name]),
    }
    of_mlflow = {"mlflow.parentRunId": comparison, **description_tag(measured.description)}
    return of_mlflow | {tag_name(name): text for name, text in texts.items() if text}


def verdict_texts(differences: Sequence[PairwiseDifference]) -> dict[str, str]:
    """The verdict on each difference, by the name of its tag."""
    return {f"{VERDICT}/{difference.head}": difference.verdict for difference in differences}


def result_texts(result: ComparisonResult) -> dict[str, str]:
    """What the comparison's own run has as tags, by their names: the verdict on each head's gain, what a quick form cut off."""
    return {**verdict_texts(result.transfer), **({CUTS: "; ".join(result.cuts)} if result.cuts else {})}


def contestant_params(measured: ContestantResult, differences: Sequence[PairwiseDifference] = ()) -> dict[str, str]:
    """The description of a contestant, its verdicts, and the hyperparameters that differ from the default in any half.

    A hyperparameter of the network of a single head is called `PE/trunk.depth`. Where the halves chose different values, they
    are counted: `3 (6×), 2 (4×)`, or given as a range: `0.0004 to 0.02`. The verdicts are one param, `PE gains, V undecided`,
    so that a table shows them in one column.

    Args:
        measured: The contestant.
        differences: All of the comparison, of which those of this contestant are selected.
    """
    verdicts = [
        f"{difference.head} {difference.verdict}" for difference in differences if difference.contestant == measured.name
    ]
    against = {difference.reference for difference in differences}
    verdict = ", ".join(verdicts) or ("reference" if measured.name in against else "")
    params = {"what": measured.description, **({VERDICT: verdict} if verdict else {})}
    heads = dict.fromkeys(head for half in measured.recipes for head in half)
    for head in heads:
        halves = [half.get(head, {}) for half in measured.recipes]
        for name in dict.fromkeys(name for half in halves for name in half):
            params[f"{head}/{name}" if head else name] = choices([half.get(name) for half in halves])
    return params


def choices(values: Sequence[ParamValue | None]) -> str:
    """The values that were chosen in the halves, as text; None stands for the default."""
    counts = Counter("default" if value is None else str(value) for value in values)
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if len(counts) == 1:
        return next(iter(counts))
    if len(counts) > MOST_COUNTED and len(numbers) == len(values):
        return f"{min(numbers):.4g} to {max(numbers):.4g}"
    return ", ".join(f"{value} ({count}×)" for value, count in counts.most_common())


def contestant_metrics(
    measured: ContestantResult, differences: Sequence[PairwiseDifference], score_metrics: Mapping[str, str]
) -> list[MetricPoint]:
    """All metrics of a contestant that are finite.

    Args:
        measured: The contestant.
        differences: All of the comparison, of which those of this contestant are selected.
        score_metrics: The name of the metric that is the score, by head.
    """
    return [point for point in _points(measured, differences, score_metrics) if math.isfinite(point.value)]


def _points(
    measured: ContestantResult, differences: Sequence[PairwiseDifference], score_metrics: Mapping[str, str]
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
    for difference in differences:
        if difference.contestant == measured.name:
            yield MetricPoint(f"difference/{difference.head}", difference.difference)
            yield MetricPoint(f"p_adjusted/{difference.head}", difference.p_adjusted)
            yield MetricPoint(f"p_equivalence/{difference.head}", difference.p_equivalence)
    cost = measured.cost
    if cost.parameters is not None:
        yield MetricPoint("parameters", cost.parameters)
    yield MetricPoint("training_seconds", cost.training_seconds)
    yield MetricPoint("tuning_seconds", cost.tuning_seconds)
    yield MetricPoint("latency_ms", 1000 * cost.latency)
    yield MetricPoint("bytes", cost.bytes)
    for head, halves in measured.scores.items():
        yield MetricPoint(metric_of_head(MEDIAN.format(named[head]), head), median(halves))


def mean(halves: Sequence[float]) -> float:
    """The mean over the halves; NaN without halves, or if one of them has no value."""
    return float(np.mean(halves)) if len(halves) and np.isfinite(halves).all() else math.nan


def median(halves: Sequence[float]) -> float:
    """The median over the halves; NaN without halves, or if one of them has no value."""
    return float(np.median(halves)) if len(halves) and np.isfinite(halves).all() else math.nan


def corrected_error(halves: Sequence[float]) -> float:
    """The standard error of the mean over halves (Nadeau and Bengio 2003): s √(1/n + 1).

    Halves share rows, so their values are correlated, and s/√n would be too small. The 1 is the ratio of test rows to training
    rows. NaN for less than two halves, or if one of them has no value.
    """
    if len(halves) < 2 or not np.isfinite(halves).all():
        return math.nan
    return float(np.std(halves, ddof=1)) * math.sqrt(1 / len(halves) + 1)


def total_seconds(measured: ContestantResult) -> float:
    """Seconds of tuning a contestant and of training it on all halves; unknown parts count 0."""
    halves = max((len(scores) for scores in measured.scores.values()), default=0)
    parts = (measured.cost.tuning_seconds, halves * measured.cost.training_seconds)
    return sum(part for part in parts if math.isfinite(part))


def sharing_gain_metrics(result: ComparisonResult) -> list[MetricPoint]:
    """The metrics of the comparison's own run: what each head gains by sharing a trunk."""
    return [MetricPoint(f"gain/{difference.head}", difference.difference) for difference in result.transfer]
