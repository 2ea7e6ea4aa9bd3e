"""Worker processes: the same results as in this process, however many there are; and an end when the parent ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from branchsweep.errors import BackendError
from branchsweep.models.exported_model import ExportedModel, ModelMember
from branchsweep.models.recipe import recipe_for
from branchsweep.runtime import cache_folder
from branchsweep.search.drivers import open_driver
from branchsweep.training import local_worker, packing
from branchsweep.training import local_workers as workers_module
from branchsweep.training.lanes import refit_lanes
from branchsweep.training.local_workers import LocalWorkers, available_cores
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.protocols import WorkerCallbacks, WorkerStatus
from branchsweep.training.trainer import PopulationTrainer
from processes import python_environment
from tiny_training import EXPERIMENT, assert_same_outcome, tiny_populations, tiny_rows


def local_workers(count: int, progress: Callable[[float], None] = lambda lane_epochs: None) -> LocalWorkers:
    """Workers that load cached programs; `test_program_cache` shows that these give the same bits."""
    return LocalWorkers(tiny_rows(), count, WorkerCallbacks(progress), cache_folder())


@pytest.fixture(scope="module")
def two_workers() -> Iterator[tuple[LocalWorkers, list[float]]]:
    progress: list[float] = []
    with LocalWorkers(None, 1, cache_folder=cache_folder()) as workers:  # as a command starts them before it reads the table
        workers.begin(tiny_rows(), 2, WorkerCallbacks(progress.append))
        yield workers, progress


@pytest.mark.slow
def test_one_worker_whose_process_is_replaced_equals_two_workers_to_the_last_bit(
    two_workers: tuple[LocalWorkers, list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    workers, progress = two_workers
    packed = tiny_populations()[:2]  # a process each, where a process trains one program
    assert len({population.program for population in packed}) == len(packed)
    expected = dict(workers.train(PopulationQueue(packed), keep_weights=True))
    assert sum(progress) == pytest.approx(sum(sum(population.stops) for population in packed))
    monkeypatch.setattr(workers_module, "MAX_PROGRAMS", 1)
    with local_workers(1) as one_worker:
        outcomes = dict(one_worker.train(PopulationQueue(packed), keep_weights=True))
        assert len(multiprocessing.active_children()) == 2 + 1  # two workers, and the last process of this one
    assert outcomes.keys() == expected.keys() == set(range(len(packed)))
    for position, outcome in expected.items():
        assert_same_outcome(outcome, outcomes[position])


@pytest.mark.slow
def test_workers_train_on_other_rows_as_a_new_trainer_would(
    two_workers: tuple[LocalWorkers, list[float]],
) -> None:
    workers, _ = two_workers
    population, rows = tiny_populations()[0], tiny_rows()
    others = replace(rows, y=rows.y[::-1].copy())
    expected = PopulationTrainer(others).train_one(population, keep_weights=True)
    workers.use_rows(others)
    ((_, outcome),) = workers.train(PopulationQueue([population]), keep_weights=True)
    assert_same_outcome(outcome, expected)
    workers.use_rows(rows)


@pytest.mark.slow
def test_a_model_is_exported_and_predicts_also_after_the_idle_worker_has_died(
    two_workers: tuple[LocalWorkers, list[float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers, _ = two_workers
    (trial,) = open_driver(EXPERIMENT).ask(1)
    (population,) = packing.pack([*refit_lanes(recipe_for(EXPERIMENT, trial.params), EXPERIMENT, [0], 3)], EXPERIMENT)
    ((_, outcome),) = workers.train(PopulationQueue([population]), keep_weights=True)
    weights = outcome.lanes[0].weights
    assert weights is not None
    member = ModelMember(population.recipes[0], weights)
    workers.export(tmp_path, ExportedModel([member], ["a", "b"], {"PE": "MW", "V": "cm Hg"}))
    predicted = workers.predict(tmp_path, tiny_rows().x)
    assert predicted.shape == (150, 2)
    assert np.isfinite(predicted).all()
    for is_seen_as_alive in (False, True):  # for a moment after its death
        (asked,) = (worker for worker in workers._workers if worker.exports)
        assert asked.process is not None
        asked.process.kill()
        wait_until(lambda: bool(asked.executor._broken), 10)  # noqa: B023  # called at once
        with monkeypatch.context() as patch:
            if is_seen_as_alive:
                patch.setattr(type(asked.process), "is_alive", lambda _: True)
            np.testing.assert_array_equal(workers.predict(tmp_path, tiny_rows().x), predicted)
        assert asked not in workers._workers


@pytest.mark.slow
def test_a_worker_that_dies_or_is_stopped_is_replaced_and_its_population_trained_again(
    two_workers: tuple[LocalWorkers, list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_worker, "SILENT_SECONDS", 5.0)
    packed = tiny_populations()[:3]
    expected = dict(two_workers[0].train(PopulationQueue(packed), keep_weights=True))
    messages: list[str] = []
    progress: list[float] = []
    others = set(multiprocessing.active_children())
    callbacks = WorkerCallbacks(progress.append, messages.append)
    with LocalWorkers(tiny_rows(), 1, callbacks, cache_folder()) as workers:
        training = workers.train(PopulationQueue(packed), keep_weights=True)
        outcomes = dict([next(training)])  # the next population is being trained
        (first,) = set(multiprocessing.active_children()) - others
        first.kill()
        outcomes |= dict([next(training)])
        (second,) = set(multiprocessing.active_children()) - others
        assert second.pid is not None and first.pid is not None
        os.kill(second.pid, signal.SIGSTOP)
        outcomes |= dict(training)
        assert sum(progress) == pytest.approx(3 * 3 * 3)  # trials x folds x epochs: what was trained twice counts once
        (third,) = set(multiprocessing.active_children()) - others
        third.kill()  # while it is idle
        third.join()
        after_idle = dict(workers.train(PopulationQueue(packed[:1]), keep_weights=True))
    for position, outcome in expected.items():
        assert_same_outcome(outcome, outcomes[position])
    assert_same_outcome(expected[0], after_idle[0])
    assert third.pid not in (first.pid, second.pid)
    for process, message in zip((first, second, third), messages, strict=True):
        assert str(process.pid) in message


@pytest.mark.slow
def test_a_worker_that_is_stopped_while_it_starts_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_worker, "SILENT_SECONDS", 5.0)
    others = set(multiprocessing.active_children())
    messages: list[str] = []
    with LocalWorkers(tiny_rows(), 1, WorkerCallbacks(on_message=messages.append), cache_folder()) as workers:
        (first,) = set(multiprocessing.active_children()) - others
        assert first.pid is not None
        os.kill(first.pid, signal.SIGSTOP)
        begun = time.monotonic()
        assert len(dict(workers.train(PopulationQueue(tiny_populations()[:1])))) == 1
    assert time.monotonic() - begun < local_worker.START_SECONDS
    assert [str(first.pid) in message for message in messages][:1] == [True]


def test_a_population_over_which_workers_die_again_and_again_is_a_backend_error() -> None:
    others = set(multiprocessing.active_children())
    messages: list[str] = []

    def kill_all(_: WorkerStatus) -> None:
        for process in set(multiprocessing.active_children()) - others:
            process.kill()

    callbacks = WorkerCallbacks(on_message=messages.append, on_status=kill_all)
    with LocalWorkers(tiny_rows(), 1, callbacks) as workers, pytest.raises(BackendError):
        list(workers.train(PopulationQueue(tiny_populations()[:1])))
    assert len(messages) == workers_module.MAX_LOSSES


@pytest.mark.slow
def test_programs_that_cannot_be_kept_do_not_end_the_training(
    two_workers: tuple[LocalWorkers, list[float]], tmp_path: Path
) -> None:
    messages: list[str] = []
    packed = tiny_populations()[:1]
    with LocalWorkers(tiny_rows(), 1, WorkerCallbacks(on_message=messages.append), tmp_path) as workers:
        wait_until(lambda: any((tmp_path / "programs").glob("*")), 60)
        (programs,) = (tmp_path / "programs").glob("*")
        programs.rmdir()
        programs.write_text("nothing can be written into a file", encoding="utf-8")
        outcomes = dict(workers.train(PopulationQueue(packed), keep_weights=True))
    assert len(messages) == 1
    for position, outcome in two_workers[0].train(PopulationQueue(packed), keep_weights=True):
        assert_same_outcome(outcome, outcomes[position])


def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    """A killed parent cannot stop its workers: they end by themselves."""
    code = """
import multiprocessing, pathlib, sys, time
from branchsweep.training.local_workers import LocalWorkers
from tiny_training import tiny_rows
if __name__ == "__main__":
    with LocalWorkers(tiny_rows(), 2):
        while len(multiprocessing.active_children()) < 2:
            time.sleep(0.05)
        pids = " ".join(str(process.pid) for process in multiprocessing.active_children())
        pathlib.Path(sys.argv[1]).write_text(pids)
        time.sleep(600)
"""
    script, pids = tmp_path / "parent.py", tmp_path / "pids"
    script.write_text(code, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script), str(pids)], env=python_environment()) as parent:
        wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2, 60)
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(is_alive(int(pid)) for pid in pids.read_text().split()), 60)


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_at_least_one_core_is_available() -> None:
    assert available_cores()


def test_without_ray_a_cluster_is_a_backend_error_with_the_install_command() -> None:
    code = "import sys; sys.modules['ray'] = None; import branchsweep.training.ray"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    error = done.stderr.strip().splitlines()[-1]
    assert error.startswith(f"{BackendError.__module__}.{BackendError.__qualname__}: workers: ")
    assert error.endswith("pip install 'branchsweep[ray]'")
