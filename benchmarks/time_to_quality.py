"""Seconds until a search has found a network as good as a random forest: ours against Optuna with Keras.

    python -m benchmarks.time_to_quality [--seeds 3] [--limit 1800] [--epochs 60] [--folds 1] [--set KEY=VALUE]
                                         [--drivers all] [--data PATH] [--quick] [--json]

The target is the mean validation R² (over the heads) of scikit-learn's random forest of 300 trees per head, learnt from the
rows that the networks learn from and scored on the rows that they are scored on. The search is over once a finished trial
passes it. Both search the shipped space with the tree-structured Parzen estimator (TPE), the same epochs, one network a trial,
or one for each of `--folds` over which R² is averaged (then luck with the validation rows does not pass for quality):

- ours: the loop of `branchsweep run` with its default pruning, in rounds of `search.batch`, one worker per core; once with an
  empty compile cache, and once more with what that run left there, as every later sweep of a user finds it;
- the peer: an Optuna study over `model.fit`, in one pinned process per core, which share it through a journal.

The clock starts when all processes have done their imports. Compiling (or loading what is compiled) counts, and so does
building models. A side that has not passed when `--limit` is reached gives up (`ours_reached`, `peer_reached`); if it is the
peer, the ratio is a lower bound.

`--drivers all` (or `optuna/tpe,keras_tuner/bayesian`) measures no peer, but our own drivers and algorithms one after the other,
each over the same rows, seeds and rounds, with what is compiled kept. The clock is the same. `best` is the highest value that
was seen when the clock stopped.

`--quick` is another, smaller question, so that both sides get somewhere in seconds: one width, few epochs, and for a target
the R² of gradient boosting, which about one in twenty-five of these networks passes.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.metrics import r2_score

from benchmarks import _measure, _peers
from branchsweep.config.sections.driver_options import DRIVERS
from branchsweep.data.training_rows import TrainingRows
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.runtime import cache_folder
from branchsweep.search.drivers import open_driver
from branchsweep.training import packing
from branchsweep.training.lanes import search_lane
from branchsweep.training.local_workers import LocalWorkers, available_cores
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.trial import Result


@dataclass(frozen=True)
class Way:
    """How a side got there.

    Args:
        seconds: Until the target was passed, or until it was given up.
        trials: That had ended by then.
        best: The highest mean R² among them; None where there is none.
        reached: Whether the target was passed.
    """

    seconds: float
    trials: int
    best: float | None
    reached: bool


def highest(values: Sequence[float]) -> float | None:
    """Of those that are numbers; None for none."""
    return max((value for value in values if math.isfinite(value)), default=None)


def target_of(regressor: Callable[[], Any], rows: TrainingRows) -> float:
    """Mean of the heads' validation R², over the folds, by one estimator per head."""
    scores = []
    for train, validation in rows.folds:
        for actual in rows.y.T:
            fitted = regressor().fit(rows.x[train], actual[train])
            scores.append(r2_score(actual[validation], fitted.predict(rows.x[validation])))
    return float(np.mean(scores))


def warm_up(trainer: LocalWorkers, setting: _measure.Setting) -> None:
    """Waits until every worker has done its imports, by a network so narrow that the space never shares its program."""
    experiment = _measure.with_epochs(setting.experiment, 1)
    recipe = recipe_for(experiment, {"trunk.width": 1, "branch.width": 1})
    program = packing.program_of(recipe, experiment, packing.program_limits(experiment))
    lane = search_lane(0, recipe, experiment)
    list(trainer.train(PopulationQueue([packing.make_population(program, [lane], experiment) for _ in available_cores()])))


def ours(setting: _measure.Setting, target: float, limit: float) -> Way:
    """The loop of a sweep until a finished trial passes the target, or time is up."""
    values: list[float] = []
    with LocalWorkers(setting.rows, cache_folder=cache_folder()) as trainer:
        warm_up(trainer, setting)
        began = time.perf_counter()
        for result in answers(setting, trainer):
            values.append(result.score.value if result.score.is_complete else -math.inf)
            if values[-1] > target or time.perf_counter() - began > limit:
                break
        return Way(time.perf_counter() - began, len(values), highest(values), values[-1] > target)


