"""How fast one core trains populations of each width: the constants behind the packer's estimate (`packing.SPEED`).

    python -m benchmarks.cost [--data PATH] [--widths 16,64] [--json]

Full populations of mixed depths (trunk 1 to 4, branches 0 to 3) and activations, all lanes of the full width, in this process
on one thread. An operation is a multiply or an add of the padded layers: three passes for a row to learn from, one for a row to
validate on.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import tensorflow as tf

from branchsweep import config, data, packing
from branchsweep.answer import training_rows
from branchsweep.experiment import Experiment
from branchsweep.population import Population, TrainingRows
from branchsweep.training.trainer import PopulationTrainer

EXPERIMENT = Path(__file__).parent.parent / "experiments" / "branched.yaml"
EPOCHS = 10


def mixed(experiment: Experiment, width: int) -> Population:
    """A full population of this width whose lanes differ in depth and activation."""
    random, bounds = np.random.default_rng(width), packing.limits(experiment)

    def lane(number: int) -> packing.Lane:
        recipe = experiment.recipe(
            {
                "trunk.depth": int(random.integers(1, 5)),
                "PE.depth": int(random.integers(0, 4)),
                "V.depth": int(random.integers(0, 4)),
                "trunk.width": width,
                "branch.width": width,
                "activation": ("relu", "silu", "tanh")[number % 3],
            }
        )
        return packing.Lane(number, recipe, number % 2, 0, EPOCHS, EPOCHS)

    program = packing.program_of(lane(0).recipe, experiment, bounds)
    return packing.population(program, [lane(number) for number in range(program.lanes)], experiment)


def speed(population: Population, rows: TrainingRows, rounds: int) -> tuple[float, float]:
    """(thousand millions of operations a second, seconds to compile)."""
    trainer = PopulationTrainer(rows)
    compiling = trainer.train_one(population).compile_seconds
    seconds = statistics.median(trainer.train_one(population).seconds for _ in range(rounds))
    train, validation = rows.folds[0]
    return packing.operations(population, len(train), len(validation)) / seconds / 1e9, compiling


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, help="the table; else as `branchsweep data` finds it")
    parser.add_argument("--widths", default="8,12,16,24,32,48,64,96,128", help="comma between them")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, nothing else")
    words = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    experiment = config.load(EXPERIMENT)
    dataset = data.load(experiment, words.data)
    rows = training_rows(dataset, data.split(experiment, dataset))
    said = {}
    for width in (int(word) for word in words.widths.split(",")):
        reached, compiling = speed(mixed(experiment, width), rows, rounds=3)
        said[width] = {"gflop_per_second": round(reached, 1), "compile_seconds": round(compiling, 1)}
        if not words.json:
            print(f"width {width:4}: {reached:5.1f} GFLOP/s, compiled in {compiling:.1f} s", flush=True)
    if words.json:
        print(json.dumps(said))


if __name__ == "__main__":
    main()
