"""Estimators of scikit-learn for all heads at once: raw columns in, raw columns out.

An estimator learns each head by itself, or the heads in a chain, where each reads the predictions of those before it, or all
heads together. Which
estimator a name stands for is the head's to say. A sweep's baselines and a comparison's contestants come from here.

n    rows
D    input columns
H    heads
O    columns of predictions: those of the heads, of which one with several classes has one for each
"""

from __future__ import annotations

import inspect
import pickle
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Protocol, cast

import numpy as np

from branchsweep.config.estimator_names import JOINT, estimators_of_task, is_joint
from branchsweep.config.estimator_parameters import LEARNED, METRIC, estimator_parameters, of_regression_alone
from branchsweep.config.sections.columns import Column
from branchsweep.data.encoders.inputs import FittedInputEncoder, InputEncoder, InputEncoding
from branchsweep.errors import ConfigError, DataError
from branchsweep.metrics.actual import Actual
from branchsweep.metrics.comparison_result import LATENCY_ROWS, ContestantCost
from branchsweep.models.heads.head import Head
from branchsweep.models.serving import estimator_predictions
from branchsweep.trial import Params
from branchsweep.types import Floats

LATENCY_REPEATS = 5
"""Measurements of a latency, whose median is taken."""


ALL_HEADS = ""
"""The key of hyperparameters that estimators of all heads have in common."""


@dataclass(frozen=True, slots=True)
class EstimatorsOfUnits:
    """An estimator for each of a head's units, such as its quantiles.

    Args:
        estimators: By unit.
        is_sorted: Whether the predictions of a row are sorted.
    """

    estimators: tuple[Any, ...]
    is_sorted: bool

    def fit(self, X: Floats, y: Floats, **arguments: Any) -> None:
        """Learn the targets `(n,)`."""
        for estimator in self.estimators:
            estimator.fit(X, y, **arguments)

    def predict(self, X: Floats) -> Floats:
        """What the units predict `(n, units)`."""
        predicted = np.column_stack([estimator.predict(X) for estimator in self.estimators])
        return np.sort(predicted, axis=1) if self.is_sorted else predicted


class Estimator(Protocol):
    """What is used of a scikit-learn estimator."""

    def fit(self, X: Floats, y: Floats) -> object:  # noqa: D102
        ...

    def predict(self, X: Floats) -> Floats:  # noqa: D102
        ...


@dataclass(frozen=True, slots=True)
class FittedBaseline:
    """An estimator that has learnt all heads.

    Args:
        model: Predicts `(n, O)`, in the heads' order.
        seconds: Seconds that fitting took.
        encoder: Encodes the inputs; None where estimators read them as they are.
    """

    model: _EstimatorChain | _SeparateEstimators | _JointEstimator
    seconds: float
    encoder: FittedInputEncoder | None = None

    def predict(self, x: Floats) -> Floats:
        """Predictions `(n, O)` in the heads' own units and order, whatever the chain's, from raw inputs `(n, D)`."""
        return self.model.predict(self.encoder.transform(x) if self.encoder else x)

    @property
    def described(self) -> FittedBaseline:
        """The same without its estimators."""
        return replace(self, model=_SeparateEstimators(()))

    @property
    def estimators(self) -> tuple[Estimator | list[Any], ...]:
        """Those of scikit-learn, whose predictions from encoded inputs are the heads' columns, side by side.

        Of a head with several quantiles a list, as `estimator_predictions` of `models/serving.py` takes it.
        """
        if isinstance(self.model, _EstimatorChain):
            raise TypeError("the estimators of a chain read each other's predictions")
        own = (self.model.estimator,) if isinstance(self.model, _JointEstimator) else self.model.estimators
        return tuple(map(_of_scikit_learn, own))


