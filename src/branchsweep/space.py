"""The search space: ordered dimensions that know names and values, but nothing of networks.

A dimension is a `Float`, an `Int` or a `Choice`. Each may stand under a condition (`when`): it is then asked only if another
dimension, standing before it, has one of the given values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from branchsweep.errors import did_you_mean
from branchsweep.trial import Params, ParamValue

Place = tuple[str | int, ...]
"""The keys that lead to something below what was written: `("dimensions", "trunk.depth", "low")`."""

Mistake = tuple[Place, str]
"""A place, and what is wrong there."""


class Written(BaseModel):
    """Something that people write: frozen, strict about keys, validated when it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def _refuse(self, mistakes: Iterable[Mistake]) -> None:
        """Raise all mistakes at once, each with its place, so that a reader of files can name their lines."""
        found = [
            InitErrorDetails(type=PydanticCustomError("mistake", "{message}", {"message": message}), loc=place, input=None)
            for place, message in mistakes
        ]
        if found:
            raise ValidationError.from_exception_data(type(self).__name__, found, hide_input=True)


When = Mapping[str, list[ParamValue]]


class Float(Written):
    """A real number between `low` and `high`, both included."""

    type: Literal["float"]
    low: float = Field(description="The smallest value.")
    high: float = Field(description="The largest value.")
    log: bool = Field(False, description="Search on a logarithmic scale (low must then be above 0).")
    step: float | None = Field(None, gt=0, description="Only low, low + step, low + 2 step, …")
    when: When | None = Field(None, description="Ask only if each named dimension has one of the listed values.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range(self.low, self.high, self.log, self.step)
        return self

    def contains(self, value: ParamValue) -> bool:
        """Whether `value` can be asked here."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        steps = (value - self.low) / self.step
        return math.isclose(steps, round(steps), abs_tol=1e-9)

    @property
    def size(self) -> float:
        """How many values there are; infinite without a step."""
        return math.inf if self.step is None else math.floor((self.high - self.low) / self.step + 1e-9) + 1


class Int(Written):
    """A whole number between `low` and `high`, both included."""

    type: Literal["int"]
    low: int = Field(description="The smallest value.")
    high: int = Field(description="The largest value.")
    log: bool = Field(False, description="Search on a logarithmic scale (low must then be above 0).")
    step: int = Field(1, gt=0, description="Only low, low + step, low + 2 step, …")
    when: When | None = Field(None, description="Ask only if each named dimension has one of the listed values.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range(self.low, self.high, self.log, None if self.step == 1 else self.step)
        return self

    def contains(self, value: ParamValue) -> bool:
        """Whether `value` can be asked here."""
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return self.low <= value <= self.high and (value - self.low) % self.step == 0

    @property
    def size(self) -> float:
        """How many values there are."""
        return (self.high - self.low) // self.step + 1


class Choice(Written):
    """One of a list of values; `ordered` tells drivers that neighbours in the list are alike."""

    type: Literal["choice"]
    choices: list[ParamValue] = Field(min_length=1, description="The values, each once.")
    ordered: bool = Field(False, description="Neighbours in the list are alike (widths, batch sizes).")
    when: When | None = Field(None, description="Ask only if each named dimension has one of the listed values.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len({(type(value), value) for value in self.choices}) < len(self.choices):
            raise ValueError("each choice may stand only once")
        if self.ordered and not all(isinstance(value, (int, float)) for value in self.choices):
            raise ValueError("ordered choices must be numbers")
        if self.ordered and sorted(self.choices) != self.choices:
            raise ValueError("ordered choices must rise")
        return self

    def contains(self, value: ParamValue) -> bool:
        """Whether `value` can be asked here."""
        return value in self.choices

    @property
    def size(self) -> float:
        """How many values there are."""
        return len(self.choices)


Dimension = Annotated[Float | Int | Choice, Field(discriminator="type")]


def _check_range(low: float, high: float, log: bool, step: float | None) -> None:
    if low > high:
        raise ValueError(f"low ({low}) must not be above high ({high})")
    if log and low <= 0:
        raise ValueError(f"a logarithmic scale needs low above 0, not {low}")
    if log and step is not None:
        raise ValueError("log and step cannot stand together")


class SearchSpace(Written):
    """What is varied, and what is held at a value other than the tunable's default."""

    dimensions: Mapping[str, Dimension] = Field(description="The dimensions by the tunables' names, in the order of asking.")
    fixed: Mapping[str, ParamValue] = Field(
        default_factory=dict, description="Tunables held at one value for every trial of the sweep."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._refuse(self._mistakes())
        return self

    def _mistakes(self) -> Iterator[Mistake]:
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
