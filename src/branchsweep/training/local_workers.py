"""Trains populations in worker processes: each has one thread pinned to a core, or a GPU.

Two pinned processes train 1.8 to 1.9 times as fast as one on two cores, two threads in one process hardly faster than one (see
`benchmarks/README.md`). A population goes to the worker that has its program compiled already, if there is one; results do not
depend on where it went. This module imports no TensorFlow: only the workers do.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import multiprocessing.process
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from branchsweep.config import kinds
from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import BackendError
from branchsweep.models.exported_model import ExportedModel
from branchsweep.models.serving import Floats
from branchsweep.runtime import silence_stderr
from branchsweep.training import gpus
from branchsweep.training.extension_modules import import_modules, require_kinds
from branchsweep.training.gpus import Gpu
from branchsweep.training.population import Population, PopulationOutcome, Program
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.program import program_cache
from branchsweep.training.protocols import NO_CALLBACKS, WorkerCallbacks, WorkerStatus
from branchsweep.training.resources import CPU, Resources
from branchsweep.training.scheduler import next_assignment

if TYPE_CHECKING:
    from branchsweep.training.trainer import PopulationTrainer

MAX_PROGRAMS = 16
"""The most compiled programs in a worker's memory, at 70 to 100 megabytes each. The shipped space needs 14; one that varies
batch sizes, too, needs many more, but seldom the same again soon."""

DEFAULT_THREADS = 0
"""TensorFlow chooses the number of threads: for a process with a GPU."""

POLL_SECONDS = 0.2
"""How often the parent polls the workers."""

SPAWN = multiprocessing.get_context("spawn")
"""How worker processes are started: TensorFlow does not survive a fork."""


def available_cores() -> list[int]:
    """The cores this process may use."""
    return sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else list(range(os.cpu_count() or 1))


def local_resources(cards: Sequence[Gpu], count: int | None) -> Resources:
    """The workers of this machine: one per GPU, with the memory of the smallest; without GPUs `count`, or one per core if None.

    Args:
        cards: The GPUs to train on.
        count: The number of worker processes; not used with GPUs.
    """
    if not cards:
        return Resources(count or len(available_cores()))
    return Resources(len(cards), min((card.device for card in cards), key=lambda device: device.memory))


@dataclass(frozen=True, slots=True)
class _ProcessSetup:
    """What a worker process is made of.

    Args:
        rows: The training rows.
        cache_folder: See `LocalWorkers`.
        core: The core that it is pinned to, unless it has a GPU.
        card: Its GPU; None for none.
        modules: The modules that register further kinds of encoders, layers and heads.
    """

    rows: TrainingRows
    cache_folder: Path | None
    core: int
    card: Gpu | None
    modules: Sequence[str]


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker process, from the parent's side.

    Args:
        executor: Its pool of one process.
        programs: The programs that it has compiled.
    """

    executor: ProcessPoolExecutor
    programs: set[Program] = field(default_factory=set)