@dataclass(frozen=True, slots=True)
class ClassEstimator:
    """An estimator of a head with several classes, whose predictions are their probabilities.

    Args:
        estimator: A classifier of scikit-learn.
        classes: How many there are; the rows that it learns may lack some.
    """

    estimator: Any
    classes: int

    def fit(self, X: Floats, y: Floats, **arguments: Any) -> None:
        """Learn the numbers of the classes `(n,)`."""
        self.estimator.fit(X, y, **arguments)

    def predict(self, X: Floats) -> Floats:
        """The probabilities `(n, classes)`."""
        return estimator_predictions(self.estimator, X, self.classes)


def _of_scikit_learn(estimator: Any) -> Any:
    """The estimator that predicts a head, or the list of those of its units."""
    if isinstance(estimator, EstimatorsOfUnits):
        return list(estimator.estimators)
    from branchsweep.models.metric_learning import of_scikit_learn_alone  # noqa: PLC0415  # imports scikit-learn

    return of_scikit_learn_alone(estimator.estimator if isinstance(estimator, ClassEstimator) else estimator)


def estimator_label(name: str, heads: Iterable[Head]) -> str:
    """What an estimator is in words: `random forest`, and of a number and a class `linear and logistic regression`.

    Args:
        name: One of `config/estimator_names.py`.
        heads: The kinds of the heads that it is for.
    """
    labels = list(dict.fromkeys(head.estimator_labels.get(name, name.replace("_", " ")) for head in heads))
    last = labels.pop()
    noun = last.rpartition(" ")[2]
    return f"{', '.join(label.removesuffix(f' {noun}') for label in labels)} and {last}" if labels else last


def make_estimators(
    name: str, heads: Mapping[str, Head], seed: int = 0, params: Mapping[str, Params] | None = None
) -> dict[str, Estimator] | Estimator:
    """The estimator of each head, or the one of all heads.

    Args:
        name: One of `config/estimator_names.py`.
        heads: The kinds of the heads.
        seed: Of an estimator that is random, from 0 and below 2³².
        params: By head, or under `ALL_HEADS` for all of them, hyperparameters other than scikit-learn's defaults.

    Raises:
        ConfigError: There is none of this name for the task of a head, or it has no such hyperparameter.
    """
    given = params or {}
    for head, kind in heads.items():
        if name not in (possible := estimators_of_task(kind.task)):
            message = f"{name} is no estimator for the {kind.task} head {head}, expected one of {', '.join(possible)}"
            raise ConfigError(message, "estimator")
        of_regression = of_regression_alone(kind.task, (*given.get(head, ()), *given.get(ALL_HEADS, ())))
        if of_regression:
            raise ConfigError(f"{of_regression} is for regressions, and head {head} is a {kind.task} head; leave it out", name)
    if is_joint(name):
        first = next(iter(heads.values()))
        together: Estimator = _with_params(first.estimator(name.removeprefix(JOINT), seed), name, given.get(ALL_HEADS, {}))
        return together
    found: dict[str, Estimator] = {}
    for head, kind in heads.items():
        params_of_head = given.get(head, given.get(ALL_HEADS, {}))
        own, *others = (_with_params(estimator, name, params_of_head) for estimator in kind.estimators(name, seed))
        if others:
            found[head] = EstimatorsOfUnits((own, *others), kind.is_sorted)
        else:
            found[head] = own if kind.units == 1 else ClassEstimator(own, kind.units)
    return found


def _with_params(estimator: Any, name: str, params: Params) -> Any:
    """The estimator, the last step of its pipeline with these hyperparameters."""
    parameters, of_scikit_learn = estimator_parameters(name), dict(params)
    if params.get(METRIC) == LEARNED:
        from branchsweep.models.metric_learning import with_learned_metric  # noqa: PLC0415  # imports scikit-learn

        estimator = with_learned_metric(estimator)
        of_scikit_learn[METRIC] = "euclidean"  # of the mapped inputs, whatever p is
    _last_step(estimator)[0].set_params(
        **{key: parameters[key].for_scikit_learn(value) for key, value in of_scikit_learn.items()}
    )
    return estimator


