"""Counts: the mean of whole numbers from 0, learnt by the Poisson loss and scored by explained Poisson deviance.

The raw output is the logarithm of the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from branchsweep.config import kinds
from branchsweep.config.metric_names import D2_POISSON, METRICS_BESIDE
from branchsweep.metrics.deviance_scores import means, poisson_deviance
from branchsweep.models.arrays import Array, ArrayOperations
from branchsweep.models.heads.estimator_scaling import with_standardized_inputs
from branchsweep.models.heads.head import Head
from branchsweep.types import Floats, SourceCall

_SMALLEST = 1e-30
"""Stands for a count of 0 in its logarithm, which does not count there."""

_SCORE = '''
def d2_poisson_score(actual, predicted, sample_weight=None):
    """The share of explained Poisson deviance."""
    return d2_tweedie_score(actual, predicted, power=1, sample_weight=sample_weight)
'''.strip()


class Count(Head):
    """A head that predicts the mean of counts."""

    name = kinds.COUNT
    task: ClassVar[str] = kinds.COUNT
    output_activation: ClassVar[str] = "exponential"
    metrics: ClassVar[tuple[str, ...]] = (D2_POISSON, *METRICS_BESIDE[D2_POISSON])
    score: ClassVar[str] = D2_POISSON
    estimator_labels: ClassVar[Mapping[str, str]] = {"linear_regression": "Poisson regression"}

    def loss(self, ops: ArrayOperations, y: Array, t: Array) -> Array:
        """The Poisson loss of each row, without what the prediction does not change."""
        return ops.exp(y) - t * y

    def slope(self, ops: ArrayOperations, y: Array, t: Array) -> Array:
        """The mean minus the count."""
        return ops.exp(y) - t

    def deviance_factors(self, ops: ArrayOperations, y: Array, t: Array) -> tuple[Array, Array]:
        """The Poisson deviance, and ones."""
        of_counts = t * ops.log(ops.maximum(t, _SMALLEST)) - t
        return 2.0 * (of_counts + self.loss(ops, y, t)), ops.ones_like(y)

    def null_deviance(self, targets: Floats, weights: Floats | None = None) -> Floats:
        """The deviance of the mean count."""
        deviances = poisson_deviance(targets, means(targets, 0, weights))
        return np.asarray((deviances if weights is None else weights * deviances).sum(0))

    def predict(self, ops: ArrayOperations, y: Array) -> Array:
        """The mean."""
        return ops.exp(y)

    def target_encoder(self, target_scaling: str) -> str:
        """Counts stay what they are."""
        del target_scaling
        return "none"

    def keras_loss(self) -> str:
        """Keras's name of it, on means."""
        return "poisson"

    def loss_source(self) -> str:
        """The name, in quotes."""
        return f'"{self.keras_loss()}"'

    def score_source(self) -> SourceCall:
        """scikit-learn's share of explained Tweedie deviance, of power 1."""
        return SourceCall(
            "d2_poisson_score", definition=_SCORE, uses=(SourceCall("d2_tweedie_score", module="sklearn.metrics"),)
        )

    def estimator(self, name: str, seed: int) -> Any:
        """scikit-learn's regressor that goes with this name, on standardized inputs and counts as they are."""
        return with_standardized_inputs(_ESTIMATORS[name](seed))


def _poisson_regression(_: int) -> Any:
    from sklearn.linear_model import PoissonRegressor  # noqa: PLC0415  # a kind imports no heavy library

    return PoissonRegressor(alpha=0.0, max_iter=1000)  # without penalty, as linear regression


def _k_nearest_neighbors(_: int) -> Any:
    from sklearn.neighbors import KNeighborsRegressor  # noqa: PLC0415  # as above

    return KNeighborsRegressor()


def _random_forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415  # as above

    return RandomForestRegressor(criterion="poisson", random_state=seed, n_jobs=-1)


def _extra_trees(seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor  # noqa: PLC0415  # as above

    return ExtraTreesRegressor(criterion="poisson", random_state=seed, n_jobs=-1)


def _histogram_gradient_boosting(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415  # as above

    return HistGradientBoostingRegressor(loss="poisson", random_state=seed)


_ESTIMATORS: Mapping[str, Callable[[int], Any]] = {
    "linear_regression": _poisson_regression,
    "k_nearest_neighbors": _k_nearest_neighbors,
    "random_forest": _random_forest,
    "extra_trees": _extra_trees,
    "histogram_gradient_boosting": _histogram_gradient_boosting,
}

COUNT = Count()
