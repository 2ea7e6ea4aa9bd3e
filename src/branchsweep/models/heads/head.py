"""The contract of a head: what a network's output learns, predicts and is scored by.

`y` is the raw output of the network's last layer for some rows, `t` the target as the head's encoder transforms it. Of a head
of one unit both have one shape. Of a head of several units, `y` is `(…, units, rows)` and `t` is `(…, 1, rows)`. Functions of
the two take the array operations to compute with (`models/arrays.py`), because the compiled program and NumPy share them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from branchsweep.metrics.functions import score_key
from branchsweep.models.arrays import Array, ArrayOperations
from branchsweep.models.member_weights import squared_error_weights
from branchsweep.types import Floats, SourceCall


class Head(ABC):
    """One kind of output. It has no state: a kind is one object, found by its name in `registry`.

    Attributes:
        name: As `loss` in YAML; the task where that has one loss, with what else it is given (`binary`, `quantile(0.9)`).
        task: The question that it answers (`regression`).
        units: Units of the output layer, and columns of a prediction.
        output_names: Of several units that are neither classes nor quantiles, how the columns of a prediction end:
            `load_low`, `load_high` for `("low", "high")`.
        is_sorted: Whether the columns of a prediction ascend in every row, whatever the raw outputs are.
        output_activation: The Keras activation of the output layer: it makes a prediction of the raw output.
        has_intervals: Whether the distance of an actual value from its prediction makes a prediction interval.
        metrics: The names of what is recorded of the predictions; `metrics/names.py` has their directions,
            `metrics/functions.py` what computes them.
        score: The name among `metrics` that objectives, rungs and reports compare: a share of explained deviance, 1 for a
            perfect prediction and 0 for the best constant.
        metric_arguments: By metric what its function takes besides values and weights.
        is_probability: Whether the prediction is the probability of one of two classes, or of each of several.
        estimator_labels: What estimators are in words, by the names of `config/estimator_names.py`, where that is not the name:
            `linear_regression` of a head with classes is a logistic regression.
    """

    name: str
    task: ClassVar[str]
    units: int = 1
    output_names: tuple[str, ...] = ()
    is_sorted: ClassVar[bool] = False
    output_activation: ClassVar[str] = "linear"
    has_intervals: ClassVar[bool] = False
    metrics: ClassVar[tuple[str, ...]]
    score: ClassVar[str]
    metric_arguments: Mapping[str, Mapping[str, float | tuple[float, ...]]] = MappingProxyType({})
    is_probability: ClassVar[bool] = False
    estimator_labels: ClassVar[Mapping[str, str]] = MappingProxyType({})

    @abstractmethod
    def loss(self, ops: ArrayOperations, y: Array, t: Array) -> Array:
        """The loss of each row, as `keras_loss` has it: of the shape of `t`."""

    @abstractmethod
    def slope(self, ops: ArrayOperations, y: Array, t: Array) -> Array:
        """The derivative of `loss` by the raw output: of its shape."""

    @abstractmethod
    def deviance_factors(self, ops: ArrayOperations, y: Array, t: Array) -> tuple[Array, Array]:
        """Two arrays of the shape of `t` whose product, summed over rows, is the deviance of the score.

        Two, because the compiled program sums by a matrix product, which keeps the order of summation. A squared error is the
        error twice (the same object); another deviance stands beside ones.
        """

    @abstractmethod
    def null_deviance(self, targets: Floats, weights: Floats | None = None) -> Floats:
        """The deviance of the best constant, by column.

        Args:
            targets: `(rows, columns)`, transformed, at least one row.
            weights: `(rows, columns)`, above 0, by which the deviance of each row is multiplied; None where all count alike.

        Returns:
            `(columns,)`. The score is 1 - deviance / null deviance.
        """

    def predict(self, ops: ArrayOperations, y: Array) -> Array:
        """The prediction of a raw output, in the terms of the transformed target: what `output_activation` makes of it."""
        del ops
        return y

    def target_encoder(self, target_scaling: str) -> str:
        """The name of the encoder of the head's targets, where the experiment asks for this `target_scaling`."""
        return target_scaling

    @abstractmethod
    def keras_loss(self) -> Any:
        """What Keras's `compile` takes as the head's loss: a name, or a loss object."""

    def keras_score(self) -> Any:
        """A Keras metric that computes `score` after every epoch, under its name; None if Keras has none."""
        return None

    @abstractmethod
    def loss_source(self) -> str:
        """The same in generated code, as source."""

    def loss_definition(self) -> str:
        """The code that defines what `loss_source` names; empty where Keras has it."""
        return ""

    @abstractmethod
    def score_source(self) -> SourceCall:
        """The function of (actual, predicted) values that computes the score in generated code."""

    @abstractmethod
    def estimator(self, name: str, seed: int) -> Any:
        """The scikit-learn estimator that a baseline of this name is for such a head, not fitted.

        Of a classifier of 0 and 1 the probability of a 1 counts as its prediction, of one of more classes that of each.

        Args:
            name: Of `config/estimator_names.py`, such as `random_forest`; without `joint_`, since such an estimator is the same
                on several columns of targets.
            seed: Of an estimator that is random.

        Raises:
            KeyError: There is none of this name for the task.
        """

    def estimators(self, name: str, seed: int) -> list[Any]:
        """The estimators that a baseline of this name is for such a head: one, or one for each output unit."""
        return [self.estimator(name, seed)]

    def member_weights(self, predicted: Floats, target: Floats, weights: Floats | None = None) -> Floats:
        """What each member of an ensemble weighs in the weighted mean of their predictions (`models/stacking.py`).

        Those that minimise the squared error of the mean, of every unit against the target; none negative, their sum 1.

        Args:
            predicted: `(members, units, rows)`, in natural units.
            target: `(rows,)`, all known.
            weights: `(rows,)`, how much each row counts; None where all count alike.

        Returns:
            `(members,)`.
        """
        return squared_error_weights(predicted - target, weights)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def null_deviances(heads: Sequence[Head], targets: Floats, weights: Floats | None = None) -> Floats:
    """The null deviance of each head's column of `targets` `(rows, heads)`, by its kind; 1 where no rows count.

    It is 0 where the targets do not vary, as those of a fold with rows of one class: no network explains more than a constant
    does, and the score is 0, as that of `metrics/scores.py`.

    Args:
        heads: The kinds of the heads.
        targets: Transformed.
        weights: `(rows, heads)`, 0 for what does not count; None where all count alike.
    """
    if not len(targets):
        return np.ones(len(heads))
    if weights is not None:
        return np.array([_null_deviance(*columns) for columns in zip(heads, targets.T, weights.T, strict=True)])
    deviances = np.empty(len(heads))
    for key in {score_key(head): None for head in heads}:
        columns = [column for column, head in enumerate(heads) if score_key(head) == key]
        of_score = targets if len(columns) == len(heads) else targets[:, columns]
        deviances[columns] = heads[columns[0]].null_deviance(of_score)
    return np.where(targets.min(axis=0) < targets.max(axis=0), deviances, 0.0)


def _null_deviance(head: Head, targets: Floats, weights: Floats) -> float:
    """Of one head, targets and weights `(rows,)` each."""
    counted = weights > 0
    if not counted.any():
        return 1.0
    column, of_column = targets[counted, None], weights[counted, None]
    if not column.min() < column.max():
        return 0.0
    are_equal = bool((of_column == 1.0).all())  # targets are known or not, and have no other weights
    return float(head.null_deviance(column)[0] if are_equal else head.null_deviance(column, of_column)[0])
