"""The facts about a metric that its name determines: its display label, its direction, its name in stores and tables.

Scores travel by head, and the name of the metric that is a head's score by `score_metrics` (`{"PE": "r2"}`), which the
experiment and the records of sweeps and comparisons carry. So no other module needs to know which metric that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from branchsweep.config.metric_names import (
    MEAN,
    MEASURED_NETWORK_METRICS,
    METRICS,
    METRICS_BESIDE,
    MIXED,
    R2,
    common_metric,
    metric_of_head,
)

BEST, CURVE, HALF, MEDIAN, STANDARD_ERROR, TEST = "best_{}", "curve_{}", "half_{}", "{}_median", "{}_se", "test_{}"
"""What is recorded of a metric besides its value: the best so far, by epoch, by half, the median over the halves, its standard
error, on the test rows."""


_SCORE_FIELDS = {R2: "scores", f"{R2}_se": "scores_se", f"test_{R2}": "test_scores"}
"""Fields of kept results that earlier versions named after the one metric they had, and their names now."""


def label(metric: str) -> str:
    """The metric's display label: `R²` for `r2`, `score` for `MIXED`."""
    return METRICS[metric].label if metric in METRICS else metric


def plain_label(metric: str) -> str:
    """The same in plain letters, for generated code: `R2` of `r2`."""
    return label(metric).replace("²", "2")


def higher_is_better(metric: str) -> bool:
    """Whether the larger of two values of this metric is the better one; true of every score."""
    if metric in METRICS:
        return METRICS[metric].higher_is_better
    return metric not in MEASURED_NETWORK_METRICS


def is_standard_error(name: str) -> bool:
    """Whether a full name such as `r2_se/PE` is that of a standard error."""
    return name.partition("/")[0].endswith(STANDARD_ERROR.format(""))


def is_test_score(name: str) -> bool:
    """Whether a full name such as `test_r2/PE` is that of a score on the test rows, rather than of another metric."""
    metric = name.partition("/")[0].removeprefix(TEST.format(""))
    return METRICS[metric].is_score if metric in METRICS else metric == MIXED


def score_metrics_of(heads: Iterable[str], recorded: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """The name of the metric that is the score, by head.

    Args:
        heads: The heads' names, in order.
        recorded: The names as far as they were recorded; R² where they were not, for earlier versions had no other score.
    """
    return {head: (recorded or {}).get(head, R2) for head in heads}


def score_names(score_metrics: Mapping[str, str], form: str = "{}", mean: bool = True) -> Mapping[str, str]:
    """The full names of the heads' scores and of their mean, such as `r2/PE`, `r2/mean`.

    Args:
        score_metrics: The name of the metric that is the score, by head.
        form: How the metric's name is spelled before the slash: `best_{}` makes `best_r2/PE`, `{}_se` its standard error.
        mean: Whether the mean over the heads is among them; it is named after the metric that the heads share.

    Returns:
        The full names by head, and by `mean` as the last.
    """
    names = {head: metric_of_head(form.format(metric), head) for head, metric in score_metrics.items()}
    if mean:
        names[MEAN] = metric_of_head(form.format(common_metric(score_metrics.values())), MEAN)
    return names


def other_metrics(score_metrics: Mapping[str, str]) -> list[str]:
    """The metrics that heads with these scores have and that are no head's score, in the order of tables."""
    scores = set(score_metrics.values())
    own = {metric for score in scores for metric in METRICS_BESIDE.get(score, ())}
    if not scores <= METRICS_BESIDE.keys():  # heads of added kinds may have the metrics of regressions
        own |= {R2, *METRICS_BESIDE[R2]}
    others = {metric for score, beside in METRICS_BESIDE.items() for metric in (score, *beside)} - own
    return [metric for metric in METRICS if metric not in scores | others]


def with_current_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """A kept result as a dict, with the names of its fields as they are now."""
    return {_SCORE_FIELDS.get(name, name): value for name, value in data.items()}
