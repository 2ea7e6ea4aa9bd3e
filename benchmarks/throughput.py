"""How long one epoch of one trial takes: ours against Keras, KerasTuner and Optuna, in one run.

    python -m benchmarks.throughput [--part article|space|all] [--trials 256] [--epochs 200] [--data PATH] [--quick] [--json]

Part **article**: the article's network (282 parameters), two thirds of the training rows to learn and a third to validate on
after every epoch, batch 128. First in a steady state, in turn, several times, medians; building, importing and compiling are
left out on both sides:

- `keras_fit`: `model.fit` with validation data, as most people write it;
- `careful_keras_fit`: the better of `steps_per_execution` of an epoch, and the same with `jit_compile` (not with `--quick`);
- `ours`: one pinned worker per core, each with full populations, until all lanes are through.

Then as the users of search libraries meet it, short trials over learning rates with building and tracing included:
`keras_tuner.RandomSearch`, an Optuna study in one process, and in one pinned process per core that share a journal.

Part **space**: trials drawn at random from `search_spaces/branched.yaml`, answered by ours from a cold start of the workers and
an empty compile cache, against plain `fit` on a random few of these very trials, extrapolated to all of them. With `--quick`,
of two widths alone.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from benchmarks import _measure, _peers
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.runtime import cache_folder
from branchsweep.search.drivers import random_trials
from branchsweep.training import packing
from branchsweep.training.lanes import search_lane
from branchsweep.training.local_workers import LocalWorkers, available_cores
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.trial import Trial


def article(options: argparse.Namespace) -> dict[str, Any]:
    """The article's network, every way."""
    setting = _measure.setting("article", options.data)
    (params,) = setting.experiment.search.initial_trials.values()
    recipe, rows = recipe_for(setting.experiment, params), setting.rows
    rounds, keras_epochs, our_epochs = (3, 3, 40) if options.quick else (7, 10, 60)
    task = _peers.Task(setting.experiment, rows)
    careful: dict[str, dict[str, Any]] = {"steps_per_execution": {"steps_per_execution": task.steps(recipe)}}
    if not options.quick:
        careful["steps_per_execution and jit_compile"] = {**careful["steps_per_execution"], "jit_compile": True}
    with LocalWorkers(rows) as trainer:
        _measure.import_tensorflow()  # while the workers do the same
        ways = {"ours": ours(setting, trainer, recipe, our_epochs), "fit": _peers.epoch_timer(task, recipe, keras_epochs)}
        ways |= {way: _peers.epoch_timer(task, recipe, keras_epochs, **arguments) for way, arguments in careful.items()}
        medians = _measure.interleaved(ways, rounds)
    best_way = min(careful, key=lambda way: medians[way])
    our_median = medians["ours"]
    return {
        "ours_ms_per_trial_epoch": our_median,
        "keras_fit_ms_per_trial_epoch": medians["fit"],
        "careful_keras_fit_ms_per_trial_epoch": medians[best_way],
        "careful_way": best_way,
        "ratio": medians["fit"] / our_median,
        "ratio_to_careful_keras_fit": medians[best_way] / our_median,
        **searches(setting, our_median, options.quick),
        "workers": len(available_cores()),
        "rounds": rounds,
        "rows": [len(part) for part in rows.fold_rows(0)],
        "data": setting.dataset.source,
    }


def ours(setting: _measure.Setting, trainer: LocalWorkers, recipe: Recipe, epochs: int) -> Callable[[], float]:
    """A function that trains a full population per worker and returns milliseconds per trial-epoch."""
    experiment, workers = setting.experiment, len(available_cores())
    program = packing.program_of(recipe, experiment, packing.program_limits(experiment))

    def run(count: int = epochs) -> float:
        trained = _measure.with_epochs(experiment, count)
        lanes = [search_lane(number, recipe, trained) for number in range(program.lanes * workers)]
        populations = [packing.make_population(program, lanes[number::workers], trained) for number in range(workers)]
        began = time.perf_counter()
        for _ in trainer.train(PopulationQueue(populations)):
            pass
        return (time.perf_counter() - began) / (count * len(lanes)) * 1e3

    run(1)  # compiles in every worker
    return run


def searches(setting: _measure.Setting, our_median: float, quick: bool) -> dict[str, Any]:
    """Search libraries over the learning rate of the article's network: milliseconds per trial-epoch, all included."""
    trials, epochs = (1, 8) if quick else (6, 20)
    experiment = _peers.over_learning_rates(setting.experiment)
    task = _peers.Task(_measure.with_epochs(experiment, epochs), setting.rows)
    ways: dict[str, float | None] = {"keras_tuner": None}
    missing = _peers.why_no_keras_tuner()
    if not missing:
        ways["keras_tuner"] = _peers.search_by_keras_tuner(task, trials) / trials
    ways["optuna_one_process"] = _peers.search_by_optuna(task, trials) / trials
    with _peers.Pinned() as processes, _peers.journal() as storage:
        each = [(task, trials, storage, number) for number in range(processes.count)]
        ways[f"optuna_{processes.count}_processes"] = (
            max(processes.run(_peers.search_by_optuna, each)) / trials / processes.count
        )
    figures = {name: None if seconds is None else seconds / epochs * 1e3 for name, seconds in ways.items()}
    return {
        **{f"{name}_ms_per_trial_epoch": figure for name, figure in figures.items()},
        **{f"ratio_to_{name}": None if figure is None else figure / our_median for name, figure in figures.items()},
        "searches_epochs_per_trial": epochs,
        **({"keras_tuner_missing": missing} if missing else {}),
    }