class LocalWorkers:
    """A `Trainer` with processes; a context manager, which starts and ends them.

    Args:
        rows: The training rows.
        count: The number of processes; one per core if None. Not used with `cards`.
        callbacks: Called while they train.
        cache_folder: The folder in which compiled programs are kept for later runs; None for none. Programs of a GPU are not
            kept.
        cards: GPUs of one kind, each of which gets a process; empty to train on CPU cores.
    """

    def __init__(
        self,
        rows: TrainingRows,
        count: int | None = None,
        callbacks: WorkerCallbacks = NO_CALLBACKS,
        cache_folder: Path | None = None,
        cards: Sequence[Gpu] = (),
    ) -> None:
        self._rows, self._count, self._callbacks, self._cache_folder, self._cards = rows, count, callbacks, cache_folder, cards
        self._workers: list[_Worker] = []
        self._processes: set[multiprocessing.process.BaseProcess] = set()
        self._trained: Any = None  # the counter of lane-epochs that all workers share, while the context is open
        self._reported = 0.0

    @property
    def resources(self) -> Resources:
        """How many populations train at once, and on what."""
        return local_resources(self._cards, self._count)

    def __enter__(self) -> Self:
        self._trained = SPAWN.Value("d", 0.0)
        self._workers = [_Worker(self._executor(index)) for index in range(self.resources.workers)]
        for worker in self._workers:
            self._warm_up(worker)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self._processes:  # without waiting for those that still train or import
            process.kill()
        for worker in self._workers:
            worker.executor.shutdown(cancel_futures=True)  # ends its thread, which would fail while this process ends

    def train(self, queue: PopulationQueue, keep_weights: bool = False) -> Iterator[tuple[int, PopulationOutcome]]:
        """Train every population to its stops; yields (position, outcome) as they finish."""
        training: dict[Future[PopulationOutcome], tuple[_Worker, int]] = {}
        idle = list(self._workers)
        while queue or training:
            while idle and queue:
                compiled_by_any = set[Program]().union(*(worker.programs for worker in self._workers))
                worker, position = next_assignment({worker: worker.programs for worker in idle}, queue.next, compiled_by_any)
                population = queue.take(position)
                idle.remove(worker)
                self._make_room(worker, population.program)
                training[worker.executor.submit(_train, population, keep_weights)] = (worker, position)
            self._callbacks.on_status(WorkerStatus(len(self._workers), len(training), len(queue)))
            done, _ = wait(training, POLL_SECONDS, FIRST_COMPLETED)
            self._report_progress()
            for task in done:
                worker, position = training.pop(task)
                idle.append(worker)
                yield position, _result(task)

    def export(self, folder: Path, model: ExportedModel) -> None:
        """Write lanes that were trained on all rows as one model, in a worker, which has Keras at hand."""
        _result(self._workers[0].executor.submit(_export, folder, model))

    def predict(self, folder: Path, x: Floats) -> Floats:
        """Predictions of the exported model, by a worker."""
        predicted: Floats = _result(self._workers[0].executor.submit(_predict, folder, x))
        return predicted

    def measure_latency(self, folder: Path, x: Floats) -> float:
        """Seconds that the exported model takes to predict for these rows, measured in a worker, on one thread."""
        seconds: float = _result(self._workers[0].executor.submit(_measure_latency, folder, x))
        return seconds

    def _executor(self, index: int) -> ProcessPoolExecutor:
        """The pool of one process of worker `index`; it starts with the first task."""
        available = available_cores()
        core, card = available[index % len(available)], self._cards[index] if self._cards else None
        setup = _ProcessSetup(self._rows, self._cache_folder, core, card, kinds.extension_modules())
        return ProcessPoolExecutor(1, SPAWN, _initialize, (setup, self._trained))

    def _warm_up(self, worker: _Worker) -> None:
        """Start a worker's process, which imports TensorFlow while the parent asks the driver for trials."""
        others = set(multiprocessing.active_children())
        with _without_main_module():
            worker.executor.submit(_warm_up)
        self._processes |= set(multiprocessing.active_children()) - others

    def _make_room(self, worker: _Worker, program: Program) -> None:
        """Replace the process of a worker that has compiled `MAX_PROGRAMS`, as XLA never frees a compiled program."""
        if program not in worker.programs and len(worker.programs) >= MAX_PROGRAMS:
            worker.executor.shutdown()
            worker.executor, worker.programs = self._executor(self._workers.index(worker)), set()
            self._warm_up(worker)
        worker.programs.add(program)

    def _report_progress(self) -> None:
        trained = self._trained.value
        if trained > self._reported:
            self._callbacks.on_trained(trained - self._reported)
            self._reported = trained


def _result(task: Future[Any]) -> Any:
    try:
        return task.result()
    except BrokenProcessPool as error:
        raise BackendError(
            "a worker process died while it trained (most often for want of memory). What was finished is recorded: run the "
            "same command again to go on, with fewer --workers if memory was short"
        ) from error


_trainer: PopulationTrainer | BackendError | None = None
"""The worker's own, made once per process, or why it could not be made."""


