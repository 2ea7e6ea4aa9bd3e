"""Workers of a Ray cluster, two nodes on this machine: the same results as local workers, whatever fails."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.errors import BackendError
from branchsweep.models.exported_model import ExportedModel, ModelMember
from branchsweep.models.recipe import recipe_for
from branchsweep.search.drivers import open_driver
from branchsweep.training import packing
from branchsweep.training.lanes import refit_lanes, search_lanes
from branchsweep.training.local_workers import LocalWorkers
from branchsweep.training.population import Population, PopulationOutcome
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.protocols import Trainer, WorkerCallbacks, WorkerStatus
from branchsweep.training.resources import Resources
from branchsweep.trial import Result
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.search_loop import run_search
from processes import run_python
from ray_cluster import RAY_IS_MISSING, RayCluster
from servers import free_port
from tiny_sweep import TinySweep, tiny_experiment
from tiny_training import EXPERIMENT, assert_same_outcome, tiny_populations, tiny_rows

if RAY_IS_MISSING:
    pytest.skip(RAY_IS_MISSING, allow_module_level=True)

from branchsweep.training.ray import worker as ray_worker_module
from branchsweep.training.ray import workers as ray_module
from branchsweep.training.ray.cluster import count_places
from branchsweep.training.ray.worker import LOST
from branchsweep.training.ray.workers import RayWorkers

pytestmark = pytest.mark.slow


@dataclass
class ClusterWorkers:
    """Workers on both nodes, with the messages, the statuses and the lane-epochs that they report."""

    nodes: RayCluster
    trainer: RayWorkers
    messages: list[str] = field(default_factory=list)
    statuses: list[WorkerStatus] = field(default_factory=list)
    lane_epochs: list[float] = field(default_factory=list)
    on_progress: Callable[[], None] = lambda: None

    def wait_for_workers(self, nodes: int = 2) -> None:
        """Wait until there is a worker on each of so many nodes, this was reported, and no killed node counts as alive."""
        deadline = time.monotonic() + 180
        while not (
            self.trainer._present == (nodes, nodes)
            and self.trainer._reported_workers == self.trainer._workers_text()
            and len(self.trainer._workers) == count_places(self.nodes.workers_config) == nodes
        ):
            assert time.monotonic() < deadline
            self.trainer._refresh_workers()
            time.sleep(0.1)

    @property
    def reported(self) -> tuple[int, int]:
        """The workers and nodes of the last status."""
        return self.statuses[-1].workers, self.statuses[-1].nodes

    def progress(self, lane_epochs: float) -> None:
        self.lane_epochs.append(lane_epochs)
        self.on_progress()


@pytest.fixture(scope="module")
def started_workers(nodes: RayCluster) -> Iterator[ClusterWorkers]:
    workers = ClusterWorkers(nodes, trainer=None)  # type: ignore[arg-type]  # each refers to the other
    callbacks = WorkerCallbacks(workers.progress, workers.messages.append, workers.statuses.append)
    workers.trainer = RayWorkers(tiny_rows(), nodes.workers_config, callbacks)
    with workers.trainer:
        yield workers


@pytest.fixture
def cluster_workers(started_workers: ClusterWorkers) -> Iterator[ClusterWorkers]:
    """A worker on either of two nodes, whatever the tests before have killed; nothing is reported yet."""
    started_workers.nodes.ensure_second_node()
    started_workers.wait_for_workers()
    for reported in (started_workers.messages, started_workers.statuses, started_workers.lane_epochs):
        reported.clear()
    yield started_workers
    started_workers.on_progress = lambda: None


@pytest.fixture(scope="module")
def local_workers(nodes: RayCluster) -> Iterator[LocalWorkers]:
    with LocalWorkers(tiny_rows(), 2, cache_folder=nodes.cache) as workers:
        yield workers


def assert_all_equal(outcomes: dict[int, PopulationOutcome], expected: dict[int, PopulationOutcome]) -> None:
    assert outcomes.keys() == expected.keys()
    for position, outcome in outcomes.items():
        assert_same_outcome(outcome, expected[position])


def test_results_equal_those_of_local_workers_to_the_last_bit(
    cluster_workers: ClusterWorkers, local_workers: LocalWorkers
) -> None:
    packed = tiny_populations()
    assert cluster_workers.trainer.resources == Resources(2)
    outcomes = dict(cluster_workers.trainer.train(PopulationQueue(packed), keep_weights=True))
    assert_all_equal(outcomes, dict(local_workers.train(PopulationQueue(packed), keep_weights=True)))
    assert sum(cluster_workers.lane_epochs) == pytest.approx(4 * 3 * 3)  # trials x folds x epochs
    assert cluster_workers.reported == (2, 2)


def numbers(message: str) -> list[int]:
    """The numbers that a message contains."""
    return [int(number) for number in re.findall(r"\d+", message)]


def test_a_model_is_exported_on_the_machine_of_the_driver_process(
    cluster_workers: ClusterWorkers, local_workers: LocalWorkers, tmp_path: Path
) -> None:
    (trial,) = open_driver(EXPERIMENT).ask(1)
    (population,) = packing.pack([*refit_lanes(recipe_for(EXPERIMENT, trial.params), EXPERIMENT, [0], 3)], EXPERIMENT)
    ((_, outcome),) = cluster_workers.trainer.train(PopulationQueue([population]), keep_weights=True)
    weights = outcome.lanes[0].weights
    assert weights is not None
    model = ExportedModel([ModelMember(population.recipes[0], weights)], ["a", "b"], {"PE": "MW", "V": "cm Hg"})
    cluster_workers.trainer.export(tmp_path / "cluster", model)
    local_workers.export(tmp_path / "local", model)
    assert {file.name for file in (tmp_path / "cluster").iterdir()} == {"model.keras", "serving.json", "encoder_affine.py"}
    predicted = cluster_workers.trainer.predict(tmp_path / "cluster", tiny_rows().x)
    np.testing.assert_array_equal(predicted, local_workers.predict(tmp_path / "local", tiny_rows().x))
    assert cluster_workers.trainer.measure_latency(tmp_path / "cluster", tiny_rows().x) > 0


def test_a_sweep_asks_and_scores_the_same_as_with_local_workers(
    cluster_workers: ClusterWorkers, local_workers: LocalWorkers
) -> None:
    """A driver that learns: the trials that it asks depend on every earlier score, and on their order."""
    experiment = tiny_experiment(
        search={"driver": "optuna", "trials": 12, "batch": 3, "pending_rounds": 1}, fit={"epochs": 4}, pruning={"rungs": [2]}
    )
    results, expected = (search_results(experiment, trainer) for trainer in (cluster_workers.trainer, local_workers))
    assert [result.trial for result in results] == [result.trial for result in expected]
    assert [result.score.heads for result in results] == [result.score.heads for result in expected]
    assert [result.score.rungs for result in results] == [result.score.rungs for result in expected]


def search_results(experiment: Experiment, trainer: Trainer) -> list[Result]:
    sweep = TinySweep(experiment)
    training = TrainingContext(trainer, tiny_rows(), sweep.progress)
    return run_search(experiment, open_driver(experiment), training, sweep.tracker).results


def test_populations_of_a_lost_node_are_trained_again_with_the_same_results(
    cluster_workers: ClusterWorkers, local_workers: LocalWorkers
) -> None:
    packed = long_populations()
    lost: list[int] = []

    def lose_workers() -> None:
        if not lost:
            lost.append(len(cluster_workers.lane_epochs))
            cluster_workers.nodes.kill_second_node()

    cluster_workers.on_progress = lose_workers
    outcomes = dict(cluster_workers.trainer.train(PopulationQueue(packed), keep_weights=True))
    assert_all_equal(outcomes, dict(local_workers.train(PopulationQueue(packed), keep_weights=True)))
    assert (cluster_workers.statuses[0].workers, cluster_workers.statuses[0].nodes) == (2, 2)
    assert cluster_workers.reported == (1, 1)
    (message,) = cluster_workers.messages
    assert numbers(message)[-2:] == [1, 1], "workers and nodes that are left"
    assert sum(cluster_workers.lane_epochs) == pytest.approx(sum(sum(population.stops) for population in packed)), (
        "counted once"
    )


def test_a_node_that_joins_gets_a_worker(cluster_workers: ClusterWorkers, local_workers: LocalWorkers) -> None:
    cluster_workers.nodes.kill_second_node()
    cluster_workers.wait_for_workers(nodes=1)
    cluster_workers.nodes.ensure_second_node()
    cluster_workers.wait_for_workers()
    packed = tiny_populations()
    assert numbers(cluster_workers.messages[-1]) == [2, 2], "workers and nodes"
    assert_all_equal(
        dict(cluster_workers.trainer.train(PopulationQueue(packed), keep_weights=True)),
        dict(local_workers.train(PopulationQueue(packed), keep_weights=True)),
    )
    assert cluster_workers.reported == (2, 2)


def test_a_worker_whose_process_is_stopped_is_replaced_with_the_same_results(
    cluster_workers: ClusterWorkers, local_workers: LocalWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both workers train, and then one of them does while the other one is idle."""
    monkeypatch.setattr(ray_worker_module, "SILENT_SECONDS", 3.0)
    packed = long_populations()
    expected = dict(local_workers.train(PopulationQueue(packed), keep_weights=True))
    for populations in (packed, packed[:1]):
        cluster_workers.wait_for_workers()
        cluster_workers.messages.clear()
        stopped: list[int] = []

        def stop_workers(stopped: list[int] = stopped) -> None:
            if not stopped:
                stopped += cluster_workers.nodes.worker_processes
                for process in stopped:
                    os.kill(process, signal.SIGSTOP)

        cluster_workers.on_progress = stop_workers
        try:
            outcomes = dict(cluster_workers.trainer.train(PopulationQueue(populations), keep_weights=True))
        finally:
            cluster_workers.on_progress = lambda: None
            for process in stopped:  # Ray ends a stopped process only once it runs again
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)
        assert_all_equal(outcomes, {position: expected[position] for position in range(len(populations))})
        lost = [message for message in cluster_workers.messages if message.startswith("a worker on ")]
        assert len(lost) == 2, (stopped, cluster_workers.messages)


