"""Sweeps and comparisons whose process was killed: MLflow shows them as killed from the next `ui`, `run` or `compare` on."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

import pytest

from branchsweep.config.addresses import Address
from branchsweep.tracking.mlflow.comparison import MlflowComparisonTracker
from branchsweep.tracking.mlflow.killed_runs import mark_killed_runs
from branchsweep.tracking.mlflow.lock_owner import EXPIRY_SECONDS, LockOwner
from branchsweep.tracking.mlflow.run_tracker import RunTracker
from branchsweep.tracking.mlflow.tracker import MlflowTracker
from branchsweep.tracking.open import list_comparisons, list_sweeps, open_tracking, prepare_pages
from contracts.tracking_records import comparison_record, sweep_record
from recorded_runs import client_of


def mlflow_status(tracker: RunTracker) -> str:
    return str(client_of(tracker).get_run(tracker.run_id).info.status)


def owner(host: str, pid: int, age: float) -> LockOwner:
    """A process that took the lock a while ago, and was last alive `age` seconds ago."""
    moment = time.time()
    return LockOwner("bob", host, pid, "another", moment - age - 600, moment - age)


def ended_process() -> LockOwner:
    """A process of this machine that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    return owner(socket.gethostname(), ended.pid, 30.0)


def store_owner(tracker: RunTracker, other: LockOwner) -> None:
    for name, value in other.tags.items():
        client_of(tracker).set_tag(tracker.run_id, name, value)


@pytest.fixture
def sweep(mlflow_store: Address) -> MlflowTracker:
    return MlflowTracker.open(sweep_record(), mlflow_store)


@pytest.mark.parametrize("other", [ended_process(), owner("elsewhere", 7, EXPIRY_SECONDS + 1)], ids=["here", "elsewhere"])
def test_a_killed_sweep_has_the_status_killed_and_ends_at_its_last_heartbeat(sweep: MlflowTracker, other: LockOwner) -> None:
    store_owner(sweep, other)
    assert mark_killed_runs(sweep.tracking_uri) == [sweep.run_id]
    assert mlflow_status(sweep) == "KILLED"
    assert client_of(sweep).get_run(sweep.run_id).info.end_time == round(1000 * other.seen)
    assert mark_killed_runs(sweep.tracking_uri) == []


def test_a_sweep_whose_process_may_be_alive_keeps_its_status(sweep: MlflowTracker) -> None:
    assert mark_killed_runs(sweep.tracking_uri) == [], "this process"
    store_owner(sweep, owner("elsewhere", 7, EXPIRY_SECONDS - 60))
    assert mark_killed_runs(sweep.tracking_uri) == [], "alive a moment ago"
    for name in ("holder", "alive"):
        client_of(sweep).delete_tag(sweep.run_id, f"branchsweep.{name}")
    assert mark_killed_runs(sweep.tracking_uri) == [], "no process is named"
    assert mlflow_status(sweep) == "RUNNING"


def test_a_finished_sweep_keeps_its_status(sweep: MlflowTracker) -> None:
    sweep.finish({}, "", {})
    store_owner(sweep, ended_process())
    assert mark_killed_runs(sweep.tracking_uri) == []
    assert mlflow_status(sweep) == "FINISHED"


def test_a_killed_sweep_runs_again_as_soon_as_it_is_resumed(sweep: MlflowTracker) -> None:
    store_owner(sweep, ended_process())
    mark_killed_runs(sweep.tracking_uri)
    MlflowTracker.open(sweep_record(), sweep.tracking_uri)
    assert mlflow_status(sweep) == "RUNNING"


def test_a_process_that_was_suspended_says_at_its_next_heartbeat_that_it_runs(sweep: MlflowTracker) -> None:
    client_of(sweep).set_terminated(sweep.run_id, "KILLED")
    sweep.lock.renew()
    assert mlflow_status(sweep) == "RUNNING"


def test_a_killed_comparison_has_the_status_killed_until_it_is_resumed(mlflow_store: Address) -> None:
    comparison = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
    client_of(comparison).set_tag(comparison.run_id, "branchsweep.holder", ended_process().tags["branchsweep.holder"])
    assert mark_killed_runs(mlflow_store) == [comparison.run_id]
    assert mlflow_status(comparison) == "KILLED"
    assert [listed.status for listed in list_comparisons(mlflow_store)] == ["INTERRUPTED"]
    MlflowComparisonTracker.open(comparison_record(), mlflow_store)
    assert mlflow_status(comparison) == "RUNNING"


def test_the_next_sweep_in_the_store_marks_a_killed_one(sweep: MlflowTracker) -> None:
    store_owner(sweep, ended_process())
    messages: list[str] = []
    with open_tracking(sweep_record("other"), sweep.tracking_uri, fresh=False, take_over=False, on_message=messages.append):
        assert mlflow_status(sweep) == "KILLED"
    assert messages == []


def test_pages_are_prepared_by_marking_and_lists_alone_change_nothing(sweep: MlflowTracker, mlflow_store: Address) -> None:
    store_owner(sweep, ended_process())
    assert [listed.status for listed in list_sweeps(mlflow_store)] == ["INTERRUPTED"]
    assert mlflow_status(sweep) == "RUNNING"
    messages: list[str] = []
    prepare_pages(mlflow_store, messages.append)
    assert (mlflow_status(sweep), messages) == ("KILLED", [])
