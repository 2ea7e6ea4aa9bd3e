"""The search space: ordered dimensions, each with a name and values.

A dimension is a `Float`, an `Int` or a `Choice`. It may have a condition (`when`): it then has a value only where another
dimension before it has one of the given values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from branchsweep.config.builders import BUILDER, EXPECTED, builder_name, is_own, own_hyperparameter
from branchsweep.config.config_model import SHORT_TEXT, ConfigModel, KeyMistake
from branchsweep.config.hyperparameters import HYPERPARAMETERS, Hyperparameter
from branchsweep.config.sections.dimensions import Choice, Dimension
from branchsweep.errors import did_you_mean
from branchsweep.trial import Params, ParamValue


class SearchSpace(ConfigModel):
    """What is varied, and what is fixed at a value other than the hyperparameter's default."""

    dimensions: Mapping[str, Dimension] = Field(
        description="The dimensions by the names of hyperparameters; conditions name earlier ones."
    )
    fixed: Mapping[str, ParamValue] = Field(
        default_factory=dict, description="Hyperparameters fixed at one value for every trial of the sweep."
    )
    builder: Annotated[str, BeforeValidator(builder_name)] | None = Field(
        None,
        max_length=SHORT_TEXT,
        description="A function of yours that builds each network, as module:function; dimensions then have names of your own.",
    )

    @field_validator("builder")
    @classmethod
    def _names_a_function(cls, builder: str | None) -> str | None:
        if builder is not None and not re.match(BUILDER, builder):
            raise ValueError(f"got '{builder}', {EXPECTED}")
        return builder

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._raise_mistakes(self._mistakes())
        return self

    def _mistakes(self) -> Iterator[KeyMistake]:
        yield from ((("fixed", name), f"{name} is varied and fixed at once") for name in self.dimensions if name in self.fixed)
        yield from ((("dimensions", *path), message) for path, message in condition_mistakes(self.dimensions))

    def replaced(self, dimensions: Mapping[str, Dimension], fixed: Mapping[str, ParamValue]) -> SearchSpace:
        """A space of the same networks with other dimensions and fixed values."""
        return SearchSpace(dimensions=dimensions, fixed=fixed, builder=self.builder)

    def own_hyperparameter(self, name: str, heads: Sequence[str]) -> Hyperparameter | None:
        """A hyperparameter of the builder; None for all others, and where there is no builder."""
        if self.builder is None or not is_own(name, heads):
            return None
        return own_hyperparameter(name, self.dimensions.get(name), self.fixed.get(name))

    def is_asked(self, name: str, params: Params) -> bool:
        """Whether the conditions of a dimension hold.

        Args:
            name: The dimension.
            params: The values of the dimensions before it.
        """
        conditions = self.dimensions[name].when or {}
        return all(other in params and params[other] in values for other, values in conditions.items())

    def contains(self, params: Params) -> bool:
        """Whether `params` is a point of the space: a value for every dimension whose conditions hold, and no other name."""
        asked = [name for name in self.dimensions if self.is_asked(name, params)]
        return set(params) == set(asked) and all(self.dimensions[name].contains(params[name]) for name in asked)

    @property
    def largest_batch_size(self) -> int:
        """The most rows of a step."""
        hyperparameter = HYPERPARAMETERS["batch_size"]
        dimension = self.dimensions.get(hyperparameter.name)
        if dimension is None:
            return int(self.fixed.get(hyperparameter.name, hyperparameter.default))
        return int(max(dimension.choices) if isinstance(dimension, Choice) else dimension.high)

    @property
    def size(self) -> float:
        """The number of points without regard to conditions; infinite where a dimension is continuous."""
        size: float = 1
        for dimension in self.dimensions.values():
            size = _times(size, dimension.size)
        return size

    @property
    def points(self) -> float:
        """The number of distinct points under the conditions; infinite where a continuous dimension is used."""
        return self._count(continuous=math.inf)

    @property
    def discrete_points(self) -> int:
        """The same with each continuous dimension at one value, and at each that a condition names."""
        return int(self._count(continuous=1))

    def _count(self, continuous: float) -> float:
        """The number of points under the conditions.

        Dynamic programming over the dimensions: prefixes of points that exclude the same later dimensions are counted together,
        so the time does not depend on the number of points. A dimension comes as soon as its conditions are decided, so that
        few are excluded at once.

        Args:
            continuous: How many values a continuous dimension counts as, beside those that conditions name.
        """
        counts: dict[frozenset[str], float] = {frozenset(): 1}  # prefixes by the later dimensions that they exclude
        dependents = self._dependents
        for name in self._order_of_decisions(dependents):
            dimension, conditions = self.dimensions[name], dependents[name]
            named = {value for values in conditions.values() for value in values}
            dependent = frozenset(conditions)
            choices: list[tuple[frozenset[str], float]] = [
                (frozenset(other for other, values in conditions.items() if value not in values), 1) for value in named
            ]
            unnamed = continuous if math.isinf(dimension.size) else dimension.size - len(named)
            choices += [(dependent, unnamed)] if unnamed else []
            longer: dict[frozenset[str], float] = {}
            for excluded, count in counts.items():
                for newly_excluded, values in [(dependent, 1)] if name in excluded else choices:
                    remaining = (excluded | newly_excluded) - {name}
                    longer[remaining] = _plus(longer.get(remaining, 0), _times(count, values))
            counts = longer
        total: float = 0
        for count in counts.values():
            total = _plus(total, count)
        return total

    @property
    def _dependents(self) -> dict[str, dict[str, list[ParamValue]]]:
        """By dimension, those with a condition on it, each with the values that it may have then."""
        found: dict[str, dict[str, list[ParamValue]]] = {name: {} for name in self.dimensions}
        for name, dimension in self.dimensions.items():
            for other, values in (dimension.when or {}).items():
                found[other][name] = values
        return found

    def _order_of_decisions(self, dependents: Mapping[str, Iterable[str]]) -> list[str]:
        """The dimensions, each as soon as all dimensions that it depends on have had their turn."""
        waiting = {name: len(dimension.when or {}) for name, dimension in self.dimensions.items()}
        order: list[str] = []
        ready = [name for name in reversed(list(self.dimensions)) if not waiting[name]]
        while ready:
            order.append(ready.pop())
            for other in dependents[order[-1]]:
                waiting[other] -= 1
                if not waiting[other]:
                    ready.append(other)
        return order


def condition_mistakes(dimensions: Mapping[str, Dimension]) -> Iterator[KeyMistake]:
    """What is wrong with the conditions of dimensions, by the paths from the mapping of the dimensions."""
    earlier: dict[str, Dimension] = {}
    for name, dimension in dimensions.items():
        for other, values in (dimension.when or {}).items():
            path = (name, "when", other)
            if other not in earlier:
                yield path, f"got '{other}', expected a dimension that stands before {name}{did_you_mean(other, earlier)}"
                continue
            for index, value in enumerate(values):
                if not earlier[other].contains(value):
                    yield (*path, index), f"{other} never has the value {value!r}"
        earlier[name] = dimension


def _times(count: float, values: float) -> float:
    """The product of two numbers of points: a whole number of any size cannot be multiplied by infinity as Python does it."""
    return math.inf if math.inf in (count, values) else count * values


def _plus(count: float, other: float) -> float:
    """The sum of two numbers of points, likewise."""
    return math.inf if math.inf in (count, other) else count + other
