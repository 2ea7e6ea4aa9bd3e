"""Reads a recorded sweep again and again, in a thread, so that whoever shows it never waits for the store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from branchsweep.errors import UserError
from branchsweep.workflows.records.live_sweep import LiveSweep

SECONDS = 2.0
"""Seconds between two readings of a running sweep, if they are quick."""

SLOW_SECONDS = 10.0
"""Seconds between two readings of a sweep that does not run, and while the store does not answer."""

SHARE = 4
"""A reading that takes longer than usual is followed by a pause of this many times its duration, to spare the store."""


@dataclass(frozen=True, slots=True)
class LiveReading:
    """What was read of a sweep last.

    Args:
        sweep: As it was read last.
        seconds_ago: When that was.
        problem: Why it could not be read again since then, as a sentence; empty where it was.
    """

    sweep: LiveSweep
    seconds_ago: float
    problem: str


class LivePoller:
    """Keeps the last reading of a sweep; a context manager that stops at its exit.

    Args:
        read: Reads the sweep.
        first: The first reading, so that there always is one.
        seconds: Between two readings.
    """

    def __init__(self, read: Callable[[], LiveSweep], first: LiveSweep, seconds: float = SECONDS) -> None:
        self._read, self._seconds = read, seconds
        self._lock = threading.Lock()
        self._last, self._read_at, self._problem = first, time.monotonic(), ""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="live sweep", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopped.set()

    def latest(self) -> LiveReading:
        """The last reading."""
        with self._lock:
            return LiveReading(self._last, time.monotonic() - self._read_at, self._problem)

    def _poll(self) -> None:
        pause = self._seconds
        while not self._stopped.wait(pause):
            begun = time.monotonic()
            try:
                sweep = self._read()
            except UserError as error:  # the store is away, or half of a record is written: the next reading mends it
                with self._lock:
                    self._problem = str(error)
                pause = min(SLOW_SECONDS, 2 * self._seconds)
                continue
            with self._lock:
                self._last, self._read_at, self._problem = sweep, time.monotonic(), ""
            usual = self._seconds if sweep.state == "running" else min(SLOW_SECONDS, 5 * self._seconds)
            pause = max(usual, SHARE * (time.monotonic() - begun))
