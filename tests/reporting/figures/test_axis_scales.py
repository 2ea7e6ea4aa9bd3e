"""Scales of axes: positions and ticks of hyperparameters, and a lower limit that ignores outliers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from branchsweep.config.sections.dimensions import Choice, Float, Int
from branchsweep.reporting.figures.axis_scales import axis_floor, axis_position, ticks


@pytest.mark.parametrize(
    ("dimension", "value", "expected"),
    [
        (Int(type="int", low=1, high=5), 2, 0.25),
        (Float(type="float", low=1e-4, high=1.0, log=True), 1e-2, 0.5),
        (Float(type="float", low=0.0, high=4.0), 1.0, 0.25),
        (Choice(type="choice", choices=["a", "b", "c"]), "c", 1.0),
        (Choice(type="choice", choices=["a"]), "a", 0.5),
        (Int(type="int", low=3, high=3), 3, 0.5),
        (Int(type="int", low=0, high=2), 3, 1.5),
        (Choice(type="choice", choices=["a", "b"]), "z", np.nan),
        (Int(type="int", low=0, high=2), None, np.nan),
    ],
)
def test_axis_position_is_the_share_of_the_range(dimension: Any, value: Any, expected: float) -> None:
    assert axis_position(dimension, value) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("dimension", "labels"),
    [
        (Int(type="int", low=1, high=4), ["1", "2", "3", "4"]),
        (Int(type="int", low=1, high=401), ["1", "201", "401"]),
        (Float(type="float", low=5e-4, high=5e-2, log=True), ["0.0005", "0.01", "0.05"]),
        (Choice(type="choice", choices=["relu", "tanh"]), ["relu", "tanh"]),
    ],
)
def test_ticks_include_both_ends_of_the_range(dimension: Any, labels: list[str]) -> None:
    axis_ticks = ticks(dimension)
    assert [label for _, label in axis_ticks] == labels
    assert axis_ticks[0][0] == 0.0
    assert axis_ticks[-1][0] == 1.0


@pytest.mark.parametrize(
    ("values", "check"),
    [
        ([0.5, 0.6, 0.7], lambda low: low == 0.5),
        ([*np.linspace(0.8, 0.9, 100), -1e6, np.nan], lambda low: 0.7 < low <= 0.8),
        ([np.nan], lambda low: low == 0.0),
    ],
)
def test_axis_floor_ignores_outliers(values: list[float], check: Callable[[float], bool]) -> None:
    assert check(axis_floor(values))
