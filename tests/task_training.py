"""Lanes with heads of every task that train in a second: three inputs, 300 rows, three folds, seven steps an epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.data.training_rows import TrainingRows
from branchsweep.models.recipe import recipe_for
from branchsweep.training import packing
from branchsweep.training.lanes import Lane, search_lane
from branchsweep.training.population import PopulationOutcome
from branchsweep.training.trainer import PopulationTrainer
from branchsweep.trial import Params

ROWS, BATCH, SEED = 300, 32, 7  # 200 training rows a fold: seven steps an epoch

HEADS: Mapping[str, Mapping[str, Any]] = {
    "load": {},
    "state": {"task": "multiclass", "classes": ["low", "middle", "high"]},
    "trip": {"task": "binary", "classes": ["no", "yes"]},
    "grade": {"task": "multiclass", "classes": list("abcde")},
    "starts": {"task": "count"},
    "outer": {"task": "quantile", "quantile": 0.9},
    "range": {"task": "quantile", "quantiles": [0.1, 0.5, 0.9]},
}


def experiment_with(heads: list[str], epochs: int = 9, objective: str | None = None, **fit: Any) -> Experiment:
    """An experiment with these heads of `HEADS`."""
    return Experiment.model_validate(
        {
            "name": "tasks",
            "seed": SEED,
            "table": {"source": "tiny.csv", "inputs": ["a", "b", "c"]},
            "heads": {head: HEADS[head] for head in heads},
            "space": {"dimensions": {"trunk.depth": {"type": "int", "low": 1, "high": 3}}},
            "objective": {"maximize": [objective]} if objective else {},
            "fit": {"epochs": epochs, **fit},
            "validation": {"method": "k_fold", "folds": 3, "seeds": 50},
        }
    )


def make_rows(heads: list[str]) -> TrainingRows:
    """A small table whose targets depend on one hidden variable."""
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, 3)) * [7.0, 6.0, 15.0] + [20.0, 1013.0, 70.0]
    z = (x - x.mean(0)) / x.std(0)
    hidden = np.tanh(z @ [0.8, -0.5, 0.3]) + 0.2 * random.normal(size=ROWS)
    columns = {
        "load": 450.0 + 17.0 * hidden,
        "state": np.digitize(hidden, [-0.4, 0.3]),
        "trip": hidden > 0.2,
        "grade": np.digitize(z[:, 1], [-1.0, -0.3, 0.3, 1.0]),
        "starts": random.poisson(np.exp(hidden)),
        "outer": 450.0 + 17.0 * hidden,
        "range": 450.0 + 17.0 * hidden,
    }
    y = np.stack([columns[head].astype(np.float64) for head in heads], axis=1)
    parts = np.array_split(random.permutation(ROWS), 3)
    folds = tuple((np.concatenate([other for other in parts if other is not part]), part) for part in parts)
    return TrainingRows(x, y, folds)


def make_lane(experiment: Experiment, params: Params, trial: int = 0, fold: int = 0) -> Lane:
    lane = search_lane(trial, recipe_for(experiment, {"batch_size": BATCH, **params}), experiment, fold, 0)
    return replace(lane, stop=lane.epochs)


def train(lanes: list[Lane], experiment: Experiment, rows: TrainingRows | None = None) -> PopulationOutcome:
    """Lanes as one population."""
    (population,) = packing.pack(lanes, experiment)
    return PopulationTrainer(rows or make_rows(list(experiment.heads))).train_one(population, keep_weights=True)
