"""Worker processes that are started as soon as the experiment is read: they import TensorFlow while the table is read.

The module imports little, so that a command can start them before its own imports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.workers import LocalWorkersConfig, Workers
from branchsweep.data.training_rows import TrainingRows
from branchsweep.runtime import allow_open_files, available_memory, cache_folder
from branchsweep.training import gpus
from branchsweep.training.local_workers import LocalWorkers, local_resources
from branchsweep.training.protocols import WorkerCallbacks

OPEN_FILES, OPEN_FILES_PER_WORKER = 96, 12
"""Files that a sweep has open at once, at most, with those of libraries and the store, and those for each worker process."""

START_BYTES = 600 << 20
"""What a worker takes before it trains: so many start before the table is read as there is memory for."""


@dataclass(frozen=True, slots=True)
class StartedWorkers:
    """Worker processes of this machine that have no rows yet.

    Args:
        workers: The processes.
        wanted: How many there are to be, if memory allows.
        config: How the user wants them.
        has_gpus: Whether they train on GPUs.
    """

    workers: LocalWorkers
    wanted: int
    config: LocalWorkersConfig
    has_gpus: bool

    def begin(self, rows: TrainingRows, experiment: Experiment | None, callbacks: WorkerCallbacks) -> LocalWorkers:
        """The same workers with rows, as many as there is memory for.

        Args:
            rows: The training rows.
            experiment: Says how much memory training takes; None where that is not to be checked.
            callbacks: Called while they train.

        Raises:
            BackendError: There is no memory for one, or for the number that the user has given.
        """
        count = self.wanted
        if experiment and not self.has_gpus:
            from branchsweep.training.memory import training_need, workers_that_fit  # noqa: PLC0415  # for a fast start

            present = available_memory()
            available = None if present is None else present + self.workers.memory
            count = workers_that_fit(training_need(rows, experiment), count, available, self.config.count is not None)
            if count < self.wanted:
                callbacks.on_message(f"{count} of {self.wanted} workers train: there is no memory for more with this table")
        self.workers.begin(rows, count, callbacks)
        return self.workers


@contextmanager
def start_workers(workers: Workers, on_message: Callable[[str], None]) -> Iterator[StartedWorkers | None]:
    """Worker processes of this machine, for as long as the context is open; None for the workers of a cluster.

    Args:
        workers: Which workers.
        on_message: Called with sentences about GPUs and damaged programs.

    Raises:
        UserError: There are fewer GPUs than wanted, or the system allows too few open files.
    """
    if not isinstance(workers, LocalWorkersConfig):
        yield None
        return
    found = gpus.choose_gpus(workers, on_message)
    wanted = local_resources(found, workers.count).workers
    allow_open_files(OPEN_FILES + OPEN_FILES_PER_WORKER * wanted)
    memory = available_memory()
    at_first = wanted if memory is None else min(wanted, max(1, memory // START_BYTES))
    callbacks = WorkerCallbacks(on_message=on_message)
    with LocalWorkers(None, at_first, callbacks, cache_folder(), found) as started:
        yield StartedWorkers(started, wanted, workers, bool(found))
