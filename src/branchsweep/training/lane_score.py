"""The score by which a lane stops early and keeps its best epoch: the objective's ranking metric, after each epoch.

The compiled program computes the score of each head, a share of explained deviance. Where the ranking metric is made of scores,
or orders epochs as one of them does (the RMSE of the same rows as R²), the program goes on by itself: the rule is compiled into
it, the weights of the heads are data, 1 for the one head that an objective names. The mean of the heads needs no weights, and
neither does a network with one head. Any other metric of a head, such as the accuracy, is computed between the epochs from the
predictions of all validation rows (`epoch_metric.py`): the rule `metric`.
"""

from __future__ import annotations

from collections.abc import Sequence

from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import ObjectiveMetric
from branchsweep.config.sections.objective import Objective

MEAN, MIN, WEIGHTED, METRIC = "mean", "min", "weighted", "metric"
"""The rules by which a lane's score follows from its heads."""


def score_rule(experiment: Experiment) -> str:
    """The rule of an experiment's objective over its heads."""
    if experiment.epoch_metric:
        return METRIC
    aggregate = ObjectiveMetric.parsed(experiment.objective.ranking_metric).aggregate
    if len(experiment.heads) == 1 or aggregate == MEAN:
        return MEAN
    return MIN if aggregate == MIN else WEIGHTED


def score_weights(objective: Objective, heads: Sequence[str]) -> tuple[float, ...]:
    """By head, its weight in a score by the rule `weighted`; the weights add up to 1."""
    ranked = ObjectiveMetric.parsed(objective.ranking_metric).head
    if ranked:
        return tuple(float(head == ranked) for head in heads)
    weights = [objective.weights.get(head, 1.0) for head in heads]
    return tuple(weight / sum(weights) for weight in weights)
