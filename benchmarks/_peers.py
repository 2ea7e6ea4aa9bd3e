"""The peers, as their users write them: Keras's `fit`, KerasTuner's random search, Optuna's study.

They train the recipes of the same experiment over the same rows, with the same batches, epochs and validation as ours. The
heavy libraries are imported by the functions that need them, for a spawned worker of ours imports this module too.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import math
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import numpy as np
from sklearn.metrics import r2_score

from benchmarks import _measure
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.dimensions import Choice, Float
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.data.training_rows import TrainingRows
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.training.local_workers import available_cores
from branchsweep.trial import Params, ParamValue
from branchsweep.types import Floats

if TYPE_CHECKING:
    from branchsweep.models.keras_fit import KerasFit


@dataclass
class Task:
    """One trial after the other by Keras, on one fold: what all peers share.

    Args:
        experiment: Gives the space, the epochs, and what a trial's params mean.
        rows: Gives the folds.
        fold: Which of them.
    """

    experiment: Experiment
    rows: TrainingRows
    fold: int = 0

    @property
    def epochs(self) -> int:
        """Of every trial."""
        return self.experiment.fit.epochs

    @cached_property
    def keras_fit(self) -> KerasFit:
        """Keras's `compile` and `fit` on the fold, its rows scaled once for each scaling."""
        from branchsweep.models.keras_fit import KerasFit

        return KerasFit(self.experiment, self.rows, self.fold)

    def __getstate__(self) -> Mapping[str, Any]:
        """Without what each process makes for itself: a fitted encoder refers to its module, which cannot be pickled."""
        return {name: value for name, value in vars(self).items() if name != "keras_fit"}

    def steps(self, recipe: Recipe) -> int:
        """Batches of an epoch."""
        return self.keras_fit.steps(recipe)

    def model(self, recipe: Recipe, **compile_words: Any) -> Any:
        """The recipe as a compiled Keras model."""
        return self.keras_fit.model(recipe, **compile_words)

    def fit(self, model: Any, recipe: Recipe, epochs: int, **words: Any) -> Any:
        """`model.fit` with validation after every epoch; returns its history."""
        return self.keras_fit.fit(model, recipe, epochs=epochs, verbose=0, **words)

    def mean_r2(self, model: Any, recipe: Recipe) -> float:
        """Mean of the heads' R² on the validation rows, in natural units; NaN for a network that diverged."""
        rows = self.keras_fit.arrays(recipe)
        predicted = model.predict(rows.validation_data[0], batch_size=1024, verbose=0)
        scaled: Floats = np.concatenate([predicted[head] for head in self.experiment.heads], axis=1).astype(np.float64)
        if not np.isfinite(scaled).all():
            return math.nan
        actual = self.rows.y[self.rows.fold_rows(self.fold)[1]]
        return float(r2_score(actual, rows.target_encoder.inverse(scaled)))


def over_learning_rates(experiment: Experiment) -> Experiment:
    """An experiment of one known network, with the learning rate as the one thing that varies."""
    (params,) = experiment.search.initial_trials.values()
    space = SearchSpace(
        dimensions={"learning_rate": Float(type="float", low=1e-4, high=1e-2, log=True)},
        fixed={name: value for name, value in params.items() if name != "learning_rate"},
    )
    return experiment.model_copy(update={"space": space})


def epoch_timer(task: Task, recipe: Recipe, epochs: int, **compile_words: Any) -> Callable[[], float]:
    """A function that trains one network for some more epochs and returns milliseconds per epoch; warm from the first."""
    model = task.model(recipe, **compile_words)

    def run(count: int = epochs) -> float:
        began = time.perf_counter()
        task.fit(model, recipe, count)
        return (time.perf_counter() - began) / count * 1e3

    run(2)  # traces, and compiles where that was asked for
    return run


class Cost(NamedTuple):
    """Seconds of one trial: once for building and tracing its model, and for each epoch."""

    build: float
    epoch: float


def trial_cost(task: Task, recipe: Recipe, epochs: int) -> Cost:
    """What a trial costs by plain `fit`, measured over a few epochs after its first.

    The first epoch holds the tracing; what it takes beyond one of the later epochs counts as building.
    """
    import keras

    keras.utils.clear_session()
    began = time.perf_counter()
    model = task.model(recipe)
    task.fit(model, recipe, 1)
    first = time.perf_counter()
    task.fit(model, recipe, epochs)
    epoch = (time.perf_counter() - first) / epochs
    return Cost(max(0.0, first - began - epoch), epoch)


def trial_costs(task: Task, recipes: Sequence[Recipe], epochs: int) -> list[Cost]:
    """The same for several, after one that warms the process up."""
    trial_cost(task, recipes[0], 1)
    return [trial_cost(task, recipe, epochs) for recipe in recipes]


