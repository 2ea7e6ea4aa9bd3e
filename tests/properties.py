"""Settings and strategies of property tests: the same few examples in every run, and no deadline."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from branchsweep.config.sections.dimensions import Choice, Dimension, Float, Int
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.search.search_points import is_discrete, value_at_index

quick = settings(derandomize=True, max_examples=60, deadline=None, database=None)
"""Decorates a property test."""

units = st.floats(0.0, 1.0, exclude_max=True)
"""A coordinate of the unit cube."""


@st.composite
def dimensions(draw: st.DrawFn) -> Dimension:
    """A dimension of any kind, without conditions; numbers have at most two decimals, as users write them."""
    kind = draw(st.sampled_from(["float", "float with step", "int", "choice"]))
    if kind == "choice":
        numbers = draw(st.lists(st.integers(-50, 50), min_size=1, max_size=6, unique=True))
        if draw(st.booleans()):
            return Choice(type="choice", choices=sorted(numbers), ordered=True)
        return Choice(type="choice", choices=[f"word {number}" for number in numbers])
    is_log = kind != "float with step" and draw(st.booleans())
    low = draw(st.integers(1 if is_log else -1000, 1000))
    high = low + draw(st.integers(0, 1000))
    if kind == "int":
        return Int(type="int", low=low, high=high, log=is_log, step=1 if is_log else draw(st.integers(1, 9)))
    step = draw(st.integers(1, 300)) / 100 if kind == "float with step" else None
    return Float(type="float", low=low / 100, high=high / 100, log=is_log, step=step)


@st.composite
def search_spaces(draw: st.DrawFn) -> SearchSpace:
    """A space of up to six dimensions, of which some have a condition on an earlier discrete one."""
    space: dict[str, Dimension] = {}
    for index in range(draw(st.integers(0, 6))):
        dimension = draw(dimensions())
        discrete = [name for name, earlier in space.items() if is_discrete(earlier)]
        if len(discrete) > 0 and draw(st.booleans()):
            name = draw(st.sampled_from(discrete))
            indices = draw(st.lists(st.integers(0, int(space[name].size) - 1), min_size=1, max_size=3, unique=True))
            when: dict[str, Any] = {name: [value_at_index(space[name], index) for index in indices]}
            dimension = dimension.model_copy(update={"when": when})
        space[f"dimension_{index}"] = dimension
    return SearchSpace(dimensions=space)
