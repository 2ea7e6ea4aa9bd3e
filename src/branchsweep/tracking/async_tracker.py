"""A ledger that writes in the shadow of training: beside the sweep, in a thread, through another ledger.

Recording takes tens of milliseconds a trial, and trials come in bursts, a population at a time. Here `record` only queues, and
one thread writes what has piled up, in order, as one `record` of the other ledger. It never rests while something waits, so a
process that is killed loses little: what was not yet written is trained again.

A **server** may be away for a while, and training goes on: with a spool, what is to be recorded is on disk before `record`
returns, the thread offers it again and again until the server has taken it, and after a kill the next process delivers what it
finds. Only absence is waited for; a refusal is an error at once. A store that is a file needs no spool: where it cannot be
written, neither can anything beside it.

The thread also gives the signs of life with which a process keeps its hold on a sweep.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

from branchsweep.errors import TrackingError, TrackingServerUnavailableError
from branchsweep.tracking.outbox import Outbox
from branchsweep.tracking.protocols import Champion, ModelCandidate, PromotionDecision, SweepConclusion, Tracker, TrackingLinks
from branchsweep.trial import Result

MOST_WAITING = 256
"""Results that may wait to be written; who is further ahead waits too, so that the queue does not grow with the sweep.

Not where they are on disk: a server that is away must not stop training.
"""

RENEW_SECONDS = 20.0
"""How often a sign of life is given, if there is a hold; what is written meanwhile waits for none."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two attempts at a server that is away: twice as long each time, up to the longest."""

RELEASE_SECONDS = 5.0
"""How long the exit waits for a thread that does not come to its end, before it leaves the hold to run out."""


class Lock(Protocol):
    """A hold on the sweep, which others may take over."""

    def renew(self) -> None:
        """Give a sign of life.

        Raises:
            TrackingError: Another process has taken over.
        """
        ...

    def release(self) -> None:
        """Let go."""
        ...


Said = TypeVar("Said")


def _pauses() -> Iterator[float]:
    """Seconds to wait before the next attempt, and the next, without an end."""
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE)


@dataclass
class _Batch:
    """Results in order, and the files of a spool in which they lie."""

    results: list[Result] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def _ignore(_sentence: str) -> None:
    pass


