"""Points of any search space: properties of their conversion to and from unit coordinates and indices."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from branchsweep.config.sections.dimensions import Dimension
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.search.sampling import random_point, random_points
from branchsweep.search.search_points import (
    discretized,
    grid_point,
    index_of,
    is_discrete,
    point_at,
    value_at,
    value_at_index,
)
from properties import dimensions, quick, search_spaces, units


@quick
@given(dimensions(), units)
def test_a_value_is_contained_in_its_dimension(dimension: Dimension, unit: float) -> None:
    assert dimension.contains(value_at(dimension, unit))


@quick
@given(dimensions(), units, units)
def test_values_increase_with_the_unit_coordinate(dimension: Dimension, first: float, second: float) -> None:
    if is_discrete(dimension):
        low, high = (index_of(dimension, value_at(dimension, unit)) for unit in sorted((first, second)))
        assert low <= high
    else:
        lower, higher = (value_at(dimension, unit) for unit in sorted((first, second)))
        assert float(lower) <= float(higher)


@quick
@given(dimensions(), units)
def test_an_index_and_its_value_are_inverse(dimension: Dimension, unit: float) -> None:
    if not is_discrete(dimension):
        return
    index = int(unit * dimension.size)
    value = value_at_index(dimension, index)
    assert dimension.contains(value)
    assert index_of(dimension, value) == index


@quick
@given(search_spaces(), st.integers(0, 2**32))
def test_a_random_point_is_contained_in_its_space(space: SearchSpace, seed: int) -> None:
    assert space.contains(random_point(space, np.random.default_rng(seed)))


@quick
@given(search_spaces(), st.data())
def test_a_point_of_the_unit_cube_is_contained_in_the_space(space: SearchSpace, data: st.DataObject) -> None:
    count = len(space.dimensions)
    assert space.contains(point_at(space, data.draw(st.lists(units, min_size=count, max_size=count))))


@quick
@given(search_spaces(), st.integers(1, 5000))
def test_a_discretized_space_is_a_part_of_its_space(space: SearchSpace, most: int) -> None:
    fixed_points = math.prod(dimension.size for dimension in space.dimensions.values() if is_discrete(dimension))
    grid = discretized(space, int(max(most, fixed_points)))
    assert grid.size <= max(most, fixed_points)
    for unit in (0.0, 0.5, math.nextafter(1.0, 0.0)):
        indices = [int(unit * dimension.size) for dimension in grid.dimensions.values()]
        assert all(space.dimensions[name].contains(value) for name, value in grid_point(grid, indices).items())


@quick
@given(search_spaces(), st.integers(0, 2**32))
def test_random_points_of_a_small_space_include_every_point(space: SearchSpace, seed: int) -> None:
    if space.size > 200:
        return
    found = {tuple(point.items()) for point in random_points(space, np.random.SeedSequence(seed))}
    assert len(found) == space.points