def fit(
    estimators: Mapping[str, Estimator] | Estimator,
    x: Floats,
    y: Floats | Actual,
    chain: Sequence[str] | None = None,
    columns: Sequence[Column] = (),
) -> FittedBaseline:
    """Estimators after learning all heads, with the time that it took.

    A head is learnt from the rows whose target is known, by their weights where its estimator takes weights. An estimator of
    all heads learns from the rows with all targets, by the mean of the heads' weights.

    Args:
        estimators: By head, in the order of the targets' columns; or one for all heads.
        x: Training inputs `(n, D)`, in the columns' own units.
        y: Training targets `(n, H)`, in the heads' own units; NaN where one is not known, or the same with weights.
        chain: All heads in the order in which they are learnt and predicted, each from the inputs and the heads before it
            (in training from their actual values, where these are known; else, and afterwards, from their predictions).
            None: each head by itself.
        columns: What the inputs are, in order; numbers without gaps where they are not given. Categories, dates and gaps are
            encoded as for a network, with the defaults of the hyperparameters; numbers stay as they are.

    Raises:
        ValueError: The chain does not name each head once.
    """
    targets, started, encoder = Actual.of(y), time.perf_counter(), None
    if not all(column.is_plain for column in columns):
        encoder = InputEncoder(tuple(columns), InputEncoding("none")).fit(x, targets.values)
        x = encoder.transform(x)
    model: _EstimatorChain | _SeparateEstimators | _JointEstimator
    if isinstance(estimators, Mapping):
        model = _fit_heads(estimators, x, targets, chain)
    else:
        model = _fit_jointly(estimators, x, targets)
    return FittedBaseline(model, time.perf_counter() - started, encoder)


@dataclass(frozen=True, slots=True)
class _EstimatorChain:
    """Fitted estimators, each of which predicts one head from the inputs and the predictions of those before it.

    Args:
        estimators: By column.
        order: The columns, in the order of the chain.
    """

    estimators: tuple[Estimator, ...]
    order: Sequence[int]

    def predict(self, X: Floats) -> Floats:
        """Predictions `(n, O)`."""
        ends = list(accumulate(map(_units, self.estimators)))
        columns = [list(range(end - _units(own), end)) for own, end in zip(self.estimators, ends, strict=True)]
        predicted = np.empty((len(X), ends[-1]))
        for position, column in enumerate(self.order):
            before = [own for other in self.order[:position] for own in columns[other]]
            read = np.column_stack([X, predicted[:, before]])
            predicted[:, columns[column]] = estimator_predictions(self.estimators[column], read).reshape(len(X), -1)
        return predicted


@dataclass(frozen=True, slots=True)
class _SeparateEstimators:
    """Fitted estimators of one head each, by column."""

    estimators: tuple[Estimator, ...]

    def predict(self, X: Floats) -> Floats:
        """Predictions `(n, O)`."""
        return np.column_stack([estimator_predictions(estimator, X) for estimator in self.estimators])


@dataclass(frozen=True, slots=True)
class _JointEstimator:
    """One fitted estimator of all heads."""

    estimator: Estimator

    def predict(self, X: Floats) -> Floats:
        """Predictions `(n, H)`."""
        return np.asarray(self.estimator.predict(X)).reshape(len(X), -1)


def _fit_heads(
    estimators: Mapping[str, Estimator], x: Floats, targets: Actual, chain: Sequence[str] | None
) -> _EstimatorChain | _SeparateEstimators:
    heads, by_column = list(estimators), tuple(estimators.values())
    if chain is None:
        return _fit_each(by_column, x, targets)
    if sorted(chain) != sorted(heads):
        raise ValueError(f"got the chain {', '.join(chain)}, expected each of the heads {', '.join(heads)} once")
    return _fit_chain(by_column, [heads.index(head) for head in chain], x, targets)


