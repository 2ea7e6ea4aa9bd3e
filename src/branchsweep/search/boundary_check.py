"""Dimensions in which the best trial is at a bound of the search space, with the edit that widens the space there.

A best value at the bound of its range suggests that the range is too narrow. Bounds of the hyperparameter itself are not
reported, nor unordered choices, which have no bounds. No range is widened to a 0 that stands for something else than the
smallest amount, nor that of an exit beyond the deepest trunk, nor that of epochs beyond `fit.epochs`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import HYPERPARAMETERS, Hyperparameter
from branchsweep.config.sections.dimensions import Choice, Dimension, Float, Int
from branchsweep.trial import Params, ParamValue

NEAR = 0.05
"""The share of a range, on its scale, that counts as near its bound."""

DECADE = 10.0
"""The factor by which a logarithmic range is widened."""

STRIDE = 1.5
"""The factor by which a list of values is continued that has neither equal factors nor equal steps, such as 64, 96, 128."""

Bound = Literal["low", "high"]


@dataclass(frozen=True, slots=True)
class BoundaryHit:
    """A value of the best trial at a bound of its dimension.

    Args:
        dimension: The dimension's name, its key under `dimensions` in YAML.
        value: The best trial's value.
        end: The bound.
        bound: Its value.
        wider: The dimension with this bound moved outwards.
    """

    dimension: str
    value: ParamValue
    end: Bound
    bound: ParamValue
    wider: Dimension

    @property
    def edit(self) -> str:
        """The line of YAML that may replace the dimension's."""
        return f"{self.dimension}: {_flow(self.wider.model_dump(exclude_defaults=True))}"

    @property
    def sentence(self) -> str:
        """The finding and the edit."""
        superlative = "largest" if self.end == "high" else "smallest"
        if self.value == self.bound:
            finding = f"{_number(self.value)}, the {superlative} it may be"
        else:
            finding = f"{self.value:.3g}, near the {superlative} it may be ({_number(self.bound)})"
        return f"{self.dimension} is {finding}: widen it, e.g. {self.edit}"


def boundary_hits(experiment: Experiment, best: Params) -> list[BoundaryHit]:
    """The dimensions in which these params are at a bound that can be moved, in the order of the space.

    Args:
        experiment: Determines the space and the heads.
        best: The params of the best trial. Dimensions that they do not name, or whose value is outside the space, as in an
            initial trial, are ignored.
    """
    hits = []
    for name, dimension in experiment.space.dimensions.items():
        value = best.get(name)
        hyperparameter = _with_reachable_bounds(name, experiment)
        end = _end(dimension, value) if value is not None and dimension.contains(value) else None
        wider = _widened(dimension, end, hyperparameter) if end else None
        if value is not None and end is not None and wider is not None:
            hits.append(BoundaryHit(name, value, end, _bound(dimension, end), wider))
    return hits


def _with_reachable_bounds(name: str, experiment: Experiment) -> Hyperparameter:
    """The hyperparameter of a dimension, its bounds being those beyond which a wider range would mean nothing new."""
    hyperparameter = experiment.hyperparameter(name)
    assert hyperparameter is not None  # the experiment was validated
    if hyperparameter.zero_means:
        hyperparameter = replace(hyperparameter, low=1)
    if hyperparameter.name == "epochs":
        return replace(hyperparameter, high=experiment.fit.epochs)
    if hyperparameter.name == "branch.exit":
        depth, space = HYPERPARAMETERS["trunk.depth"], experiment.space
        varied = space.dimensions.get(depth.name)
        choices = varied.choices if isinstance(varied, Choice) else [_bound(varied, "high")] if varied else []
        deepest = max(float(value) for value in choices or [space.fixed.get(depth.name, depth.default)])
        return replace(hyperparameter, high=deepest)
    return hyperparameter


def _bound(dimension: Dimension, end: Bound) -> ParamValue:
    """The first or last choice, or the lowest or highest value."""
    if isinstance(dimension, Choice):
        return dimension.choices[-1 if end == "high" else 0]
    return dimension.high if end == "high" else dimension.low


def _end(dimension: Dimension, value: ParamValue) -> Bound | None:
    """The bound that the value is at, if any: of choices the first or last one, of a range its lowest or highest part."""
    if isinstance(dimension, Choice):
        index, last = dimension.choices.index(value), len(dimension.choices) - 1
        share = index / last if dimension.ordered and last else 0.5
    else:
        assert not isinstance(value, str)
        share = _share(dimension, value) if dimension.low < dimension.high else 0.5
    near = 0.0 if isinstance(dimension, Choice) else NEAR
    if share <= near:
        return "low"
    return "high" if share >= 1 - near else None


def _share(dimension: Float | Int, value: float) -> float:
    """The position of a value in its range, from 0 to 1, on the dimension's scale."""
    low, high = dimension.low, dimension.high
    if dimension.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def _widened(dimension: Dimension, end: Bound, hyperparameter: Hyperparameter) -> Dimension | None:
    """The dimension with its bound moved outwards; None if that is the hyperparameter's own bound."""
    if isinstance(dimension, Choice):
        numbers = [float(value) for value in dimension.choices]
        further = _fitting(_next(numbers if end == "high" else numbers[::-1]), hyperparameter)
        is_further = further > numbers[-1] if end == "high" else further < numbers[0]
        choices = [*dimension.choices, further] if end == "high" else [further, *dimension.choices]
        return dimension.model_copy(update={"choices": choices}) if is_further else None
    moved = _moved_bound(dimension, end, hyperparameter)
    is_further = moved > dimension.high if end == "high" else moved < dimension.low
    return dimension.model_copy(update={end: moved}) if is_further else None


def _moved_bound(dimension: Float | Int, end: Bound, hyperparameter: Hyperparameter) -> float:
    """The bound moved outwards: by a decade on a logarithmic scale, else to twice or half of it, by whole steps."""
    low, high = dimension.low, dimension.high
    if dimension.log:
        return _fitting(high * DECADE if end == "high" else low / DECADE, hyperparameter)
    distance = high if end == "high" else low / 2
    distance = distance if distance > 0 else high - low  # a bound at 0 or below cannot be doubled
    if dimension.step:
        room = hyperparameter.high - high if end == "high" else low - hyperparameter.low
        steps = min(max(distance, dimension.step), room) / dimension.step
        distance = dimension.step * math.floor(round(steps, 9))  # 0.3 / 0.1 is a little less than 3
    return _fitting(high + distance if end == "high" else low - distance, hyperparameter)


def _next(values: Sequence[float]) -> float:
    """The number that continues a list: by the common factor of its last three, the common step of all, or by `STRIDE`."""
    before, last = values[-2:]
    factors = [b / a for a, b in pairwise(values[-3:]) if min(values[-3:]) > 0]
    if factors and math.isclose(factors[0], factors[-1]):
        return last * factors[-1]
    steps = [b - a for a, b in pairwise(values)]
    if min(last, before) <= 0 or all(math.isclose(step, steps[0]) for step in steps):
        return last + steps[-1]
    return last * STRIDE if last > before else last / STRIDE


def _fitting(value: float, hyperparameter: Hyperparameter) -> int | float:
    """The nearest value that the hyperparameter may have, rounded to twelve digits."""
    value = min(max(value, hyperparameter.low), hyperparameter.high)
    return round(value) if isinstance(hyperparameter.default, int) else float(f"{value:.12g}")


def _flow(value: object) -> str:
    """Data as YAML in flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _number(value) if isinstance(value, (bool, int, float, str)) else str(value)


def _number(value: ParamValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
