"""The name that MLflow shows for the run of a sweep or comparison: while it runs its own, then a title with its answer."""

from __future__ import annotations

import math
from collections.abc import Mapping

from branchsweep.config.metric_names import MEAN, common_metric
from branchsweep.metrics.names import BEST, TEST, label, score_names
from branchsweep.tracking.mlflow.serialization.tags import tag_name

NAME_TAG = "name"
"""The tag with the name of a finished sweep or comparison, whose run has a title instead."""

MOST_HEADS_IN_TITLE = 4
"""Most heads whose scores are in the title of a sweep."""

LONGEST_TITLE = 250
"""Characters of a run's name in MLflow's database."""


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
