"""What runs in a worker process of this machine: it starts TensorFlow, trains populations, and counts what it has done.

The functions are called by the pool of one process that `local_workers.py` has for each worker; `start` serves the actors of a
Ray cluster, too. This module imports no TensorFlow before a worker is started.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import BackendError, first_line
from branchsweep.models.exported_model import ExportedModel
from branchsweep.models.serving import Floats
from branchsweep.runtime import rare_garbage_collection, silence_stderr
from branchsweep.training import gpus
from branchsweep.training.extension_modules import import_modules, require_kinds
from branchsweep.training.gpus import Gpu
from branchsweep.training.population import Population, PopulationOutcome
from branchsweep.training.program import program_cache
from branchsweep.training.resources import CPU
from branchsweep.training.shared_rows import read_rows
from branchsweep.training.spawning import end_with_parent

if TYPE_CHECKING:
    from branchsweep.training.trainer import PopulationTrainer

DEFAULT_THREADS = 0
"""TensorFlow chooses the number of threads: for a process with a GPU."""

TRAINED, BEATS, STARTED = range(3)
"""What a worker counts: lane-epochs trained, seconds in which its process ran, and whether it has started."""


@dataclass(frozen=True, slots=True)
class ProcessSetup:
    """What a worker process is made of.

    Args:
        cache_folder: See `LocalWorkers`.
        core: The core that it is pinned to, unless it has a GPU.
        card: Its GPU; None for none.
        modules: The modules that register further kinds of encoders, layers and heads.
    """

    cache_folder: Path | None
    core: int
    card: Gpu | None
    modules: Sequence[str]


_EAGERLY_IMPORTED = "keras.src.optimizers"  # by the end of `tensorflow/__init__.py`

_make_trainer: Callable[[TrainingRows], PopulationTrainer] | BackendError | None = None
"""Makes the worker's trainer; or why there can be none."""

_trainer: PopulationTrainer | None = None
"""The worker's own, made when it gets its first rows."""

_unreadable: BackendError | None = None
"""Why the rows that it was handed last cannot be read. It must not train on those before them."""


def initialize(setup: ProcessSetup, counters: Any) -> None:
    """Initialize a worker process: pin it to a core or a GPU, ignore Ctrl-C, end with the parent, and start TensorFlow.

    It needs no rows, so that it can be started before they are read.

    Args:
        setup: What it is made of.
        counters: What it counts, in memory that it shares with the parent: `TRAINED`, `BEATS`, `STARTED`.
    """
    global _make_trainer  # noqa: PLW0603  # a process pool's initializer has no other place to leave things
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    _beat(counters)
    card = setup.card
    if sys.platform == "linux" and not card:
        os.sched_setaffinity(0, {setup.core})
    os.environ[gpus.VISIBLE] = card.visible if card else gpus.HIDDEN

    def progress(lane_epochs: float) -> None:
        counters[TRAINED] += lane_epochs  # no lock: this thread alone writes it

    try:
        _make_trainer = start(progress, setup.cache_folder, DEFAULT_THREADS if card else 1, 1.0 if card else 0.0)
        import_modules(setup.modules)
    except BackendError as error:  # an initializer that raises breaks the pool, and the parent would not learn why
        _make_trainer = error
    counters[STARTED] = 1


def _beat(counters: Any) -> None:
    """Count the seconds in which this process runs, in a thread of its own."""

    def count_seconds() -> None:
        while True:
            counters[BEATS] += 1
            time.sleep(1)

    threading.Thread(target=count_seconds, daemon=True).start()


def _started_trainer() -> PopulationTrainer:
    """In a worker: its trainer.

    Raises:
        BackendError: It could not be made, or has no rows.
    """
    if isinstance(_make_trainer, BackendError):
        raise _make_trainer
    if _unreadable is not None:
        raise _unreadable
    assert _trainer is not None, "the first task of a worker is `use_rows`"
    return _trainer


