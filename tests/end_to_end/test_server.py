"""A shared MLflow server on PostgreSQL with passwords: it may be unavailable, and several people use it at once."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from mlflow import MlflowClient

from branchsweep.config.addresses import Address
from branchsweep.data.splits import split_rows
from branchsweep.data.training_rows import training_rows
from branchsweep.errors import TrackingError, TrackingServerUnavailableError
from branchsweep.runtime import cache_folder
from branchsweep.search.drivers import open_driver
from branchsweep.tracking import retries
from branchsweep.tracking.async_tracker import AsyncTracker
from branchsweep.tracking.memory import MemoryTracker
from branchsweep.tracking.mlflow.lock_owner import LockOwner
from branchsweep.tracking.mlflow.tracker import MlflowTracker, open_existing
from branchsweep.tracking.outbox import Outbox
from branchsweep.tracking.protocols import SweepRecord, Tracking
from branchsweep.training.population import PopulationOutcome
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.protocols import Trainer
from branchsweep.trial import Result
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.records.sweep_record import new_sweep_record
from branchsweep.workflows.search_loop import run_search
from contracts.audit import AuditContract
from contracts.registry import RegistryContract
from contracts.results import exact_texts, example_result
from contracts.tracker import TrackerContract
from contracts.tracking_records import OpenTracking, sweep_record
from fakes import FormulaTrainer, RecordingProgress
from processes import start_python
from recorded_runs import trial_runs
from servers import PASSWORDS, SharedServer, sign_in_variables
from tiny_sweep import tiny_experiment, tiny_table


@pytest.fixture(autouse=True)
def sign_in_as_ada(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sign_in_variables("ada").items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def name() -> str:
    return f"shared-{uuid4().hex[:8]}"


def next_lines(process: subprocess.Popen[str], lines: int) -> list[str]:
    """The next lines that it prints."""
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(lines)]


def start_recording(process: subprocess.Popen[str]) -> None:
    """Let it record."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


class TestTrackingOnASharedServer:
    """Of the contract, which holds behind any server, what rights and PostgreSQL might change."""

    test_results_are_read_back = TrackerContract.test_recorded_results_are_read_back_exactly
    test_resumed = TrackerContract.test_a_sweep_of_the_same_key_is_resumed
    test_never_twice = TrackerContract.test_no_trial_is_recorded_twice
    test_conclusion = TrackerContract.test_a_conclusion_is_read_back
    test_no_champion = RegistryContract.test_there_is_no_champion_before_a_promotion
    test_champion = RegistryContract.test_a_candidate_is_champion_only_if_the_decision_says_so
    test_files = RegistryContract.test_a_registered_model_is_read_back_with_its_files
    test_evaluations = AuditContract.test_evaluations_are_counted_over_all_sweeps_of_the_store

    @pytest.fixture
    def opened(self, server: SharedServer, name: str) -> OpenTracking:
        def open_tracking(record: SweepRecord, fresh: bool = False) -> Tracking:
            return MlflowTracker.open(replace(record, name=name), Address(server.uri), fresh).tracking

        return open_tracking


def test_a_wrong_password_is_an_error_at_once(server: SharedServer, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store_tracker = MlflowTracker.open(sweep_record(name=name), Address(server.uri))
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "no longer")
    start = time.monotonic()
    with pytest.raises(TrackingError) as caught, AsyncTracker(store_tracker) as tracker:
        tracker.record([example_result(0)])
    assert not isinstance(caught.value, TrackingServerUnavailableError)
    assert server.uri in caught.value.message
    assert time.monotonic() - start < 10


@dataclass
class ServerStoppingTrainer(FormulaTrainer):
    """Stops the server after the second population, and starts it again after the fifth.

    Args:
        server: The server.
    """

    server: SharedServer | None = None
    populations: int = 0

    def train(self, queue: PopulationQueue, keep_weights: bool = False) -> Iterator[tuple[int, PopulationOutcome]]:
        assert self.server is not None
        for outcome in super().train(queue, keep_weights):
            self.populations += 1
            if self.populations == 2:
                self.server.stop()
            if self.populations == 5:
                threading.Thread(target=self.server.start).start()
            yield outcome