def _fit_jointly(estimator: Estimator, x: Floats, targets: Actual) -> _JointEstimator:
    complete = ~np.isnan(targets.values).any(axis=1)
    if not complete.any():
        raise DataError("no row has the targets of all heads, from which joint estimators learn; leave them out", "baselines")
    name, weights = _weights_argument(estimator), targets.weights
    arguments = {name: weights[complete].mean(axis=1)} if weights is not None and name else {}
    y = targets.values[complete]
    cast("Any", estimator.fit)(x[complete], y if y.shape[1] > 1 else y[:, 0], **arguments)
    return _JointEstimator(estimator)


def _fit_each(estimators: tuple[Estimator, ...], x: Floats, targets: Actual) -> _SeparateEstimators:
    for column, estimator in enumerate(estimators):
        _fit_head(estimator, x, targets, column)
    return _SeparateEstimators(estimators)


def _fit_chain(estimators: tuple[Estimator, ...], order: Sequence[int], x: Floats, targets: Actual) -> _EstimatorChain:
    read = x
    for column in order:
        _fit_head(estimators[column], read, targets, column)
        values = targets.values[:, column]
        known = ~np.isnan(values)
        if isinstance(own := estimators[column], ClassEstimator):
            values, known = (values[:, None] == np.arange(own.classes)).astype(np.float64), known[:, None]
        elif isinstance(own, EstimatorsOfUnits):
            values, known = np.repeat(values[:, None], len(own.estimators), axis=1), known[:, None]
        read = np.column_stack([read, values if known.all() else np.where(known, values, estimator_predictions(own, read))])
    return _EstimatorChain(estimators, order)


def _units(estimator: Estimator) -> int:
    """The columns of what an estimator predicts for one head."""
    if isinstance(estimator, EstimatorsOfUnits):
        return len(estimator.estimators)
    return estimator.classes if isinstance(estimator, ClassEstimator) else 1


def _fit_head(estimator: Estimator, x: Floats, targets: Actual, column: int) -> None:
    """Fit an estimator to one column of the targets: to the rows where it is known."""
    y, read, *weights = targets.head(column, x.T)
    name, fit_rows = _weights_argument(estimator), cast("Any", estimator.fit)
    fit_rows(read.T, y, **({name: np.ascontiguousarray(weights[0])} if weights and name else {}))


def _last_step(estimator: Any) -> tuple[Any, str]:
    """The estimator inside of a pipeline, and the prefix of its arguments, by the rules of scikit-learn's pipelines."""
    inner, prefix = estimator, ""
    if isinstance(inner, ClassEstimator):
        inner = inner.estimator
    if isinstance(inner, EstimatorsOfUnits):
        inner = inner.estimators[0]
    inner = getattr(inner, "regressor", inner)
    while hasattr(inner, "steps"):
        name, inner = inner.steps[-1]
        prefix += f"{name}__"
    return inner, prefix


def _weights_argument(estimator: Any) -> str:
    """The argument of `fit` that takes weights of rows; empty if there is none."""
    inner, prefix = _last_step(estimator)
    return f"{prefix}sample_weight" if "sample_weight" in inspect.signature(inner.fit).parameters else ""


def measure_cost(fitted: FittedBaseline, x: Floats) -> ContestantCost:
    """What an estimator costs: seconds to fit and to predict, and its size when pickled.

    Args:
        fitted: The estimator.
        x: Inputs to predict from `(n, D)`; repeated or cut to 1,000 rows. The latency is the median of several measurements,
            after one that does not count.
    """
    rows = np.resize(x, (LATENCY_ROWS, x.shape[1]))
    fitted.predict(rows)
    return ContestantCost(
        parameters=None,
        training_seconds=fitted.seconds,
        tuning_seconds=0.0,
        latency=float(np.median([_seconds_to_predict(fitted, rows) for _ in range(LATENCY_REPEATS)])),
        bytes=len(pickle.dumps(fitted.model)),
    )


def _seconds_to_predict(fitted: FittedBaseline, x: Floats) -> float:
    start = time.perf_counter()
    fitted.predict(x)
    return time.perf_counter() - start
