"""The hyperparameters of scikit-learn's estimators that may be fixed or searched, by scikit-learn's own names and bounds.

One value is not scikit-learn's: `metric: learned` of nearest neighbors (`models/metric_learning.py`).

What decides no prediction is left out (`n_jobs`, `verbose`), as is what the package sets itself (`random_state`) and what is no
number, word or boolean (`monotonic_cst`). Losses that need targets above 0 are left out, for targets are standardized.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from branchsweep.config.config_model import KeyMistake, KeyPath
from branchsweep.config.estimator_names import JOINT
from branchsweep.config.kinds import REGRESSION
from branchsweep.config.sections.dimensions import Dimension, Float, extreme_values
from branchsweep.errors import did_you_mean
from branchsweep.trial import ParamValue


@dataclass(frozen=True, slots=True)
class Bounds:
    """An interval of numbers.

    Args:
        low: Its lower end.
        high: Its upper end.
        above: Whether the lower end is outside.
        below: Whether the upper end is outside.
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        """Whether a number is inside."""
        is_above = self.low < value if self.above else self.low <= value
        return is_above and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        """The interval as the end of a phrase; empty for all numbers."""
        if math.isinf(self.low):
            return ""
        low = f" {'above' if self.above else 'of at least'} {self.low:g}"
        if math.isinf(self.high):
            return low
        high = f"{'below' if self.below else 'at most'} {self.high:g}"
        return f"{low} and {high}" if self.above or self.below else f" from {self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class EstimatorParameter:
    """What a hyperparameter of an estimator may be. Each kind of value is allowed where it is given.

    Args:
        whole: Bounds of whole numbers.
        real: Bounds of other numbers; of whole ones too where `whole` is None.
        words: Texts.
        flag: Whether true and false are allowed.
    """

    whole: Bounds | None = None
    real: Bounds | None = None
    words: tuple[str, ...] = ()
    flag: bool = False

    def accepts(self, value: ParamValue) -> bool:
        """Whether the hyperparameter can have this value."""
        if isinstance(value, bool):
            return self.flag
        if isinstance(value, str):
            return value in self.words
        bounds = self.whole if isinstance(value, int) and self.whole is not None else self.real
        return bounds is not None and math.isfinite(value) and value in bounds

    def for_scikit_learn(self, value: ParamValue) -> ParamValue:
        """The value as scikit-learn takes it: where it tells shares from counts by their types, 1 is a share as 1.0."""
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return float(value) if is_whole and self.whole is None else value

    @property
    def expected(self) -> str:
        """What a value must be, as the end of a message."""
        kinds = [f"a whole number{self.whole}"] if self.whole else []
        kinds += [f"a number{self.real}"] if self.real else []
        kinds += [f"one of {', '.join(self.words)}"] if self.words else []
        return " or ".join([*kinds, *(["true or false"] if self.flag else [])])


_COUNT = EstimatorParameter(whole=Bounds(1))
_AT_LEAST_0 = EstimatorParameter(real=Bounds(0))
_POSITIVE = EstimatorParameter(real=Bounds(0, above=True))
_ANY = EstimatorParameter(real=Bounds())
_FLAG = EstimatorParameter(flag=True)
_SHARE = Bounds(0, 1, above=True)

_FOREST: Mapping[str, EstimatorParameter] = {
    "n_estimators": _COUNT,
    "criterion": EstimatorParameter(words=("squared_error", "absolute_error")),
    "max_depth": _COUNT,
    "min_samples_split": EstimatorParameter(whole=Bounds(2), real=_SHARE),
    "min_samples_leaf": EstimatorParameter(whole=Bounds(1), real=Bounds(0, 1, above=True, below=True)),
    "min_weight_fraction_leaf": EstimatorParameter(real=Bounds(0, 0.5)),
    "max_features": EstimatorParameter(whole=Bounds(1), real=_SHARE, words=("sqrt", "log2")),
    "max_leaf_nodes": EstimatorParameter(whole=Bounds(2)),
    "min_impurity_decrease": _AT_LEAST_0,
    "bootstrap": _FLAG,
    "ccp_alpha": _AT_LEAST_0,
    "max_samples": EstimatorParameter(whole=Bounds(1), real=_SHARE),
}

METRIC = "metric"
LEARNED = "learned"
"""The metric of nearest neighbors that is fitted to the training rows."""

