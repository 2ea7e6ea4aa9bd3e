"""A worker of a Ray cluster as the trainer sees it: its actor, the population that it trains, and whether it still answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ray.exceptions import NodeDiedError, ObjectLostError, OutOfMemoryError, RayActorError, WorkerCrashedError

from branchsweep.training.local_worker import SILENT_SECONDS
from branchsweep.training.population import Population, Program
from branchsweep.training.ray.actor import ActorFacts


class WorkerSilentError(Exception):
    """A worker does not answer: its process was stopped, or hangs."""


LOST = (RayActorError, NodeDiedError, ObjectLostError, OutOfMemoryError, WorkerCrashedError, WorkerSilentError)
"""Raised where a worker, or its result, is lost."""


@dataclass(slots=True, eq=False)
class RayWorker:
    """A worker, from this side.

    Args:
        actor: Its handle.
        starting: A reference to its facts, which are there when it has started.
        facts: Its facts; None until it has started.
        programs: What it has compiled.
        answer: A reference to what it has trained, by which it shows that it lives; None while none is requested.
        silent: Seconds for which it has not answered.
        failure: The error that its last answer was, where its process had ended.
    """

    actor: Any
    starting: Any
    facts: ActorFacts | None = None
    programs: set[Program] = field(default_factory=set)
    answer: Any = None
    silent: float = 0.0
    failure: Exception | None = None

    @property
    def loss(self) -> Exception | None:
        """The error by which it is lost: its process has ended, or has not answered for too long; None while it works."""
        if self.failure is None and self.silent > SILENT_SECONDS:
            return WorkerSilentError(f"it has not answered for {self.silent:.0f} s")
        return self.failure


@dataclass(slots=True, eq=False)
class RayTask:
    """A population in training.

    Args:
        worker: The worker that trains it.
        position: Its position in the queue.
        population: What is trained.
        ticket: Distinguishes its progress from that of the worker's previous population.
        outcome: A reference to its outcome.
        reported: Lane-epochs of it that were reported as progress.
    """

    worker: RayWorker
    position: int
    population: Population
    ticket: int
    outcome: Any
    reported: float


@dataclass(frozen=True, slots=True)
class Losses:
    """Workers that were lost over a population: how many, and the lane-epochs that were reported as progress before."""

    times: int = 0
    reported: float = 0.0
