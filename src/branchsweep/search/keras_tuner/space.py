"""Dimensions and their values as KerasTuner's hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from branchsweep.config.sections.dimensions import Choice, Dimension, Float
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.runtime import silence_stderr
from branchsweep.search.search_points import index_of, is_discrete, value_at_index
from branchsweep.trial import Params, ParamValue

with silence_stderr():  # it imports TensorFlow
    from keras_tuner.engine.hyperparameters import Choice as ChoiceParameter
    from keras_tuner.engine.hyperparameters import Float as FloatParameter
    from keras_tuner.engine.hyperparameters import HyperParameter
    from keras_tuner.engine.hyperparameters import Int as IntParameter
    from keras_tuner.src.engine.conditions import Parent  # exported nowhere


def declared(space: SearchSpace) -> list[HyperParameter]:
    """The dimensions of a space as KerasTuner's hyperparameters with their conditions, without those that are never asked."""
    return [
        _hyperparameter(name, dimension)
        for name, dimension in space.dimensions.items()
        if all(values for values in (dimension.when or {}).values())
    ]


def point_of(space: SearchSpace, values: Mapping[str, Any]) -> Params:
    """The point of the space, in its order, that these values of `declared` hyperparameters describe."""
    point: dict[str, ParamValue] = {}
    for name, dimension in space.dimensions.items():
        if space.is_asked(name, point):
            point[name] = decoded(dimension, values[name])
    return point


def encoded(parameter: HyperParameter, dimension: Dimension, value: ParamValue) -> Any:
    """A value of the dimension as a value of its hyperparameter."""
    if isinstance(parameter, ChoiceParameter):
        return parameter.values[index_of(dimension, value)]
    return float(value) if isinstance(parameter, FloatParameter) else value


def decoded(dimension: Dimension, value: Any) -> ParamValue:
    """The value of the dimension: the inverse of `encoded`. A value on a logarithmic scale may exceed the bounds."""
    if isinstance(dimension, Choice) or is_discrete(dimension):
        return value_at_index(dimension, index_of(dimension, value))
    within = min(max(value, dimension.low), dimension.high)
    return float(within) if isinstance(dimension, Float) else int(within)


def _hyperparameter(name: str, dimension: Dimension) -> HyperParameter:
    conditions = [Parent(other, _of_one_type(values)) for other, values in (dimension.when or {}).items()]
    if isinstance(dimension, Choice):
        return ChoiceParameter(name, _of_one_type(dimension.choices), ordered=dimension.ordered, conditions=conditions)
    if isinstance(dimension, Float) and is_discrete(dimension):
        values = [value_at_index(dimension, index) for index in range(int(dimension.size))]
        return ChoiceParameter(name, values, ordered=True, conditions=conditions)
    kind = FloatParameter if isinstance(dimension, Float) else IntParameter
    scale = {"sampling": "log"} if dimension.log else {"step": dimension.step}
    return kind(name, dimension.low, dimension.high, conditions=conditions, **scale)


def _of_one_type(values: Sequence[ParamValue]) -> list[ParamValue]:
    """The same values with one type: KerasTuner rejects, or truncates to integers, a list of integers and floats."""
    if any(isinstance(value, float) for value in values) and not any(isinstance(value, str) for value in values):
        return [float(value) for value in values]
    return list(values)
