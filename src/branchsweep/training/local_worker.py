"""A worker process of this machine as the trainer sees it: what it has compiled and trained, and whether it still answers."""

from __future__ import annotations

import multiprocessing
import multiprocessing.process
import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from branchsweep.data.training_rows import TrainingRows
from branchsweep.runtime import process_memory
from branchsweep.training import worker_process
from branchsweep.training.population import Population, Program
from branchsweep.training.spawning import SPAWN, without_interrupts, without_main_module
from branchsweep.training.worker_process import BEATS, STARTED, TRAINED, ProcessSetup

SILENT_SECONDS = 20.0
"""A worker whose process has not run for so long is replaced: it was stopped, or hangs. Training and compiling do not silence
it, as its heartbeat is a thread of its own."""

START_SECONDS = 120.0
"""The same for a worker that starts: the import of TensorFlow lets no other thread run, and may read from a slow disk. One
whose process is seen to be stopped has no more than `SILENT_SECONDS`."""


@dataclass(slots=True, eq=False)
class LocalWorker:
    """A worker process. Made by `start`.

    Args:
        index: Its number, by which it has its core or its GPU.
        executor: Its pool of one process.
        counters: What its process counts, in shared memory: `TRAINED`, `BEATS`, `STARTED`.
        process: Its process; None where that had died before it was seen.
        programs: The programs that it has compiled.
        exports: Whether it has imported what models are exported with, or does so.
    """

    index: int
    executor: ProcessPoolExecutor
    counters: Any
    process: multiprocessing.process.BaseProcess | None = None
    programs: set[Program] = field(default_factory=set)
    exports: bool = False
    _reported: float = field(default=0.0, init=False)  # lane-epochs that were reported as progress
    _beats: float = field(default=0.0, init=False)  # `BEATS` when they last changed
    _silent: float = field(default=0.0, init=False)  # seconds since then

    @classmethod
    def start(cls, index: int, setup: ProcessSetup, rows: TrainingRows | Path | None) -> LocalWorker:
        """A worker with a new process, which imports TensorFlow at once.

        Args:
            index: Its number.
            setup: What its process is made of.
            rows: The training rows, or the file that they are in (see `shared_rows.py`); None if they are not known yet.
        """
        counters = SPAWN.RawArray("d", 3)
        worker = cls(index, ProcessPoolExecutor(1, SPAWN, worker_process.initialize, (setup, counters)), counters)
        others = set(multiprocessing.active_children())
        with without_main_module(), without_interrupts():
            if rows is None:
                worker.executor.submit(worker_process.warm_up)
            else:
                worker.executor.submit(worker_process.use_rows, rows)
        worker.process = next(iter(set(multiprocessing.active_children()) - others), None)
        return worker

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Hand a function to the process; where that has died, the future says so as if it had died later."""
        try:
            return self.executor.submit(function, *arguments)
        except BrokenProcessPool as error:
            future: Future[Any] = Future()
            future.set_exception(error)
            return future

    def kill(self) -> None:
        """End the process, without waiting for it."""
        if self.process is not None:
            self.process.kill()

    @property
    def memory(self) -> int:
        """Bytes that the process takes now, apart from what it shares with others."""
        return process_memory(self.process.pid or 0) if self.process else 0

    @property
    def trained(self) -> float:
        """Lane-epochs that the process has trained."""
        return float(self.counters[TRAINED])

    def newly_trained(self) -> float:
        """Lane-epochs that the process has trained since the last call."""
        trained = self.trained
        new, self._reported = trained - self._reported, trained
        return new

    def loss(self, seconds: float) -> str:
        """Why the worker is lost, as the predicate of a sentence; empty if it is not.

        Args:
            seconds: Since the last call.
        """
        beats = self.counters[BEATS]
        if beats != self._beats:
            self._beats, self._silent = beats, 0.0
        else:
            self._silent += seconds
        if self.process is None or not self.process.is_alive():
            return f"has died ({_exit_reason(self.process.exitcode if self.process else None)})"
        is_starting = not self.counters[STARTED] and not _is_stopped(self.process)
        if self._silent > (START_SECONDS if is_starting else SILENT_SECONDS):
            return f"has not answered for {self._silent:.0f} s"
        return ""


@dataclass(frozen=True, slots=True)
class LocalTask:
    """A population in training.

    Args:
        worker: The worker that trains it.
        position: Its position in the queue.
        population: What is trained.
        begun: Lane-epochs that the worker had trained before.
    """

    worker: LocalWorker
    position: int
    population: Population
    begun: float


def _is_stopped(process: multiprocessing.process.BaseProcess) -> bool:
    """Whether the system has stopped a process, as by SIGSTOP, as far as the system says."""
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:  # it has ended, or the system is not Linux
        return False
    return stat.rpartition(")")[2].split()[:1] in (["T"], ["t"])


def _exit_reason(code: int | None) -> str:
    """Why a process ended, from its exit code: the name of the signal, if it was one."""
    if code is not None and code < 0:
        with suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