ESTIMATOR_PARAMETERS: Mapping[str, Mapping[str, EstimatorParameter]] = {
    "linear_regression": {"fit_intercept": _FLAG, "positive": _FLAG},
    "k_nearest_neighbors": {
        "n_neighbors": _COUNT,
        "weights": EstimatorParameter(words=("uniform", "distance")),
        "algorithm": EstimatorParameter(words=("auto", "ball_tree", "kd_tree", "brute")),
        "leaf_size": _COUNT,
        "p": _POSITIVE,
        METRIC: EstimatorParameter(words=("minkowski", "euclidean", "manhattan", "chebyshev", LEARNED)),
    },
    "support_vector_regression": {
        "kernel": EstimatorParameter(words=("rbf", "linear", "poly", "sigmoid")),
        "degree": EstimatorParameter(whole=Bounds(0)),
        "gamma": EstimatorParameter(real=Bounds(0), words=("scale", "auto")),
        "coef0": _ANY,
        "tol": _POSITIVE,
        "C": _POSITIVE,
        "epsilon": _AT_LEAST_0,
        "shrinking": _FLAG,
    },
    "random_forest": _FOREST,
    "extra_trees": _FOREST,
    "histogram_gradient_boosting": {
        "loss": EstimatorParameter(words=("squared_error", "absolute_error")),
        "learning_rate": _POSITIVE,
        "max_iter": _COUNT,
        "max_leaf_nodes": EstimatorParameter(whole=Bounds(2)),
        "max_depth": _COUNT,
        "min_samples_leaf": _COUNT,
        "l2_regularization": _AT_LEAST_0,
        "max_features": EstimatorParameter(real=_SHARE),
        "max_bins": EstimatorParameter(whole=Bounds(2, 255)),
        "interaction_cst": EstimatorParameter(words=("pairwise", "no_interactions")),
        "early_stopping": EstimatorParameter(words=("auto",), flag=True),
        "validation_fraction": EstimatorParameter(whole=Bounds(1), real=Bounds(0, 1, above=True, below=True)),
        "n_iter_no_change": _COUNT,
        "tol": _AT_LEAST_0,
    },
}
"""What each estimator takes, by the names of the estimators; those of all heads together take the same."""


def estimator_parameters(estimator: str) -> Mapping[str, EstimatorParameter]:
    """What an estimator takes, whether it learns each head by itself or all together."""
    return ESTIMATOR_PARAMETERS[estimator.removeprefix(JOINT)]


_OF_REGRESSION = ("criterion", "loss", "positive")
"""Hyperparameters that the estimators for other tasks do not have, or with other values."""


def of_regression_alone(task: str | None, names: Iterable[str]) -> str:
    """The first of these hyperparameters that estimators for heads of this task do not have; empty if they have all."""
    return next((name for name in names if task not in (None, REGRESSION) and name in _OF_REGRESSION), "")


def estimator_mistakes(estimator: str, fixed: Mapping[str, ParamValue], space: Mapping[str, Dimension]) -> Iterator[KeyMistake]:
    """What is wrong with the hyperparameters that an estimator is given, by their paths in its mapping.

    Args:
        estimator: Its name.
        fixed: Values by name.
        space: What is searched, by name.
    """
    parameters = estimator_parameters(estimator)
    values: dict[tuple[str, str], list[tuple[KeyPath, ParamValue]]] = {
        **{("fixed", name): [((), value)] for name, value in fixed.items()},
        **{("space", name): list(extreme_values(dimension)) for name, dimension in space.items()},
    }
    for (key, name), found in values.items():
        if name not in parameters:
            expected = f"expected a hyperparameter of {estimator} ({', '.join(parameters)})"
            yield (key, name), f"got '{name}', {expected}{did_you_mean(name, parameters)}"
            continue
        if key == "space" and name in fixed:
            yield ("fixed", name), f"{name} is searched and fixed at once"
        if key == "space" and isinstance(space[name], Float) and parameters[name].real is None:
            yield (key, name, "type"), f"got float, expected the type of {parameters[name].expected}"
            continue
        yield from (((key, name, *path), problem) for path, problem in _value_problems(parameters[name], found))


def _value_problems(parameter: EstimatorParameter, values: Iterable[tuple[KeyPath, ParamValue]]) -> Iterator[KeyMistake]:
    for path, value in values:
        if not parameter.accepts(value):
            hint = did_you_mean(value, parameter.words) if isinstance(value, str) else ""
            yield path, f"got {value!r}, expected {parameter.expected}{hint}"
