"""Trains populations in worker processes: each has one thread pinned to a core, or a GPU.

Two pinned processes train 1.8 to 1.9 times as fast as one on two cores, two threads in one process hardly faster than one (see
`benchmarks/README.md`). A population goes to the worker that has its program compiled already, if there is one; results do not
depend on where it went. This module imports no TensorFlow: only the workers do.

A worker whose process has died, or has not run for `SILENT_SECONDS`, is replaced by a new one, and its population is trained
again: lanes carry the seeds that their weights derive from, so the outcome is the same.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import multiprocessing.process
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from branchsweep.config import kinds
from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import BackendError, ProgramCacheError
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

SILENT_SECONDS = 20.0
"""A worker whose process has not run for so long is replaced: it was stopped, or hangs. Training and compiling do not silence
it, as its heartbeat is a thread of its own."""

START_SECONDS = 120.0
"""The same for a worker that starts: the import of TensorFlow lets no other thread run, and may read from a slow disk."""

MAX_LOSSES = 3
"""How often a population is trained again as its worker was lost: then it may be the cause."""

MAX_STEP_SECONDS = 1.0
"""The most time that counts between two polls, so that a worker is not taken for silent when the parent stood still as well."""

TRAINED, BEATS, STARTED = range(3)
"""What a worker counts: lane-epochs trained, seconds in which its process ran, and whether it has started."""

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
        index: Its number, by which it has its core or its GPU.
        executor: Its pool of one process.
        counters: What its process counts, in shared memory: `TRAINED`, `BEATS`, `STARTED`.
        process: Its process; None until it is started.
        programs: The programs that it has compiled.
        reported: Lane-epochs that were reported as progress.
        beats: `BEATS` at the last poll.
        silent: Seconds since they changed.
    """

    index: int
    executor: ProcessPoolExecutor
    counters: Any
    process: multiprocessing.process.BaseProcess | None = None
    programs: set[Program] = field(default_factory=set)
    reported: float = 0.0
    beats: float = 0.0
    silent: float = 0.0


