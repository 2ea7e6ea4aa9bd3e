"""The dimensions of a search space: `Float`, `Int` and `Choice`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from branchsweep.config.config_model import KeyPath, for_python
from branchsweep.config.file_model import PythonModel
from branchsweep.trial import ParamValue

MAX_STEPS = 1_000_000
"""The most steps from the low end of a dimension to the high one."""

MAX_BOUND = 1_000_000_000
"""The largest number that a dimension may have. Those of hyperparameters are smaller."""

MAX_CHOICES = 1000
"""The most values that a dimension or a condition lists."""

MAX_CONDITIONS = 100
"""The most dimensions that the condition of another names."""

When = Annotated[Mapping[str, Annotated[list[ParamValue], Field(max_length=MAX_CHOICES)]], Field(max_length=MAX_CONDITIONS)]
"""Conditions of a dimension: the values that other dimensions must have, by their names."""


class Float(PythonModel):
    """A real number between `low` and `high`, both included: `Float(1e-4, 1e-1, log=True)`."""

    type: Literal["float"]
    low: float = Field(description="The smallest value.")
    high: float = Field(description="The largest value.")
    log: bool = Field(False, description="Sample on a logarithmic scale (low must then be above 0).")
    step: float | None = Field(None, gt=0, le=MAX_BOUND, description="Only low, low + step, low + 2 step, …")
    when: When | None = Field(None, description="Use the dimension only if each named dimension has one of the listed values.")

    @for_python
    def __init__(
        self,
        low: float,
        high: float,
        *,
        log: bool = False,
        step: float | None = None,
        when: When | None = None,
        type: Literal["float"] = "float",  # noqa: A002  # the key of YAML
    ) -> None:
        super().__init__(**_fields(type=type, low=low, high=high, log=log, step=step, when=when))

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range(self.low, self.high, self.log, self.step)
        return self

    def contains(self, value: ParamValue) -> bool:
        """Whether the dimension has this value."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        steps = (value - self.low) / self.step
        return math.isclose(steps, round(steps), abs_tol=1e-9)

    @property
    def size(self) -> float:
        """The number of values; infinite without a step."""
        return math.inf if self.step is None else math.floor((self.high - self.low) / self.step + 1e-9) + 1


class Int(PythonModel):
    """A whole number between `low` and `high`, both included: `Int(1, 4)`."""

    type: Literal["int"]
    low: int = Field(description="The smallest value.")
    high: int = Field(description="The largest value.")
    log: bool = Field(False, description="Sample on a logarithmic scale (low must then be above 0).")
    step: int = Field(1, gt=0, le=MAX_BOUND, description="Only low, low + step, low + 2 step, …")
    when: When | None = Field(None, description="Use the dimension only if each named dimension has one of the listed values.")

    @for_python
    def __init__(
        self,
        low: int,
        high: int,
        *,
        log: bool = False,
        step: int = 1,
        when: When | None = None,
        type: Literal["int"] = "int",  # noqa: A002  # the key of YAML
    ) -> None:
        super().__init__(**_fields(type=type, low=low, high=high, log=log, step=step, when=when))

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range(self.low, self.high, self.log, None if self.step == 1 else self.step)
        return self

    def contains(self, value: ParamValue) -> bool:
        """Whether the dimension has this value."""
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return self.low <= value <= self.high and (value - self.low) % self.step == 0

    @property
    def size(self) -> float:
        """The number of values."""
        return (self.high - self.low) // self.step + 1


class Choice(PythonModel):
    """One of a list of values: `Choice(["relu", "silu"])`. With `ordered`, drivers treat neighbours in the list as similar."""

    type: Literal["choice"]
    choices: list[ParamValue] = Field(min_length=1, max_length=MAX_CHOICES, description="The values, each once.")
    ordered: bool = Field(False, description="Neighbours in the list are similar (widths, batch sizes).")
    when: When | None = Field(None, description="Use the dimension only if each named dimension has one of the listed values.")

    @for_python
    def __init__(
        self,
        choices: Sequence[ParamValue],
        *,
        ordered: bool = False,
        when: When | None = None,
        type: Literal["choice"] = "choice",  # noqa: A002  # the key of YAML
    ) -> None:
        super().__init__(**_fields(type=type, choices=choices, ordered=ordered, when=when))

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len({(type(value), value) for value in self.choices}) < len(self.choices):
            raise ValueError("each choice may be listed only once")
        if self.ordered and not all(isinstance(value, (int, float)) for value in self.choices):
            raise ValueError("ordered choices must be numbers")
        if self.ordered and sorted(self.choices) != self.choices:
            raise ValueError("ordered choices must increase")
        return self

    def contains(self, value: ParamValue) -> bool:
        """Whether the dimension has this value."""
        return value in self.choices

    @property
    def size(self) -> float:
        """The number of values."""
        return len(self.choices)


Dimension = Annotated[Float | Int | Choice, Field(discriminator="type")]


def extreme_values(dimension: Dimension) -> Iterator[tuple[KeyPath, ParamValue]]:
    """The values of a dimension that are within a hyperparameter's bounds exactly if all are, each with its path."""
    if isinstance(dimension, Choice):
        yield from ((("choices", index), value) for index, value in enumerate(dimension.choices))
    else:
        yield ("low",), dimension.low
        yield ("high",), dimension.high


def _fields(**values: Any) -> dict[str, Any]:
    """The fields of a dimension, which a base class does not know."""
    return values


def _check_range(low: float, high: float, log: bool, step: float | None) -> None:
    if low > high:
        raise ValueError(f"low ({low}) must not be above high ({high})")
    if log and low <= 0:
        raise ValueError(f"a logarithmic scale needs low above 0, not {low}")
    if log and step is not None:
        raise ValueError("log and step cannot be combined")
    if step is not None and (high - low) / step > MAX_STEPS:
        raise ValueError(f"got step {step:g}, which makes more than {MAX_STEPS:,} values from {low:g} to {high:g}")
