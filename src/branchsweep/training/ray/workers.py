"""Trains populations on the nodes of a Ray cluster. The one place that knows Ray.

A worker is an actor with one thread per processor that it was given, and does what a worker process of this machine does, so a
lane comes out the same. It holds its compiled programs, and a population goes to a worker that has its program, if there is
one. The table is put into Ray's object store, once per node; what comes back are arrays, and files as bytes.

Who is lost is missed here, and not by Ray: Ray would start a lost actor again and let its population wait until there is room
for it, which may be never. Here the population goes to whoever is idle next, and where there is room again, or for the first
time, a worker is taken on. Lanes carry the numbers and seeds that their weights derive from, so it does not matter who trains
them, or how often they were begun.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ray
from ray.exceptions import (
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)

from branchsweep.config.workers import RayWorkersConfig
from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import BackendError
from branchsweep.models.exported_model import ExportedModel
from branchsweep.models.serving import Floats
from branchsweep.training.local_workers import LOOK_SECONDS, MOST_PROGRAMS
from branchsweep.training.population import Population, PopulationOutcome, Program
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.protocols import WorkerStatus
from branchsweep.training.ray.actor import ActorFacts, WorkerActor, _write, library_versions, read_files
from branchsweep.training.ray.cluster import connect, first_line, require_room, worker_places
from branchsweep.training.resources import CPU, Device, Resources
from branchsweep.training.scheduler import next_assignment

LOST = (RayActorError, NodeDiedError, ObjectLostError, OutOfMemoryError, WorkerCrashedError)
"""What Ray raises where a worker, or what it had to give, is gone."""

START_SECONDS = 60.0
"""So long is waited for a worker where there is none: it imports TensorFlow, or someone else has all places."""

MUSTER_SECONDS = 2.0
"""How often one looks which nodes there are."""

MOST_LOSSES = 3
"""A population that so many workers were lost over is not begun again: it may be what they die of."""


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker as the driver sees it.

    Args:
        actor: Its handle.
        coming: Its first words, until they have been heard.
        facts: What they were.
        programs: What it has compiled.
    """

    actor: Any
    coming: Any
    facts: ActorFacts | None = None
    programs: set[Program] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class _Task:
    """A population that somebody trains.

    Args:
        worker: Who.
        position: Where it stood in line.
        population: What is trained.
        ticket: By which its progress is known from that of the worker's population before.
        outcome: What will come.
        told: Lane-epochs of it that were told as progress.
        asked: How far it is, once that is answered; None while nobody has asked.
    """

    worker: _Worker
    position: int
    population: Population
    ticket: int
    outcome: Any
    told: float
    asked: Any = None


@dataclass(frozen=True, slots=True)
class _Loss:
    """That workers were lost over a population: how often, and the lane-epochs that were told as progress before."""

    times: int = 0
    told: float = 0.0


