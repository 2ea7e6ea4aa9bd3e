"""How long one epoch of the article's network takes: a population of ours against `keras.Model.fit`, in one run.

    python -m benchmarks.throughput [--data PATH] [--quick] [--json]

Same network (282 parameters), rows (two thirds of the training rows to learn, a third to validate), batch size and validation
after every epoch. Three ways, in turn, several times; medians:

- `fit`: `model.fit` with validation data, as most people write it;
- `careful fit`: with `steps_per_execution` of an epoch, a careful user's best on a CPU;
- ours: one pinned worker per core, each with full populations, until all lanes are through.

A trial-epoch is one network over one epoch. Building, importing and compiling are left out on both sides.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np

from branchsweep import config, data, packing, scaling, serving
from branchsweep.answer import training_rows
from branchsweep.experiment import Experiment
from branchsweep.population import TrainingRows
from branchsweep.training.workers import Workers, cores

EXPERIMENT = Path(__file__).parent.parent / "experiments" / "article.yaml"


def keras_fit(experiment: Experiment, rows: TrainingRows, epochs: int, **compile_words: int) -> Callable[[], float]:
    """A function that trains for some epochs by `model.fit` and returns milliseconds per epoch."""
    import keras

    from branchsweep.training import network

    (params,) = experiment.search.known.values()
    recipe = experiment.recipe(params)
    train, validation = rows.folds[0]
    scaler = scaling.fit(recipe.input_scaling, rows.x[train])
    x = serving.transform(scaler, rows.x).astype(np.float32)
    targets = {head: rows.y[:, h].astype(np.float32) for h, head in enumerate(experiment.heads)}
    learn = {head: values[train] for head, values in targets.items()}
    check = {head: values[validation] for head, values in targets.items()}
    model = network.build(recipe.architecture, x.shape[1])
    model.compile(keras.optimizers.Adam(recipe.learning_rate), loss=dict.fromkeys(targets, "mse"), **compile_words)

    def run(count: int = epochs) -> float:
        began = time.perf_counter()
        model.fit(x[train], learn, batch_size=128, epochs=count, validation_data=(x[validation], check), verbose=0)
        return (time.perf_counter() - began) / count * 1e3

    run(2)  # traces and warms up
    return run


def ours(experiment: Experiment, trainer: Workers, epochs: int, workers: int) -> Callable[[], float]:
    """A function that trains a full population per worker and returns milliseconds per trial-epoch."""
    (params,) = experiment.search.known.values()
    recipe = experiment.recipe(params)
    program = packing.program_of(recipe, experiment, packing.limits(experiment))

    def run(count: int = epochs) -> float:
        lanes = [packing.Lane(number, recipe, 0, 0, count, count) for number in range(program.lanes * workers)]
        populations = [packing.population(program, lanes[number::workers], experiment) for number in range(workers)]
        began = time.perf_counter()
        for _ in trainer.train(populations):
            pass
        return (time.perf_counter() - began) / (count * len(lanes)) * 1e3

    run(1)  # compiles in every worker
    return run


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, help="the table; else as `branchsweep data` finds it")
    parser.add_argument("--quick", action="store_true", help="fewer epochs and rounds: under 50 s")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, nothing else")
    words = parser.parse_args()
    rounds, keras_epochs, our_epochs = (3, 4, 20) if words.quick else (7, 10, 60)
    experiment = config.load(EXPERIMENT)
    dataset = data.load(experiment, words.data)
    rows = training_rows(dataset, data.split(experiment, dataset))
    workers = len(cores())
    steps = -(-len(rows.folds[0][0]) // 128)
    with Workers(rows) as trainer:
        ways = {
            "ours": ours(experiment, trainer, our_epochs, workers),
            "keras_fit": keras_fit(experiment, rows, keras_epochs),
            "careful_keras_fit": keras_fit(experiment, rows, keras_epochs, steps_per_execution=steps),
        }
        measured: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, run in ways.items():
                measured[name].append(run())
    medians = {f"{name}_ms_per_trial_epoch": statistics.median(figures) for name, figures in measured.items()}
    our_median = medians["ours_ms_per_trial_epoch"]
    said = {
        **medians,
        "ratio": medians["keras_fit_ms_per_trial_epoch"] / our_median,
        "ratio_to_careful_keras_fit": medians["careful_keras_fit_ms_per_trial_epoch"] / our_median,
        "workers": workers,
        "rounds": rounds,
        "data": dataset.source,
    }
    if words.json:
        print(json.dumps(said))
    else:
        for name, figure in said.items():
            print(f"{name:40} {figure:.4g}" if isinstance(figure, float) else f"{name:40} {figure}")


if __name__ == "__main__":
    main()
