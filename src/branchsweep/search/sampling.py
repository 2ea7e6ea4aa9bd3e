"""Points of the search space: made from numbers between 0 and 1, drawn at random, or found in a configuration.

A finite dimension without a logarithmic scale (a choice, a whole number, a real number with a step) is a row of values, and a
value is known by its index in the row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from enum import IntEnum

import numpy as np

from branchsweep.config.dimensions import Choice, Dimension, Float, Int
from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import HYPERPARAMETERS, find_hyperparameter
from branchsweep.config.search_space import SearchSpace
from branchsweep.errors import ConfigError
from branchsweep.trial import Params, ParamValue

TRIES = 1000
"""Random points that are tried for one trial. Where one effective recipe in a hundred is new, 1,000 tries miss it with 4e-5."""

ENUMERABLE = 50_000
"""Points of a finite space that are looked at one by one before it is called exhausted; about a second's work."""


class RandomStream(IntEnum):
    """Keeps the sources of randomness of one experiment apart: each mixes its number into its seed."""

    RANDOM = 1
    SOBOL = 2
    SAMPLER = 3
    FILL = 4
    ORACLE = 5


def seed_sequence(experiment: Experiment, stream: RandomStream, number: int = 0, attempt: int = 0) -> np.random.SeedSequence:
    """Where the randomness of a stream at one trial comes from: the experiment's seed, the trial's number and the attempt."""
    return np.random.SeedSequence([experiment.seed, stream, number, attempt])


def is_discrete(dimension: Dimension) -> bool:
    """Whether the dimension is a row of values that count alike."""
    return isinstance(dimension, Choice) or (not dimension.log and math.isfinite(dimension.size))


def value_at_index(dimension: Dimension, index: int) -> ParamValue:
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
    if isinstance(dimension, Choice) or is_discrete(dimension):
        return value_at_index(dimension, int(unit * dimension.size))
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


def random_point(space: SearchSpace, rng: np.random.Generator) -> Params:
    """A point of the space, every one as likely as any other on the scales of its dimensions."""
    return point_at(space, rng.random(len(space.dimensions)).tolist())


def discretized(space: SearchSpace, most: int) -> SearchSpace:
    """The space with its continuous dimensions as rows of a few values each, evenly spread over their scales, ends included.

    As many as keep the grid below `most` points, and at most ten; one, in the middle, where that is all there is room for.
    Steps and choices stay as they are.

    Raises:
        ConfigError: The grid has more points than that without them.
    """
    rows = math.prod(each.size for each in space.dimensions.values() if is_discrete(each))
    others = {name: each for name, each in space.dimensions.items() if not is_discrete(each)}
    if rows > most:
        message = (
            f"search.algorithm: a grid of this space has {rows:,.0f} points, more than the {most:,} that are held in memory"
        )
        raise ConfigError(f"{message}: give dimensions fewer values (step, choices), or choose brute_force or random")
    count = next(count for count in range(10, 0, -1) if count == 1 or rows * count ** len(others) <= most)

    def row(dimension: Float | Int) -> Choice:
        units = [place / (count - 1) for place in range(count)] if count > 1 else [0.5]
        values = sorted({value_at(dimension, min(unit, _LAST)) for unit in units})
        return Choice(type="choice", choices=list(values), ordered=True, when=dimension.when)

    def of(dimension: Dimension) -> Dimension:
        return dimension if isinstance(dimension, Choice) or is_discrete(dimension) else row(dimension)

    return SearchSpace.model_construct(
        dimensions={name: of(each) for name, each in space.dimensions.items()}, fixed=space.fixed
    )


_LAST = math.nextafter(1.0, 0.0)


def random_points(space: SearchSpace, seeds: np.random.SeedSequence) -> Iterator[Params]:
    """Points of the space in random order: independent draws first; then, if the space is small enough, every point of it.

    It ends where a caller who has refused all of them may take it that there is nothing new.
    """
    rng = np.random.default_rng(seeds)
    for _ in range(int(min(TRIES, space.size))):
        yield random_point(space, rng)
    if space.size <= ENUMERABLE:
        sizes = tuple(int(dimension.size) for dimension in space.dimensions.values())
        for flat in rng.permutation(int(space.size)).tolist():
            yield _grid_point(space, [int(index) for index in np.unravel_index(flat, sizes)])


def to_search_point(experiment: Experiment, params: Params) -> Params | None:
    """The point of the experiment's space that a configuration stands on, or None where it stands outside.

    A configuration may leave dimensions unnamed (they then have what the space fixes or the tunable's default) and may name
    tunables that are no dimensions (they are passed over).
    """
    dimensions = experiment.space.dimensions
    heads = list(experiment.heads)
    spelled = {**experiment.space.fixed, **params}
    # A value for one head (`PE.width`) hides the value for all of them (`branch.width`): no point of a space that varies
    # only the latter can say it.
    hidden = {find_hyperparameter(name, heads) for name in params if name not in dimensions and name not in HYPERPARAMETERS}
    point: dict[str, ParamValue] = {}
    for name, dimension in dimensions.items():
        if not experiment.space.is_asked(name, point):
            continue
        tunable = find_hyperparameter(name, heads)
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
            point[name] = value_at_index(dimension, index)
    return point
