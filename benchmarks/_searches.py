"""Searches for some seconds, ours and those of peers, each with the moment at which every trial had ended.

All of them search the same experiment over the same rows and folds. The peers train one network after the other in one pinned
process per core, by Keras's `fit`, and score it by the mean R² of its heads on the validation rows, in natural units.
"""

from __future__ import annotations

import contextlib
import io
import math
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import _measure, _peers, time_to_quality
from branchsweep.data.training_rows import training_rows
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.runtime import cache_folder
from branchsweep.search.drivers import open_driver
from branchsweep.tracking.memory import MemoryTracker
from branchsweep.training.local_workers import LocalWorkers
from branchsweep.trial import Params, Result, Trial
from branchsweep.workflows.callbacks import Callback, RunningSearch
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.progress import NoProgress
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate
from branchsweep.workflows.promotion.confirmation import reevaluate
from branchsweep.workflows.records.sweep_record import new_sweep_record
from branchsweep.workflows.search_loop import run_search


@dataclass(frozen=True, slots=True)
class EndedTrial:
    """A trial that has trained to its end.

    Args:
        seconds: When it had, since the search began.
        value: Its mean R² on the validation rows; NaN for one that diverged.
        params: Its hyperparameters.
    """

    seconds: float
    value: float
    params: Params


@dataclass(frozen=True, slots=True)
class Finalist:
    """What a sweep chooses that ends its search at a moment and trains the best trials again on fresh folds.

    Args:
        seconds: When it has done so, since the search began.
        value: The finalist's score on these folds.
        params: Its hyperparameters.
    """

    seconds: float
    value: float
    params: Params


def ours(setting: _measure.Setting, seconds: float, seed: int) -> list[EndedTrial]:  # noqa: ARG001  # the experiment has it
    """The search of `branchsweep run`, one worker per core, recorded in memory, until its own limit of seconds."""
    with LocalWorkers(setting.rows, cache_folder=cache_folder()) as trainer:
        time_to_quality.warm_up(trainer, setting)
        tracker = MemoryTracker.open(new_sweep_record(setting.experiment, setting.dataset, setting.split))
        seen = _EndedTrials(time.perf_counter(), seconds)
        training = TrainingContext(trainer, setting.rows, NoProgress(), (seen,))
        run_search(setting.experiment, open_driver(setting.experiment), training, tracker)
    return seen.trials


STOPS = (0.05, 0.07, 0.1, 0.14, 0.2, 0.28, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.94)
"""Shares of the seconds at which the search may end, so that there is time for a confirmation."""


def finalists(setting: _measure.Setting, trials: Sequence[EndedTrial], seconds: float) -> list[Finalist]:
    """What the sweep chooses by its confirmation, for each moment at which its search may end.

    The workers have loaded all programs when the seconds of a confirmation are taken, as those of a sweep have.

    Args:
        setting: Of the search; the experiment says how many trials are confirmed, and on which folds.
        trials: That ended, in order.
        seconds: What is chosen later does not count.
    """
    experiment, rows = setting.experiment, training_rows(setting.dataset, setting.split)
    sets = {stop: best_trials(trials, stop * seconds, experiment.confirmation.trials) for stop in STOPS}
    numbers = sorted({number for best in sets.values() for number in best})
    candidates = {
        number: ConfirmationCandidate(str(number), experiment, Trial(number, trials[number].params)) for number in numbers
    }
    if not candidates:
        return []
    chosen: list[Finalist] = []
    with LocalWorkers(rows, cache_folder=cache_folder()) as trainer:
        training = TrainingContext(trainer, rows, NoProgress())
        scored = reevaluate(list(candidates.values()), experiment, training)
        values = {number: confirmed.score.value for number, confirmed in zip(candidates, scored, strict=True)}
        timed: dict[tuple[int, ...], float] = {}
        for stop, best in sets.items():
            finite = [number for number in best if math.isfinite(values[number])]
            if not finite:
                continue
            if best not in timed:
                began = time.perf_counter()
                reevaluate([candidates[number] for number in best], experiment, training)
                timed[best] = time.perf_counter() - began
            number = max(finite, key=values.__getitem__)
            if stop * seconds + timed[best] <= seconds:
                chosen.append(Finalist(stop * seconds + timed[best], values[number], trials[number].params))
    return chosen