@dataclass(frozen=True, slots=True)
class _Task:
    """A population in training.

    Args:
        worker: The worker that trains it.
        position: Its position in the queue.
        population: What is trained.
        begun: Lane-epochs that the worker had trained before.
    """

    worker: _Worker
    position: int
    population: Population
    begun: float


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
        self._repeated = 0.0  # lane-epochs that were reported, and are trained again as their worker was lost
        self._polled = 0.0

    @property
    def resources(self) -> Resources:
        """How many populations train at once, and on what."""
        return local_resources(self._cards, self._count)

    def __enter__(self) -> Self:
        damaged = program_cache.delete_damaged_programs(self._cache_folder) if self._cache_folder else 0
        if damaged:
            self._callbacks.on_message(damage_message(damaged, str(self._cache_folder)))
        self._polled = time.monotonic()
        for index in range(self.resources.workers):
            self._workers.append(self._new_worker(index))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self._workers:  # without waiting for those that still train or import
            _kill(worker)
        for worker in self._workers:
            worker.executor.shutdown(cancel_futures=True)  # ends its thread, which would fail while this process ends
        self._workers.clear()

    def train(self, queue: PopulationQueue, keep_weights: bool = False) -> Iterator[tuple[int, PopulationOutcome]]:
        """Train every population to its stops, those of lost workers again; yields (position, outcome) as they finish.

        Raises:
            BackendError: More than `MAX_LOSSES` workers were lost over the same population.
        """
        training: dict[Future[PopulationOutcome], _Task] = {}
        losses: Counter[int] = Counter()
        while queue or training:
            self._replace_lost(training, queue, losses)
            busy = {task.worker.index for task in training.values()}
            idle = [worker for worker in self._workers if worker.index not in busy]
            while idle and queue:
                compiled_by_any = set[Program]().union(*(worker.programs for worker in self._workers))
                worker, position = next_assignment({worker: worker.programs for worker in idle}, queue.next, compiled_by_any)
                idle.remove(worker)
                worker = self._with_room(worker, queue, position)
                task = _Task(worker, position, queue.take(position), worker.counters[TRAINED])
                future = _submit(worker, _train, task.population, keep_weights)
                training[future] = task
            self._callbacks.on_status(WorkerStatus(len(self._workers), len(training), len(queue)))
            done, _ = wait(training, POLL_SECONDS, FIRST_COMPLETED)
            self._report_progress()
            for future in done:
                task = training[future]
                try:
                    outcome = future.result()
                except BrokenProcessPool:
                    continue  # the worker has died: it is replaced, and its population put back
                except ProgramCacheError as error:
                    self._train_without_cache(error)
                    del training[future]
                    self._replace(task.worker)
                    queue.put_back(task.position, task.population)
                    continue
                del training[future]
                losses.pop(task.position, None)
                yield task.position, outcome

    def export(self, folder: Path, model: ExportedModel) -> None:
        """Write lanes that were trained on all rows as one model, in a worker, which has Keras at hand."""
        self._ask(_export, folder, model)

    def predict(self, folder: Path, x: Floats) -> Floats:
        """Predictions of the exported model, by a worker."""
        predicted: Floats = self._ask(_predict, folder, x)
        return predicted

    def measure_latency(self, folder: Path, x: Floats) -> float:
        """Seconds that the exported model takes to predict for these rows, measured in a worker, on one thread."""
        seconds: float = self._ask(_measure_latency, folder, x)
        return seconds

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The result of a function in a worker; if the worker is lost, in the one that replaces it."""
        losses: Counter[int] = Counter()
        while True:
            future = _submit(self._workers[0], function, *arguments)
            while not future.done():
                wait([future], POLL_SECONDS)
                if any(worker.index == 0 for worker in self._replace_lost({}, PopulationQueue(), losses)):
                    losses[0] += 1
                    if losses[0] > MAX_LOSSES:
                        raise BackendError(f"{losses[0]} workers were lost over the same model: {LOSS_ADVICE}")
                    break
            else:
                with suppress(BrokenProcessPool):  # it died as it finished: seen, and replaced, at the next poll
                    return future.result()

    def _new_worker(self, index: int) -> _Worker:
        """Worker `index` with a new process, which imports TensorFlow while the parent asks the driver for trials."""
        available = available_cores()
        core, card = available[index % len(available)], self._cards[index] if self._cards else None
        setup = _ProcessSetup(self._rows, self._cache_folder, core, card, kinds.extension_modules())
        counters = SPAWN.RawArray("d", 3)
        worker = _Worker(index, ProcessPoolExecutor(1, SPAWN, _initialize, (setup, counters)), counters)
        others = set(multiprocessing.active_children())
        with _without_main_module():
            worker.executor.submit(_warm_up)
        worker.process = next(iter(set(multiprocessing.active_children()) - others), None)
        return worker

    def _replace(self, worker: _Worker) -> _Worker:
        """Let a new process take the place of a worker's."""
        _kill(worker)
        worker.executor.shutdown(wait=False, cancel_futures=True)
        self._workers[worker.index] = self._new_worker(worker.index)
        return self._workers[worker.index]

    def _replace_lost(
        self, training: dict[Future[PopulationOutcome], _Task], queue: PopulationQueue, losses: Counter[int]
    ) -> list[_Worker]:
        """Replace the workers that have died or are silent, put their populations back, and report it.

        Args:
            training: The populations in training; those of lost workers are removed.
            queue: Where they are put back.
            losses: How many workers were lost over each population, by its position; counted up.

        Returns:
            The workers that were replaced.

        Raises:
            BackendError: More than `MAX_LOSSES` workers were lost over the same population.
        """
        lost = [(worker, reason) for worker in self._workers if (reason := self._loss(worker))]
        self._polled = time.monotonic()
        for worker, reason in lost:
            tasks = {future: task for future, task in training.items() if task.worker is worker}
            pid = worker.process.pid if worker.process else "?"
            what = "its population is trained again" if tasks else "it trained nothing"
            for future, task in tasks.items():
                del training[future]
                self._repeated += worker.counters[TRAINED] - task.begun
                queue.put_back(task.position, task.population)
                losses[task.position] += 1
                if losses[task.position] > MAX_LOSSES:
                    count = losses[task.position]
                    raise BackendError(f"{count} workers were lost over the same population, the last {reason}: {LOSS_ADVICE}")
            self._report_progress()
            self._replace(worker)
            self._callbacks.on_message(f"worker process {pid} {reason}: a new one takes its place, {what}")
        return [worker for worker, _ in lost]

    def _loss(self, worker: _Worker) -> str:
        """Why a worker is lost, as the predicate of a sentence; empty if it is not."""
        beats = worker.counters[BEATS]
        if beats != worker.beats:
            worker.beats, worker.silent = beats, 0.0
        else:
            worker.silent += min(time.monotonic() - self._polled, MAX_STEP_SECONDS)
        if worker.process is not None and not worker.process.is_alive():
            return f"has died ({_exit_reason(worker.process.exitcode)})"
        if worker.silent > (SILENT_SECONDS if worker.counters[STARTED] else START_SECONDS):
            return f"has not answered for {worker.silent:.0f} s"
        return ""

    def _with_room(self, worker: _Worker, queue: PopulationQueue, position: int) -> _Worker:
        """A worker for a population: a new process where this one has compiled `MAX_PROGRAMS`, as XLA never frees one."""
        program = dict(queue.next)[position].program
        if program not in worker.programs and len(worker.programs) >= MAX_PROGRAMS:
            worker = self._replace(worker)
        worker.programs.add(program)
        return worker

    def _train_without_cache(self, error: ProgramCacheError) -> None:
        """Keep no more compiled programs, and say so once."""
        if self._cache_folder:
            self._cache_folder = None
            self._callbacks.on_message(f"{error}: training goes on, and compiled programs are not kept for later runs")

    def _report_progress(self) -> None:
        """Report what was trained since the last call, apart from what was reported already by workers that were lost."""
        trained = 0.0
        for worker in self._workers:
            total = worker.counters[TRAINED]
            trained += total - worker.reported
            worker.reported = total
        repeated = min(self._repeated, trained)
        self._repeated -= repeated
        if trained > repeated:
            self._callbacks.on_trained(trained - repeated)


