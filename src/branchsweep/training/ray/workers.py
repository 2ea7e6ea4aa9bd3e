"""Trains populations on the nodes of a Ray cluster.

A worker is an actor with one thread per processor that it was given, and does what a worker process of this machine does, so
the outcome of a lane is the same. It keeps its compiled programs, and a population goes to a worker that has its program, if
there is one. The table is put into Ray's object store, once per node; what comes back are arrays, and files as bytes.

Lost workers are handled here, and not by Ray: Ray would start a lost actor again and let its population wait until there is
room for it, which may be never. Here the population goes to the next idle worker, and where there is room again, or for the
first time, a worker is started. Lanes carry the seeds that their weights derive from, so it does not matter which worker trains
them, or how often they were begun.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ray
from ray.exceptions import (
    RayActorError,
    RayTaskError,
)

from branchsweep.config import kinds
from branchsweep.config.sections.workers import RayWorkersConfig
from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import BackendError, ProgramCacheError, first_line
from branchsweep.models.exported_model import ExportedModel
from branchsweep.models.serving import Floats
from branchsweep.runtime import read_files
from branchsweep.training.local_workers import (
    MAX_LOSSES,
    MAX_PROGRAMS,
    MAX_STEP_SECONDS,
    POLL_SECONDS,
    damage_message,
)
from branchsweep.training.population import Population, PopulationOutcome, Program
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.protocols import LOST_WORKERS_ADVICE, NO_CALLBACKS, WorkerCallbacks, WorkerStatus
from branchsweep.training.ray.actor import ActorFacts, WorkerActor, _write, library_versions
from branchsweep.training.ray.cluster import connect, require_room, worker_places
from branchsweep.training.ray.worker import LOST, Losses, RayTask, RayWorker
from branchsweep.training.resources import CPU, Device, Resources
from branchsweep.training.scheduler import next_assignment

START_SECONDS = 60.0
"""How long to wait for a worker if there is none: it may be importing TensorFlow, or other programs use all processors."""

REFRESH_SECONDS = 2.0
"""How often the nodes are listed."""


class RayWorkers:
    """A `Trainer` with the workers of a Ray cluster; a context manager, which ends the workers, not the cluster.

    Args:
        rows: The training rows.
        cluster: Its address, and what a worker gets of a node.
        callbacks: Called while they train; lane-epochs of a lost worker are not reported again.

    Raises:
        BackendError: There is no such cluster, or none of its nodes has room for a worker; or, while it trains, no worker is
            left, or a new one cannot work.
    """

    def __init__(self, rows: TrainingRows, cluster: RayWorkersConfig, callbacks: WorkerCallbacks = NO_CALLBACKS) -> None:
        self._rows, self._cluster, self._callbacks = rows, cluster, callbacks
        self._workers: list[RayWorker] = []
        self._tickets = count()
        self._next_refresh, self._reported_workers = 0.0, ""
        self._polled = time.monotonic()
        self._keeps_programs = True
        self._device = None if cluster.gpus_per_worker else CPU  # a GPU is known when the first worker is there
        self._owns_connection = False  # whether it ends with this object
        self._rows_reference: Any = None
        self._actor_class: Any = None

    @property
    def resources(self) -> Resources:
        """How many populations train at once, the places of the cluster as they were last counted, and on what.

        Where that is a GPU, the first worker to start says which; until then it is waited for.
        """
        began = time.monotonic()
        while self._device is None:
            self._refresh_workers()
            if self._device is None:
                self._wait_for_a_worker(began)
        return Resources(max(1, len(self._workers)), self._device)

    def __enter__(self) -> Self:
        self._owns_connection = connect(self._cluster.address)
        try:
            require_room(self._cluster)
            self._rows_reference = ray.put(self._rows)
            self._actor_class = _remote(self._cluster)
            self._refresh_workers()
        except BaseException:
            self._disconnect()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._disconnect()

    def use_rows(self, rows: TrainingRows) -> None:
        """Train on other rows of the same columns from now on, in all workers and those that start later."""
        self._rows, self._rows_reference = rows, ray.put(rows)
        for worker in self._workers:
            worker.actor.use_rows.remote(self._rows_reference)  # an actor does what it is asked in this order

    def train(self, queue: PopulationQueue, keep_weights: bool = False) -> Iterator[tuple[int, PopulationOutcome]]:
        """Train every population to its end, those of lost workers again; yields (position, outcome) as they finish."""
        lost: dict[int, Losses] = {}
        training: list[RayTask] = []
        present = time.monotonic()
        while queue or training:
            self._refresh_workers()
            idle = {worker: worker.programs for worker in self._idle(training)}
            while idle and queue:
                anywhere = set[Program]().union(*(worker.programs for worker in self._workers))
                worker, position = next_assignment(idle, queue.next, anywhere, self.resources, len(self._rows.x))
                del idle[worker]
                training.append(self._begin(worker, position, queue.take(position), keep_weights, lost.get(position, Losses())))
            workers, nodes = self._present
            self._callbacks.on_status(WorkerStatus(workers, len(training), len(queue), nodes))
            if not training:
                self._wait_for_a_worker(present)
                continue
            present = time.monotonic()
            self._wait([task.outcome for task in training])
            self._report_progress(training)
            for task in [task for task in training if task.worker.loss or _is_ready(task.outcome)]:
                training.remove(task)
                outcome = self._outcome(task, lost)
                if outcome is None:
                    queue.put_back(task.position, task.population)
                    continue
                lost.pop(task.position, None)
                self._advance(task, float(sum(task.population.stops) - len(task.population.stops) * task.population.start))
                yield task.position, outcome

            busy = {task.worker for task in training}
            for worker in [worker for worker in self._workers if worker not in busy]:  # it would be given a population
                if worker.loss:
                    self._handle_loss(worker, worker.loss, 0)

    def _outcome(self, task: RayTask, lost: dict[int, Losses]) -> PopulationOutcome | None:
        """The outcome of a population that is no longer in training; None where it is to be trained again.

        Args:
            task: The population.
            lost: How many workers were lost over each population, by its position; counted up.
        """
        try:
            outcome: PopulationOutcome = _result(task.outcome, task.worker)
        except LOST as loss:
            times = lost.get(task.position, Losses()).times + 1
            self._handle_loss(task.worker, loss, times)
            lost[task.position] = Losses(times, task.reported)
            return None
        except RayTaskError as error:
            cause = _cause(error)
            if not isinstance(cause, ProgramCacheError):
                raise cause from None
            self._train_without_cache(task.worker, cause)
            return None
        return outcome

    def export(self, folder: Path, model: ExportedModel) -> None:
        """Have a worker write lanes that were trained on all rows as one model; its files land here."""
        _write(folder, self._ask("export", model))

    def predict(self, folder: Path, x: Floats) -> Floats:
        """Predictions of the exported model, by a worker."""
        predicted: Floats = self._ask("predict", read_files(folder), x)
        return predicted

    def measure_latency(self, folder: Path, x: Floats) -> float:
        """Seconds that the exported model takes to predict for these rows, measured on a worker's node."""
        seconds: float = self._ask("measure_latency", read_files(folder), x)
        return seconds

    def _ask(self, method: str, *arguments: Any) -> Any:
        """The result of a worker's method; if the worker is lost, of another one's."""
        losses, began = 0, time.monotonic()
        while True:
            self._refresh_workers()
            idle = self._idle([])
            if not idle:
                self._wait_for_a_worker(began)
                continue
            try:
                reference = getattr(idle[0].actor, method).remote(*arguments)
                while not (_is_ready(reference) or idle[0].loss):
                    self._wait([reference])
                    self._report_progress([])
                return _result(reference, idle[0])
            except LOST as loss:
                losses, began = losses + 1, time.monotonic()
                self._handle_loss(idle[0], loss, losses)

    def _begin(self, worker: RayWorker, position: int, population: Population, keep_weights: bool, before: Losses) -> RayTask:
        ticket = next(self._tickets)
        worker.programs.add(population.program)
        reference = ray.put(population)  # apart from the call, which should be small: lanes that go on bring their weights
        outcome = worker.actor.train.remote(ticket, reference, keep_weights)
        return RayTask(worker, position, population, ticket, outcome, before.reported)

    def _idle(self, training: Sequence[RayTask]) -> list[RayWorker]:
        """The workers that have started and train nothing; those with too many programs are replaced."""
        busy = {task.worker for task in training}
        free = [worker for worker in self._workers if worker.facts and worker not in busy]
        for worker in free:
            if len(worker.programs) > MAX_PROGRAMS:  # XLA never gives a compiled program back
                self._stop_worker(worker)
                self._workers.append(self._start_worker())
        return [worker for worker in free if worker in self._workers]

    def _refresh_workers(self) -> None:
        """Admits workers that have started, reports their number, and starts as many more as the cluster has places for."""
        for worker in [worker for worker in self._workers if worker.facts is None and _is_ready(worker.starting)]:
            self._admit(worker)
            if all(worker.facts for worker in self._workers):
                self._report_workers()
        if time.monotonic() < self._next_refresh:
            return
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        for worker in [worker for worker in self._workers if worker.facts and worker.facts.node not in alive]:
            self._stop_worker(worker)  # one that trains is missed when its population is
        room = worker_places(self._cluster)
        for worker in [worker for worker in self._workers if worker.facts is None][: max(0, len(self._workers) - room)]:
            self._stop_worker(worker)
        self._workers += [self._start_worker() for _ in range(room - len(self._workers))]
        self._report_workers()
        self._next_refresh = time.monotonic() + REFRESH_SECONDS

    def _wait_for_a_worker(self, since: float) -> None:
        """Wait until a worker has started, or until the next poll.

        Raises:
            BackendError: None has started for `START_SECONDS`.
        """
        if time.monotonic() - since > START_SECONDS:
            has, free = ray.cluster_resources().get("CPU", 0), ray.available_resources().get("CPU", 0)
            raise BackendError(
                f"no worker started within {START_SECONDS:g} s: of the cluster's {has:g} processors {has - free:g} are taken "
                "(ray status). Wait for them, or add a node (ray start --address=…). What was finished is recorded: run the "
                "same command again to go on",
                "workers",
            )
        self._wait([])

    def _start_worker(self) -> RayWorker:
        cluster, actor = self._cluster, self._actor_class.remote()
        modules = kinds.extension_modules()
        starting = actor.start.remote(
            self._rows_reference, cluster.cpus_per_worker, cluster.gpus_per_worker, modules, self._keeps_programs
        )
        return RayWorker(actor, starting)

    def _admit(self, worker: RayWorker) -> None:
        """Checks the versions and the device of a worker that has started."""
        try:
            facts: ActorFacts = ray.get(worker.starting)
        except RayActorError as loss:
            if loss.actor_init_failed:
                raise BackendError(_start_failure(loss), "workers") from loss
            self._stop_worker(worker)
            return
        except RayTaskError as error:  # its `start` failed, or its module could not be imported
            raise BackendError(_start_failure(error), "workers") from error
        unlike = [
            f"{name} {remote} (here {local})"
            for (name, local), remote in zip(library_versions().items(), facts.versions.values(), strict=True)
            if local != remote
        ]
        if unlike:
            message = f"the node {facts.host} has {', '.join(unlike)}: scores depend on these versions. Install the same there"
            raise BackendError(message, "workers")
        self._device = self._device or facts.device
        if not facts.device.is_like(self._device):
            raise BackendError(device_mismatch(facts.host, facts.device, self._device), "workers")
        worker.facts = facts
        if facts.damaged_programs:
            self._callbacks.on_message(damage_message(facts.damaged_programs, f"the cache of {facts.host}"))

    def _handle_loss(self, worker: RayWorker, loss: Exception, losses: int) -> None:
        """Stops a worker that was lost, and reports it.

        Raises:
            BackendError: Too many others were lost before it over the same work.
        """
        where = worker.facts.host if worker.facts else "a node"
        self._stop_worker(worker)
        self._next_refresh = 0.0
        if losses > MAX_LOSSES:
            raise BackendError(
                f"{losses} workers were lost over the same population, the last on {where} ({first_line(loss)}): "
                f"{LOST_WORKERS_ADVICE}",
                "workers",
            ) from loss
        self._reported_workers = self._workers_text()
        self._callbacks.on_message(
            f"a worker on {where} was lost; what it had begun is trained again elsewhere ({self._reported_workers} left)"
        )

    def _train_without_cache(self, worker: RayWorker, error: ProgramCacheError) -> None:
        """Stop a worker whose node cannot keep compiled programs; workers that start from now on keep none."""
        host = worker.facts.host if worker.facts else "a node"
        self._stop_worker(worker)
        self._next_refresh = 0.0
        if self._keeps_programs:
            self._keeps_programs = False
            self._callbacks.on_message(f"{host}: {error.message}: training goes on, and no more compiled programs are kept")

    def _report_workers(self) -> None:
        present = self._workers_text()
        if present != self._reported_workers and any(worker.facts for worker in self._workers):
            self._reported_workers = present
            self._callbacks.on_message(f"training on {present}")

    @property
    def _present(self) -> tuple[int, int]:
        """How many workers have started, and on how many nodes."""
        nodes = [worker.facts.node for worker in self._workers if worker.facts]
        return len(nodes), len(set(nodes))

    def _workers_text(self) -> str:
        workers, nodes = self._present
        return f"{workers} worker{'s' * (workers != 1)} on {nodes} node{'s' * (nodes != 1)}"

    def _stop_worker(self, worker: RayWorker) -> None:
        if worker in self._workers:
            self._workers.remove(worker)
            ray.kill(worker.actor)

    def _wait(self, outcomes: Sequence[Any]) -> None:
        """Waits until an outcome or a worker is ready, or until it is time to poll."""
        expected = [*outcomes, *(worker.starting for worker in self._workers if worker.facts is None)]
        if expected:
            ray.wait(expected, timeout=POLL_SECONDS)
        else:
            time.sleep(POLL_SECONDS)

    def _report_progress(self, training: Sequence[RayTask]) -> None:
        """Ask every worker what it has trained, and report it; count the time for which it does not answer."""
        by_worker = {task.worker: task for task in training}
        passed = min(time.monotonic() - self._polled, MAX_STEP_SECONDS)
        self._polled = time.monotonic()
        for worker in self._workers:
            if worker.facts is None:
                continue
            if worker.answer is None:
                worker.answer = worker.actor.trained.remote()
            elif _is_ready(worker.answer):
                reference, worker.answer, worker.silent = worker.answer, None, 0.0
                try:
                    ticket, lane_epochs = ray.get(reference)
                except LOST as loss:
                    worker.failure = loss
                    continue
                task = by_worker.get(worker)
                if task and ticket == task.ticket:
                    self._advance(task, lane_epochs)
            else:
                worker.silent += passed

    def _advance(self, task: RayTask, lane_epochs: float) -> None:
        """Reports the progress of a population; what it trains for the second time is none."""
        if lane_epochs > task.reported:
            self._callbacks.on_trained(lane_epochs - task.reported)
            task.reported = lane_epochs

    def _disconnect(self) -> None:
        for worker in self._workers:
            ray.kill(worker.actor)
        self._workers.clear()
        if self._owns_connection:
            ray.shutdown()