class RayWorkers:
    """Plays `roles.Trainer` with the workers of a Ray cluster; a context manager, which ends the workers, not the cluster.

    Args:
        rows: What may be seen.
        cluster: Where it is, and what a worker gets of a node.
        progress: Told the lane-epochs trained since it was last told; those of a lost worker are not told again.
        say: Told who joins and who is lost.
        crew: Told who trains, at every look.

    Raises:
        BackendError: There is no such cluster, or none of its nodes has room for a worker; or, while it trains, nobody is left
            or whoever comes cannot work.
    """

    def __init__(
        self,
        rows: TrainingRows,
        cluster: RayWorkersConfig,
        progress: Callable[[float], None] = lambda lane_epochs: None,
        say: Callable[[str], None] = lambda sentence: None,
        crew: Callable[[WorkerStatus], None] = lambda crew: None,
    ) -> None:
        self._rows, self._cluster, self._progress, self._say, self._crew = rows, cluster, progress, say, crew
        self._workers: list[_Worker] = []
        self._tickets = count()
        self._muster_again, self._told_of = 0.0, ""
        self._device = None if cluster.gpus_per_worker else CPU  # a GPU is known when the first worker is there
        self._ours = False  # whether the connection is, and ends with us
        self._put: Any = None
        self._kind: Any = None

    @property
    def resources(self) -> Resources:
        """How many populations train at once: the places of the cluster as they were last counted. And on what.

        Where that is a GPU, the first worker to come says which; until then it is waited for.
        """
        began = time.monotonic()
        while self._device is None:
            self._muster()
            if self._device is None:
                self._wait_for_one(began)
        return Resources(max(1, len(self._workers)), self._device)

    def __enter__(self) -> Self:
        self._ours = connect(self._cluster.address)
        try:
            require_room(self._cluster)
            self._put = ray.put(self._rows)
            self._kind = _remote(self._cluster)
            self._muster()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leave()

    def train(self, line: PopulationQueue, keep_weights: bool = False) -> Iterator[tuple[int, PopulationOutcome]]:
        """Train every population to its end, those of lost workers again; yields (position, outcome) as they finish."""
        lost: dict[int, _Loss] = {}
        training: list[_Task] = []
        present = time.monotonic()
        while line or training:
            self._muster()
            idle = {worker: worker.programs for worker in self._idle(training)}
            while idle and line:
                anywhere = set[Program]().union(*(worker.programs for worker in self._workers))
                worker, position = next_assignment(idle, line.next, anywhere)
                del idle[worker]
                training.append(self._begin(worker, position, line.take(position), keep_weights, lost.get(position, _Loss())))
            workers, nodes = self._present
            self._crew(WorkerStatus(workers, len(training), len(line), nodes))
            if not training:
                self._wait_for_one(present)
                continue
            present = time.monotonic()
            self._wait([task.outcome for task in training])
            self._tell_progress(training)
            for task in [task for task in training if _is_there(task.outcome)]:
                training.remove(task)
                try:
                    outcome: PopulationOutcome = ray.get(task.outcome)
                except LOST as loss:
                    times = lost.get(task.position, _Loss()).times + 1
                    self._lose(task.worker, loss, times)
                    lost[task.position] = _Loss(times, task.told)
                    line.put_back(task.position, task.population)
                    continue
                lost.pop(task.position, None)
                self._advance(task, float(sum(task.population.stops) - len(task.population.stops) * task.population.start))
                yield task.position, outcome

    def export(self, folder: Path, model: ExportedModel) -> None:
        """Have a worker write lanes that were trained on all rows as one model; its files land here."""
        _write(folder, self._ask("export", model))

    def predict(self, folder: Path, x: Floats) -> Floats:
        """What the exported model says, by a worker."""
        predicted: Floats = self._ask("predict", read_files(folder), x)
        return predicted

    def clock(self, folder: Path, x: Floats) -> float:
        """Seconds that the exported model takes on a worker's node, by its own clock."""
        seconds: float = self._ask("clock", read_files(folder), x)
        return seconds

    def _ask(self, verb: str, *words: Any) -> Any:
        """What a worker answers; if it is lost, another one."""
        losses, began = 0, time.monotonic()
        while True:
            self._muster()
            idle = self._idle([])
            if not idle:
                self._wait_for_one(began)
                continue
            try:
                return ray.get(getattr(idle[0].actor, verb).remote(*words))
            except LOST as loss:
                losses, began = losses + 1, time.monotonic()
                self._lose(idle[0], loss, losses)

    def _begin(self, worker: _Worker, position: int, population: Population, keep_weights: bool, before: _Loss) -> _Task:
        ticket = next(self._tickets)
        worker.programs.add(population.program)
        words = ray.put(population)  # apart from the call, which should be small: lanes that go on bring their weights
        outcome = worker.actor.train.remote(ticket, words, keep_weights)
        return _Task(worker, position, population, ticket, outcome, before.told)

    def _idle(self, training: Sequence[_Task]) -> list[_Worker]:
        """Who is there and has nothing to do; of those that hold too many programs, fresh ones take the place."""
        busy = {task.worker for task in training}
        free = [worker for worker in self._workers if worker.facts and worker not in busy]
        for worker in free:
            if len(worker.programs) > MOST_PROGRAMS:  # XLA never gives a compiled program back
                self._dismiss(worker)
                self._workers.append(self._hire())
        return [worker for worker in free if worker in self._workers]

    def _muster(self) -> None:
        """Greets those who have come, says who is there, and takes on as many more as the cluster has places for."""
        for worker in [each for each in self._workers if each.facts is None and _is_there(each.coming)]:
            self._greet(worker)
            if all(each.facts for each in self._workers):
                self._tell_of_those_present()
        if time.monotonic() < self._muster_again:
            return
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        for worker in [each for each in self._workers if each.facts and each.facts.node not in alive]:
            self._dismiss(worker)  # one that trains is missed when its population is
        room = worker_places(self._cluster)
        for worker in [each for each in self._workers if each.facts is None][: max(0, len(self._workers) - room)]:
            self._dismiss(worker)
        self._workers += [self._hire() for _ in range(room - len(self._workers))]
        self._tell_of_those_present()
        self._muster_again = time.monotonic() + MUSTER_SECONDS

    def _wait_for_one(self, since: float) -> None:
        """Some moments, in which somebody may come.

        Raises:
            BackendError: Nobody has, for long.
        """
        if time.monotonic() - since > START_SECONDS:
            has, free = (of().get("CPU", 0) for of in (ray.cluster_resources, ray.available_resources))
            raise BackendError(
                f"no worker came within {START_SECONDS:g} s: of the cluster's {has:g} processors {has - free:g} are taken (ray "
                "status). Wait for them, or add a node (ray start --address=…). What was finished is recorded: run the same "
                "command again to go on",
                "workers",
            )
        self._wait([])

    def _hire(self) -> _Worker:
        actor = self._kind.remote(self._put, self._cluster.cpus_per_worker, self._cluster.gpus_per_worker)
        return _Worker(actor, actor.facts.remote())

    def _greet(self, worker: _Worker) -> None:
        """Somebody is there: with the versions that we have?"""
        try:
            facts: ActorFacts = ray.get(worker.coming)
        except RayActorError as loss:
            if loss.actor_init_failed:
                raise BackendError(_no_start(loss), "workers") from loss
            self._dismiss(worker)
            return
        except RayTaskError as error:  # of an actor whose module could not be imported
            raise BackendError(_no_start(error), "workers") from error
        unlike = [
            f"{name} {theirs} (here {ours})"
            for (name, ours), theirs in zip(library_versions().items(), facts.versions.values(), strict=True)
            if ours != theirs
        ]
        if unlike:
            message = (
                f"the node {facts.host} has {', '.join(unlike)}: scores would depend on who trains. Install the same there"
            )
            raise BackendError(message, "workers")
        self._device = self._device or facts.device
        if not facts.device.is_like(self._device):
            raise BackendError(unlike_devices(facts.host, facts.device, self._device), "workers")
        worker.facts = facts

    def _lose(self, worker: _Worker, loss: RayError, losses: int) -> None:
        """A worker is gone.

        Raises:
            BackendError: With too many others before it, over the same work.
        """
        where = worker.facts.host if worker.facts else "a node"
        self._dismiss(worker)
        self._muster_again = 0.0
        if losses > MOST_LOSSES:
            raise BackendError(
                f"{losses} workers were lost over the same population, the last on {where} ({first_line(loss)}): most often "
                "for want of memory. What was finished is recorded: run the same command again to go on",
                "workers",
            ) from loss
        self._told_of = self._those_present()
        self._say(f"a worker on {where} was lost; what it had begun is trained again elsewhere ({self._told_of} left)")

    def _tell_of_those_present(self) -> None:
        present = self._those_present()
        if present != self._told_of and any(worker.facts for worker in self._workers):
            self._told_of = present
            self._say(f"training on {present}")

    @property
    def _present(self) -> tuple[int, int]:
        """How many workers are there, and on how many nodes."""
        nodes = [worker.facts.node for worker in self._workers if worker.facts]
        return len(nodes), len(set(nodes))

    def _those_present(self) -> str:
        workers, nodes = self._present
        return f"{workers} worker{'s' * (workers != 1)} on {nodes} node{'s' * (nodes != 1)}"

    def _dismiss(self, worker: _Worker) -> None:
        if worker in self._workers:
            self._workers.remove(worker)
            ray.kill(worker.actor)

    def _wait(self, outcomes: Sequence[Any]) -> None:
        """Until something has come, or it is time to look how far all are."""
        expected = [*outcomes, *(worker.coming for worker in self._workers if worker.facts is None)]
        if expected:
            ray.wait(expected, timeout=LOOK_SECONDS)
        else:
            time.sleep(LOOK_SECONDS)

    def _tell_progress(self, training: Sequence[_Task]) -> None:
        for task in training:
            if task.asked is None:
                task.asked = task.worker.actor.trained.remote()
            elif _is_there(task.asked):
                try:
                    ticket, lane_epochs = ray.get(task.asked)
                except RayError:  # the outcome will say more
                    continue
                finally:
                    task.asked = None
                if ticket == task.ticket:
                    self._advance(task, lane_epochs)

    def _advance(self, task: _Task, lane_epochs: float) -> None:
        """A population has come so far; what it trains for the second time is no progress."""
        if lane_epochs > task.told:
            self._progress(lane_epochs - task.told)
            task.told = lane_epochs

    def _leave(self) -> None:
        for worker in self._workers:
            ray.kill(worker.actor)
        self._workers.clear()
        if self._ours:
            ray.shutdown()


def _remote(cluster: RayWorkersConfig) -> Any:
    """The class of the actors, as this cluster is to have them: how far they are is told by a thread of its own."""
    words = {"num_cpus": cluster.cpus_per_worker, "num_gpus": cluster.gpus_per_worker, "max_restarts": 0}
    return ray.remote(**words, concurrency_groups={"telling": 1})(WorkerActor)


def unlike_devices(host: str, device: Device, others: Device) -> str:
    """That a node's GPU is not that of the others."""
    return (
        f"the node {host} trains on another GPU than the others ({device.name}, they on {others.name}): scores would depend on "
        "who trains. Let nodes of one kind join, or set gpus_per_worker: 0"
    )


def _is_there(reference: Any) -> bool:
    there, _ = ray.wait([reference], timeout=0)
    return bool(there)


def _no_start(error: BaseException) -> str:
    last = str(error).strip().splitlines()[-1]
    return f"a worker could not start on its node ({last}): the same branchsweep[ray] must be installed on every node"
