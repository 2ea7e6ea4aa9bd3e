"""The process that runs a sweep, as two tags of its run name it; read without MLflow, which `branchsweep show` does not load.

See `tracking.mlflow.run_lock` for how the lock is taken, renewed and released.
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

from branchsweep.config.codec import from_data, to_data
from branchsweep.tracking.mlflow.serialization.tags import tag_name

OWNER, ALIVE = "holder", "alive"
"""The tags of a sweep's run that say which process runs it, and when it was last alive."""

PROGRESS = "progress"
"""The tag in which that process says at each renewal how far it is."""

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

    def renewed(self) -> LockOwner:
        """The same owner, alive at the present time."""
        return replace(self, seen=_now())

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
        return not self.has_ended and _now() - self.seen < EXPIRY_SECONDS

    @property
    def has_ended(self) -> bool:
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
        return f"{self} since {since:%Y-%m-%d %H:%M:%S}, last heartbeat {max(0.0, _now() - self.seen):.0f} s ago"

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (pid {self.pid})"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user id without a name, as in containers
        return "unknown"


def _now() -> float:
    return datetime.now(UTC).timestamp()
