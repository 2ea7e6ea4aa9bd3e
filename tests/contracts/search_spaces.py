"""Search spaces of every kind of dimension, and experiments over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from branchsweep.config.experiment import Experiment
from branchsweep.trial import ParamValue

Dimensions = dict[str, dict[str, Any]]

MIXED: Dimensions = {
    "trunk.depth": {"type": "int", "low": 1, "high": 4},
    "trunk.width": {"type": "int", "low": 8, "high": 128, "log": True},
    "PE.depth": {"type": "int", "low": 0, "high": 3},
    "PE.width": {"type": "choice", "choices": [8, 16, 32, 64], "ordered": True, "when": {"PE.depth": [1, 2, 3]}},
    "branch.width": {"type": "int", "low": 8, "high": 64, "step": 8},
    "PE.loss_weight": {"type": "float", "low": 0.1, "high": 10.0, "log": True},
    "optimizer": {"type": "choice", "choices": ["adam", "sgd"]},
    "momentum": {"type": "float", "low": 0.0, "high": 0.9, "step": 0.1, "when": {"optimizer": ["sgd"]}},
    "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True, "when": {"optimizer": ["sgd"]}},
    "weight_decay": {"type": "float", "low": 0.0, "high": 0.01},
    "activation": {"type": "choice", "choices": ["relu", "silu", "tanh"]},
    "input_scaling": {"type": "choice", "choices": ["standard"]},
}
"""Every kind of dimension: scales, steps, ordered and unordered choices, conditions, and one that has a single value."""

SMALL: Dimensions = {
    "trunk.depth": {"type": "int", "low": 1, "high": 3},
    "PE.depth": {"type": "int", "low": 0, "high": 1},
    "PE.width": {"type": "choice", "choices": [8, 16]},
}
"""Twelve points, but nine recipes: where PE.depth is 0 the width has no effect."""

KNOWN: dict[str, dict[str, ParamValue]] = {
    "article": {"trunk.depth": 2, "input_scaling": "min_max", "target_scaling": "none"},
    "wide": {"trunk.width": 1000, "batch_size": 64},
}
"""Known configurations: one names a hyperparameter that is no dimension, one has a value beyond its dimension's bounds."""


def make_experiment(
    driver: str, dimensions: Dimensions = MIXED, seed: int = 1, maximize: Sequence[str] = ("mean_r2",), **search: Any
) -> Experiment:
    """An experiment over these dimensions; rounds of 8, no known configurations unless `search` says otherwise."""
    return Experiment.model_validate(
        {
            "name": "contract",
            "seed": seed,
            "table": {"source": "ccpp", "inputs": ["AT", "AP", "RH"]},
            "heads": {"PE": {}, "V": {}},
            "space": {"dimensions": dimensions},
            "search": {"driver": driver, "batch": 8, **search},
            "objective": {"maximize": list(maximize)},
        }
    )
