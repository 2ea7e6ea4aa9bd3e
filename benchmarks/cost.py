"""What one core takes to train populations, and the cost model that plans lanes fitted to it (`training.cost_model.STEP_COST`).

    python -m benchmarks.cost [--data PATH] [--quick] [--json]

Populations of mixed depths (trunk 1 to 4, branches 0 to 3) and activations, full ones and single lanes, of several widths of
trunk and branches, in this process on one thread. The model is fitted by non-negative least squares to the relative error;
`fit` says how far it is off.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import tensorflow as tf
from scipy.optimize import nnls

from branchsweep.config.experiment import Experiment
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.data import loading, splits
from branchsweep.data.training_rows import TrainingRows, training_rows
from branchsweep.models.recipe import recipe_for
from branchsweep.training import cost_model, packing
from branchsweep.training.cost_model import StepCost
from branchsweep.training.lanes import Lane, search_lane
from branchsweep.training.population import Population
from branchsweep.training.trainer import PopulationTrainer

EXPERIMENT = Path(__file__).parent.parent / "experiments" / "branched.yaml"
WIDTHS = ((8, 8), (10, 10), (16, 16), (32, 32), (64, 64), (96, 96), (128, 128), (32, 128), (128, 32), (64, 96))
QUICK = ((16, 16), (64, 64), (128, 32))
FIELDS = tuple(StepCost.__dataclass_fields__)


def mixed(experiment: Experiment, trunk: int, branch: int, epochs: int, only: int = 0) -> Population:
    """A population of these widths whose lanes differ in depth and activation; full, or with so many lanes."""
    random, bounds = np.random.default_rng(trunk + branch), packing.program_limits(experiment)

    def lane(number: int) -> Lane:
        recipe = recipe_for(
            experiment,
            {
                "trunk.depth": int(random.integers(1, 5)),
                "PE.depth": int(random.integers(0, 4)),
                "V.depth": int(random.integers(1, 4)),
                "trunk.width": trunk,
                "branch.width": branch,
                "activation": ("relu", "silu", "tanh")[number % 3],
            },
        )
        return replace(search_lane(number, recipe, experiment, number % 2), epochs=epochs, stop=epochs)

    program = packing.program_of(lane(0).recipe, experiment, bounds)
    return packing.make_population(program, [lane(number) for number in range(only or program.lanes)], experiment)


def measured(population: Population, rows: TrainingRows, rounds: int) -> tuple[float, float]:
    """Seconds to train, and to compile."""
    trainer = PopulationTrainer(rows)
    compiling = trainer.train_one(population).compile_seconds
    return statistics.median(trainer.train_one(population).seconds for _ in range(rounds)), compiling


def predicted(population: Population, cost: StepCost, rows: TrainingRows) -> float:
    """Seconds by a cost model."""
    train, validation = rows.folds[0]
    return cost_model.estimated_seconds(population, len(train), len(validation), cost)


def fitted(populations: Sequence[Population], seconds: Sequence[float], rows: TrainingRows) -> StepCost:
    """The non-negative costs that come nearest to what was measured, relative to it."""
    ones = [StepCost(**{name: float(name == other) for name in FIELDS}) for other in FIELDS]
    features = np.array([[predicted(population, one, rows) for one in ones] for population in populations])
    found, _ = nnls(features / np.array(seconds)[:, None], np.ones(len(seconds)))
    return StepCost(*(float(value) for value in found))


def main() -> None:
    """Measures, fits and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, help="the table; else as `branchsweep data` finds it")
    parser.add_argument("--quick", action="store_true", help="three widths: under 50 s")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, nothing else")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    experiment = load_experiment(EXPERIMENT, ["fit.epochs=200"])
    dataset = loading.load_dataset(experiment, options.data)
    rows = training_rows(dataset, splits.split_rows(experiment, dataset))
    train, validation = rows.folds[0]
    populations, seconds, measurements = [], [], {}
    for trunk, branch in QUICK if options.quick else WIDTHS:
        for only in (0, 1):
            population = mixed(experiment, trunk, branch, 4 if options.quick else 10, only)
            took, compiling = measured(population, rows, 1 if options.quick else 3)
            speed = cost_model.arithmetic_operations(population, len(train), len(validation)) / took / 1e9
            name = f"{trunk} x {branch}, {len(population.lanes)} lanes"
            measurements[name] = {
                "seconds": round(took, 3),
                "gflop_per_second": round(speed, 1),
                "compile_seconds": round(compiling, 1),
            }
            populations.append(population)
            seconds.append(took)
            if not options.json:
                print(f"{name:24} {speed:5.1f} GFLOP/s, compiled in {compiling:.1f} s", flush=True)
    cost = fitted(populations, seconds, rows)
    off = [predicted(population, cost, rows) / took for population, took in zip(populations, seconds, strict=True)]
    answer = {
        "populations": measurements,
        "cost_nanoseconds": {name: round(value, 4) for name, value in asdict(cost).items()},
        "fit": {"least": round(min(off), 2), "median": round(statistics.median(off), 2), "most": round(max(off), 2)},
    }
    if options.json:
        print(json.dumps(answer))
    else:
        print(cost, answer["fit"], sep="\n")


if __name__ == "__main__":
    main()
