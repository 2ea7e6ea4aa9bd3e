"""The point of a search space that is nearest to a configuration which knows nothing of the space."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from branchsweep.config.hyperparameters import find_hyperparameter
from branchsweep.config.sections.dimensions import Choice, Dimension
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.search.search_points import is_discrete, value_at_index
from branchsweep.trial import Params, ParamValue

_ZERO_IS_NO_LIMIT = frozenset({"branch.exit", "clipnorm", "epochs"})
"""Hyperparameters whose 0 stands for the largest value, and not for the smallest."""

_ALIKE: Mapping[str, Sequence[str]] = {
    "leaky_relu": ("relu", "silu", "mish", "gelu", "tanh"),
    "silu": ("gelu", "mish", "leaky_relu", "relu", "tanh"),
    "standard": ("robust", "quantile", "min_max"),
    "piecewise_linear": ("piecewise_linear_tree", "quantile", "standard", "robust", "min_max"),
    "cosine": ("flat_cosine", "coslog4", "constant"),
}
"""By a value that is a text, others in its place where a dimension lacks it, the most similar first."""


def nearest_point(space: SearchSpace, params: Params, heads: Sequence[str]) -> Params:
    """The point of the space that is nearest to these params, dimension by dimension.

    Numbers outside a range are clipped to it. Of choices that are numbers the nearest is taken (by its ratio to the value where
    all are positive); of texts the same, else a similar one, else the first. Params of hyperparameters that the space does not
    vary are ignored; dimensions that params do not name take the hyperparameter's default.

    Args:
        space: The search space.
        params: Values by the names of hyperparameters; one for all heads (`branch.depth`) holds for each of them (`PE.depth`).
        heads: The names of the heads, which were validated together with the space.
    """
    point: dict[str, ParamValue] = {}
    for name, dimension in space.dimensions.items():
        if not space.is_asked(name, point):
            continue
        hyperparameter = find_hyperparameter(name, heads)
        assert hyperparameter is not None  # the space was validated
        value = params.get(name, params.get(hyperparameter.name, hyperparameter.default))
        if value == 0 and hyperparameter.name in _ZERO_IS_NO_LIMIT and not dimension.contains(value):
            value = math.inf
        point[name] = nearest_value(dimension, value)
    return point


def nearest_value(dimension: Dimension, value: ParamValue) -> ParamValue:
    """The value of the dimension that is nearest to this one: see `nearest_point`."""
    if dimension.contains(value):
        return value
    if isinstance(dimension, Choice):
        return _nearest_choice(dimension.choices, value)
    assert not isinstance(value, str)  # the value and the dimension are of one hyperparameter
    clipped = min(max(value, dimension.low), dimension.high)
    if not is_discrete(dimension):
        return clipped if dimension.type == "float" else round(clipped)
    steps = round((clipped - dimension.low) / (dimension.step or 1))
    return value_at_index(dimension, min(steps, int(dimension.size) - 1))


def _nearest_choice(choices: Sequence[ParamValue], value: ParamValue) -> ParamValue:
    if isinstance(value, str):
        return next((alike for alike in _ALIKE.get(value, ()) if alike in choices), choices[0])
    numbers = [choice for choice in choices if not isinstance(choice, str)]
    clipped = min(max(value, min(numbers)), max(numbers))
    if min(numbers) > 0:
        return min(numbers, key=lambda number: abs(math.log(number / clipped)))
    return min(numbers, key=lambda number: abs(number - clipped))
