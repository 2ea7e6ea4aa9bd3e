"""A tracker that writes in a thread, beside the training, through another tracker.

Recording takes tens of milliseconds a trial, and trials finish in bursts, a population at a time. Here `record` only puts them
into a queue, and a thread writes what is in the queue, in order, as one `record` of the other tracker. It writes as soon as
there is something to write, so a process that is killed loses little: trials that were not yet written are trained again.

A tracking server may be unavailable for a while, and training continues: with an outbox, results are on disk before `record`
returns, the thread offers them again and again until the server has taken them, and after a kill the next process delivers
what it finds. Only an unavailable server is waited for; a refusal is an error at once. A store that is a file needs no outbox:
where it cannot be written, neither can a file beside it.

Another thread renews the run lock by which a process owns a sweep, also while something else waits for a slow server.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from branchsweep.errors import TrackingError, TrackingServerUnavailableError
from branchsweep.tracking.outbox import Outbox
from branchsweep.tracking.protocols import SweepConclusion, Tracker, TrackingLinks
from branchsweep.tracking.retries import Retries, Value, pauses
from branchsweep.trial import Result

MOST_WAITING = 256
"""Most results in the queue without an outbox; `record` waits beyond that, so that the queue does not grow with the sweep.

With an outbox they are on disk, and a server that is unavailable must not stop training.
"""

RENEW_SECONDS = 20.0
"""Seconds between renewals of the run lock."""

RELEASE_SECONDS = 5.0
"""Seconds for which the exit waits for the thread before it leaves the run lock to expire."""


class RenewableLock(Protocol):
    """A lock on the sweep, which other processes may take over."""

    def renew(self) -> None:
        """Record that this process is alive.

        Raises:
            TrackingError: Another process has taken the lock over.
        """
        ...

    def release(self) -> None:
        """Give the lock up."""
        ...


@dataclass
class _Batch:
    """Results in order, and the files of the outbox that hold them."""

    results: list[Result] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def _ignore(_message: str) -> None:
    pass


class AsyncTracker:
    """A `Tracker` that writes in a thread; a context manager whose exit writes what is left, also after Ctrl-C.

    Everything but `record` first waits until all that was recorded is written. If writing fails, what was queued behind it is
    dropped, and the next call raises the same exception, once. What is in an outbox stays there for the next process.

    After Ctrl-C the exit does not wait for a server that is unavailable.

    Args:
        tracker: Does the writing. Nobody else may use it, or its store through the same client, meanwhile.
        outbox: Keeps results on disk until they are written; None keeps them in memory alone.
        lock: Renewed while this is open, and released at the exit; None where no other process can own the sweep.
        on_message: Called with a sentence when the server becomes unavailable, and when it is back.
    """

    def __init__(
        self,
        tracker: Tracker,
        outbox: Outbox | None = None,
        lock: RenewableLock | None = None,
        on_message: Callable[[str], None] = _ignore,
    ) -> None:
        self._tracker, self._outbox, self._lock, self._on_message = tracker, outbox, lock, on_message
        self._using = threading.Lock()  # held by whoever uses the tracker: the thread, or a caller
        self._changed = threading.Condition()  # guards what follows
        self._waiting = _Batch()
        self._is_writing = False
        self._is_away = False
        self._is_closed = False
        self._failure: Exception | None = None
        self._loss: Exception | None = None  # another process has taken the lock over: nothing more is recorded
        # a daemon, so that a second Ctrl-C need not wait for a store that does not answer
        self._thread = threading.Thread(target=self._write, name="tracker", daemon=True)
        self._renewing = threading.Thread(target=self._renew, name="run lock", daemon=True)

    def __enter__(self) -> Self:
        if self._outbox is not None:
            self._take_over_outbox(self._outbox)
        self._thread.start()
        self._renewing.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._flush(waits=error is None)
        except Exception as failure:
            if error is None:
                raise
            error.add_note(f"some of what was finished is not recorded: {failure}")
        finally:
            self._close()

    @property
    def run_id(self) -> str:
        """Identifies the sweep in the store."""
        return self._tracker.run_id

    @property
    def is_resumed(self) -> bool:
        """Whether the store had this sweep before."""
        return self._tracker.is_resumed

    @property
    def conclusion(self) -> SweepConclusion | None:
        """What the sweep finished with; None for a sweep that has not finished."""
        return self.call(lambda: self._tracker.conclusion)

    def record(self, results: Sequence[Result]) -> None:
        """Have finished trials written, soon.

        Raises:
            Exception: Something that was recorded earlier could not be written. These are not recorded either.
        """
        with self._changed:
            assert not self._is_closed, "after the exit nothing is written"
            self._raise_failure()
            if self._outbox is not None and results:
                self._waiting.files.append(self._outbox.keep(results))
            self._waiting.results += results
            self._changed.notify_all()
            if self._outbox is None:
                self._changed.wait_for(lambda: len(self._waiting.results) <= MOST_WAITING)

    def flush(self) -> None:
        """Wait until everything is written, for a server that is unavailable as well.

        Raises:
            Exception: Something could not be written.
        """
        self._flush(waits=True)

    def recorded_results(self) -> list[Result]:
        """All recorded results, in order of the trials' numbers."""
        return self.call(self._tracker.recorded_results)

    def log_trial_files(self, trial: int, files: Mapping[str, str | bytes]) -> None:
        """Keep files with a recorded trial."""
        self.call(lambda: self._tracker.log_trial_files(trial, files))

    def log_files(self, files: Mapping[str, str | bytes]) -> None:
        """Keep files with the sweep."""
        self.call(lambda: self._tracker.log_files(files))

    def links(self, trials: Sequence[int]) -> TrackingLinks:
        """Links to this sweep, and to these of its trials."""
        return self.call(lambda: self._tracker.links(trials))

    def finish(
        self, metrics: Mapping[str, float], summary: str, files: Mapping[str, str | bytes], description: str = ""
    ) -> None:
        """Record the sweep's final metrics, tags and files, and mark it as finished."""
        self.call(lambda: self._tracker.finish(metrics, summary, files, description))

    def call(self, action: Callable[[], Value]) -> Value:
        """Do something with the store that may be repeated, once everything is written, and alone.

        Args:
            action: Called again, after a pause, as long as the server is unavailable.

        Returns:
            What the action returns.
        """

        def alone() -> Value:
            self.flush()
            with self._using:
                return action()

        return Retries(self._on_message).call(alone)

    def _take_over_outbox(self, outbox: Outbox) -> None:
        """Put what an earlier process has left in the outbox first into the queue."""
        for file, results in outbox.found():
            self._waiting.files.append(file)
            self._waiting.results += results
        if self._waiting.files:
            count = _trials(len(self._waiting.results))
            self._on_message(f"recording {count} of an earlier process first, from {outbox.folder}")

    def _flush(self, waits: bool) -> None:
        with self._changed:
            self._changed.notify_all()  # Ctrl-C may have come between queueing and the notification
            self._changed.wait_for(lambda: self._is_written or self._is_away)
            if waits and not self._is_written:
                self._on_message(
                    "waiting until the server is available again and has what is finished; Ctrl-C leaves it to the next start"
                )
                self._changed.wait_for(lambda: self._is_written)
            self._raise_failure()
            if not self._is_written:
                raise TrackingServerUnavailableError(f"the server is unavailable ({self._remedy()})")

    @property
    def _is_written(self) -> bool:
        return not self._waiting.results and not self._is_writing

    def _remedy(self) -> str:
        """What happens to results that could not be written."""
        if self._outbox is None:
            return "it is trained again"
        return f"it lies in {self._outbox.folder}, and the same command records it; without that folder it is trained again"

    def _raise_failure(self) -> None:
        failure, self._failure = self._loss or self._failure, None
        if failure is not None:
            raise failure

    def _close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._outbox is not None:
            self._outbox.close()
        self._renewing.join(RELEASE_SECONDS)
        is_used = self._renewing.is_alive() or not self._using.acquire(timeout=RELEASE_SECONDS)
        if self._lock is None or self._is_away or is_used:
            return  # a lock expires, or ends with the process
        try:
            with suppress(TrackingError):  # likewise
                self._lock.release()
        finally:
            self._using.release()

    def _write(self) -> None:
        """The thread's loop."""
        while (batch := self._next()) is not None:
            try:
                self._deliver(batch)
            except Exception as failure:  # noqa: BLE001  # whatever it is, the caller's thread raises it
                self._fail(failure)

    def _deliver(self, batch: _Batch) -> None:
        """Write a batch, again and again while the server is unavailable, or until the exit."""
        for pause in pauses():
            try:
                with self._using:
                    if self._is_closed or self._loss:
                        return
                    self._record(batch.results)
            except TrackingServerUnavailableError as away:
                if not self._wait(away, pause):
                    return
            else:
                break
        if self._outbox is not None:
            self._outbox.drop(batch.files)
        if self._is_away:
            self._set_away(False)
            with self._changed:
                behind = len(self._waiting.results)
            more = f" and has {_trials(len(batch.results))} more" * bool(batch.results)
            self._on_message(f"the server is available again{more}" + f", {behind} follow" * bool(behind))

    def _wait(self, away: TrackingServerUnavailableError, seconds: float) -> bool:
        """Wait for a server that is unavailable; returns whether to try again."""
        if not self._is_away:
            self._set_away(True)
            kept = f" in {self._outbox.folder}" if self._outbox else ""
            self._on_message(f"the server is unavailable: {away}. Training goes on, and what is finished waits{kept}")
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed, seconds)
            return not self._is_closed

    def _set_away(self, is_away: bool) -> None:
        with self._changed:
            self._is_away = is_away
            self._changed.notify_all()

    def _renew(self) -> None:
        """The loop of the thread that renews the run lock."""
        while self._lock is not None:
            with self._changed:
                if self._changed.wait_for(lambda: self._is_closed, RENEW_SECONDS):
                    return
            try:
                self._lock.renew()
            except TrackingServerUnavailableError:  # nobody else can take it now
                continue
            except Exception as failure:  # noqa: BLE001  # as in the other thread
                self._loss = failure
                self._fail(failure)
                return

    def _record(self, results: Sequence[Result]) -> None:
        """Write a batch; if it is refused, result by result, since a store may refuse all because of the last of them."""
        if not results:
            return
        try:
            self._tracker.record(results)
        except TrackingServerUnavailableError:
            raise
        except TrackingError:
            for result in results:  # a tracker does not write twice what it has written
                self._tracker.record([result])

    def _next(self) -> _Batch | None:
        """All that is queued, as soon as there is something; None after the exit."""
        with self._changed:
            self._is_writing = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting.results or self._is_closed)
            if self._is_closed:
                return None
            batch, self._waiting = self._waiting, _Batch()
            self._is_writing = bool(batch.results)
            self._changed.notify_all()  # there is room again
            return batch

    def _fail(self, failure: Exception) -> None:
        if self._outbox is not None and isinstance(failure, TrackingError):
            failure.add_note(f"what was finished and is not recorded: {self._remedy()}")
        with self._changed:
            self._failure, self._is_away = failure, False
            self._waiting = _Batch()
            self._changed.notify_all()


def _trials(count: int) -> str:
    return f"{count} finished trial{'s' * (count != 1)}"
