"""The point of a search space that is nearest to a configuration."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from branchsweep.config.sections.dimensions import Choice, Dimension
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.search.nearest_point import nearest_point, nearest_value
from branchsweep.search.search_points import value_at
from branchsweep.trial import Params, ParamValue
from properties import dimensions, quick, units

HEADS = ["PE", "V"]


def dimension(**written: Any) -> Dimension:
    made: Dimension = TypeAdapter(Dimension).validate_python(written)
    return made


def nearest(dimensions_: dict[str, Any], params: Params) -> Params:
    space = SearchSpace.model_validate({"dimensions": dimensions_})
    point = nearest_point(space, params, HEADS)
    assert space.contains(point)
    return point


@quick
@given(dimensions(), units, st.floats(-2000.0, 2000.0))
def test_the_nearest_value_is_of_the_dimension_and_nearer_than_any_other(varied: Dimension, unit: float, wanted: float) -> None:
    value: ParamValue = wanted
    if isinstance(varied, Choice) and isinstance(varied.choices[0], str):
        value = f"word {round(wanted)}"
    found, other = nearest_value(varied, value), value_at(varied, unit)
    assert varied.contains(found)
    if not isinstance(varied, Choice):
        assert abs(float(found) - wanted) <= abs(float(other) - wanted) + 1e-9
    assert nearest_value(varied, other) == other


@pytest.mark.parametrize(
    ("written", "wanted", "found"),
    [
        ({"type": "choice", "choices": [8, 16, 32, 48]}, 64, 48),
        ({"type": "choice", "choices": [1e-4, 1e-3, 1e-2]}, 5e-3, 1e-2),  # by ratio, as learning rates differ
        ({"type": "choice", "choices": [0.0, 0.2, 0.4]}, 0.1, 0.0),
        ({"type": "choice", "choices": [16, 64]}, math.inf, 64),
        ({"type": "choice", "choices": ["tanh", "relu"]}, "silu", "relu"),
        ({"type": "choice", "choices": ["tanh", "silu", "relu"]}, "leaky_relu", "relu"),
        ({"type": "choice", "choices": ["min_max", "quantile"]}, "standard", "quantile"),
        ({"type": "choice", "choices": ["gradient_norm", "uncertainty"]}, "static", "gradient_norm"),
        ({"type": "int", "low": 4, "high": 11, "step": 3}, 9, 10),
        ({"type": "int", "low": 4, "high": 12, "step": 3}, 99, 10),
        ({"type": "int", "low": 10, "high": 200, "log": True}, 37, 37),
        ({"type": "float", "low": 0.1, "high": 0.5, "step": 0.2}, 0.42, 0.5),
        ({"type": "float", "low": 1e-3, "high": 1e-2, "log": True}, 0.5, 1e-2),
    ],
)
def test_a_value_that_a_dimension_lacks_is_replaced(written: dict[str, Any], wanted: ParamValue, found: ParamValue) -> None:
    assert nearest_value(dimension(**written), wanted) == found


def test_a_value_for_all_heads_holds_for_each_of_them() -> None:
    depth = {"type": "int", "low": 0, "high": 4}
    params = {"branch.depth": 1, "V.depth": 3, "batch_size": 32}
    assert nearest({"PE.depth": depth, "V.depth": depth}, params) == {"PE.depth": 1, "V.depth": 3}


def test_a_dimension_that_params_do_not_name_has_the_default() -> None:
    varied = {
        "PE.loss_weight": {"type": "float", "low": 0.5, "high": 3.0},
        "V.reads": {"type": "choice", "choices": ["PE", "trunk"]},
    }
    assert nearest(varied, {}) == {"PE.loss_weight": 1.0, "V.reads": "trunk"}


def test_no_limit_is_the_largest_value_and_no_amount_the_smallest() -> None:
    varied = {
        "epochs": {"type": "int", "low": 20, "high": 200},
        "branch.exit": {"type": "int", "low": 1, "high": 3},
        "V.exit": {"type": "int", "low": 0, "high": 3},
        "clipnorm": {"type": "choice", "choices": [0.1, 1.0]},
        "input_factor_rate": {"type": "float", "low": 1.0, "high": 6.0},
    }
    expected = {"epochs": 200, "branch.exit": 3, "V.exit": 0, "clipnorm": 1.0, "input_factor_rate": 1.0}
    assert nearest(varied, {}) == expected
    assert nearest(varied, {"epochs": 5})["epochs"] == 20


def test_a_dimension_whose_condition_does_not_hold_has_no_value() -> None:
    varied = {
        "optimizer": {"type": "choice", "choices": ["sgd", "adam"]},
        "momentum": {"type": "float", "low": 0.5, "high": 0.9, "when": {"optimizer": ["sgd"]}},
        "beta_2": {"type": "float", "low": 0.9, "high": 0.99, "when": {"optimizer": ["adam"]}},
    }
    assert nearest(varied, {}) == {"optimizer": "adam", "beta_2": 0.99}
