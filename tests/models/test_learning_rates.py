"""Schedules of the learning rate: against Keras's own, and at points that their definitions give."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from branchsweep.config.kinds import LEARNING_RATE_SCHEDULES
from branchsweep.models.keras_fit import keras_optimizer
from branchsweep.models.learning_rates import schedule_factor, schedule_source
from branchsweep.models.recipe import Recipe
from branchsweep.trial import Params

STEPS = 40
PROGRESS = np.arange(STEPS) / STEPS


def test_cosine_is_that_of_keras() -> None:
    of_keras = keras.optimizers.schedules.CosineDecay(1.0, STEPS)
    expected = [float(of_keras(step)) for step in range(STEPS)]
    np.testing.assert_allclose(schedule_factor(np, "cosine", 0.0, PROGRESS), expected, atol=1e-6)


def test_cosine_after_a_warm_up_is_that_of_keras() -> None:
    of_keras = keras.optimizers.schedules.CosineDecay(0.0, 30, warmup_target=1.0, warmup_steps=10)
    expected = [float(of_keras(step)) for step in range(STEPS)]
    np.testing.assert_allclose(schedule_factor(np, "cosine", 0.25, PROGRESS), expected, atol=1e-6)


def test_flat_cosine_is_1_for_the_first_half_and_falls_to_0_in_the_second() -> None:
    factor = schedule_factor(np, "flat_cosine", 0.0, np.array([0.0, 0.25, 0.5, 0.75, 1.0]))
    np.testing.assert_allclose(factor, [1.0, 1.0, 1.0, 0.5, 0.0], atol=1e-12)


def test_coslog4_has_four_cycles_each_twice_as_long_as_the_one_before() -> None:
    ends = np.array([0.0, 1 / 15, 3 / 15, 7 / 15, 1.0])
    np.testing.assert_allclose(schedule_factor(np, "coslog4", 0.0, ends), 0.0, atol=1e-12)
    peaks = (np.sqrt(2) * 2.0 ** np.arange(4) - 1) / 15
    np.testing.assert_allclose(schedule_factor(np, "coslog4", 0.0, peaks), 1.0, atol=1e-12)


@given(st.sampled_from(LEARNING_RATE_SCHEDULES), st.sampled_from([0.0, 0.05, 0.5, 0.9]), st.floats(0.0, 1.0))
def test_a_factor_is_between_0_and_1(schedule: str, warmup: float, progress: float) -> None:
    factor = float(schedule_factor(np, schedule, warmup, np.array(progress)))
    assert 0.0 <= factor <= 1.0


@pytest.mark.parametrize("warmup", [0.0, 0.25])
@pytest.mark.parametrize("schedule", LEARNING_RATE_SCHEDULES)
def test_a_lane_a_keras_optimizer_and_a_generated_script_have_the_same_learning_rates(schedule: str, warmup: float) -> None:
    params: Params = {"learning_rate_schedule": schedule, "warmup": warmup, "learning_rate": 0.01}
    recipe = Recipe.of(params, ["y"])
    expected = 0.01 * schedule_factor(np, schedule, warmup, PROGRESS)
    optimizer = keras_optimizer(recipe, STEPS)
    rates = []
    for step in range(STEPS):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(rates, expected, rtol=1e-4, atol=1e-7)
    names: dict[str, Any] = {"keras": keras, "math": math, "done": keras.ops.cast(PROGRESS, "float32")}
    exec("\n".join(schedule_source(schedule, warmup)), names)  # noqa: S102  # lines that are written into scripts
    np.testing.assert_allclose(0.01 * np.array(names["factor"]), expected, rtol=1e-4, atol=1e-7)
