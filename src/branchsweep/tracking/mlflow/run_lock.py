"""Who runs a sweep: a lease in a tag of its run, so that the same sweep, started twice on one store, is noticed at the start.

Tags are all that every MLflow store has for this: there is no lock, and no clock of the server's on a run. So one tag says who
took the sweep and when, and a second one the time of the holder's last sign of life, which it renews (every
`shadow.RENEW_SECONDS`). They are two so that who renews cannot overwrite who takes.

A lease is **free** when its process is gone (as far as that can be seen: on the same machine), or has not been heard of for
`STALE_SECONDS`; the clocks of two machines may differ by what is between the two. Of two who take a free lease in the same
moment, the later one has it, and the other sees so when it renews: until then both may record, each trial once.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

from mlflow import MlflowClient
from mlflow.entities import Run

from branchsweep.errors import TrackingError
from branchsweep.tracking.mlflow.serialization import tag_name
from branchsweep.tracking.mlflow.store import IMPATIENT_REQUESTS, environment, log_batches, translate_errors

HOLDER, ALIVE = "holder", "alive"
"""The tags of a sweep's run that say who runs it, and that it still does."""

STALE_SECONDS = 300.0
"""Who has given no sign of life for so long holds nothing any more."""

_OURSELVES = uuid4().hex
"""Tells this process from another one of its number, on a machine that was started anew or in a container."""


@dataclass(frozen=True, slots=True)
class LockHolder:
    """The process that runs a sweep.

    Args:
        user: Its user's name.
        host: Its machine's.
        pid: Its number there.
        token: Unlike any other process's.
        since: When it took the sweep, in seconds since 1970, by its own clock.
        seen: Its last sign of life, likewise.
    """

    user: str
    host: str
    pid: int
    token: str
    since: float
    seen: float

    @classmethod
    def here(cls) -> LockHolder:
        """The process that we are, now."""
        moment = _now()
        return cls(_user(), socket.gethostname(), os.getpid(), _OURSELVES, moment, moment)

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> LockHolder | None:
        """Who holds the sweep whose run has these tags; None for nobody, and for what cannot be read."""
        try:
            said = json.loads(tags[tag_name(HOLDER)])
            holder = cls(**said, seen=said["since"])
            token, _, seen = tags.get(tag_name(ALIVE), "").partition(" ")
            return replace(holder, seen=float(seen)) if token == holder.token else holder
        except (KeyError, ValueError, TypeError):
            return None

    @property
    def tags(self) -> dict[str, str]:
        """The tags that say so."""
        said = asdict(self)
        seen = said.pop("seen")
        return {tag_name(ALIVE): f"{self.token} {seen!r}", tag_name(HOLDER): json.dumps(said)}

    @property
    def is_us(self) -> bool:
        """Whether it is this process."""
        return self.token == _OURSELVES

    @property
    def is_alive(self) -> bool:
        """Whether the sweep is its: it may be running, and was heard of lately."""
        return not self._is_gone and _now() - self.seen < STALE_SECONDS

    @property
    def _is_gone(self) -> bool:
        """Whether it is a process of this machine that has ended."""
        if self.host != socket.gethostname() or os.name != "posix":  # elsewhere a signal 0 is no question
            return False
        if self.pid == os.getpid():
            return not self.is_us
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # somebody else's, and alive
            return False
        return False

    @property
    def sentence(self) -> str:
        """Who it is, since when, and when it was heard of."""
        since = datetime.fromtimestamp(self.since, UTC).astimezone()
        return f"{self} since {since:%Y-%m-%d %H:%M:%S}, last sign of life {max(0.0, _now() - self.seen):.0f} s ago"

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (pid {self.pid})"


class RunLock:
    """The hold on a sweep that we have.

    Args:
        client: Of the store.
        run: The sweep's.
        holder: We.
        after: Who held the sweep before and did not let go; None for nobody.
    """

    def __init__(self, client: MlflowClient, run: Run, holder: LockHolder, after: LockHolder | None = None) -> None:
        self._client, self._run, self._holder = client, run, holder
        self.after = after

    @classmethod
    def take(cls, client: MlflowClient, run: Run, take_over: bool = False) -> RunLock:
        """Take hold of a sweep that stands in the store.

        Args:
            client: Of the store.
            run: The sweep's, as it was read just now.
            take_over: Whoever else has it loses it.

        Raises:
            TrackingError: Another process has it.
        """
        before, ourselves = LockHolder.of(run.data.tags), LockHolder.here()
        if before is not None and not before.is_us and before.is_alive and not take_over:
            raise TrackingError(refusal(run, before))
        log_batches(client, run.info.run_id, tags=ourselves.tags)
        return cls(client, run, ourselves, None if before is None or before.is_us else before)

    def renew(self) -> None:
        """Give a sign of life.

        Raises:
            TrackingError: Another process has taken over, or the store did not answer.
        """
        with environment(IMPATIENT_REQUESTS), translate_errors(self._uri, "renewing the hold on the sweep"):
            holder = self._current()
            if holder is not None and not holder.is_us:
                raise TrackingError(
                    f"{_named(self._run)} was taken over by {holder.sentence}: this process stops, and records nothing more"
                )
            self._holder = replace(self._holder, seen=_now())
            renewed = self._holder.tags
            if holder is not None:
                del renewed[tag_name(HOLDER)]  # who takes over now must not be overwritten
            log_batches(self._client, self._run.info.run_id, tags=renewed)

    def release(self) -> None:
        """Let go, if the sweep is still ours.

        Raises:
            TrackingError: The store did not answer.
        """
        with environment(IMPATIENT_REQUESTS), translate_errors(self._uri, "letting go of the sweep"):
            holder = self._current()
            if holder is not None and holder.is_us:
                for name in holder.tags:
                    self._client.delete_tag(self._run.info.run_id, name)

    @property
    def _uri(self) -> str:
        return str(self._client.tracking_uri)

    def _current(self) -> LockHolder | None:
        return LockHolder.of(self._client.get_run(self._run.info.run_id).data.tags)


def refusal(run: Run, holder: LockHolder) -> str:
    """What is told to who starts a sweep that another process runs."""
    return (
        f"{_named(run)} is being run by {holder.sentence}: wait for it, or take over with --take-over (the other process then "
        "stops)"
    )


def _named(run: Run) -> str:
    return f"sweep {run.info.run_name} ({run.info.run_id[:8]})"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a number without a name, as in containers
        return "unknown"


def _now() -> float:
    return datetime.now(UTC).timestamp()
