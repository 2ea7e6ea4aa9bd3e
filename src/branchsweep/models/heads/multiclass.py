"""Classes: the probability of each of three or more classes, learnt by cross-entropy and scored by explained log loss.

The raw outputs are the classes' logits, of which the softmax makes probabilities. A target is the number of a class, from 0.
Sums over the classes are written out, one class after the other: a reduction has no fixed order in the compiled program.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import add
from typing import Any, ClassVar

import numpy as np

from branchsweep.config import kinds
from branchsweep.config.metric_names import D2_LOG_LOSS, METRICS_BESIDE
from branchsweep.models.arrays import Array, ArrayOperations
from branchsweep.models.heads.binary import CLASSIFIER_LABELS, classifier
from branchsweep.models.heads.head import Head
from branchsweep.models.member_weights import squared_error_weights
from branchsweep.types import Floats, SourceCall


class Multiclass(Head):
    """A head that predicts the probability of each class.

    Args:
        classes: How many there are.
    """

    task: ClassVar[str] = kinds.MULTICLASS
    output_activation: ClassVar[str] = "softmax"
    metrics: ClassVar[tuple[str, ...]] = (D2_LOG_LOSS, *METRICS_BESIDE[D2_LOG_LOSS])
    score: ClassVar[str] = D2_LOG_LOSS
    is_probability: ClassVar[bool] = True
    estimator_labels: ClassVar[Mapping[str, str]] = CLASSIFIER_LABELS

    def __init__(self, classes: int) -> None:
        self.name, self.units = kinds.multiclass_kind(classes), classes

    def loss(self, ops: ArrayOperations, y: Array, t: Array) -> Array:
        """The cross-entropy of each row."""
        shifted, exponentials = self._exponentials(ops, y)
        own = reduce(add, [ops.where(t == number, unit, 0.0) for number, unit in enumerate(self._by_unit(shifted))])
        return ops.log(reduce(add, self._by_unit(exponentials))) - own

    def slope(self, ops: ArrayOperations, y: Array, t: Array) -> Array:
        """The probabilities, less 1 at the class that a row has."""
        return self.predict(ops, y) - ops.indicator(t == np.arange(self.units, dtype=np.float32)[:, None])

    def deviance_factors(self, ops: ArrayOperations, y: Array, t: Array) -> tuple[Array, Array]:
        """The cross-entropy, and ones."""
        loss = self.loss(ops, y, t)
        return loss, ops.ones_like(loss)

    def null_deviance(self, targets: Floats, weights: Floats | None = None) -> Floats:
        """The cross-entropy of the classes' shares."""
        counted = np.ones_like(targets) if weights is None else weights
        sums = np.stack([np.where(targets == number, counted, 0.0).sum(0) for number in range(self.units)])
        shares = sums / sums.sum(0)
        deviance: Floats = -(sums * np.log(np.where(sums > 0, shares, 1.0))).sum(0)
        return deviance

    def predict(self, ops: ArrayOperations, y: Array) -> Array:
        """The softmax."""
        _, exponentials = self._exponentials(ops, y)
        return exponentials / reduce(add, self._by_unit(exponentials))

    def target_encoder(self, target_scaling: str) -> str:
        """Classes stay whole numbers."""
        del target_scaling
        return "none"

    def keras_loss(self) -> str:
        """Keras's name of it, on numbers of classes and probabilities."""
        return "sparse_categorical_crossentropy"

    def loss_source(self) -> str:
        """The name, in quotes."""
        return f'"{self.keras_loss()}"'

    def score_source(self) -> SourceCall:
        """scikit-learn's share of explained log loss, which is told the classes that there are."""
        used = SourceCall("d2_log_loss_score", module="sklearn.metrics")
        name = f"d2_log_loss_score_of_{self.units}"
        return SourceCall(name, definition=_SCORE.format(name=name, classes=self.units), uses=(used,))

    def estimator(self, name: str, seed: int) -> Any:
        """scikit-learn's classifier that goes with this name, as for a binary head."""
        return classifier(name, seed)

    def member_weights(self, predicted: Floats, target: Floats, weights: Floats | None = None) -> Floats:
        """Those that minimise the Brier score: each probability against 1 for the class that a row has, else 0."""
        return squared_error_weights(predicted - (target == np.arange(self.units)[:, None]), weights)

    def _by_unit(self, values: Array) -> list[Array]:
        """`(…, 1, rows)` of each unit."""
        return [values[..., unit : unit + 1, :] for unit in range(self.units)]

    def _exponentials(self, ops: ArrayOperations, y: Array) -> tuple[Array, Array]:
        """The logits less the largest of their row, and their exponentials, of which none is infinite."""
        shifted = y - reduce(ops.maximum, self._by_unit(y))
        return shifted, ops.exp(shifted)


_SCORE = '''
def {name}(actual, predicted, sample_weight=None):
    """The share of explained log loss."""
    shares = predicted / predicted.sum(axis=1, keepdims=True)
    classes = list(range({classes}))
    return d2_log_loss_score(
        actual, shares, sample_weight=sample_weight, labels=classes
    )
'''.strip()
