"""A ledger that writes in the shadow of training: beside the sweep, in a thread, through another ledger.

Recording takes tens of milliseconds a trial, and trials come in bursts, a population at a time. Here `record` only queues, and
one thread writes what has piled up, in order, as one `record` of the other ledger. It never rests while something waits, so a
process that is killed loses little: what was not yet written is trained again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from branchsweep.errors import LedgerError
from branchsweep.roles import Candidate, Champion, Conclusion, Ledger, Pages, Verdict
from branchsweep.trial import Result

MOST_WAITING = 256
"""Results that may wait to be written; who is further ahead waits too, so that the queue does not grow with the sweep."""


class ShadowLedger:
    """Plays `roles.Ledger` around another one; a context manager, whose exit writes what is left, also after Ctrl-C.

    Whatever asks something of the other ledger first waits until all that was recorded is written. If writing fails, what was
    queued behind it is dropped, and the next call raises the same exception, once: from then on the caller knows.

    Args:
        ledger: Does the writing, and answers. Nobody else may use it meanwhile.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._changed = threading.Condition()  # guards what follows
        self._waiting: list[Result] = []
        self._is_writing = False
        self._is_closed = False
        self._failure: Exception | None = None
        # a daemon, so that a second Ctrl-C need not wait for a store that does not answer
        threading.Thread(target=self._write, name="ledger", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.flush()
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
    def conclusion(self) -> Conclusion | None:
        """What was concluded; None for a sweep that has not come to its end."""
        return self._settled().conclusion

    def record(self, results: Sequence[Result]) -> None:
        """Have finished trials written, soon.

        Raises:
            Exception: Something that was recorded earlier could not be written. These are not recorded either.
        """
        with self._changed:
            assert not self._is_closed, "after the exit nobody writes"
            self._raise_failure()
            self._waiting += results
            self._changed.notify_all()
            self._changed.wait_for(lambda: len(self._waiting) <= MOST_WAITING)

    def flush(self) -> None:
        """Wait until everything is written.

        Raises:
            Exception: Something could not be written.
        """
        with self._changed:
            self._changed.notify_all()  # Ctrl-C may have come between queueing and telling so
            self._changed.wait_for(lambda: not self._waiting and not self._is_writing)
            self._raise_failure()

    def recall(self) -> list[Result]:
        """Every recorded result, in order of the trials' numbers."""
        return self._settled().recall()

    def champion(self, model: str) -> Champion | None:
        """Who holds the title under this name, or None."""
        return self._settled().champion(model)

    def crown(self, candidate: Candidate, verdict: Verdict) -> Champion:
        """Register the candidate as a new version; give it the title if the verdict says so."""
        return self._settled().crown(candidate, verdict)

    def files(self, model: str, version: int) -> AbstractContextManager[Path]:
        """A local folder with what was registered as this version, for as long as it is open."""
        return self._settled().files(model, version)

    def meet(self, who: str) -> None:
        """Note that a model has met the test rows, once of each name."""
        self._settled().meet(who)

    def meetings(self, test_digest: str) -> int:
        """How many models have met these test rows, over all sweeps of the store."""
        return self._settled().meetings(test_digest)

    def illustrate(self, trial: int, files: Mapping[str, str | bytes]) -> None:
        """Keep files with a recorded trial."""
        self._settled().illustrate(trial, files)

    def pages(self, trials: Sequence[int]) -> Pages:
        """Where people see this sweep, and these of its trials."""
        return self._settled().pages(trials)

    def conclude(self, metrics: Mapping[str, float], tags: Mapping[str, str], files: Mapping[str, str | bytes]) -> None:
        """Write the sweep's last figures, tags and artifacts and close it."""
        self._settled().conclude(metrics, tags, files)

    def _settled(self) -> Ledger:
        self.flush()
        return self._ledger

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _write(self) -> None:
        """What the thread does all its life."""
        while batch := self._next():
            try:
                self._record(batch)
            except Exception as failure:  # noqa: BLE001  # whatever it is, the caller's thread raises it
                self._fail(failure)

    def _record(self, batch: Sequence[Result]) -> None:
        """A batch that is refused is offered again one by one, for a ledger may refuse all because of the last of them."""
        try:
            self._ledger.record(batch)
        except LedgerError:
            for result in batch:  # those that were written are not written twice: a ledger sees to that
                self._ledger.record([result])

    def _next(self) -> list[Result]:
        """All that waits, as soon as something does. Nothing: the ledger is closed."""
        with self._changed:
            self._is_writing = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            batch, self._waiting = self._waiting, []
            self._is_writing = bool(batch)
            self._changed.notify_all()  # there is room again
            return batch

    def _fail(self, failure: Exception) -> None:
        with self._changed:
            self._failure = failure
            self._waiting.clear()