@pytest.mark.slow
def test_an_unavailable_server_has_every_trial_afterwards(
    server: SharedServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Training goes on; all is delivered afterwards, in order, once, as if the server had been available all the time."""
    monkeypatch.setattr(retries, "LONGEST_PAUSE", 1.0)
    experiment = tiny_experiment(name=name, search={"driver": "random", "trials": 24, "batch": 4})
    table = tiny_table()
    rows = training_rows(table, split_rows(experiment, table))
    record = new_sweep_record(experiment, table, split_rows(experiment, table))
    trainer, messages = ServerStoppingTrainer(rows, server=server), list[str]()

    def search(tracking: Tracking, trainer: Trainer) -> list[Result]:
        training = TrainingContext(trainer, rows, RecordingProgress())
        return run_search(experiment, open_driver(experiment), training, tracking.tracker).results

    store_tracker = MlflowTracker.open(record, Address(server.uri))
    folder = cache_folder() / "spool" / store_tracker.run_id
    with AsyncTracker(store_tracker, Outbox(folder), store_tracker.lock, messages.append) as tracker:
        results = search(replace(store_tracker.tracking, tracker=tracker), trainer)
        assert trainer.populations > 5, "training did not wait"
        tracker.flush()
        assert sorted(trial_runs(store_tracker)) == [(number, "FINISHED") for number in range(24)]  # trained in no order
        tracker.finish({}, "", {})
    assert not folder.exists()
    expected = search(MemoryTracker.open(record).tracking, FormulaTrainer(rows))
    recorded = MlflowTracker.open(record, Address(server.uri)).recorded_results()
    assert exact_texts(recorded) == exact_texts(results) == exact_texts(expected)
    unavailable, _waiting, _available = messages  # each once
    assert server.uri in unavailable and str(folder) in unavailable


RECORDING_PROCESS = """
import sys, time
from contracts.results import example_result
from contracts.tracking_records import sweep_record
from branchsweep.config.addresses import Address
from branchsweep.runtime import cache_folder
from branchsweep.errors import UserError
from branchsweep.tracking import async_tracker
from branchsweep.tracking.mlflow.tracker import MlflowTracker
from branchsweep.tracking.outbox import Outbox
uri, name, key = sys.argv[1:4]
async_tracker.RENEW_SECONDS = 0.2
try:
    tracker = MlflowTracker.open(sweep_record(key, name=name), Address(uri))
    outbox = Outbox(cache_folder() / "spool" / tracker.run_id)
    with async_tracker.AsyncTracker(tracker, outbox, tracker.lock) as recording:
        print("open", flush=True)
        sys.stdin.readline()
        for number in range(int(sys.argv[4]), int(sys.argv[5])):
            recording.record([example_result(number)])
            print(number, flush=True)
        while key == "endless":
            recording.recorded_results()
            print("recorded", flush=True)
            time.sleep(0.1)
except UserError as error:
    print(type(error).__name__, error, *getattr(error, "__notes__", []))
"""


@pytest.mark.slow
def test_trials_that_a_killed_process_left_on_disk_are_recorded_by_the_next(server: SharedServer, name: str) -> None:
    record = sweep_record("endless", name=name)
    first = MlflowTracker.open(record, Address(server.uri))
    first.record([example_result(0)])
    first.lock.release()
    with start_python(RECORDING_PROCESS, server.uri, name, "endless", "0", "12") as process:
        assert next_lines(process, 1) == ["open"]
        server.stop()
        start_recording(process)
        assert next_lines(process, 12) == [str(number) for number in range(12)]
        process.send_signal(signal.SIGKILL)
    folder = cache_folder() / "spool" / first.run_id
    assert folder.is_dir()
    server.start()
    store_tracker, messages = MlflowTracker.open(record, Address(server.uri)), list[str]()
    assert store_tracker.lock.after is not None, "the killed process did not release the lock"
    with AsyncTracker(store_tracker, Outbox(folder), store_tracker.lock, messages.append) as tracker:
        assert exact_texts(tracker.recorded_results()) == exact_texts([example_result(number) for number in range(12)])
    assert trial_runs(store_tracker) == [(number, "FINISHED") for number in range(12)]
    assert messages[0].endswith(str(folder)) and "12" in messages[0].removesuffix(str(folder))
    assert not folder.exists()


def test_the_same_sweep_started_twice_is_an_error_unless_taken_over(server: SharedServer, name: str) -> None:
    record = sweep_record("endless", name=name)
    with start_python(RECORDING_PROCESS, server.uri, name, "endless", "0", "2", variables=sign_in_variables("bob")) as process:
        start_recording(process)
        assert next_lines(process, 4) == ["open", "0", "1", "recorded"]
        with pytest.raises(TrackingError) as caught:
            MlflowTracker.open(record, Address(server.uri))
        assert f"pid {process.pid}" in caught.value.message and "--take-over" in caught.value.message
        owner = lock_owner(server.uri, name)
        assert owner.pid == process.pid and owner.is_alive and time.time() - owner.seen < 10, "it still has the lock"
        store_tracker = MlflowTracker.open(record, Address(server.uri), take_over=True)
        output, _ = process.communicate(timeout=30)
    assert f"{TrackingError.__name__} " in output and str(LockOwner.this_process()) in output
    with AsyncTracker(store_tracker, lock=store_tracker.lock) as tracker:
        tracker.record([example_result(2)])
        assert exact_texts(tracker.recorded_results()) == exact_texts([example_result(number) for number in range(3)])
    assert MlflowTracker.open(record, Address(server.uri)).lock.after is None, "the lock was released"


def lock_owner(uri: str, name: str) -> LockOwner:
    """The process that has the lock on the newest sweep of this name."""
    run = MlflowClient(uri, uri).get_run(open_existing(Address(uri), name).run_id)
    owner = LockOwner.from_tags(run.data.tags)
    assert owner is not None
    return owner


def test_sweeps_of_two_people_under_one_name_do_not_mix(server: SharedServer, name: str) -> None:
    with ExitStack() as stack:
        processes = {
            user: stack.enter_context(
                start_python(RECORDING_PROCESS, server.uri, name, f"of {user}", start, stop, variables=sign_in_variables(user))
            )
            for user, start, stop in (("ada", "0", "6"), ("bob", "3", "8"))
        }
        assert [next_lines(process, 1) for process in processes.values()] == [["open"], ["open"]]
        for process in processes.values():
            start_recording(process)
        outputs = [process.communicate(timeout=60) for process in processes.values()]
    assert [errors for _, errors in outputs] == ["", ""]
    for user, numbers in (("ada", range(6)), ("bob", range(3, 8))):
        store_tracker = MlflowTracker.open(sweep_record(f"of {user}", name=name), Address(server.uri))
        assert store_tracker.is_resumed
        assert exact_texts(store_tracker.recorded_results()) == exact_texts([example_result(number) for number in numbers])
        assert trial_runs(store_tracker) == [(number, "FINISHED") for number in numbers]


def test_passwords_are_stored_nowhere(server: SharedServer, postgresql_programs: Path) -> None:
    """Neither in the database nor in any file of the server's, nor in a message. Read last, when all has been written."""
    dumped = server.dump(postgresql_programs)
    assert "branchsweep.holder" in dumped and "branchsweep.trial" in dumped, "the right database"
    files = [path for path in server.folder.rglob("*") if path.is_file()]
    assert any(path.name == "experiment.yaml" for path in files), "the right folder"
    contents = b"".join(path.read_bytes() for path in files) + dumped.encode()
    for password in PASSWORDS.values():
        assert password.encode() not in contents
    with pytest.raises(requests.HTTPError):
        requests.get(f"{server.uri}/api/2.0/mlflow/experiments/search?max_results=1", timeout=30).raise_for_status()
