"""The search space: ordered dimensions that know names and values, but nothing of networks.

A dimension is a `Float`, an `Int` or a `Choice`. Each may stand under a condition (`when`): it is then asked only if another
dimension, standing before it, has one of the given values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Self

from pydantic import Field, model_validator

from branchsweep.config.config_model import ConfigModel, KeyMistake
from branchsweep.config.dimensions import Dimension
from branchsweep.errors import did_you_mean
from branchsweep.trial import Params, ParamValue


class SearchSpace(ConfigModel):
    """What is varied, and what is held at a value other than the tunable's default."""

    dimensions: Mapping[str, Dimension] = Field(description="The dimensions by the tunables' names, in the order of asking.")
    fixed: Mapping[str, ParamValue] = Field(
        default_factory=dict, description="Tunables held at one value for every trial of the sweep."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._refuse(self._mistakes())
        return self

    def _mistakes(self) -> Iterator[KeyMistake]:
        seen: dict[str, Dimension] = {}
        for name, dimension in self.dimensions.items():
            if name in self.fixed:
                yield ("fixed", name), f"{name} is varied and fixed at once"
            for other, values in (dimension.when or {}).items():
                place = ("dimensions", name, "when", other)
                if other not in seen:
                    yield place, f"got '{other}', expected a dimension that stands before {name}{did_you_mean(other, seen)}"
                    continue
                for position, value in enumerate(values):
                    if not seen[other].contains(value):
                        yield (*place, position), f"{other} never has the value {value!r}"
            seen[name] = dimension

    def is_asked(self, name: str, params: Params) -> bool:
        """Whether the dimension `name` is asked, given the values of those before it."""
        conditions = self.dimensions[name].when or {}
        return all(other in params and params[other] in values for other, values in conditions.items())

    def contains(self, params: Params) -> bool:
        """Whether `params` is a point of the space: every asked dimension within its bounds, and nothing else named."""
        asked = [name for name in self.dimensions if self.is_asked(name, params)]
        return set(params) == set(asked) and all(self.dimensions[name].contains(params[name]) for name in asked)

    @property
    def size(self) -> float:
        """The number of points, conditions left aside; infinite where a dimension is continuous."""
        return math.prod(dimension.size for dimension in self.dimensions.values())

    @property
    def points(self) -> float:
        """The number of distinct points under the conditions; infinite where a continuous dimension can be asked."""
        return self._count(continuous=math.inf)

    @property
    def discrete_points(self) -> int:
        """The same with continuous dimensions held: at one value, and at each that a condition names."""
        return int(self._count(continuous=1))

    def _count(self, continuous: float) -> float:
        """The number of points, if a continuous dimension has so many values that no condition names.

        Dimension by dimension: beginnings of points that rule out the same of the dimensions to come are counted together, so a
        space of any size is counted at once.
        """
        counts: dict[frozenset[str], float] = {frozenset(): 1}
        for name, dimension in self.dimensions.items():
            conditions = {other: it.when[name] for other, it in self.dimensions.items() if it.when and name in it.when}
            told = {value for values in conditions.values() for value in values}
            kinds: list[tuple[frozenset[str], float]] = [
                (frozenset(other for other, values in conditions.items() if value not in values), 1) for value in told
            ]
            untold = continuous if math.isinf(dimension.size) else dimension.size - len(told)
            all_of_them = frozenset(conditions)
            kinds += [(all_of_them, untold)] if untold else []
            grown: dict[frozenset[str], float] = {}
            for ruled_out, count in counts.items():
                for more, values in [(all_of_them, 1)] if name in ruled_out else kinds:
                    rest = (ruled_out | more) - {name}
                    grown[rest] = grown.get(rest, 0) + count * values
            counts = grown
        return sum(counts.values())
