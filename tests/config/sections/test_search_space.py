"""The search space: dimensions, conditions, and which params are points of it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from pydantic import ValidationError

from branchsweep.config.sections.dimensions import Choice, Float, Int
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.trial import Params, ParamValue
from message_values import message_values

SPACE = SearchSpace.model_validate(
    {
        "dimensions": {
            "trunk.depth": {"type": "int", "low": 1, "high": 4},
            "PE.depth": {"type": "int", "low": 0, "high": 2},
            "PE.width": {"type": "choice", "choices": [8, 16], "when": {"PE.depth": [1, 2]}},
            "activation": {"type": "choice", "choices": ["relu", "silu"], "when": {"PE.width": [16], "trunk.depth": [1]}},
            "learning_rate": {"type": "float", "low": 1e-4, "high": 0.1, "log": True},
        },
        "fixed": {"batch_size": 64},
    }
)


def discrete_values(dimension: Float | Int | Choice) -> list[ParamValue]:
    """The values of a discrete dimension."""
    assert not isinstance(dimension, Float)
    return dimension.choices if isinstance(dimension, Choice) else list(range(dimension.low, dimension.high + 1))


def mistakes(data: dict[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        SearchSpace.model_validate(data)
    return [(error["loc"], error["msg"].removeprefix("Value error, ")) for error in caught.value.errors()]


class TestDimensions:
    @pytest.mark.parametrize(
        ("dimension", "inside", "outside"),
        [
            (Float(type="float", low=0.5, high=2), [0.5, 1, 2.0], [0.4, 2.1, "1", True, math.nan, math.inf]),
            (Float(type="float", low=0, high=0.9, step=0.1), [0.0, 0.3, 0.7, 0.9], [0.05, 0.35, 1.0]),
            (Float(type="float", low=1e-4, high=0.1, log=True), [1e-4, 0.01, 0.1], [0.0, 1.0]),
            (Int(type="int", low=1, high=4), [1, 4], [0, 5, 2.0, "2", True]),
            (Int(type="int", low=8, high=64, step=8), [8, 16, 64], [9, 4, 72]),
            (Choice(type="choice", choices=["relu", "silu"]), ["relu"], ["tanh", 0]),
            (Choice(type="choice", choices=[8, 16], ordered=True), [8, 16], [12, "8"]),
        ],
    )
    def test_a_dimension_contains_the_values_that_can_be_sampled(
        self, dimension: Float | Int | Choice, inside: list[ParamValue], outside: list[ParamValue]
    ) -> None:
        assert [value for value in inside if not dimension.contains(value)] == []
        assert [value for value in outside if dimension.contains(value)] == []

    @pytest.mark.parametrize(
        ("dimension", "size"),
        [
            (Float(type="float", low=0, high=1), math.inf),
            (Float(type="float", low=0, high=1, step=0.1), 11),
            (Float(type="float", low=1, high=1, step=0.1), 1),
            (Int(type="int", low=1, high=4), 4),
            (Int(type="int", low=8, high=63, step=8), 7),
            (Choice(type="choice", choices=[8, 16, 32]), 3),
        ],
    )
    def test_a_dimension_has_a_number_of_values(self, dimension: Float | Int | Choice, size: float) -> None:
        assert dimension.size == size

    @pytest.mark.parametrize(
        ("dimension", "named"),
        [
            ({"type": "int", "low": 2, "high": 1}, ["low (2)", "high (1)"]),
            ({"type": "float", "low": 0, "high": 1, "log": True}, ["low", "0.0"]),
            ({"type": "float", "low": 1, "high": 2, "log": True, "step": 0.5}, ["log", "step"]),
            ({"type": "int", "low": 1, "high": 9, "log": True, "step": 2}, ["log", "step"]),
            ({"type": "choice", "choices": ["relu", "relu"]}, ["choice"]),
            ({"type": "choice", "choices": ["relu", "silu"], "ordered": True}, ["ordered", "numbers"]),
            ({"type": "choice", "choices": [16, 8], "ordered": True}, ["ordered", "increase"]),
        ],
    )
    def test_an_invalid_dimension_is_refused_with_the_keys_that_contradict(
        self, dimension: dict[str, Any], named: list[str]
    ) -> None:
        ((location, message),) = mistakes({"dimensions": {"trunk.depth": dimension}})
        assert location == ("dimensions", "trunk.depth", dimension["type"])
        assert [text for text in named if text not in message] == []

    def test_a_log_scale_with_the_step_of_every_whole_number(self) -> None:
        assert Int(type="int", low=8, high=128, log=True, step=1).size == 121

    def test_a_dimension_is_frozen(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            Int(type="int", low=1, high=4).low = 2  # type: ignore[misc]  # what is refused


class TestSpace:
    def test_dimensions_keep_their_order(self) -> None:
        assert list(SPACE.dimensions) == ["trunk.depth", "PE.depth", "PE.width", "activation", "learning_rate"]

    @pytest.mark.parametrize(
        "params",
        [
            {"trunk.depth": 1, "PE.depth": 0, "learning_rate": 0.1},
            {"trunk.depth": 2, "PE.depth": 1, "PE.width": 16, "learning_rate": 1e-4},
            {"trunk.depth": 1, "PE.depth": 2, "PE.width": 8, "learning_rate": 0.01},
            {"trunk.depth": 1, "PE.depth": 2, "PE.width": 16, "activation": "silu", "learning_rate": 0.01},
        ],
    )
    def test_a_space_contains_its_points(self, params: Params) -> None:
        assert SPACE.contains(params)

    @pytest.mark.parametrize(
        "params",
        [
            {},
            {"trunk.depth": 1, "PE.depth": 0},
            {"trunk.depth": 5, "PE.depth": 0, "learning_rate": 0.1},
            {"trunk.depth": 1, "PE.depth": 0, "PE.width": 8, "learning_rate": 0.1},
            {"trunk.depth": 1, "PE.depth": 1, "learning_rate": 0.1},
            {"trunk.depth": 1, "PE.depth": 2, "PE.width": 16, "learning_rate": 0.01},
            {"trunk.depth": 2, "PE.depth": 2, "PE.width": 16, "activation": "relu", "learning_rate": 0.01},
            {"trunk.depth": 1, "PE.depth": 0, "learning_rate": 0.1, "batch_size": 64},
        ],
    )
    def test_a_space_contains_no_other_params(self, params: Params) -> None:
        assert not SPACE.contains(params)

    def test_a_dimension_is_sampled_if_all_its_conditions_hold(self) -> None:
        assert SPACE.is_asked("trunk.depth", {})
        assert not SPACE.is_asked("PE.width", {})
        assert not SPACE.is_asked("PE.width", {"PE.depth": 0})
        assert SPACE.is_asked("PE.width", {"PE.depth": 2})
        assert not SPACE.is_asked("activation", {"trunk.depth": 1, "PE.width": 8})
        assert SPACE.is_asked("activation", {"trunk.depth": 1, "PE.width": 16})

    def test_the_size_ignores_conditions(self) -> None:
        assert SPACE.size == math.inf
        assert SearchSpace(dimensions={name: SPACE.dimensions[name] for name in ("trunk.depth", "PE.depth")}).size == 12
        assert SearchSpace(dimensions={}).size == 1

    def test_the_number_of_points_respects_conditions(self) -> None:
        names = ("trunk.depth", "PE.depth", "PE.width", "activation")
        discrete = SearchSpace(dimensions={name: SPACE.dimensions[name] for name in names})
        combinations = itertools.product(*([None, *discrete_values(dimension)] for dimension in discrete.dimensions.values()))
        candidates = (
            {name: value for name, value in zip(names, values, strict=True) if value is not None} for values in combinations
        )
        assert sum(map(discrete.contains, candidates)) == discrete.points == discrete.discrete_points == 22
        assert discrete.size == 48
        assert (SPACE.points, SPACE.discrete_points) == (math.inf, 22)
        assert SearchSpace(dimensions={}).points == 1

    def test_the_points_of_a_large_space_are_counted_without_listing_them(self) -> None:
        depth = {"type": "int", "low": 1, "high": 10**6}
        dimensions = {f"h{index}.depth": depth | ({"when": {"h0.depth": [2, 3]}} if index else {}) for index in range(30)}
        space = SearchSpace.model_validate({"dimensions": dimensions})
        assert space.points == 2 * (10**6) ** 29 + 10**6 - 2

    def test_a_condition_on_a_continuous_dimension(self) -> None:
        rate = {"type": "float", "low": 0.0, "high": 1.0}
        width = {"type": "int", "low": 1, "high": 5, "when": {"learning_rate": [0.5]}}
        space = SearchSpace.model_validate({"dimensions": {"learning_rate": rate, "trunk.width": width}})
        assert (space.points, space.discrete_points) == (math.inf, 6)

    def test_equal_spaces_are_equal(self) -> None:
        assert SearchSpace.model_validate(SPACE.model_dump()) == SPACE

    def test_every_mistake_is_reported_with_its_key(self) -> None:
        depth = {"type": "int", "low": 1, "high": 4}
        data = {
            "dimensions": {
                "PE.depth": {**depth, "when": {"trunk.depth": [1]}},
                "trunk.depth": {**depth, "when": {"PE.depth": [1, 9], "V.depth": [1]}},
            },
            "fixed": {"PE.depth": 1},
        }
        assert [(location, message_values(message)) for location, message in mistakes(data)] == [
            (("fixed", "PE.depth"), []),
            (("dimensions", "PE.depth", "when", "trunk.depth"), ["'trunk.depth'"]),
            (("dimensions", "trunk.depth", "when", "PE.depth", 1), ["9"]),
            (("dimensions", "trunk.depth", "when", "V.depth"), ["'V.depth'", "'PE.depth'"]),
        ]
