"""Populations that train in a second: two inputs, two heads, three folds, three epochs."""

from __future__ import annotations

import numpy as np

from branchsweep.data.training_rows import TrainingRows
from branchsweep.search.drivers import open_driver
from branchsweep.training import packing
from branchsweep.training.lanes import search_lanes
from branchsweep.training.population import Population, PopulationOutcome
from tiny_sweep import tiny_experiment

EXPERIMENT = tiny_experiment(search={"driver": "random", "trials": 6, "batch": 6}, fit={"epochs": 3})
"""Six trials of three epochs."""


def tiny_rows() -> TrainingRows:
    """150 rows of two inputs and two heads, in three folds."""
    x = np.random.default_rng(0).normal(size=(150, 2))
    y = np.stack([x.sum(1), np.tanh(x[:, 0])], axis=1)
    parts = np.array_split(np.arange(150), 3)
    return TrainingRows(x, y, tuple((np.setdiff1d(np.arange(150), part), part) for part in parts))


def tiny_populations() -> list[Population]:
    """Four trials of `EXPERIMENT`, packed into several populations."""
    lanes = [lane for trial in open_driver(EXPERIMENT).ask(4) for lane in search_lanes(trial, EXPERIMENT)]
    packed = packing.pack(lanes, EXPERIMENT)
    assert len(packed) > 1, "one population would go to one worker"
    return packed


def assert_same_outcome(first: PopulationOutcome, second: PopulationOutcome) -> None:
    """Both have the same predictions, curves and weights, to the last bit."""
    for first_lane, second_lane in zip(first.lanes, second.lanes, strict=True):
        np.testing.assert_array_equal(first_lane.predictions, second_lane.predictions)
        np.testing.assert_array_equal(first_lane.curve, second_lane.curve)
        assert first_lane.weights is not None and second_lane.weights is not None
        for first_weights, second_weights in zip(first_lane.weights, second_lane.weights, strict=True):
            np.testing.assert_array_equal(first_weights, second_weights)
