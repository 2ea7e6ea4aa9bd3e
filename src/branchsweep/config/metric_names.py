"""Names of metrics as users write and read them: `r2/PE`, `mean_r2`, `weighted`.

They stand in `config/`, below everything that computes a metric, because an experiment names them in its objective.
`branchsweep.metrics.names` adds what reports and stores need to know of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

R2 = "r2"
"""The coefficient of determination, the score of a regression head."""

D2_LOG_LOSS, D2_POISSON, D2_PINBALL = "d2_log_loss", "d2_poisson", "d2_pinball"
"""The scores of heads of classes, counts and quantiles: shares of explained log loss, Poisson deviance and pinball loss."""

RMSE, MAE = "rmse", "mae"
LOG_LOSS, BRIER, ACCURACY, BALANCED_ACCURACY = "log_loss", "brier", "accuracy", "balanced_accuracy"
ROC_AUC, AVERAGE_PRECISION, CALIBRATION_ERROR = "roc_auc", "average_precision", "calibration_error"
POISSON_DEVIANCE, PINBALL_LOSS, COVERAGE = "poisson_deviance", "pinball_loss", "coverage"
"""Other metrics of heads."""

PARAMETERS, MULTIPLICATIONS, SIZE = "parameters", "multiplications", "size"
"""Weights and biases of a network, its multiplications for one row, and the bytes of its weights and biases."""

LATENCY = "latency"
"""Seconds in which an exported model predicts 1,000 rows."""

NETWORK_METRICS = (PARAMETERS, MULTIPLICATIONS, SIZE)
"""What follows from the hyperparameters of a network; of all of them less is better."""

MEASURED_NETWORK_METRICS = (*NETWORK_METRICS, LATENCY)
"""What may be measured of a network, whatever it predicts; of all of them less is better."""

MIXED = "score"
"""Stands for the name of the metric where the heads' scores are different metrics."""

MEAN = "mean"
"""Stands for the head where a value is the mean over the heads (`r2/mean`)."""

WEIGHTED = "weighted"
"""The mean of the heads' scores, each head by its weight."""

MEAN_PREFIX, MIN_PREFIX = "mean_", "min_"
"""What the names of the mean and of the lowest score begin with; the metric's name follows."""

DEFAULT_OBJECTIVE = f"{MEAN_PREFIX}{R2}"
"""What a search maximizes if the experiment does not say."""


class Metric(NamedTuple):
    """A metric.

    Args:
        label: For people.
        higher_is_better: Its direction.
        is_score: Whether it is a share of explained deviance, which is 1 for a perfect prediction and 0 for a constant one.
        highest: The largest value that it can have.
    """

    label: str
    higher_is_better: bool
    is_score: bool
    highest: float = math.inf


METRICS: dict[str, Metric] = {
    R2: Metric("R²", higher_is_better=True, is_score=True, highest=1.0),
    RMSE: Metric("RMSE", higher_is_better=False, is_score=False),
    MAE: Metric("MAE", higher_is_better=False, is_score=False),
    D2_LOG_LOSS: Metric("D² (log loss)", higher_is_better=True, is_score=True, highest=1.0),
    LOG_LOSS: Metric("log loss", higher_is_better=False, is_score=False),
    ACCURACY: Metric("accuracy", higher_is_better=True, is_score=False, highest=1.0),
    BALANCED_ACCURACY: Metric("balanced accuracy", higher_is_better=True, is_score=False, highest=1.0),
    ROC_AUC: Metric("ROC AUC", higher_is_better=True, is_score=False, highest=1.0),
    AVERAGE_PRECISION: Metric("average precision", higher_is_better=True, is_score=False, highest=1.0),
    BRIER: Metric("Brier score", higher_is_better=False, is_score=False),
    CALIBRATION_ERROR: Metric("calibration error", higher_is_better=False, is_score=False),
    D2_POISSON: Metric("D² (Poisson)", higher_is_better=True, is_score=True, highest=1.0),
    POISSON_DEVIANCE: Metric("Poisson deviance", higher_is_better=False, is_score=False),
    D2_PINBALL: Metric("D² (pinball)", higher_is_better=True, is_score=True, highest=1.0),
    PINBALL_LOSS: Metric("pinball loss", higher_is_better=False, is_score=False),
    COVERAGE: Metric("coverage", higher_is_better=True, is_score=False, highest=1.0),
}
"""The metrics of heads by name, in the order of tables."""

