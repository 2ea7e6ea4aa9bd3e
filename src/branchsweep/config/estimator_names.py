"""The estimators of scikit-learn that experiments may name as baselines and comparisons as contestants, by one name each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from branchsweep.config.kinds import BINARY, COUNT, MULTICLASS, QUANTILE
from branchsweep.errors import did_you_mean

EstimatorName = Literal[
    "linear_regression",
    "k_nearest_neighbors",
    "support_vector_regression",
    "random_forest",
    "extra_trees",
    "histogram_gradient_boosting",
    "joint_k_nearest_neighbors",
    "joint_random_forest",
    "joint_extra_trees",
]

ESTIMATORS: tuple[str, ...] = get_args(EstimatorName)
"""All of them."""

_OF_TASKS: Mapping[str, tuple[EstimatorName, ...]] = {
    BINARY: ("linear_regression", "k_nearest_neighbors", "random_forest", "extra_trees", "histogram_gradient_boosting"),
    MULTICLASS: ("linear_regression", "k_nearest_neighbors", "random_forest", "extra_trees", "histogram_gradient_boosting"),
    COUNT: ("linear_regression", "k_nearest_neighbors", "random_forest", "extra_trees", "histogram_gradient_boosting"),
    QUANTILE: ("linear_regression", "histogram_gradient_boosting"),
}


def estimators_of_task(task: str | None) -> tuple[str, ...]:
    """The names that are estimators for heads of a task.

    For other tasks than regression they are the estimators that go with it: linear_regression of a binary head is logistic
    regression, of a count head Poisson regression, of a quantile head quantile regression.

    Args:
        task: As of `Head`; all names where it is None, which is a regression as far as one knows.
    """
    return _OF_TASKS.get(task or "", ESTIMATORS)


_LINEAR_BY_TASK: Mapping[str, str] = {
    "logistic_regression": "logistic regression for heads with classes",
    "poisson_regression": "Poisson regression for count heads",
    "quantile_regression": "quantile regression for quantile heads",
}
"""What linear regression is called for other tasks, each with what to say of it."""


def estimator_hint(given: str) -> str:
    """What to write instead of a name that is none, as the end of a message; empty where that cannot be guessed."""
    if given in _LINEAR_BY_TASK:
        return f"; linear_regression is {_LINEAR_BY_TASK[given]}"
    return did_you_mean(given, ESTIMATORS)


JOINT = "joint_"
"""The beginning of the name of an estimator that learns all heads together; the others are fitted for each head."""


def is_joint(name: str) -> bool:
    """Whether one estimator learns all heads together."""
    return name.startswith(JOINT)