def start(
    progress: Callable[[float], None], cache_folder: Path | None, threads: int = 1, gpu: float = 0.0
) -> Callable[[TrainingRows], PopulationTrainer]:
    """Import and configure TensorFlow in a worker process, without its output.

    Args:
        progress: Called with the lane-epochs that were trained since the last call.
        cache_folder: The folder of compiled programs, used without a GPU only: whether a GPU's programs can be loaded again was
            not tried.
        threads: The number of TensorFlow's CPU threads.
        gpu: The share of a GPU that the worker has; with 0, no GPU may be visible to the process.

    Returns:
        What makes the worker's trainer from the training rows.

    Raises:
        BackendError: TensorFlow sees no GPU although `gpu` is above 0.
    """
    if gpu:
        os.environ.update(gpus.GROWTH)
    elif cache_folder:
        program_cache.use_cache_folder(cache_folder)
    with silence_stderr(), rare_garbage_collection(), _without_keras():
        import tensorflow as tf  # noqa: PLC0415  # only workers pay for it

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        from branchsweep.training.trainer import PopulationTrainer  # noqa: PLC0415  # as above

        tf.get_logger().setLevel("ERROR")  # it warns about repeated tracing, as it counts our programs as one function
        if gpu:
            use_exact_arithmetic(tf)
        tf.zeros([])  # looks for devices, and logs about them
    return partial(PopulationTrainer, progress=progress, device=gpus.device_in_process(gpu) if gpu else CPU)


@contextmanager
def _without_keras() -> Iterator[None]:
    """Context in which the import of TensorFlow does not import Keras, which takes as long again.

    TensorFlow does so for the side effects of one module of Keras, and goes on where there is none. Training needs no Keras;
    `tf.keras` and `import keras` work as ever after this.
    """
    if "keras" in sys.modules:
        yield
        return
    sys.modules[_EAGERLY_IMPORTED] = None  # type: ignore[assignment]  # Python's way to say that there is no such module
    try:
        yield
    finally:
        del sys.modules[_EAGERLY_IMPORTED]


def use_exact_arithmetic(tf: Any) -> None:
    """Let TensorFlow multiply in full float32 and sum in a fixed order on a GPU, as nearly as on a CPU as a GPU can.

    By default a GPU rounds factors to 10 bits (TF32), and uses whichever algorithm was fastest in this process.
    """
    tf.config.experimental.enable_tensor_float_32_execution(enabled=False)
    tf.config.experimental.enable_op_determinism()


def warm_up() -> None:
    """Nothing: the initializer has done the work."""


def import_export() -> None:
    """Import what models are exported with: Keras, among others, which takes a second and more."""
    with silence_stderr(), rare_garbage_collection():
        import branchsweep.models.export  # noqa: F401, PLC0415  # training needs none of it


def use_rows(handed_over: TrainingRows | Path) -> None:
    """Train on these rows from now on; see `shared_rows.py`."""
    global _trainer, _unreadable  # noqa: PLW0603  # as above
    try:
        rows, _unreadable = read_rows(handed_over), None
    except (OSError, MemoryError, EOFError, ValueError) as error:  # nobody awaits this task, so the next one says it
        _unreadable = BackendError(
            f"a worker cannot read the training rows, which are in {handed_over} ({first_line(error)}):"
            " was the folder for temporary files emptied? Run the command again, with TMPDIR=FOLDER for another one"
        )
        return
    if _trainer is not None:
        _trainer.use_rows(rows)
    elif _make_trainer is not None and not isinstance(_make_trainer, BackendError):  # else `_started_trainer` says why
        _trainer = _make_trainer(rows)


def prepare(population: Population) -> None:
    """Compile or load the program of a population."""
    require_kinds(population)
    _started_trainer().prepare(population)


def train_population(population: Population, keep_weights: bool) -> PopulationOutcome:
    """Train a population to its stops."""
    trainer = _started_trainer()
    require_kinds(population)
    return trainer.train_one(population, keep_weights)


def export_networks(folder: Path, model: ExportedModel) -> None:
    """Write trained lanes as one model, without the files of its estimators."""
    _started_trainer().export_networks(folder, model)


def predict_networks(folder: Path, x: Floats) -> Floats:
    """Predictions of an exported model's networks."""
    return _started_trainer().predict_networks(folder, x)


def measure_latency(folder: Path, x: Floats) -> float:
    """Seconds that an exported model takes to predict, on one thread."""
    return _started_trainer().measure_latency(folder, x)