def best_trials(trials: Sequence[EndedTrial], until: float, count: int) -> tuple[int, ...]:
    """The positions of the best trials that had ended until a moment, the best first; none of those that diverged."""
    ended = [number for number, trial in enumerate(trials) if trial.seconds <= until and math.isfinite(trial.value)]
    return tuple(sorted(ended, key=lambda number: -trials[number].value)[:count])


class _EndedTrials(Callback):
    """Notes the trials of a search of ours that are complete, and when they were.

    Args:
        began: When the search began, as `time.perf_counter` has it.
        seconds: What ends later does not count.
    """

    def __init__(self, began: float, seconds: float) -> None:
        self._began, self._seconds = began, seconds
        self.trials: list[EndedTrial] = []

    def on_trial(self, search: RunningSearch, result: Result) -> None:  # noqa: ARG002  # of the protocol
        """A trial has ended."""
        now = time.perf_counter() - self._began
        if result.score.is_complete and now <= self._seconds:
            self.trials.append(EndedTrial(now, result.score.value, result.trial.params))


def optuna(setting: _measure.Setting, seconds: float, seed: int) -> list[EndedTrial]:
    """Optuna's study by TPE over `fit`, shared through a journal."""
    with _peers.Pinned() as processes, _peers.journal() as storage:
        began = time.time()
        trials = _FitTrials(_tasks(setting), began, seconds)
        found = processes.run(
            _optuna_process, [(trials, storage, seed * processes.count + number) for number in range(processes.count)]
        )
    return _in_order(found)


def keras_tuner(setting: _measure.Setting, seconds: float, seed: int) -> list[EndedTrial]:
    """KerasTuner's Bayesian optimization over `fit`, its oracle in a process of its own."""
    with _peers.Pinned() as processes, tempfile.TemporaryDirectory() as folder, _oracle(_tasks(setting), folder, seed) as port:
        trials = _FitTrials(_tasks(setting), time.time(), seconds)
        found = processes.run(
            _keras_tuner_process, [(trials, folder, port, f"tuner{number}") for number in range(processes.count)]
        )
    return _in_order(found)


SEARCHES: dict[str, Callable[[_measure.Setting, float, int], list[EndedTrial]]] = {
    "branchsweep": ours,
    "optuna": optuna,
    "keras_tuner": keras_tuner,
}
"""By name: from a setting, the seconds of the search and its seed to the trials that ended."""


def _tasks(setting: _measure.Setting) -> list[_peers.Task]:
    return [_peers.Task(setting.experiment, setting.rows, fold) for fold in range(len(setting.rows.folds))]


def _in_order(found: Sequence[Sequence[EndedTrial]]) -> list[EndedTrial]:
    return sorted((trial for own in found for trial in own), key=lambda trial: trial.seconds)


class _TimeIsUpError(Exception):
    """Ends the training of a network whose search is over."""


@dataclass(frozen=True)
class _FitTrials:
    """Trials by Keras's `fit` until a search is over.

    Args:
        tasks: One for each fold.
        began: When the search began, as `time.time` has it.
        seconds: How long it goes on.
    """

    tasks: Sequence[_peers.Task]
    began: float
    seconds: float

    def score(self, recipe: Recipe, model: Any = None) -> float:
        """The mean R² over the folds.

        Args:
            recipe: What is trained.
            model: The compiled model for the first fold, if there is one already.

        Raises:
            _TimeIsUpError: The search is over.
        """
        return statistics.fmean(self._of_fold(task, recipe, None if n else model) for n, task in enumerate(self.tasks))

    def _of_fold(self, task: _peers.Task, recipe: Recipe, model: Any) -> float:
        import keras

        def end_in_time(*_: object) -> None:
            if time.time() - self.began > self.seconds:
                raise _TimeIsUpError

        end_in_time()
        if model is None:
            keras.utils.clear_session()
            model = task.model(recipe)
        callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=end_in_time)]
        task.keras_fit.fit(model, recipe, verbose=0, callbacks=callbacks)
        return task.mean_r2(model, recipe)

    def ended(self, value: float, params: Params) -> EndedTrial:
        """A trial that has just ended."""
        return EndedTrial(time.time() - self.began, value, dict(params))