def test_an_idle_worker_that_is_lost_is_replaced_before_it_is_given_a_population(
    cluster_workers: ClusterWorkers, local_workers: LocalWorkers
) -> None:
    import ray

    packed = long_populations(loss="mae")[:1]  # a program that no worker has compiled yet
    lost: list[object] = []

    def lose_the_idle_worker() -> None:
        started = [worker for worker in cluster_workers.trainer._workers if worker.facts]
        idle = [worker.actor for worker in started if packed[0].program not in worker.programs]
        if not lost and idle:
            lost.append(idle[0])
            ray.kill(idle[0])

    cluster_workers.on_progress = lose_the_idle_worker
    outcomes = dict(cluster_workers.trainer.train(PopulationQueue(packed), keep_weights=True))
    assert_all_equal(outcomes, dict(local_workers.train(PopulationQueue(packed), keep_weights=True)))
    assert lost and lost[0] not in {worker.actor for worker in cluster_workers.trainer._workers}
    assert len([message for message in cluster_workers.messages if message.startswith("a worker on ")]) == 1


def test_a_worker_with_many_programs_is_replaced(
    cluster_workers: ClusterWorkers, local_workers: LocalWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tiny_populations()
    assert len({population.program for population in packed}) > 1
    monkeypatch.setattr(ray_module, "MAX_PROGRAMS", 1)
    before = {worker.actor for worker in cluster_workers.trainer._workers}
    assert_all_equal(
        dict(cluster_workers.trainer.train(PopulationQueue(packed), keep_weights=True)),
        dict(local_workers.train(PopulationQueue(packed), keep_weights=True)),
    )
    assert before - {worker.actor for worker in cluster_workers.trainer._workers}


def test_a_population_that_loses_every_worker_is_an_error(
    cluster_workers: ClusterWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setattr(ray_module, "MAX_LOSSES", 0)

    def lose_workers() -> None:
        for worker in cluster_workers.trainer._workers:
            ray.kill(worker.actor)

    cluster_workers.on_progress = lose_workers
    try:
        with pytest.raises(BackendError) as caught:
            list(cluster_workers.trainer.train(PopulationQueue(long_populations())))
    finally:
        for worker in list(cluster_workers.trainer._workers):  # the next test would find those that were not missed yet
            cluster_workers.trainer._stop_worker(worker)
    assert caught.value.where == "workers" and isinstance(caught.value.__cause__, LOST)


def test_message_without_a_free_worker_says_how_many_processors_are_used(
    cluster_workers: ClusterWorkers, nodes: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cluster_workers.trainer.resources == Resources(2), "they use all processors"
    monkeypatch.setattr(ray_module, "START_SECONDS", 1.0)
    with RayWorkers(tiny_rows(), nodes.workers_config) as further_workers, pytest.raises(BackendError) as caught:
        list(further_workers.train(PopulationQueue(tiny_populations())))
    assert caught.value.where == "workers"
    assert numbers(caught.value.message) == [1, 2, 2], "seconds, processors of the cluster, those used"


def test_requirements_that_no_node_satisfies_are_an_error_at_once(cluster_workers: ClusterWorkers) -> None:
    nodes = cluster_workers.nodes
    excessive = nodes.workers_config.model_copy(update={"cpus_per_worker": 2, "gpus_per_worker": 1.0})
    with pytest.raises(BackendError) as caught:
        RayWorkers(tiny_rows(), excessive).__enter__()
    assert caught.value.where == "workers" and count_places(excessive) == 0
    assert count_places(nodes.workers_config) == 2
    assert count_places(nodes.workers_config.model_copy(update={"gpus_per_worker": 0.5})) == 0


def test_a_gpu_that_ray_counts_and_tensorflow_does_not_see_is_an_error(cluster_workers: ClusterWorkers) -> None:
    """A node may say that it has one, as this one does here. Its worker does not train on the processor instead."""
    nodes = cluster_workers.nodes
    half_gpu = nodes.workers_config.model_copy(update={"gpus_per_worker": 0.5})
    with nodes.extra_node_with_gpu():
        assert count_places(half_gpu) == 1
        with (
            RayWorkers(tiny_rows(), half_gpu) as workers,
            pytest.raises(BackendError, match=r"\bGPU\b.*\bTensorFlow\b") as caught,
        ):
            assert workers.resources.device.kind == "gpu", "the first worker is waited for"
        assert caught.value.where == "workers"


@pytest.mark.parametrize("scheme", ["", "ray://", "auto"])
def test_an_address_without_an_answer_is_an_error_within_seconds(tmp_path: Path, scheme: str) -> None:
    """In a process of its own, for this one may be connected; auto where a cluster was killed that Ray still has on record."""
    address = f"127.0.0.1:{free_port()}"
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(address, encoding="ascii")
    code = f"""
import json, time
from branchsweep.errors import BackendError
from branchsweep.training.ray.cluster import connect
start = time.monotonic()
try:
    connect("{scheme if scheme == "auto" else scheme + address}")
except BackendError as error:
    print(json.dumps([error.where, error.message, time.monotonic() - start]))
"""
    done = run_python(code, variables={"RAY_TMPDIR": str(tmp_path)})
    where, message, seconds = json.loads(done.stdout)
    assert where == "workers" and seconds < 5
    assert address in message and "ray start --head" in message


def long_populations(loss: str = "mse") -> list[Population]:
    """Two of the same program, seconds each, so that something can happen to their workers meanwhile.

    Args:
        loss: Of both heads; another loss is another program.
    """
    experiment = tiny_experiment(
        heads={"PE": {"unit": "MW", "loss": loss}, "V": {"unit": "cm Hg", "loss": loss}},
        search={"driver": "random", "trials": 2, "batch": 2},
        fit={"epochs": 4000},
        pruning={"rungs": []},
    )
    lanes = [lane for trial in open_driver(experiment).ask(2) for lane in search_lanes(trial, experiment)]
    return [population for lane in lanes[:2] for population in packing.pack([lane], experiment)]