def _initialize(setup: _ProcessSetup, trained: Any) -> None:
    """Initialize a worker process: pin it to a core or a GPU, ignore Ctrl-C, end with the parent, and make its trainer.

    Args:
        setup: What it is made of.
        trained: The shared counter of the lane-epochs that all workers trained.
    """
    global _trainer  # noqa: PLW0603  # a process pool's initializer has no other place to leave things
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    card = setup.card
    if sys.platform == "linux" and not card:
        os.sched_setaffinity(0, {setup.core})
    os.environ[gpus.VISIBLE] = card.visible if card else gpus.HIDDEN

    def progress(lane_epochs: float) -> None:
        with trained.get_lock():
            trained.value += lane_epochs

    try:
        _trainer = start(setup.rows, progress, setup.cache_folder, DEFAULT_THREADS if card else 1, 1.0 if card else 0.0)
        import_modules(setup.modules)
    except BackendError as error:  # an initializer that raises breaks the pool, and the parent would not learn why
        _trainer = error


def _started_trainer() -> PopulationTrainer:
    """In a worker: its trainer.

    Raises:
        BackendError: It could not be made.
    """
    if isinstance(_trainer, BackendError):
        raise _trainer
    assert _trainer is not None, "the initializer of the pool makes it"
    return _trainer


def start(
    rows: TrainingRows, progress: Callable[[float], None], cache_folder: Path | None, threads: int = 1, gpu: float = 0.0
) -> PopulationTrainer:
    """Import and configure TensorFlow in a worker process, without its output, and make the worker's trainer.

    Args:
        rows: The training rows.
        progress: Called with the lane-epochs that were trained since the last call.
        cache_folder: The folder of compiled programs, used without a GPU only: whether a GPU's programs can be loaded again was
            not tried.
        threads: The number of TensorFlow's CPU threads.
        gpu: The share of a GPU that the worker has; with 0, no GPU may be visible to the process.

    Raises:
        BackendError: TensorFlow sees no GPU although `gpu` is above 0.
    """
    if gpu:
        os.environ.update(gpus.GROWTH)
    elif cache_folder:
        program_cache.use_cache_folder(cache_folder)
    with silence_stderr():
        import tensorflow as tf  # noqa: PLC0415  # only workers pay for it

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        from branchsweep.training.trainer import PopulationTrainer  # noqa: PLC0415  # as above

        tf.get_logger().setLevel("ERROR")  # it warns about repeated tracing, as it counts our programs as one function
        if gpu:
            use_exact_arithmetic(tf)
        tf.zeros([])  # looks for devices, and logs about them
    return PopulationTrainer(rows, progress, gpus.device_in_process(gpu) if gpu else CPU)


def use_exact_arithmetic(tf: Any) -> None:
    """Let TensorFlow multiply in full float32 and sum in a fixed order on a GPU, as nearly as on a CPU as a GPU can.

    By default a GPU rounds factors to 10 bits (TF32), and uses whichever algorithm was fastest in this process.
    """
    tf.config.experimental.enable_tensor_float_32_execution(enabled=False)
    tf.config.experimental.enable_op_determinism()


def _end_with_parent() -> None:
    """End this process when its parent ends, even if that was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has a parent"

    def exit_after_parent() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=exit_after_parent, daemon=True).start()


@contextmanager
def _without_main_module() -> Iterator[None]:
    """Processes that are started in this context do not import the main module.

    A new process imports the script that started it, as far as multiprocessing knows of one. Workers need nothing of it, and a
    script that runs a sweep without `if __name__ == "__main__"` would run it again in each of them.
    """
    main = sys.modules["__main__"]
    kept: dict[str, Any] = {name: vars(main)[name] for name in ("__file__", "__spec__") if name in vars(main)}
    vars(main).pop("__file__", None)
    vars(main)["__spec__"] = None
    try:
        yield
    finally:
        vars(main).pop("__spec__")
        vars(main).update(kept)


def _warm_up() -> None:
    """Nothing: the initializer has done the work."""


def _train(population: Population, keep_weights: bool) -> PopulationOutcome:
    trainer = _started_trainer()
    require_kinds(population)
    return trainer.train_one(population, keep_weights)


def _export(folder: Path, model: ExportedModel) -> None:
    _started_trainer().export(folder, model)


def _predict(folder: Path, x: Floats) -> Floats:
    return _started_trainer().predict(folder, x)


def _measure_latency(folder: Path, x: Floats) -> float:
    return _started_trainer().measure_latency(folder, x)