def _remote(cluster: RayWorkersConfig) -> Any:
    """The class of the actors with the resources of each; a thread of its own answers for their progress."""
    options = {"num_cpus": cluster.cpus_per_worker, "num_gpus": cluster.gpus_per_worker, "max_restarts": 0}
    return ray.remote(**options, concurrency_groups={"progress": 1})(WorkerActor)


def device_mismatch(host: str, device: Device, others: Device) -> str:
    """The message that a node's GPU is not that of the others."""
    return (
        f"the node {host} trains on another GPU than the others ({device.name}, they on {others.name}): scores depend on "
        "the GPU. Let nodes of one kind join, or set gpus_per_worker: 0"
    )


def _is_ready(reference: Any) -> bool:
    there, _ = ray.wait([reference], timeout=0)
    return bool(there)


def _result(reference: Any, worker: RayWorker) -> Any:
    """What a call of a worker has returned; where it is not there yet, the worker was lost, and that is raised."""
    if worker.loss and not _is_ready(reference):
        raise worker.loss
    return ray.get(reference)


def _cause(error: RayTaskError) -> BaseException:
    """What a worker raised: an error of this package as it is, any other with its traceback on the node."""
    return error.cause if isinstance(error.cause, BackendError) else error


def _start_failure(error: BaseException) -> str:
    last = str(error).strip().splitlines()[-1]
    kind, _, message = last.partition(": ")
    if kind.endswith(BackendError.__name__):
        return f"a worker could not start on its node: {message.removeprefix('workers: ')}"
    return f"a worker could not start on its node ({last}): the same branchsweep[ray] must be installed on every node"
