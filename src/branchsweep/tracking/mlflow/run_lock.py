"""The lock by which one process runs a sweep: two tags of the sweep's run, so that a second start of the sweep is noticed.

Tags are all that every MLflow store offers for this: there is no lock, and no server time on a run. The tag `holder` says which
process took the lock and when, the tag `alive` when that process was last alive; it renews it every
`async_tracker.RENEW_SECONDS`, and says how far it is in the tag `progress`, in the same request. `holder` and `alive` are two
tags so that a renewal cannot overwrite a takeover.

A lock is **free** when its process has ended (as far as that can be seen: on the same machine), or has not been renewed for
`lock_owner.EXPIRY_SECONDS`; the clocks of two machines may differ by less than that. Of two processes that take a free lock at
the same time, the later one has it, and the other notices at its next renewal: until then both may record, each trial once.
"""

from __future__ import annotations

from collections.abc import Callable

from mlflow import MlflowClient
from mlflow.entities import Run

from branchsweep.config.addresses import Address
from branchsweep.errors import TrackingError
from branchsweep.tracking.mlflow.connection import address_of
from branchsweep.tracking.mlflow.error_translation import translate_errors
from branchsweep.tracking.mlflow.lock_owner import OWNER, PROGRESS, LockOwner
from branchsweep.tracking.mlflow.serialization.tags import tag_name
from branchsweep.tracking.mlflow.serialization.titles import name_in
from branchsweep.tracking.mlflow.store import log_batches
from branchsweep.tracking.protocols import sweep_label

KILLED = "KILLED"
"""MLflow's status of a sweep that was interrupted: its process says so, or another one that finds it gone (`killed_runs`)."""


class RunLock:
    """The lock on a sweep, owned by this process. Made by `take` for a recorded sweep.

    Args:
        client: Of the store.
        run: The sweep's.
        owner: This process.
        after: The process that owned the lock before and did not release it; None for none.
    """

    def __init__(self, client: MlflowClient, run: Run, owner: LockOwner, after: LockOwner | None = None) -> None:
        self._client, self._run, self._owner = client, run, owner
        self._progress: Callable[[], str] = lambda: ""
        self.after = after

    @classmethod
    def take(cls, client: MlflowClient, run: Run, take_over: bool = False) -> RunLock:
        """Take the lock on a recorded sweep.

        Args:
            client: Of the store.
            run: The sweep's, as it was just read.
            take_over: Whether to take it from a process that is alive.

        Raises:
            TrackingError: Another process owns it.
        """
        before, owner = LockOwner.from_tags(run.data.tags), LockOwner.this_process()
        if before is not None and not before.is_this_process and before.is_alive and not take_over:
            raise TrackingError(refusal(run, before))
        log_batches(client, run.info.run_id, tags=owner.tags)
        mark_as_running_again(client, run)
        return cls(client, run, owner, None if before is None or before.is_this_process else before)

    def report(self, progress: Callable[[], str]) -> None:
        """Have each renewal record what this function returns then: how far the process is, as text of a tag."""
        self._progress = progress

    def renew(self) -> None:
        """Record that this process is alive, and how far it is.

        Raises:
            TrackingError: Another process has taken the lock over, or the store did not answer.
        """
        with translate_errors(self._uri, "renewing the lock on the sweep"):
            run = self._client.get_run(self._run.info.run_id)
            owner = LockOwner.from_tags(run.data.tags)
            if owner is not None and not owner.is_this_process:
                raise TrackingError(
                    f"{_label(self._run)} was taken over by {owner.description}: this process stops, and records nothing more"
                )
            self._owner = self._owner.renewed()
            progress = self._progress()
            tags = self._owner.tags | ({tag_name(PROGRESS): progress} if progress else {})
            if owner is not None:
                del tags[tag_name(OWNER)]  # a process that takes the lock over now must not be overwritten
            log_batches(self._client, self._run.info.run_id, tags=tags)
            mark_as_running_again(self._client, run)  # another process may have marked it, while this one was suspended

    def release(self) -> None:
        """Give the lock up, if this process still owns it. A sweep that still runs then is interrupted: MLflow says `KILLED`.

        Raises:
            TrackingError: The store did not answer.
        """
        with translate_errors(self._uri, "releasing the lock on the sweep"):
            run = self._client.get_run(self._run.info.run_id)
            tags = run.data.tags
            owner = LockOwner.from_tags(tags)
            if owner is not None and owner.is_this_process:
                if run.info.status == "RUNNING":
                    self._client.set_terminated(run.info.run_id, KILLED)
                for name in [*owner.tags, *({tag_name(PROGRESS)} & tags.keys())]:
                    self._client.delete_tag(self._run.info.run_id, name)

    @property
    def _uri(self) -> Address:
        return address_of(self._client)


def mark_as_running_again(client: MlflowClient, run: Run) -> None:
    """Give an interrupted sweep or comparison the status that it had before, for it is run by this process."""
    if run.info.status == KILLED:
        client.update_run(run.info.run_id, status="RUNNING")


def refusal(run: Run, owner: LockOwner) -> str:
    """The message for a process that starts a sweep which another one runs."""
    return (
        f"{_label(run)} is being run by {owner.description}: wait for it, or take over with --take-over (the other process "
        "then stops)"
    )


def _label(run: Run) -> str:
    return sweep_label(name_in(str(run.info.run_name), run.data.tags), run.info.run_id)
