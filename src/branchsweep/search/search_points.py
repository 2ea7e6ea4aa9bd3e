"""Points of the search space, and their conversion to and from unit coordinates and indices.

A finite dimension without a logarithmic scale (a choice, an integer, a float with a step) is discrete: a list of values, each
known by its index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import HYPERPARAMETERS, find_hyperparameter
from branchsweep.config.sections.dimensions import Choice, Dimension, Float, Int
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.errors import ConfigError
from branchsweep.trial import Params, ParamValue

MOST_VALUES = 10
"""The most values of a continuous dimension that is made discrete."""


def is_discrete(dimension: Dimension) -> bool:
    """Whether the dimension is a list of values that are equally likely."""
    return isinstance(dimension, Choice) or (not dimension.log and math.isfinite(dimension.size))


def value_at_index(dimension: Dimension, index: int) -> ParamValue:
    """The value of a finite dimension at an index, counted from 0."""
    if isinstance(dimension, Choice):
        return dimension.choices[index]
    if isinstance(dimension, Float):
        # Rounded to twelve digits: 0.1 + 2 * 0.1 shall be the 0.3 that users write, one recipe and not two.
        return min(float(f"{dimension.low + index * (dimension.step or 0.0):.12g}"), dimension.high)
    return dimension.low + index * dimension.step


def index_of(dimension: Dimension, value: ParamValue) -> int:
    """The index of a value that the dimension contains: the inverse of `value_at_index`."""
    if isinstance(dimension, Choice):
        return dimension.choices.index(value)
    assert not isinstance(value, str)
    return round((value - dimension.low) / (dimension.step or 1))


def value_at(dimension: Dimension, unit: float) -> ParamValue:
    """The quantile of the dimension's uniform distribution on its scale.

    An integer on a logarithmic scale has the probability of the interval from half below to half above it.

    Args:
        dimension: The dimension.
        unit: In [0, 1).
    """
    if isinstance(dimension, Choice) or is_discrete(dimension):
        return value_at_index(dimension, int(unit * dimension.size))
    if isinstance(dimension, Float):
        value = _interpolated(dimension.low, dimension.high, unit, dimension.log)
        return min(max(value, dimension.low), dimension.high)
    nearest_integer = round(_interpolated(dimension.low - 0.5, dimension.high + 0.5, unit, dimension.log))
    return min(max(nearest_integer, dimension.low), dimension.high)


def point_at(space: SearchSpace, units: Sequence[float]) -> Params:
    """The point of the space at unit coordinates.

    Args:
        space: The search space.
        units: A number in [0, 1) for each dimension; those of dimensions whose conditions are not met are ignored.
    """
    point: dict[str, ParamValue] = {}
    for (name, dimension), unit in zip(space.dimensions.items(), units, strict=True):
        if space.is_asked(name, point):
            point[name] = value_at(dimension, unit)
    return point


def grid_point(space: SearchSpace, indices: Sequence[int]) -> Params:
    """The point of a finite space at indices, one for each dimension; see `point_at` about conditions."""
    point: dict[str, ParamValue] = {}
    for (name, dimension), index in zip(space.dimensions.items(), indices, strict=True):
        if space.is_asked(name, point):
            point[name] = value_at_index(dimension, index)
    return point


def discretized(space: SearchSpace, most: int) -> SearchSpace:
    """The space with a few evenly spread values in place of each continuous dimension, its ends among them.

    Each continuous dimension gets the same number of values: the largest that keeps the grid at `most` points or below, at most
    `MOST_VALUES`. A single value is the middle of the range. Discrete dimensions are not changed.

    Args:
        space: The search space.
        most: The most points of the grid.

    Raises:
        ConfigError: The discrete dimensions alone have more points.
    """
    points = math.prod(dimension.size for dimension in space.dimensions.values() if is_discrete(dimension))
    continuous = [dimension for dimension in space.dimensions.values() if not is_discrete(dimension)]
    if points > most:
        written = f"{points:,.0f}" if points < 10**15 else f"about {Decimal(points):.1e}"
        message = f"a grid of this space has {written} points, more than the {most:,} that fit in memory"
        raise ConfigError(
            f"{message}: give dimensions fewer values (step, choices), or choose brute_force or random", "search.algorithm"
        )
    counts = range(MOST_VALUES, 0, -1)
    count = next(count for count in counts if count == 1 or points * count ** len(continuous) <= most)

    def evenly_spread(dimension: Float | Int) -> Choice:
        units = [index / (count - 1) for index in range(count)] if count > 1 else [0.5]
        values = sorted({value_at(dimension, min(unit, _BELOW_ONE)) for unit in units})
        return Choice(type="choice", choices=list(values), ordered=True, when=dimension.when)

    def discrete(dimension: Dimension) -> Dimension:
        return dimension if isinstance(dimension, Choice) or is_discrete(dimension) else evenly_spread(dimension)

    return SearchSpace.model_construct(
        dimensions={name: discrete(dimension) for name, dimension in space.dimensions.items()}, fixed=space.fixed
    )


_BELOW_ONE = math.nextafter(1.0, 0.0)


def to_search_point(experiment: Experiment, params: Params) -> Params | None:
    """The point of the experiment's search space that params describe; None if they are outside of it.

    Args:
        experiment: Determines the space.
        params: Dimensions that are left out have the value that the space fixes, or the hyperparameter's default.
            Hyperparameters that are no dimensions are ignored.
    """
    dimensions = experiment.space.dimensions
    heads = list(experiment.heads)
    values = {**experiment.space.fixed, **params}
    # A value for one head (`PE.width`) overrides the value for all heads (`branch.width`): it has no point in a space that
    # varies the latter alone.
    overridden = {find_hyperparameter(name, heads) for name in params if name not in dimensions and name not in HYPERPARAMETERS}
    point: dict[str, ParamValue] = {}
    for name, dimension in dimensions.items():
        if not experiment.space.is_asked(name, point):
            continue
        hyperparameter = experiment.hyperparameter(name)
        assert hyperparameter is not None  # the experiment was validated
        value = values.get(name, values.get(hyperparameter.name, hyperparameter.default))
        if not dimension.contains(value) or (name == hyperparameter.name and hyperparameter in overridden):
            return None
        point[name] = value
    return point


def _interpolated(low: float, high: float, unit: float, log: bool) -> float:
    if log:
        return math.exp(_interpolated(math.log(low), math.log(high), unit, log=False))
    return low + unit * (high - low)