METRICS_BESIDE: Mapping[str, tuple[str, ...]] = {
    R2: (RMSE, MAE),
    D2_LOG_LOSS: (LOG_LOSS, ACCURACY, BALANCED_ACCURACY, ROC_AUC, AVERAGE_PRECISION, BRIER, CALIBRATION_ERROR),
    D2_POISSON: (POISSON_DEVIANCE, RMSE, MAE),
    D2_PINBALL: (PINBALL_LOSS, COVERAGE),
}
"""By score of the built-in kinds of heads, what else is recorded of such a head."""


SAME_ORDER: Mapping[str, str] = {R2: RMSE, D2_LOG_LOSS: LOG_LOSS, D2_POISSON: POISSON_DEVIANCE, D2_PINBALL: PINBALL_LOSS}
"""By score, the metric that orders predictions of the same rows as the score does, the best first."""


class ObjectiveMetric(NamedTuple):
    """One metric of an objective, parsed.

    Args:
        aggregate: `mean`, `min` or `weighted`, how the heads' values become one number; empty for the value of one head, or
            of the network.
        metric: The metric's name (`r2`, `parameters`); empty for `weighted`, which is always over the scores.
        head: The head's name; empty for an aggregate, or for a metric of the network.
    """

    aggregate: str
    metric: str
    head: str

    @classmethod
    def parsed(cls, name: str) -> ObjectiveMetric:
        """The metric that `mean_r2`, `min_r2`, `weighted`, `r2/PE` or `parameters` names.

        Raises:
            ValueError: The name has none of these forms.
        """
        return _parsed(name)

    @property
    def is_of_network(self) -> bool:
        """Whether it is a metric of the network, whatever that predicts."""
        return not self.aggregate and not self.head


@cache
def _parsed(name: str) -> ObjectiveMetric:
    metric, slash, head = name.partition("/")
    if slash and metric and head:
        return ObjectiveMetric("", metric, head)
    if name == WEIGHTED:
        return ObjectiveMetric(WEIGHTED, "", "")
    if name in MEASURED_NETWORK_METRICS:
        return ObjectiveMetric("", name, "")
    for prefix in (MEAN_PREFIX, MIN_PREFIX):
        if not slash and name.startswith(prefix) and name != prefix:
            return ObjectiveMetric(prefix.rstrip("_"), name.removeprefix(prefix), "")
    of_network = ", ".join(MEASURED_NETWORK_METRICS)
    raise ValueError(f"got '{name}', expected METRIC/HEAD, mean_METRIC, min_METRIC, {WEIGHTED} or {of_network}")


def metric_of_head(metric: str, head: str) -> str:
    """The name of a head's metric, `r2/PE`; with `MEAN` for the head, of the mean over the heads."""
    return f"{metric}/{head}"


def more_is_better(name: str) -> bool:
    """Whether an objective's metric is one of which more is better, as far as its name says: `r2/PE`, but not `rmse/PE`."""
    try:
        metric = _parsed(name)
    except ValueError:
        return False
    known = METRICS.get(metric.metric)
    return known.higher_is_better if known else bool(metric.aggregate)


def common_metric(metrics: Iterable[str]) -> str:
    """The name of the metric that all heads share, `MIXED` if they do not."""
    distinct = set(metrics)
    return distinct.pop() if len(distinct) == 1 else MIXED


def objective_metrics(score_metrics: Mapping[str, str]) -> list[str]:
    """The scores that an objective may name: over the heads, and of each head.

    Args:
        score_metrics: The name of the metric that is the head's score, by head.
    """
    common = common_metric(score_metrics.values())
    by_head = (metric_of_head(metric, head) for head, metric in score_metrics.items())
    return [f"{MEAN_PREFIX}{common}", f"{MIN_PREFIX}{common}", WEIGHTED, *by_head]
