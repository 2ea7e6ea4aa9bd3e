"""Points of the search space: made from numbers between 0 and 1, drawn at random, or found in a configuration.

A finite dimension without a logarithmic scale (a choice, a whole number, a real number with a step) is a row of values, and a
value is known by its index in the row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from enum import IntEnum

import numpy as np

from branchsweep import recipe
from branchsweep.experiment import Experiment
from branchsweep.space import Choice, Dimension, Float, SearchSpace
from branchsweep.trial import Params, ParamValue

TRIES = 1000
"""Random points that are tried for one trial. Where one effective recipe in a hundred is new, 1,000 tries miss it with 4e-5."""

ENUMERABLE = 50_000
"""Points of a finite space that are looked at one by one before it is called exhausted; about a second's work."""


class Stream(IntEnum):
    """Keeps the sources of randomness of one experiment apart: each mixes its number into its seed."""

    RANDOM = 1
    SOBOL = 2
    TPE = 3
    FILL = 4


def entropy(experiment: Experiment, stream: Stream, number: int = 0) -> np.random.SeedSequence:
    """Where the randomness of a stream at one trial comes from: the experiment's seed and the trial's number, nothing else."""
    return np.random.SeedSequence([experiment.seed, stream, number])


def is_row(dimension: Dimension) -> bool:
    """Whether the dimension is a row of values that count alike."""
    return isinstance(dimension, Choice) or (not dimension.log and math.isfinite(dimension.size))


def at(dimension: Dimension, index: int) -> ParamValue:
    """The value at an index of a finite dimension, counted from 0."""
    if isinstance(dimension, Choice):
        return dimension.choices[index]
    if isinstance(dimension, Float):
        # Rounded to twelve digits, for 0.1 + 2 * 0.1 should be the 0.3 that people write: one recipe, not two.
        return min(float(f"{dimension.low + index * (dimension.step or 0.0):.12g}"), dimension.high)
    return dimension.low + index * dimension.step


def index_of(dimension: Dimension, value: ParamValue) -> int:
    """The index of a value that the dimension contains; the inverse of `at`."""
    if isinstance(dimension, Choice):
        return dimension.choices.index(value)
    assert not isinstance(value, str)
    return round((value - dimension.low) / (dimension.step or 1))


def value_at(dimension: Dimension, unit: float) -> ParamValue:
    """The value at `unit` of the way through the dimension (0 <= unit < 1): the quantile of its uniform distribution.

    A whole number on a logarithmic scale owns the stretch from half below to half above it.
    """
    if isinstance(dimension, Choice) or is_row(dimension):
        return at(dimension, int(unit * dimension.size))
    if isinstance(dimension, Float):
        value = _between(dimension.low, dimension.high, unit, dimension.log)
        return min(max(value, dimension.low), dimension.high)
    whole = round(_between(dimension.low - 0.5, dimension.high + 0.5, unit, dimension.log))
    return min(max(whole, dimension.low), dimension.high)


def point_at(space: SearchSpace, units: Sequence[float]) -> Params:
    """The point of the space at `units`, a number from [0, 1) for each dimension; those that are not asked are passed over."""
    point: dict[str, ParamValue] = {}
    for (name, dimension), unit in zip(space.dimensions.items(), units, strict=True):
        if space.is_asked(name, point):
            point[name] = value_at(dimension, unit)
    return point


def draws(space: SearchSpace, seeds: np.random.SeedSequence) -> Iterator[Params]:
    """Points of the space in random order: independent draws first; then, if the space is small enough, every point of it.

    It ends where a caller who has refused all of them may take it that there is nothing new.
    """
    rng = np.random.default_rng(seeds)
    for _ in range(int(min(TRIES, space.size))):
        yield point_at(space, rng.random(len(space.dimensions)).tolist())
    if space.size <= ENUMERABLE:
        sizes = tuple(int(dimension.size) for dimension in space.dimensions.values())
        for flat in rng.permutation(int(space.size)).tolist():
            yield _grid_point(space, [int(index) for index in np.unravel_index(flat, sizes)])


def located(experiment: Experiment, params: Params) -> Params | None:
    """The point of the experiment's space that a configuration stands on, or None where it stands outside.

    A configuration may leave dimensions unnamed (they then have what the space fixes or the tunable's default) and may name
    tunables that are no dimensions (they are passed over).
    """
    dimensions = experiment.space.dimensions
    heads = list(experiment.heads)
    spelled = {**experiment.space.fixed, **params}
    # A value for one head (`PE.width`) hides the value for all of them (`branch.width`): no point of a space that varies
    # only the latter can say it.
    hidden = {recipe.tunable_of(name, heads) for name in params if name not in dimensions and name not in recipe.TUNABLES}
    point: dict[str, ParamValue] = {}
    for name, dimension in dimensions.items():
        if not experiment.space.is_asked(name, point):
            continue
        tunable = recipe.tunable_of(name, heads)
        assert tunable is not None  # the experiment was checked when it was made
        value = spelled.get(name, spelled.get(tunable.name, tunable.default))
        if not dimension.contains(value) or (name == tunable.name and tunable in hidden):
            return None
        point[name] = value
    return point


def _between(low: float, high: float, unit: float, log: bool) -> float:
    if log:
        return math.exp(_between(math.log(low), math.log(high), unit, log=False))
    return low + unit * (high - low)


def _grid_point(space: SearchSpace, indices: Sequence[int]) -> Params:
    point: dict[str, ParamValue] = {}
    for (name, dimension), index in zip(space.dimensions.items(), indices, strict=True):
        if space.is_asked(name, point):
            point[name] = at(dimension, index)
    return point
