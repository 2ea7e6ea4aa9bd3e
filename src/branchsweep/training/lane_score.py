"""The score by which a lane stops early and keeps its best epoch: the objective's ranking metric over the scores of its heads.

The rule is compiled into the program, the weights are data. An objective that ranks by one head gives that head weight 1 and
the others 0; by whatever metric of it, the score that the program computes after each epoch is that head's own. The mean of the
heads needs no weights, and neither does a network with one head.
"""

from __future__ import annotations

from collections.abc import Sequence

from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import SAME_ORDER, ObjectiveMetric, metric_of_head
from branchsweep.config.sections.objective import Objective

MEAN, MIN, WEIGHTED = "mean", "min", "weighted"
"""The rules by which a lane's score follows from its heads' scores."""


def score_rule(objective: Objective, heads: Sequence[str]) -> str:
    """The rule of an objective over these heads."""
    aggregate = ObjectiveMetric.parsed(objective.ranking_metric).aggregate
    if len(heads) == 1 or aggregate == MEAN:
        return MEAN
    return MIN if aggregate == MIN else WEIGHTED


def score_weights(objective: Objective, heads: Sequence[str]) -> tuple[float, ...]:
    """By head, its weight in a score by the rule `weighted`; the weights add up to 1."""
    ranked = ObjectiveMetric.parsed(objective.ranking_metric).head
    if ranked:
        return tuple(float(head == ranked) for head in heads)
    weights = [objective.weights.get(head, 1.0) for head in heads]
    return tuple(weight / sum(weights) for weight in weights)


def epoch_rule(experiment: Experiment) -> str:
    """By which score epochs are chosen, as a sentence, where trials are ranked by a metric that may choose others.

    Empty where nothing chooses epochs, and where the score of the same rows chooses the same ones, as R² does for the RMSE.
    """
    fit, ranked = experiment.fit, ObjectiveMetric.parsed(experiment.objective.ranking_metric)
    if not ranked.head or not (fit.early_stopping or fit.keep == "best"):
        return ""
    score = experiment.score_metrics[ranked.head]
    if ranked.metric in (score, SAME_ORDER.get(score)):
        return ""
    chooses = [*(["early stopping"] if fit.early_stopping else []), *(["fit.keep: best"] if fit.keep == "best" else [])]
    verb = "follows" if len(chooses) == 1 else "follow"
    return (
        f"{' and '.join(chooses)} {verb} {metric_of_head(score, ranked.head)} from epoch to epoch, the score of the head;"
        f" trials are ranked by {experiment.objective.ranking_metric}"
    )
