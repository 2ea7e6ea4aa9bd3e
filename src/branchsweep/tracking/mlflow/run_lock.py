"""The lock by which one process runs a sweep: two tags of the sweep's run, so that a second start of the sweep is noticed.

Tags are all that every MLflow store offers for this: there is no lock, and no server time on a run. The tag `holder` says which
process took the lock and when, the tag `alive` when that process was last alive; it renews it every
`async_tracker.RENEW_SECONDS`. They are two tags so that a renewal cannot overwrite a takeover.

A lock is **free** when its process has ended (as far as that can be seen: on the same machine), or has not been renewed for
`EXPIRY_SECONDS`; the clocks of two machines may differ by less than that. Of two processes that take a free lock at the same
time, the later one has it, and the other notices at its next renewal: until then both may record, each trial once.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

from mlflow import MlflowClient
from mlflow.entities import Run

from branchsweep.config.addresses import Address
from branchsweep.config.codec import from_data, to_data
from branchsweep.errors import TrackingError
from branchsweep.tracking.mlflow.connection import address_of
from branchsweep.tracking.mlflow.error_translation import translate_errors
from branchsweep.tracking.mlflow.serialization import tag_name
from branchsweep.tracking.mlflow.store import log_batches

OWNER, ALIVE = "holder", "alive"
"""The tags of a sweep's run that say which process runs it, and when it was last alive."""

EXPIRY_SECONDS = 300.0
"""A lock that has not been renewed for this long is free."""

_THIS_PROCESS = uuid4().hex
"""Distinguishes this process from one with the same pid, on a restarted machine or in a container."""


@dataclass(frozen=True, slots=True)
class LockOwner:
    """The process that runs a sweep.

    Args:
        user: Name of its user.
        host: Name of its machine.
        pid: Its process id there.
        token: Unique to this process.
        since: When it took the lock, in seconds since 1970, by its own clock.
        seen: When it was last alive, likewise.
    """

    user: str
    host: str
    pid: int
    token: str
    since: float
    seen: float

    @classmethod
    def this_process(cls) -> LockOwner:
        """The present process, at the present time."""
        now = _now()
        return cls(_user(), socket.gethostname(), os.getpid(), _THIS_PROCESS, now, now)

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> LockOwner | None:
        """The owner that the tags of a sweep's run name; None for none, and for tags that cannot be read."""
        try:
            data = json.loads(tags[tag_name(OWNER)])
            owner = from_data(cls, {**data, "seen": data["since"]})
            datetime.fromtimestamp(owner.since, UTC)
            token, _, seen = tags.get(tag_name(ALIVE), "").partition(" ")
            return replace(owner, seen=float(seen)) if token == owner.token else owner
        except (KeyError, ValueError, TypeError, OverflowError, OSError):
            return None

    @property
    def tags(self) -> dict[str, str]:
        """The tags that name this owner."""
        data = to_data(self)
        seen = data.pop("seen")
        return {tag_name(ALIVE): f"{self.token} {seen!r}", tag_name(OWNER): json.dumps(data)}

    @property
    def is_this_process(self) -> bool:
        """Whether it is the present process."""
        return self.token == _THIS_PROCESS

    @property
    def is_alive(self) -> bool:
        """Whether the lock is not free: its process may be running, and has renewed it lately."""
        return not self._has_ended and _now() - self.seen < EXPIRY_SECONDS

    @property
    def _has_ended(self) -> bool:
        """Whether it is a process of this machine that has ended."""
        if self.host != socket.gethostname() or os.name != "posix":  # on other systems signal 0 would end the process
            return False
        if self.pid == os.getpid():
            return not self.is_this_process
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # a process of another user
            return False
        return False

    @property
    def description(self) -> str:
        """Which process it is, since when, and when it was last alive."""
        since = datetime.fromtimestamp(self.since, UTC).astimezone()
        return f"{self} since {since:%Y-%m-%d %H:%M:%S}, last sign of life {max(0.0, _now() - self.seen):.0f} s ago"

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (pid {self.pid})"


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
        return cls(client, run, owner, None if before is None or before.is_this_process else before)

    def renew(self) -> None:
        """Record that this process is alive.

        Raises:
            TrackingError: Another process has taken the lock over, or the store did not answer.
        """
        with translate_errors(self._uri, "renewing the lock on the sweep"):
            owner = self._current_owner()
            if owner is not None and not owner.is_this_process:
                raise TrackingError(
                    f"{_label(self._run)} was taken over by {owner.description}: this process stops, and records nothing more"
                )
            self._owner = replace(self._owner, seen=_now())
            tags = self._owner.tags
            if owner is not None:
                del tags[tag_name(OWNER)]  # a process that takes the lock over now must not be overwritten
            log_batches(self._client, self._run.info.run_id, tags=tags)

    def release(self) -> None:
        """Give the lock up, if this process still owns it.

        Raises:
            TrackingError: The store did not answer.
        """
        with translate_errors(self._uri, "releasing the lock on the sweep"):
            owner = self._current_owner()
            if owner is not None and owner.is_this_process:
                for name in owner.tags:
                    self._client.delete_tag(self._run.info.run_id, name)

    @property
    def _uri(self) -> Address:
        return address_of(self._client)

    def _current_owner(self) -> LockOwner | None:
        return LockOwner.from_tags(self._client.get_run(self._run.info.run_id).data.tags)


def refusal(run: Run, owner: LockOwner) -> str:
    """The message for a process that starts a sweep which another one runs."""
    return (
        f"{_label(run)} is being run by {owner.description}: wait for it, or take over with --take-over (the other process "
        "then stops)"
    )


def _label(run: Run) -> str:
    return f"sweep {run.info.run_name} ({run.info.run_id[:8]})"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user id without a name, as in containers
        return "unknown"


def _now() -> float:
    return datetime.now(UTC).timestamp()