class AsyncTracker:
    """Plays `roles.Ledger` around another one; a context manager, whose exit writes what is left, also after Ctrl-C.

    Whatever asks something of the other ledger first waits until all that was recorded is written. If writing fails, what was
    queued behind it is dropped, and the next call raises the same exception, once: from then on the caller knows. What was in
    a spool stays there for the next process.

    After Ctrl-C the exit does not wait for a server that is away.

    Args:
        ledger: Does the writing, and answers. Nobody else may use it meanwhile.
        spool: Where results lie until they are written; None where they need not, and in memory alone.
        hold: Renewed while this is open, and released at the exit; None where nobody else can have the sweep.
        say: Is told when the server goes away and when it is back.
    """

    def __init__(
        self, ledger: Tracker, spool: Outbox | None = None, hold: Lock | None = None, say: Callable[[str], None] = _ignore
    ) -> None:
        self._ledger, self._spool, self._hold, self._say = ledger, spool, hold, say
        self._using = threading.Lock()  # whoever speaks to the ledger: the thread, or who asks
        self._renewed = time.monotonic()
        self._changed = threading.Condition()  # guards what follows
        self._waiting = _Batch()
        self._is_writing = False
        self._is_away = False
        self._is_closed = False
        self._failure: Exception | None = None
        if spool is not None:
            self._find(spool)
        # a daemon, so that a second Ctrl-C need not wait for a store that does not answer
        threading.Thread(target=self._write, name="ledger", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._flush(is_patient=error is None)
        except Exception as failure:
            if error is None:
                raise
            error.add_note(f"some of what was finished is not recorded: {failure}")
        finally:
            self._close()

    @property
    def run_id(self) -> str:
        """Identifies the sweep in the store."""
        return self._ledger.run_id

    @property
    def is_resumed(self) -> bool:
        """Whether the sweep stood in the store before."""
        return self._ledger.is_resumed

    @property
    def conclusion(self) -> SweepConclusion | None:
        """What was concluded; None for a sweep that has not come to its end."""
        return self._asked(lambda ledger: ledger.conclusion)

    def record(self, results: Sequence[Result]) -> None:
        """Have finished trials written, soon.

        Raises:
            Exception: Something that was recorded earlier could not be written. These are not recorded either.
        """
        with self._changed:
            assert not self._is_closed, "after the exit nobody writes"
            self._raise_failure()
            if self._spool is not None and results:
                self._waiting.files.append(self._spool.keep(results))
            self._waiting.results += results
            self._changed.notify_all()
            if self._spool is None:
                self._changed.wait_for(lambda: len(self._waiting.results) <= MOST_WAITING)

    def flush(self) -> None:
        """Wait until everything is written, for a server that is away as well.

        Raises:
            Exception: Something could not be written.
        """
        self._flush(is_patient=True)

    def recall(self) -> list[Result]:
        """Every recorded result, in order of the trials' numbers."""
        return self._asked(lambda ledger: ledger.recall())

    def champion(self, model: str) -> Champion | None:
        """Who holds the title under this name, or None."""
        return self._asked(lambda ledger: ledger.champion(model))

    def crown(self, candidate: ModelCandidate, verdict: PromotionDecision) -> Champion:
        """Register the candidate as a new version; give it the title if the verdict says so.

        Raises:
            TrackingServerUnavailableError: The server went away meanwhile. This is not done again by itself: half a
                registration may stand.
        """
        with self._settled() as ledger:
            return ledger.crown(candidate, verdict)

    def files(self, model: str, version: int) -> AbstractContextManager[Path]:
        """A local folder with what was registered as this version, for as long as it is open."""
        with self._settled() as ledger:
            return ledger.files(model, version)

    def meet(self, who: str) -> None:
        """Note that a model has met the test rows, once of each name."""
        self._asked(lambda ledger: ledger.meet(who))

    def meetings(self, test_digest: str) -> int:
        """How many models have met these test rows, over all sweeps of the store."""
        return self._asked(lambda ledger: ledger.meetings(test_digest))

    def illustrate(self, trial: int, files: Mapping[str, str | bytes]) -> None:
        """Keep files with a recorded trial."""
        self._asked(lambda ledger: ledger.illustrate(trial, files))

    def pages(self, trials: Sequence[int]) -> TrackingLinks:
        """Where people see this sweep, and these of its trials."""
        return self._asked(lambda ledger: ledger.pages(trials))

    def conclude(self, metrics: Mapping[str, float], tags: Mapping[str, str], files: Mapping[str, str | bytes]) -> None:
        """Write the sweep's last figures, tags and artifacts and close it."""
        self._asked(lambda ledger: ledger.conclude(metrics, tags, files))

    def _asked(self, question: Callable[[Tracker], Said]) -> Said:
        """What the ledger says, or does; a server that is away is waited for, as it may be asked the same again."""
        for pause in _pauses():
            try:
                with self._settled() as ledger:
                    return question(ledger)
            except TrackingServerUnavailableError as away:
                if pause == FIRST_PAUSE:
                    self._say(f"the server is away: {away}. Waiting until it is back; Ctrl-C leaves the rest to the next start")
                time.sleep(pause)
        raise AssertionError("pauses have no end")

    @contextmanager
    def _settled(self) -> Iterator[Tracker]:
        """The ledger, once everything is written, for oneself alone."""
        self.flush()
        with self._using:
            yield self._ledger

    def _find(self, spool: Outbox) -> None:
        """Take up what an earlier process has left to be delivered."""
        for file, results in spool.found():
            self._waiting.files.append(file)
            self._waiting.results += results
        if self._waiting.files:
            self._say(f"recording {self._trials(len(self._waiting.results))} of an earlier process first, from {spool.folder}")

    def _flush(self, is_patient: bool) -> None:
        with self._changed:
            self._changed.notify_all()  # Ctrl-C may have come between queueing and telling so
            self._changed.wait_for(lambda: self._is_settled or self._is_away)
            if is_patient and not self._is_settled:
                self._say("waiting until the server is back and has what is finished; Ctrl-C leaves it to the next start")
                self._changed.wait_for(lambda: self._is_settled)
            self._raise_failure()
            if not self._is_settled:
                raise TrackingServerUnavailableError(f"the server is away ({self._left()})")

    @property
    def _is_settled(self) -> bool:
        return not self._waiting.results and not self._is_writing

    def _left(self) -> str:
        """What becomes of what could not be written."""
        if self._spool is None:
            return "it is trained again"
        return f"it lies in {self._spool.folder}, and the same command records it; without that folder it is trained again"

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._spool is not None:
            self._spool.close()
        if self._hold is None or self._is_away or not self._using.acquire(timeout=RELEASE_SECONDS):
            return  # a hold runs out, or ends with the process
        try:
            with suppress(TrackingError):  # likewise
                self._hold.release()
        finally:
            self._using.release()

    def _write(self) -> None:
        """What the thread does all its life."""
        while (batch := self._next()) is not None:
            try:
                self._deliver(batch)
            except Exception as failure:  # noqa: BLE001  # whatever it is, the caller's thread raises it
                self._fail(failure)

    def _deliver(self, batch: _Batch) -> None:
        """Offer a batch until it is taken, or nobody waits for that any more."""
        for pause in _pauses():
            try:
                with self._using:
                    if self._is_closed:
                        return
                    self._renew()
                    self._record(batch.results)
            except TrackingServerUnavailableError as away:
                if not self._wait(away, pause):
                    return
            else:
                break
        if self._spool is not None:
            self._spool.drop(batch.files)
        if self._is_away:
            self._tell_away(False)
            with self._changed:
                behind = len(self._waiting.results)
            more = f" and has {self._trials(len(batch.results))} more" * bool(batch.results)
            self._say(f"the server is back{more}" + f", {behind} follow" * bool(behind))

    def _wait(self, away: TrackingServerUnavailableError, seconds: float) -> bool:
        """Wait for a server that is away; says whether to try again."""
        if not self._is_away:
            self._tell_away(True)
            kept = f" in {self._spool.folder}" if self._spool else ""
            self._say(f"the server is away: {away}. Training goes on, and what is finished waits{kept}")
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed, seconds)
            return not self._is_closed

    def _tell_away(self, is_away: bool) -> None:
        with self._changed:
            self._is_away = is_away
            self._changed.notify_all()

    def _renew(self) -> None:
        if self._hold is not None and time.monotonic() - self._renewed >= RENEW_SECONDS:
            self._hold.renew()
            self._renewed = time.monotonic()

    def _record(self, batch: Sequence[Result]) -> None:
        """A batch that is refused is offered again one by one, for a ledger may refuse all because of the last of them."""
        if not batch:
            return
        try:
            self._ledger.record(batch)
        except TrackingServerUnavailableError:
            raise
        except TrackingError:
            for result in batch:  # those that were written are not written twice: a ledger sees to that
                self._ledger.record([result])

    def _next(self) -> _Batch | None:
        """All that waits, as soon as something does; nothing of it, if it is time for a sign of life. None: all is over."""
        with self._changed:
            self._is_writing = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting.results or self._is_closed, RENEW_SECONDS if self._hold else None)
            if self._is_closed:
                return None
            batch, self._waiting = self._waiting, _Batch()
            self._is_writing = bool(batch.results)
            self._changed.notify_all()  # there is room again
            return batch

    def _fail(self, failure: Exception) -> None:
        if self._spool is not None and isinstance(failure, TrackingError):
            failure.add_note(f"what was finished and is not recorded: {self._left()}")
        with self._changed:
            self._failure, self._is_away = failure, False
            self._waiting = _Batch()

    @staticmethod
    def _trials(count: int) -> str:
        return f"{count} finished trial{'s' * (count != 1)}"
