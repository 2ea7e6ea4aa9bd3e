"""Converts dimensions and their values to the distributions and values of Optuna's samplers, and back.

Values of discrete dimensions (choices, integers, steps) are converted to indices, so that ordered choices have neighbours.
"""

from __future__ import annotations

from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from branchsweep.config.sections.dimensions import Choice, Dimension, Float
from branchsweep.search.search_points import index_of, is_discrete, value_at_index
from branchsweep.trial import ParamValue


def to_index_distribution(dimension: Dimension) -> BaseDistribution:
    """The dimension as a distribution of Optuna, a discrete one as that of its indices."""
    if is_discrete(dimension):
        indices = int(dimension.size)
        if isinstance(dimension, Choice) and not dimension.ordered:
            return CategoricalDistribution(range(indices))
        return IntDistribution(0, indices - 1)
    assert not isinstance(dimension, Choice)
    if isinstance(dimension, Float):
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    return IntDistribution(dimension.low, dimension.high, log=dimension.log)


def is_numeric(distribution: BaseDistribution) -> bool:
    """Whether the distribution is one of numbers, and not of a single one."""
    return isinstance(distribution, (FloatDistribution, IntDistribution)) and not distribution.single()


def suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    """Suggest a value of the distribution in a trial of Optuna."""
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, IntDistribution)
    return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)


def encoded(dimension: Dimension, value: ParamValue) -> ParamValue:
    """A value of the dimension as a value of its distribution."""
    return index_of(dimension, value) if is_discrete(dimension) else value


def decoded(dimension: Dimension, value: ParamValue) -> ParamValue:
    """The value of the dimension: the inverse of `encoded`."""
    if is_discrete(dimension):
        return value_at_index(dimension, int(value))
    assert not isinstance(dimension, Choice)
    assert not isinstance(value, str)
    # Optuna's samples may exceed a bound by a rounding error.
    return min(max(value, dimension.low), dimension.high)
