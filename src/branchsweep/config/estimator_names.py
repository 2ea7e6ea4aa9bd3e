"""The estimators of scikit-learn that experiments may name as baselines and comparisons as contestants, by one name each."""

from __future__ import annotations

from typing import Literal, get_args

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

JOINT = "joint_"
"""The beginning of the name of an estimator that learns all heads together; the others are fitted for each head."""


def is_joint(name: str) -> bool:
    """Whether one estimator learns all heads together."""
    return name.startswith(JOINT)
