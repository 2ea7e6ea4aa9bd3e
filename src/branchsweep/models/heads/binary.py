"""Binary classification: the probability of one of two classes, learnt by cross-entropy and scored by explained log loss.

The raw output is the log-odds of the positive class, which is 1 among the targets. The loss is computed from it without the
probability, which rounds to 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from branchsweep.config import kinds
from branchsweep.config.metric_names import D2_LOG_LOSS, METRICS_BESIDE
from branchsweep.metrics.deviance_scores import log_loss_deviance, means
from branchsweep.models.arrays import Array, ArrayOperations
from branchsweep.models.heads.estimator_scaling import with_standardized_inputs
from branchsweep.models.heads.head import Head
from branchsweep.types import Floats, SourceCall

CLASSIFIER_LABELS: Mapping[str, str] = {"linear_regression": "logistic regression"}
"""What the estimators of heads with classes are in words, where that is not their name."""


class Binary(Head):
    """A head that predicts the probability of a 1 among targets of 0 and 1."""

    name = kinds.BINARY
    task: ClassVar[str] = kinds.BINARY
    output_activation: ClassVar[str] = "sigmoid"
    metrics: ClassVar[tuple[str, ...]] = (D2_LOG_LOSS, *METRICS_BESIDE[D2_LOG_LOSS])
    score: ClassVar[str] = D2_LOG_LOSS
    is_probability: ClassVar[bool] = True
    estimator_labels: ClassVar[Mapping[str, str]] = CLASSIFIER_LABELS

    def loss(self, ops: ArrayOperations, y: Array, t: Array) -> Array:
        """The cross-entropy of each row."""
        return ops.relu(y) - y * t + ops.log(1.0 + ops.exp(-ops.abs(y)))

    def slope(self, ops: ArrayOperations, y: Array, t: Array) -> Array:
        """The probability minus the target."""
        return self.predict(ops, y) - t

    def deviance_factors(self, ops: ArrayOperations, y: Array, t: Array) -> tuple[Array, Array]:
        """The cross-entropy, and ones."""
        return self.loss(ops, y, t), ops.ones_like(y)

    def null_deviance(self, targets: Floats, weights: Floats | None = None) -> Floats:
        """The cross-entropy of the share of ones."""
        losses = log_loss_deviance(targets, means(targets, 0, weights))
        return np.asarray((losses if weights is None else weights * losses).sum(0))

    def predict(self, ops: ArrayOperations, y: Array) -> Array:
        """The logistic function, without overflow and to full precision near 0."""
        below = ops.exp(-ops.abs(y))
        return ops.where(y >= 0.0, 1.0 / (1.0 + below), below / (1.0 + below))

    def target_encoder(self, target_scaling: str) -> str:
        """Classes stay 0 and 1."""
        del target_scaling
        return "none"

    def keras_loss(self) -> str:
        """Keras's name of it, on probabilities."""
        return "binary_crossentropy"

    def loss_source(self) -> str:
        """The name, in quotes."""
        return f'"{self.keras_loss()}"'

    def score_source(self) -> SourceCall:
        """scikit-learn's share of explained log loss."""
        return SourceCall("d2_log_loss_score", module="sklearn.metrics")

    def estimator(self, name: str, seed: int) -> Any:
        """scikit-learn's classifier that goes with this name."""
        return classifier(name, seed)


def classifier(name: str, seed: int) -> Any:
    """scikit-learn's classifier that goes with the name of a baseline, with its defaults, on standardized inputs."""
    return with_standardized_inputs(_ESTIMATORS[name](seed))


def _logistic_regression(_: int) -> Any:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # a kind imports no heavy library

    return LogisticRegression(max_iter=1000)


def _k_nearest_neighbors(_: int) -> Any:
    from sklearn.neighbors import KNeighborsClassifier  # noqa: PLC0415  # as above

    return KNeighborsClassifier()


def _random_forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415  # as above

    return RandomForestClassifier(random_state=seed, n_jobs=-1)


def _extra_trees(seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier  # noqa: PLC0415  # as above

    return ExtraTreesClassifier(random_state=seed, n_jobs=-1)


def _histogram_gradient_boosting(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415  # as above

    return HistGradientBoostingClassifier(random_state=seed)


_ESTIMATORS: Mapping[str, Callable[[int], Any]] = {
    "linear_regression": _logistic_regression,
    "k_nearest_neighbors": _k_nearest_neighbors,
    "random_forest": _random_forest,
    "extra_trees": _extra_trees,
    "histogram_gradient_boosting": _histogram_gradient_boosting,
}

BINARY = Binary()