def space(options: argparse.Namespace) -> dict[str, Any]:
    """Random trials of the shipped space: ours with everything counted, against `fit` on a few of them."""
    trials, epochs = options.trials or (24 if options.quick else 256), options.epochs or (20 if options.quick else 200)
    sample, sample_epochs = (2, 2) if options.quick else (12, 5)
    overrides = [*_measure.SPACE, f"search.trials={trials}", f"search.batch={trials}", f"fit.epochs={epochs}"]
    overrides += _measure.widths(16, 32) if options.quick else ()
    return mixed_trials(_measure.setting("branched", options.data, overrides), trials, sample, sample_epochs)


def mixed_trials(
    setting: _measure.Setting, trials: int, sample: int, sample_epochs: int, watch: AbstractContextManager[Any] | None = None
) -> dict[str, Any]:
    """Random trials of a space: ours with everything counted, against `fit` on some of them.

    Args:
        setting: The experiment with its table.
        trials: How many ours answers.
        sample: How many `fit` trains.
        sample_epochs: For so many epochs after the first.
        watch: A context around our training, as `large_tables.Memory`; None for none.
    """
    epochs = setting.experiment.fit.epochs
    asked = random_trials(setting.experiment, trials)
    recipes = [recipe_for(setting.experiment, trial.params) for trial in asked]
    with _peers.Pinned() as processes:  # idle while ours trains
        peak = sum(processes.run(_peers.matrix_product_peak, [()] * processes.count))
        with watch or nullcontext():
            seconds, trainer = from_cold(setting, asked)
        chosen = [recipes[number] for number in np.random.default_rng(setting.experiment.seed).permutation(trials)[:sample]]
        peers = extrapolated(_peers.Task(setting.experiment, setting.rows), chosen, sample_epochs, trials, processes)
    useful = sum(_measure.useful_operations(recipe, setting.rows, epochs) for recipe in recipes)
    return {
        "trials": trials,
        "epochs": epochs,
        "ours_seconds": seconds,
        "ours_import_seconds": trainer.import_seconds,
        "ours_compile_seconds_of_all_workers": trainer.compile_seconds,
        "ours_trial_epochs_per_second": trials * epochs / seconds,
        "ours_ms_per_trial_epoch": seconds / (trials * epochs) * 1e3,
        "useful_gflop_per_second": useful / seconds / 1e9,
        "matrix_product_peak_gflop_per_second": peak / 1e9,
        "useful_share_of_peak": useful / seconds / peak,
        **peers,
        **{
            f"ratio_to_{name.removesuffix('_extrapolated_seconds')}": figure / seconds
            for name, figure in peers.items()
            if name.endswith("_extrapolated_seconds")
        },
        "widths": setting.experiment.space.dimensions["trunk.width"].model_dump()["choices"],
        "workers": len(available_cores()),
        "rows": [len(part) for part in setting.rows.fold_rows(0)],
        "data": setting.dataset.source,
    }


def from_cold(setting: _measure.Setting, trials: Sequence[Trial]) -> tuple[float, _measure.Stopwatch]:
    """Seconds until all trials are answered by workers that begin with nothing; their imports apart."""
    with _measure.cold_cache():
        began = time.perf_counter()
        with LocalWorkers(setting.rows, cache_folder=cache_folder()) as workers:
            trainer = _measure.Stopwatch(workers, began)
            answered = list(_measure.run_trials(trials, setting.experiment, setting.training(trainer)))
            seconds = time.perf_counter() - began
    assert len(answered) == len(trials)
    return seconds - (trainer.import_seconds or 0.0), trainer


def extrapolated(
    task: _peers.Task, recipes: Sequence[Recipe], epochs: int, trials: int, processes: _peers.Pinned
) -> dict[str, Any]:
    """What all trials would take by plain `fit`, from a few of them: each is built once and trained for all its epochs."""

    def seconds(costs: Sequence[_peers.Cost]) -> float:
        return trials * statistics.fmean(cost.build + task.epochs * cost.epoch for cost in costs)

    def ms(costs: Sequence[_peers.Cost]) -> float:
        return statistics.fmean(cost.epoch for cost in costs) * 1e3

    _measure.import_tensorflow()
    alone = _peers.trial_costs(task, recipes, epochs)
    count = processes.count
    parts = processes.run(_peers.trial_costs, [(task, recipes[number::count], epochs) for number in range(count)])
    together = [cost for part in parts for cost in part]
    return {
        "keras_fit_sampled_trials": len(recipes),
        "keras_fit_build_seconds_per_trial": statistics.fmean(cost.build for cost in alone),
        "keras_fit_ms_per_trial_epoch": ms(alone),
        "keras_fit_one_process_extrapolated_seconds": seconds(alone),
        f"keras_fit_ms_per_trial_epoch_in_each_of_{count}_processes": ms(together),
        f"keras_fit_{count}_processes_extrapolated_seconds": seconds(together) / count,
    }


def main() -> None:
    """Measures and prints."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--part", choices=("article", "space", "all"), help="all; with --quick the article's network")
    parser.add_argument("--trials", type=int, help="of the space: 256, or 24 with --quick")
    parser.add_argument("--epochs", type=int, help="of a trial of the space: 200, or 20 with --quick")
    options = parser.parse_args()
    part = options.part or ("article" if options.quick else "all")
    measurements: dict[str, Any] = {}
    if part != "space":
        measurements |= article(options)
    if part != "article":
        measurements["space"] = space(options)
    _measure.conclude(measurements, options.json)


if __name__ == "__main__":
    main()