def answers(setting: _measure.Setting, trainer: LocalWorkers) -> Iterator[Result]:
    """Round by round, as `sweep.search` goes; each result as soon as it is known."""
    experiment, driver = setting.experiment, open_driver(setting.experiment)
    while trials := driver.ask(experiment.batch):
        told: dict[int, Result] = {}
        for result in _measure.run_trials(trials, experiment, setting.training(trainer)):
            told[result.trial.number] = result
            yield result
        for number in sorted(told):
            driver.tell(told[number])


def peer(setting: _measure.Setting, target: float, limit: float, seed: int) -> Way:
    """Optuna's study in one process per core, until a finished trial passes the target."""
    folds = [_peers.Task(setting.experiment, setting.rows, fold) for fold in range(len(setting.rows.folds))]
    with _peers.Pinned() as processes, _peers.journal() as storage:
        began = time.time()
        options = (folds, target, began + limit, storage)
        ended = processes.run(search_until, [(*options, seed * processes.count + number) for number in range(processes.count)])
        seconds = time.time() - began
        values = [value for process in ended for value in process]
    passed = min((moment - began for value, moment in values if value > target), default=None)
    by_then = [value for value, moment in values if passed is None or moment - began <= passed]
    return Way(passed or min(seconds, limit), len(by_then), highest(by_then), passed is not None)


def search_until(
    folds: Sequence[_peers.Task], target: float, deadline: float, storage: Path, seed: int
) -> list[tuple[float, float]]:
    """In a process: trials until one of any process passes the target or time is up; (value, moment) of those finished here."""
    import keras
    import optuna

    study, values = _peers.optuna_study(storage, seed, "maximize"), list[tuple[float, float]]()
    over = storage.with_suffix(".over")  # for epochs in the other process, which need not go on

    def give_up(*_: object) -> None:
        if time.time() > deadline or over.exists():
            study.stop()
            raise optuna.TrialPruned

    def score(task: _peers.Task, recipe: Recipe) -> float:
        model = task.model(recipe)
        task.fit(model, recipe, task.epochs, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=give_up)])
        return task.mean_r2(model, recipe)

    def objective(trial: optuna.Trial) -> float:
        keras.utils.clear_session()
        experiment = folds[0].experiment
        recipe = recipe_for(experiment, _peers.ask_optuna(trial, experiment.space))
        value = statistics.fmean(score(task, recipe) for task in folds)
        values.append((value, time.time()))
        if value > target:
            over.touch()
            study.stop()
        return value

    study.optimize(objective)
    return values


def settings(options: argparse.Namespace, seed: int, more: Sequence[str] = ()) -> tuple[_measure.Setting, _measure.Setting]:
    """What is searched: without pruning, as the peer does, and with the default pruning."""
    epochs = options.epochs or (15 if options.quick else 60)
    overrides = [*_measure.SPACE, "search.driver=optuna", "search.algorithm=tpe", f"fit.epochs={epochs}", f"seed={seed}"]
    overrides += ["search.batch=64", *_measure.widths(16)] if options.quick else ["search.batch=32"]
    overrides += [f"validation={{method: k_fold, folds: {options.folds}}}"] if options.folds > 1 else []
    overrides += [*more, *options.set]
    plain, pruned = (_measure.setting("branched", options.data, [*overrides, *last]) for last in ((), (_measure.PRUNED,)))
    return plain, pruned