def _optuna_process(trials: _FitTrials, storage: Path, seed: int) -> list[EndedTrial]:
    experiment, found = trials.tasks[0].experiment, list[EndedTrial]()
    study = _peers.optuna_study(storage, seed, "maximize")

    def objective(trial: Any) -> float:
        params = _peers.ask_optuna(trial, experiment.space)
        found.append(trials.ended(trials.score(recipe_for(experiment, params)), params))
        return found[-1].value

    with contextlib.suppress(_TimeIsUpError):
        study.optimize(objective)
    return found


def _keras_tuner_process(trials: _FitTrials, folder: str, port: int, name: str) -> list[EndedTrial]:
    from keras_tuner import errors

    found: list[EndedTrial] = []

    def score(recipe: Recipe, params: Params, model: Any) -> float:
        try:
            value = trials.score(recipe, model)
        except _TimeIsUpError as over:  # any other error would be one of the trial, and the search would go on
            raise errors.FatalError("the time of the search is up") from over
        found.append(trials.ended(value, params))
        return -value if math.isfinite(value) else WORST

    with contextlib.suppress(errors.FatalError), contextlib.redirect_stdout(io.StringIO()):
        _tuner(trials.tasks[0], folder, port, name, score).search(verbose=0)
    return found


WORST = 1e6
"""The score that KerasTuner gets for a network that diverged: it does not accept NaN."""


def _tuner(
    task: _peers.Task,
    folder: str,
    port: int,
    name: str,
    score: Callable[[Recipe, Params, Any], float] | None = None,
    seed: int = 0,
) -> Any:
    """KerasTuner's tuner in one of several processes; that of the process `chief` has the oracle, and serves the others."""
    import keras_tuner

    from branchsweep.search.hypermodel import BranchedHyperModel
    from branchsweep.search.keras_tuner.space import point_of

    class HyperModel(BranchedHyperModel):
        def fit(self, hp: Any, model: Any, *rows: Any, **arguments: Any) -> float:  # noqa: ARG002  # the rows are the tasks'
            assert score is not None, "the chief trains nothing"
            return score(self.recipe(hp), dict(point_of(self.experiment.space, hp.values)), model)

    os.environ.update(KERASTUNER_TUNER_ID=name, KERASTUNER_ORACLE_IP="127.0.0.1", KERASTUNER_ORACLE_PORT=str(port))
    with contextlib.redirect_stdout(io.StringIO()):
        return keras_tuner.BayesianOptimization(
            HyperModel(task.experiment, task.rows, task.fold, metrics=False),
            max_trials=1_000_000,
            seed=seed,
            directory=folder,
            project_name="search",
        )


def _serve(task: _peers.Task, folder: str, port: int, seed: int) -> None:
    """Serves the oracle, until it is ended."""
    with contextlib.redirect_stdout(io.StringIO()):
        _tuner(task, folder, port, "chief", seed=seed).search(verbose=0)


@contextlib.contextmanager
def _oracle(tasks: Sequence[_peers.Task], folder: str, seed: int) -> Iterator[int]:
    """The port of a process with the oracle, which listens within and is ended afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    chief = multiprocessing.get_context("spawn").Process(target=_serve, args=(tasks[0], folder, port, seed), daemon=True)
    chief.start()
    try:
        _wait_for(port)
        yield port
    finally:
        chief.kill()
        chief.join()


def _wait_for(port: int) -> None:
    """Waits until somebody listens, for two minutes at most.

    Raises:
        TimeoutError: Nobody does.
    """
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError(f"nobody listens on port {port}")