LOSS_ADVICE = (
    "most often for want of memory. What was finished is recorded: run the same command again to go on, with fewer --workers "
    "if memory was short"
)
"""The end of the message that workers were lost again and again."""


def damage_message(programs: int, where: str) -> str:
    """The message that damaged programs were deleted."""
    return f"{programs} compiled program{'s' * (programs != 1)} in {where} were damaged on disk: deleted, and compiled again"


def _submit(worker: _Worker, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Hand a function to a worker's process; where that has died, the future says so as if it had died later."""
    try:
        return worker.executor.submit(function, *arguments)
    except BrokenProcessPool as error:
        future: Future[Any] = Future()
        future.set_exception(error)
        return future


def _kill(worker: _Worker) -> None:
    if worker.process is not None:
        worker.process.kill()


def _exit_reason(code: int | None) -> str:
    """Why a process ended, from its exit code: the name of the signal, if it was one."""
    if code is not None and code < 0:
        with suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


_trainer: PopulationTrainer | BackendError | None = None
"""The worker's own, made once per process, or why it could not be made."""


def _initialize(setup: _ProcessSetup, counters: Any) -> None:
    """Initialize a worker process: pin it to a core or a GPU, ignore Ctrl-C, end with the parent, and make its trainer.

    Args:
        setup: What it is made of.
        counters: What it counts, in memory that it shares with the parent: `TRAINED`, `BEATS`, `STARTED`.
    """
    global _trainer  # noqa: PLW0603  # a process pool's initializer has no other place to leave things
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    _beat(counters)
    card = setup.card
    if sys.platform == "linux" and not card:
        os.sched_setaffinity(0, {setup.core})
    os.environ[gpus.VISIBLE] = card.visible if card else gpus.HIDDEN

    def progress(lane_epochs: float) -> None:
        counters[TRAINED] += lane_epochs  # no lock: this thread alone writes it

    try:
        _trainer = start(setup.rows, progress, setup.cache_folder, DEFAULT_THREADS if card else 1, 1.0 if card else 0.0)
        import_modules(setup.modules)
    except BackendError as error:  # an initializer that raises breaks the pool, and the parent would not learn why
        _trainer = error
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