def search_by_keras_tuner(task: Task, trials: int) -> float:
    """`keras_tuner.RandomSearch` as its guides show it; returns the seconds of `search`.

    The hypermodel builds and fits as a user's would: no metric is computed beside the losses.
    """
    import keras_tuner

    from branchsweep.search.hypermodel import BranchedHyperModel

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        began = time.perf_counter()
        hypermodel = BranchedHyperModel(task.experiment, task.rows, task.fold, metrics=False)
        tuner = keras_tuner.RandomSearch(
            hypermodel, objective="val_loss", max_trials=trials, directory=folder, project_name="search"
        )
        tuner.search(epochs=task.epochs, verbose=0)
        return time.perf_counter() - began


def why_no_keras_tuner() -> str:
    """Why KerasTuner cannot search here; empty if it can. Its `search` imports tensorboard, which it does not ask for."""
    return "" if importlib.util.find_spec("tensorboard") else "keras_tuner's search needs tensorboard, which is not installed"


def search_by_optuna(task: Task, trials: int, storage: Path | None = None, seed: int = 0) -> float:
    """`study.optimize` over `fit` as Optuna's examples show it; returns its seconds.

    Args:
        task: What a trial is.
        trials: How many this process contributes.
        storage: A journal that processes share; in memory if None.
        seed: Of the sampler, another one in each process.
    """
    study = optuna_study(storage, seed, "minimize")

    def objective(trial: Any) -> float:
        import keras

        keras.utils.clear_session()
        recipe = recipe_for(task.experiment, ask_optuna(trial, task.experiment.space))
        history = task.fit(task.model(recipe), recipe, task.epochs)
        return float(history.history["val_loss"][-1])

    began = time.perf_counter()
    study.optimize(objective, n_trials=trials)
    return time.perf_counter() - began


def optuna_study(storage: Path | None, seed: int, direction: Literal["minimize", "maximize"]) -> Any:
    """A study by TPE, Optuna's own choice, quiet; several processes may open the same storage."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(
        storage=optuna.storages.JournalStorage(JournalFileBackend(str(storage))) if storage else None,
        study_name="peer",
        load_if_exists=True,
        direction=direction,
        sampler=optuna.samplers.TPESampler(seed=seed),
    )


def ask_optuna(trial: Any, space: SearchSpace) -> Params:
    """The space, suggested by Optuna dimension for dimension."""
    asked: dict[str, ParamValue] = {}
    for name, dimension in space.dimensions.items():
        if not space.is_asked(name, asked):
            continue
        if isinstance(dimension, Choice):
            asked[name] = trial.suggest_categorical(name, dimension.choices)
        elif isinstance(dimension, Float):
            asked[name] = trial.suggest_float(name, dimension.low, dimension.high, step=dimension.step, log=dimension.log)
        else:
            asked[name] = trial.suggest_int(name, dimension.low, dimension.high, step=dimension.step, log=dimension.log)
    return asked


@contextlib.contextmanager
def journal() -> Iterator[Path]:
    """A file for a study that processes share."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "journal.log"


class Pinned:
    """Processes with Keras imported, one TensorFlow thread each, each pinned to a core; a context manager, which ends them.

    Args:
        count: How many; one per core if None.
    """

    def __init__(self, count: int | None = None) -> None:
        available, context = available_cores(), multiprocessing.get_context("spawn")
        self.count = count or len(available)
        self._executors = [
            ProcessPoolExecutor(1, context, _begin, (available[number % len(available)],)) for number in range(self.count)
        ]

    def __enter__(self) -> Self:
        self.run(_nothing, [()] * self.count)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for executor in self._executors:
            executor.shutdown(cancel_futures=True)

    def run(self, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Calls a function in every process at the same time, with its own arguments each; returns what they return."""
        tasks = [executor.submit(function, *words) for executor, words in zip(self._executors, arguments, strict=True)]
        return [task.result() for task in tasks]


def _begin(core: int) -> None:
    if sys.platform == "linux":
        os.sched_setaffinity(0, {core})
    _measure.import_tensorflow(threads=1)


def _nothing() -> None:
    """The process has imported what it needs."""


def matrix_product_peak(seconds: float = 0.4) -> float:
    """Operations a second of the fastest large float32 matrix product in this process, over several sizes and two ways."""
    import tensorflow as tf

    best = 0.0
    for size in (512, 1024, 1536, 2048):
        matrix = tf.random.normal([size, size])
        for product in (tf.linalg.matmul, tf.function(tf.linalg.matmul, jit_compile=True)):
            product(matrix, matrix).numpy()
            began, count = time.perf_counter(), 0
            fastest = math.inf
            while time.perf_counter() - began < seconds / 2 or count < 2:
                before = time.perf_counter()
                product(matrix, matrix).numpy()
                fastest = min(fastest, time.perf_counter() - before)
                count += 1
            best = max(best, 2.0 * size**3 / fastest)
    return best
