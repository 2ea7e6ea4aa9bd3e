"""Several quantiles of one target: learnt by the mean of their pinball losses, scored by what it explains.

Each level has an output unit. Nothing keeps the raw outputs in order, so what is predicted is the outputs of a row, sorted:
then no quantile crosses another, and the pinball loss is not larger (Chernozhukov, Fernández-Val and Galichon 2010).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any, ClassVar

import numpy as np

from branchsweep.config import kinds
from branchsweep.config.metric_names import COVERAGE, D2_PINBALL, METRICS_BESIDE, PINBALL_LOSS
from branchsweep.config.sections.heads import quantile_columns
from branchsweep.models.arrays import Array, ArrayOperations
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.quantile import Quantile
from branchsweep.models.member_weights import pinball_weights
from branchsweep.types import Floats, SourceCall

_LOSS = '''
def {name}(actual, predicted):
    """The mean pinball loss of several levels."""
    levels = np.array({levels})
    error = keras.ops.reshape(actual, (-1, 1)) - predicted
    return keras.ops.mean(
        keras.ops.maximum(levels * error, (levels - 1) * error), axis=-1
    )
'''.strip()

_SCORE = '''
def {name}(actual, predicted, sample_weight=None):
    """The share of explained pinball loss over several levels."""
    own, best = 0.0, 0.0
    for level, values in zip({levels}, predicted.T, strict=True):
        constant = np.quantile(
            actual, level, method="inverted_cdf", weights=sample_weight
        )
        guess = np.full(len(actual), constant)
        given = {{"sample_weight": sample_weight, "alpha": level}}
        own += mean_pinball_loss(actual, values, **given)
        best += mean_pinball_loss(actual, guess, **given)
    return 1 - own / best
'''.strip()


class Quantiles(Head):
    """A head that predicts several quantiles.

    Args:
        levels: Ascending, between 0 and 1.
    """

    task: ClassVar[str] = kinds.QUANTILE
    metrics: ClassVar[tuple[str, ...]] = (D2_PINBALL, *METRICS_BESIDE[D2_PINBALL])
    score: ClassVar[str] = D2_PINBALL
    is_sorted: ClassVar[bool] = True
    estimator_labels: ClassVar[Mapping[str, str]] = Quantile.estimator_labels

    def __init__(self, levels: Sequence[float]) -> None:
        self.name, self.units, self.levels = kinds.quantile_kind(*levels), len(levels), tuple(levels)
        self.metric_arguments = {metric: {"levels": self.levels} for metric in (D2_PINBALL, PINBALL_LOSS, COVERAGE)}
        self._each = [Quantile(level) for level in levels]

    def loss(self, ops: ArrayOperations, y: Array, t: Array) -> Array:
        """The mean of the levels' pinball losses."""
        of_levels = zip(self._each, self._by_unit(y), strict=True)
        return reduce(add, [kind.loss(ops, unit, t) for kind, unit in of_levels]) * np.float32(1 / self.units)

    def slope(self, ops: ArrayOperations, y: Array, t: Array) -> Array:
        """That of each level, over their number."""
        levels = np.array(self.levels, np.float32)[:, None]
        return (0.5 * ops.sign(y - t) + (0.5 - levels)) * np.float32(1 / self.units)

    def deviance_factors(self, ops: ArrayOperations, y: Array, t: Array) -> tuple[Array, Array]:
        """The loss of the sorted outputs, and ones."""
        loss = self.loss(ops, self.predict(ops, y), t)
        return loss, ops.ones_like(loss)

    def null_deviance(self, targets: Floats, weights: Floats | None = None) -> Floats:
        """The mean over the levels of the pinball loss of the targets' own quantile."""
        return np.asarray(np.mean([kind.null_deviance(targets, weights) for kind in self._each], axis=0))

    def predict(self, ops: ArrayOperations, y: Array) -> Array:
        """The outputs, sorted: neighbors that are out of order change places, in as many passes as there are units."""
        units = self._by_unit(y)
        for passes in range(self.units):
            for low in range(passes % 2, self.units - 1, 2):
                first, second = units[low], units[low + 1]
                units[low], units[low + 1] = -ops.maximum(-first, -second), ops.maximum(first, second)
        return ops.concatenate(units, -2)

    def keras_loss(self) -> Any:
        """A function, since Keras has none."""
        import keras  # noqa: PLC0415  # a kind imports no heavy library

        levels = np.array(self.levels, np.float32)

        def pinball_loss(actual: Any, predicted: Any) -> Any:
            error = keras.ops.reshape(keras.ops.cast(actual, predicted.dtype), (-1, 1)) - predicted
            return keras.ops.mean(keras.ops.maximum(levels * error, (levels - 1.0) * error), axis=-1)

        return pinball_loss

    def loss_source(self) -> str:
        """The name of the function that `loss_definition` defines."""
        return self._named("pinball_loss")

    def loss_definition(self) -> str:
        """The function, in Keras's operations."""
        return _LOSS.format(name=self.loss_source(), levels=list(self.levels))

    def score_source(self) -> SourceCall:
        """scikit-learn's pinball losses, against those of the best constants."""
        name = self._named("d2_pinball_score")
        used = SourceCall("mean_pinball_loss", module="sklearn.metrics")
        return SourceCall(name, definition=_SCORE.format(name=name, levels=list(self.levels)), uses=(used,))

    def estimator(self, name: str, seed: int) -> Any:
        """That of the first level; `estimators` are those of all."""
        return self._each[0].estimator(name, seed)

    def estimators(self, name: str, seed: int) -> list[Any]:
        """scikit-learn's regressor of each quantile."""
        return [kind.estimator(name, seed) for kind in self._each]

    def member_weights(self, predicted: Floats, target: Floats, weights: Floats | None = None) -> Floats:
        """Those that minimise the pinball losses of all levels."""
        return pinball_weights(predicted - target, self.levels, weights)

    def _by_unit(self, values: Array) -> list[Array]:
        """`(…, 1, rows)` of each unit."""
        return [values[..., unit : unit + 1, :] for unit in range(self.units)]

    def _named(self, function: str) -> str:
        """The name of a function of these levels in generated code, which ends as the columns of predictions do: `_q10_q90`."""
        return (function + "".join(quantile_columns("", self.levels))).replace(".", "_").replace("-", "_")
