"""Trains populations in worker processes: each has one thread pinned to a core, or a GPU.

Two pinned processes train 1.8 to 1.9 times as fast as one on two cores, two threads in one process hardly faster than one (see
`benchmarks/README.md`). A population goes to the worker that has its program compiled already, if there is one; results do not
depend on where it went. This module imports no TensorFlow: only the workers do.

A worker whose process has died, or has not run for `SILENT_SECONDS`, is replaced by a new one, and its population is trained
again: lanes carry the seeds that their weights derive from, so the outcome is the same.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from branchsweep.config import kinds
from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import BackendError, ProgramCacheError
from branchsweep.models.estimator_files import estimators_written
from branchsweep.models.exported_model import ExportedModel
from branchsweep.models.model_files import LoadedEstimators
from branchsweep.models.serving import Floats
from branchsweep.training import worker_process
from branchsweep.training.gpus import Gpu
from branchsweep.training.local_worker import LocalTask, LocalWorker
from branchsweep.training.population import Population, PopulationOutcome, Program
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.program import program_cache
from branchsweep.training.protocols import LOST_WORKERS_ADVICE, NO_CALLBACKS, WorkerCallbacks, WorkerStatus
from branchsweep.training.resources import Resources
from branchsweep.training.scheduler import next_assignment
from branchsweep.training.shared_rows import SharedRows, read_rows
from branchsweep.training.worker_process import ProcessSetup

MAX_PROGRAMS = 16
"""The most compiled programs in a worker's memory, at 70 to 100 megabytes each. The shipped space needs 14; one that varies
batch sizes, too, needs many more, but seldom the same again soon."""

POLL_SECONDS = 0.2
"""How often the parent polls the workers."""

MAX_LOSSES = 3
"""How often a population is trained again as its worker was lost: then it may be the cause."""

MAX_STEP_SECONDS = 1.0
"""The most time that counts between two polls, so that a worker is not taken for silent when the parent stood still as well."""


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


class LocalWorkers:
    """A `Trainer` with processes; a context manager, which starts and ends them.

    Args:
        rows: The training rows; None if they are not known yet: `begin` hands them over.
        count: The number of processes; one per core if None. Not used with `cards`.
        callbacks: Called while they train.
        cache_folder: The folder in which compiled programs are kept for later runs; None for none. Programs of a GPU are not
            kept.
        cards: GPUs of one kind, each of which gets a process; empty to train on CPU cores.
    """

    def __init__(
        self,
        rows: TrainingRows | None,
        count: int | None = None,
        callbacks: WorkerCallbacks = NO_CALLBACKS,
        cache_folder: Path | None = None,
        cards: Sequence[Gpu] = (),
    ) -> None:
        self._count, self._callbacks, self._cache_folder, self._cards = count, callbacks, cache_folder, cards
        self._rows, self._row_count = SharedRows(), 0
        if rows is not None:
            self._share(rows)
        self._workers: list[LocalWorker] = []
        self._repeated = 0.0  # lane-epochs that were reported, and are trained again as their worker was lost
        self._polled = 0.0
        self._estimators: LoadedEstimators | None = None

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
            worker.kill()
        for worker in self._workers:
            worker.executor.shutdown(cancel_futures=True)  # ends its thread, which would fail while this process ends
        self._workers.clear()
        self._rows.close()

    def begin(self, rows: TrainingRows, count: int, callbacks: WorkerCallbacks) -> None:
        """Hand over the rows to workers that were started without any.

        Args:
            rows: The training rows.
            count: The number of processes from now on, without GPUs: others are started, or ended.
            callbacks: As of the constructor.
        """
        self._count, self._callbacks = count, callbacks
        for worker in self._workers[self.resources.workers :]:
            self._workers.remove(worker)
            worker.kill()
            worker.executor.shutdown(cancel_futures=True)
        self.use_rows(rows)
        self._workers += [self._new_worker(index) for index in range(len(self._workers), self.resources.workers)]

    def prepare(self, populations: Sequence[Population]) -> None:
        """Let each worker compile or load a program that is soon needed, so that it is there when the first population comes.

        A second one would keep that population waiting: what a worker is handed, it does in this order. Nothing waits for the
        end of it. What fails here fails again, and is reported, where the population is trained.

        Args:
            populations: In the order in which they will be trained.
        """
        of_program: dict[Program, Population] = {}
        for population in populations:
            of_program.setdefault(population.program, population)
        for worker, population in zip(self._workers, of_program.values(), strict=False):
            worker.programs.add(population.program)
            worker.submit(worker_process.prepare, population)

    @property
    def memory(self) -> int:
        """Bytes that its processes take now, apart from what they share with others."""
        return sum(worker.memory for worker in self._workers)

    def use_rows(self, rows: TrainingRows) -> None:
        """Train on other rows of the same columns from now on, in all workers and those that replace them."""
        handed_over = self._share(rows)
        for worker in self._workers:
            worker.submit(worker_process.use_rows, handed_over)  # a worker does what it is handed in this order

    @property
    def rows(self) -> TrainingRows:
        """The rows as its processes have them: large ones are mapped from a file, which takes no memory again."""
        assert self._rows.handed_over is not None, "it has begun"
        return read_rows(self._rows.handed_over)

    def _share(self, rows: TrainingRows) -> TrainingRows | Path:
        """Share these rows with the workers, see `SharedRows.replace`."""
        self._row_count = len(rows.x)
        return self._rows.replace(rows)

    def train(self, queue: PopulationQueue, keep_weights: bool = False) -> Iterator[tuple[int, PopulationOutcome]]:
        """Train every population to its stops, those of lost workers again; yields (position, outcome) as they finish.

        Raises:
            BackendError: More than `MAX_LOSSES` workers were lost over the same population.
        """
        training: dict[Future[PopulationOutcome], LocalTask] = {}
        losses: Counter[int] = Counter()
        self._estimators = None
        while queue or training:
            self._replace_lost(training, queue, losses)
            busy = {task.worker.index for task in training.values()}
            idle = [worker for worker in self._workers if worker.index not in busy]
            while idle and queue:
                compiled_by_any = set[Program]().union(*(worker.programs for worker in self._workers))
                programs = {worker: worker.programs for worker in idle}
                worker, position = next_assignment(programs, queue.next, compiled_by_any, self.resources, self._row_count)
                idle.remove(worker)
                worker = self._with_room(worker, queue, position)
                task = LocalTask(worker, position, queue.take(position), worker.trained)
                future = worker.submit(worker_process.train_population, task.population, keep_weights)
                training[future] = task
            if keep_weights and idle and not any(worker.exports for worker in self._workers):
                idle[0].exports = True  # what is trained with its weights is exported next
                idle[0].submit(worker_process.import_export)
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
        """Write lanes that were trained on all rows as one model, in a worker, which has Keras at hand; its estimators here."""
        with estimators_written(folder, model.estimators):
            self._ask(worker_process.export_networks, folder, model.described)

    def predict(self, folder: Path, x: Floats) -> Floats:
        """Predictions of the exported model: its networks predict in a worker, its estimators here."""
        networks: Floats = self._ask(worker_process.predict_networks, folder, x)
        self._estimators = LoadedEstimators.of(folder, self._estimators)
        return self._estimators.predict(networks, x)

    def measure_latency(self, folder: Path, x: Floats) -> float:
        """Seconds that the exported model takes to predict for these rows, measured in a worker, on one thread."""
        seconds: float = self._ask(worker_process.measure_latency, folder, x)
        return seconds

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The result of a function in a worker; if the worker is lost, in the one that replaces it."""
        for _ in range(1 + MAX_LOSSES):
            self._replace_lost({}, PopulationQueue(), Counter())  # the worker may have died while it was idle
            worker = next((worker for worker in self._workers if worker.exports), self._workers[0])
            worker.exports = True
            future = worker.submit(function, *arguments)
            while not future.done():
                wait([future], POLL_SECONDS)
                if worker in self._replace_lost({}, PopulationQueue(), Counter()):
                    break
            else:
                try:
                    return future.result()
                except BrokenProcessPool:  # it has died, and its process may be seen as alive for a moment still
                    reason = worker.loss(self._seconds_since_poll()) or "has died"
                    self._replace_and_report(worker, reason, "it trained nothing")
        raise BackendError(f"{1 + MAX_LOSSES} workers were lost over the same model: {LOSS_ADVICE}")

    def _new_worker(self, index: int) -> LocalWorker:
        """Worker `index` with a new process, which imports TensorFlow while the parent reads the table, if that is to come."""
        available = available_cores()
        core, card = available[index % len(available)], self._cards[index] if self._cards else None
        setup = ProcessSetup(self._cache_folder, core, card, kinds.extension_modules())
        return LocalWorker.start(index, setup, self._rows.handed_over)

    def _replace(self, worker: LocalWorker) -> LocalWorker:
        """Let a new process take the place of a worker's."""
        worker.kill()
        worker.executor.shutdown(wait=False, cancel_futures=True)
        self._workers[worker.index] = self._new_worker(worker.index)
        return self._workers[worker.index]

    def _replace_lost(
        self, training: dict[Future[PopulationOutcome], LocalTask], queue: PopulationQueue, losses: Counter[int]
    ) -> list[LocalWorker]:
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
        seconds = self._seconds_since_poll()
        self._polled = time.monotonic()
        lost = [(worker, reason) for worker in self._workers if (reason := worker.loss(seconds))]
        for worker, reason in lost:
            tasks = {future: task for future, task in training.items() if task.worker is worker}
            what = "its population is trained again" if tasks else "it trained nothing"
            for future, task in tasks.items():
                del training[future]
                self._repeated += worker.trained - task.begun
                queue.put_back(task.position, task.population)
                losses[task.position] += 1
                if losses[task.position] > MAX_LOSSES:
                    count = losses[task.position]
                    raise BackendError(f"{count} workers were lost over the same population, the last {reason}: {LOSS_ADVICE}")
            self._replace_and_report(worker, reason, what)
        return [worker for worker, _ in lost]

    def _replace_and_report(self, worker: LocalWorker, reason: str, what: str) -> None:
        """Replace a lost worker, after its last progress is reported.

        Args:
            worker: The worker.
            reason: Why it is lost, as the predicate of a sentence.
            what: What becomes of its work, as a sentence.
        """
        pid = worker.process.pid if worker.process else "?"
        self._report_progress()
        self._replace(worker)
        self._callbacks.on_message(f"worker process {pid} {reason}: a new one takes its place, {what}")

    def _seconds_since_poll(self) -> float:
        """The seconds for which a worker may have been silent: at most `MAX_STEP_SECONDS`."""
        return min(time.monotonic() - self._polled, MAX_STEP_SECONDS)

    def _with_room(self, worker: LocalWorker, queue: PopulationQueue, position: int) -> LocalWorker:
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
        trained = sum(worker.newly_trained() for worker in self._workers)
        repeated = min(self._repeated, trained)
        self._repeated -= repeated
        if trained > repeated:
            self._callbacks.on_trained(trained - repeated)


LOSS_ADVICE = f"{LOST_WORKERS_ADVICE}, with fewer --workers if memory was short"
"""The end of the message that workers were lost again and again."""


def damage_message(files: int, where: str) -> str:
    """The message that damaged files of programs were deleted."""
    return f"compiled programs in {where} were damaged on disk, {files} files of them: deleted, and compiled again"