def one_seed(options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Both sides with one seed, which decides rows and trials alike."""
    setting, pruned = settings(options, seed)
    target = target_of(regressor(options.quick, seed), setting.rows)
    limit = options.limit or (12 if options.quick else 1800)
    with _measure.cold_cache():
        cold, warm = (ours(pruned, target, limit) for _ in range(2))
    peer_way = peer(setting, target, limit, seed)
    return {
        "seed": seed,
        "target_r2": target,
        **{f"ours_{name}": figure for name, figure in vars(warm).items()},
        "ours_cold_seconds": cold.seconds,
        **{f"peer_{name}": figure for name, figure in vars(peer_way).items()},
        "ratio": peer_way.seconds / warm.seconds,
        "ratio_cold": peer_way.seconds / cold.seconds,
    }


def of_drivers(options: argparse.Namespace) -> dict[str, Any]:
    """Our own drivers with their algorithms, each over all seeds: medians, and how many seeds passed the target."""
    chosen = (
        list(_algorithms()) if options.drivers == "all" else [tuple(each.split("/")) for each in options.drivers.split(",")]
    )
    limit = options.limit or (12 if options.quick else 300)
    ways: dict[str, list[Way]] = {}
    with _measure.cold_cache():
        for seed in range(1, 1 + (options.seeds or (1 if options.quick else 3))):
            plain = settings(options, seed)[1]
            target = target_of(regressor(options.quick, seed), plain.rows)
            ours(plain, math.inf, min(limit, 60))  # compiles what most trials need
            for driver, algorithm in chosen:
                _, setting = settings(options, seed, [f"search.driver={driver}", f"search.algorithm={algorithm}"])
                ways.setdefault(f"{driver}/{algorithm}", []).append(ours(setting, target, limit))
                _measure.note(f"seed {seed}: {driver}/{algorithm} {ways[f'{driver}/{algorithm}'][-1]}")
    return {
        name: {
            "seconds": statistics.median(way.seconds for way in of),
            "trials": statistics.median(way.trials for way in of),
            "best": statistics.median(way.best or 0.0 for way in of),
            "reached": sum(way.reached for way in of),
            "seeds": len(of),
        }
        for name, of in ways.items()
    }


def _algorithms() -> Iterator[tuple[str, str]]:
    for driver, algorithms in DRIVERS.items():
        for algorithm in algorithms:
            if algorithm != "gp" or importlib.util.find_spec("torch"):
                yield driver, algorithm


def regressor(quick: bool, seed: int) -> Callable[[], Any]:
    """What is to be surpassed."""
    if quick:
        return lambda: GradientBoostingRegressor(random_state=seed)
    return lambda: RandomForestRegressor(300, random_state=seed, n_jobs=os.cpu_count())


def main() -> None:
    """Measures and prints."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--seeds", type=int, help="how many: 3, or 1 with --quick")
    parser.add_argument("--limit", type=float, help="seconds after which a side gives up: 1,800, or 12 with --quick")
    parser.add_argument("--epochs", type=int, help="of a trial: 60, or 15 with --quick")
    parser.add_argument("--folds", type=int, default=1, help="networks of a trial: 1, on a hold-out")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the experiment; repeatable")
    parser.add_argument("--drivers", help="all, or DRIVER/ALGORITHM,…: compare our own instead of with the peer")
    options = parser.parse_args()
    if options.drivers:
        _measure.conclude(of_drivers(options), options.json)
        return
    seeds = [one_seed(options, seed) for seed in range(1, 1 + (options.seeds or (1 if options.quick else 3)))]
    ours_reached, peer_reached = (all(seed[f"{side}_reached"] for seed in seeds) for side in ("ours", "peer"))
    measurements = {
        "target": "gradient boosting" if options.quick else "random forest",
        **{
            name: statistics.median(seed[name] for seed in seeds)
            for name in (
                "target_r2",
                "ours_seconds",
                "ours_cold_seconds",
                "ours_trials",
                "peer_seconds",
                "peer_trials",
                "ratio",
                "ratio_cold",
            )
        },
        "ours_reached": ours_reached,
        "peer_reached": peer_reached,
        "ratio_is_lower_bound": ours_reached and not peer_reached,
        "folds": options.folds,
        "processes": len(available_cores()),
        "seeds": {f"seed {seed['seed']}": seed for seed in seeds},
    }
    _measure.conclude(measurements, options.json)


if __name__ == "__main__":
    main()
