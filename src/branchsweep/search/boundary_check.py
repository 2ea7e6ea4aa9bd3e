"""Where the best trial stands at the edge of what was searched, and the edit of the space that lets the search go on there.

A best value at the end of its range says that the range may be too narrow: beyond it may lie a better one. Nothing is said
where the tunable itself ends there, and of unordered choices, which have no ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from branchsweep.config.dimensions import Choice, Dimension, Float, Int
from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import Hyperparameter, find_hyperparameter
from branchsweep.trial import Params, ParamValue

NEAR = 0.05
"""The share of a range, on its scale, that counts as its edge."""

DECADE = 10.0
"""How much further a logarithmic range goes on."""

STRIDE = 1.5
"""How much further a list of values goes on that rises neither by equal factors nor by equal steps, as 64, 96, 128 does."""

Bound = Literal["low", "high"]


@dataclass(frozen=True, slots=True)
class BoundaryHit:
    """A value of the best trial at an end of its dimension.

    Args:
        dimension: The dimension's name, which is its key under `dimensions` in YAML.
        value: What the best trial has there.
        end: Which end it is.
        sentence: What is so, and the edit to make; what follows `e.g.` may be put in place of the dimension's line.
    """

    dimension: str
    value: ParamValue
    end: Bound
    sentence: str


def boundary_hits(experiment: Experiment, best: Params) -> list[BoundaryHit]:
    """The dimensions in which these params stand at an end that can be moved, in the order of the space.

    Args:
        experiment: Gives the space, and the heads whose tunables it names.
        best: The params of the best trial. What they do not name, or name outside the space (a known configuration may), is
            passed over.
    """
    found = []
    for name, dimension in experiment.space.dimensions.items():
        value = best.get(name)
        tunable = find_hyperparameter(name, list(experiment.heads))
        assert tunable is not None  # the experiment was checked when it was made
        end = _end(dimension, value) if value is not None and dimension.contains(value) else None
        wider = _wider(dimension, end, tunable) if end else None
        if value is not None and end is not None and wider is not None:
            found.append(BoundaryHit(name, value, end, _sentence(name, value, dimension, end, wider)))
    return found


def _end(dimension: Dimension, value: ParamValue) -> Bound | None:
    """The end of the dimension that the value stands at, if any: of choices it is the outermost one, of a range its edge."""
    if isinstance(dimension, Choice):
        place, last = dimension.choices.index(value), len(dimension.choices) - 1
        share = place / last if dimension.ordered and last else 0.5
    else:
        assert not isinstance(value, str)
        share = _share(dimension, value) if dimension.low < dimension.high else 0.5
    near = 0.0 if isinstance(dimension, Choice) else NEAR
    if share <= near:
        return "low"
    return "high" if share >= 1 - near else None


def _share(dimension: Float | Int, value: float) -> float:
    """How far along its range a value stands, from 0 to 1, on the dimension's scale."""
    low, high = dimension.low, dimension.high
    if dimension.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def _wider(dimension: Dimension, end: Bound, tunable: Hyperparameter) -> Dimension | None:
    """The dimension with its end moved outwards; None where the tunable ends there too."""
    if isinstance(dimension, Choice):
        numbers = [float(value) for value in dimension.choices]
        further = _fitting(_next(numbers if end == "high" else numbers[::-1]), tunable)
        is_further = further > numbers[-1] if end == "high" else further < numbers[0]
        choices = [*dimension.choices, further] if end == "high" else [further, *dimension.choices]
        return dimension.model_copy(update={"choices": choices}) if is_further else None
    moved = _moved(dimension, end, tunable)
    is_further = moved > dimension.high if end == "high" else moved < dimension.low
    return dimension.model_copy(update={end: moved}) if is_further else None


def _moved(dimension: Float | Int, end: Bound, tunable: Hyperparameter) -> float:
    """The end moved outwards: a decade on a logarithmic scale, else to twice or half of it, by whole steps."""
    low, high = dimension.low, dimension.high
    if dimension.log:
        return _fitting(high * DECADE if end == "high" else low / DECADE, tunable)
    distance = high if end == "high" else low / 2
    distance = distance if distance > 0 else high - low  # a bound at 0 or below has no double
    if dimension.step:
        room = tunable.high - high if end == "high" else low - tunable.low
        steps = min(max(distance, dimension.step), room) / dimension.step
        distance = dimension.step * math.floor(round(steps, 9))  # 0.3 / 0.1 is a little less than 3
    return _fitting(high + distance if end == "high" else low - distance, tunable)


def _next(values: Sequence[float]) -> float:
    """What follows on a row of numbers: by the one factor of its last three, or the one step of them all, or by a stride."""
    before, last = values[-2:]
    factors = [b / a for a, b in pairwise(values[-3:]) if min(values[-3:]) > 0]
    if factors and math.isclose(factors[0], factors[-1]):
        return last * factors[-1]
    steps = [b - a for a, b in pairwise(values)]
    if min(last, before) <= 0 or all(math.isclose(step, steps[0]) for step in steps):
        return last + steps[-1]
    return last * STRIDE if last > before else last / STRIDE


def _fitting(value: float, tunable: Hyperparameter) -> int | float:
    """The nearest value that the tunable may have; twelve digits of it, as people write them."""
    value = min(max(value, tunable.low), tunable.high)
    return round(value) if isinstance(tunable.default, int) else float(f"{value:.12g}")


def _sentence(name: str, value: ParamValue, dimension: Dimension, end: Bound, wider: Dimension) -> str:
    superlative = "largest" if end == "high" else "smallest"
    if isinstance(dimension, Choice):
        bound: ParamValue = dimension.choices[-1 if end == "high" else 0]
    else:
        bound = dimension.high if end == "high" else dimension.low
    stands = f"the {superlative} it may be" if value == bound else f"near the {superlative} it may be ({_number(bound)})"
    shown = _number(value) if value == bound else f"{value:.3g}"
    return f"{name} is {shown}, {stands}: widen it, e.g. {name}: {_flow(wider.model_dump(exclude_defaults=True))}"


def _flow(value: object) -> str:
    """Plain data as YAML writes it in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _number(value) if isinstance(value, (bool, int, float, str)) else str(value)


def _number(value: ParamValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
