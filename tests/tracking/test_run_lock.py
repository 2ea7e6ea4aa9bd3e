"""The lock of a sweep: recorded at the start, renewed, taken over, released."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import pytest

from branchsweep.config.addresses import Address
from branchsweep.errors import TrackingError
from branchsweep.tracking.mlflow.lock_owner import EXPIRY_SECONDS, LockOwner
from branchsweep.tracking.mlflow.tracker import MlflowTracker, open_existing
from branchsweep.tracking.open import list_sweeps
from branchsweep.tracking.run_records import INTERRUPTED
from contracts.results import exact_texts, example_result
from contracts.tracking_records import sweep_record
from recorded_runs import client_of


def stored_owner(tracker: MlflowTracker) -> LockOwner | None:
    """The owner of the lock that the store has."""
    return LockOwner.from_tags(client_of(tracker).get_run(tracker.run_id).data.tags)


def owner_elsewhere(**changed: Any) -> LockOwner:
    """A process on another machine, half a minute ago."""
    moment = time.time()
    return replace(LockOwner("bob", "elsewhere", 7, "another", moment - 90, moment - 30), **changed)


def store_owner(tracker: MlflowTracker, other_owner: LockOwner) -> None:
    for name, value in other_owner.tags.items():
        client_of(tracker).set_tag(tracker.run_id, name, value)


@pytest.fixture
def tracker(mlflow_store: Address) -> MlflowTracker:
    return MlflowTracker.open(sweep_record(), mlflow_store)


def test_a_sweep_is_locked_from_its_start_until_its_release(tracker: MlflowTracker) -> None:
    owner = stored_owner(tracker)
    assert owner is not None
    assert (owner.is_this_process, owner.pid, owner.since) == (True, os.getpid(), owner.seen)
    time.sleep(0.01)
    tracker.lock.renew()
    later = stored_owner(tracker)
    assert later is not None
    assert later == replace(owner, seen=later.seen)
    assert later.seen > owner.seen
    tracker.lock.release()
    tracker.lock.release()
    assert stored_owner(tracker) is None
    tags = client_of(tracker).get_run(tracker.run_id).data.tags
    assert not {"branchsweep.holder", "branchsweep.alive"} & set(tags)


def test_a_sweep_whose_process_has_gone_is_listed_as_interrupted(tracker: MlflowTracker, mlflow_store: Address) -> None:
    def listed_status() -> str:
        (sweep,) = list_sweeps(mlflow_store)
        return sweep.status

    assert listed_status() == "RUNNING"
    store_owner(tracker, owner_elsewhere())
    assert listed_status() == "RUNNING"
    store_owner(tracker, owner_elsewhere(seen=time.time() - EXPIRY_SECONDS - 1))
    assert listed_status() == INTERRUPTED
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    store_owner(tracker, owner_elsewhere(host=socket.gethostname(), pid=ended.pid))
    assert listed_status() == INTERRUPTED
    for name in ("holder", "alive"):
        client_of(tracker).delete_tag(tracker.run_id, f"branchsweep.{name}")
    assert listed_status() == INTERRUPTED


def test_a_sweep_that_is_given_up_before_its_end_is_killed_in_mlflow_and_runs_again_when_resumed(
    tracker: MlflowTracker, mlflow_store: Address
) -> None:
    tracker.lock.release()
    assert client_of(tracker).get_run(tracker.run_id).info.status == "KILLED"
    assert [sweep.status for sweep in list_sweeps(mlflow_store)] == [INTERRUPTED]
    resumed = MlflowTracker.open(sweep_record(), mlflow_store)
    assert [sweep.status for sweep in list_sweeps(mlflow_store)] == ["RUNNING"]
    resumed.finish({}, "", {})
    resumed.lock.release()
    assert client_of(tracker).get_run(tracker.run_id).info.status == "FINISHED"
    assert [sweep.status for sweep in list_sweeps(mlflow_store)] == ["FINISHED"]


def test_the_owner_is_not_among_the_tags_of_the_record(tracker: MlflowTracker) -> None:
    store_owner(tracker, owner_elsewhere())
    assert open_existing(tracker.tracking_uri).sweep == sweep_record()


def test_a_renewal_of_a_former_owner_is_ignored(tracker: MlflowTracker) -> None:
    """A renewal may arrive after another process took the lock over and before the owner is read again."""
    tracker.lock.renew()
    tags = client_of(tracker).get_run(tracker.run_id).data.tags
    other_owner = owner_elsewhere()
    store_owner(tracker, other_owner)
    client_of(tracker).set_tag(tracker.run_id, "branchsweep.alive", tags["branchsweep.alive"])
    assert stored_owner(tracker) == replace(other_owner, seen=other_owner.since)


def test_a_renewal_restores_deleted_tags(tracker: MlflowTracker) -> None:
    client_of(tracker).delete_tag(tracker.run_id, "branchsweep.holder")
    tracker.lock.renew()
    owner = stored_owner(tracker)
    assert owner is not None and owner.is_this_process


def test_a_second_start_is_refused_and_changes_nothing(tracker: MlflowTracker) -> None:
    client_of(tracker).create_run(tracker.experiment_id, tags={"branchsweep.sweep": tracker.run_id}, run_name="half written")
    other_owner = owner_elsewhere()
    store_owner(tracker, other_owner)
    with pytest.raises(TrackingError) as caught:
        MlflowTracker.open(sweep_record(), tracker.tracking_uri)
    message = str(caught.value)
    assert all(text in message for text in (tracker.run_id[:8], str(other_owner), " 30 s ", "--take-over"))
    assert stored_owner(tracker) == other_owner
    assert len(client_of(tracker).search_runs([tracker.experiment_id])) == 2


def test_a_former_owner_gets_an_error_and_does_not_release_the_lock(tracker: MlflowTracker) -> None:
    other_owner = owner_elsewhere()
    store_owner(tracker, other_owner)
    with pytest.raises(TrackingError, match=r"bob@elsewhere \(pid 7\)"):
        tracker.lock.renew()
    tracker.lock.release()
    assert stored_owner(tracker) == other_owner
    taken_over = MlflowTracker.open(sweep_record(), tracker.tracking_uri, take_over=True)
    assert taken_over.lock.after == other_owner
    taken_over.lock.renew()
    owner = stored_owner(tracker)
    assert owner is not None and owner.is_this_process


@pytest.mark.parametrize(
    ("age", "is_alive"),
    [(30.0, True), (EXPIRY_SECONDS - 60, True), (EXPIRY_SECONDS + 1, False), (-3600.0, True)],  # the last clock is ahead
)
def test_an_owner_on_another_machine_is_alive_by_its_last_renewal(age: float, is_alive: bool) -> None:
    assert owner_elsewhere(seen=time.time() - age).is_alive is is_alive


def test_an_owner_on_this_machine_is_alive_while_its_process_runs() -> None:
    this_process = LockOwner.this_process()
    other = replace(this_process, token="another")  # noqa: S106  # no secret
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert replace(other, pid=process.pid).is_alive
        process.communicate(b"\n")
    assert not replace(other, pid=process.pid).is_alive
    assert replace(other, pid=1).is_alive, "a process of another user"
    assert not other.is_alive, "an earlier process with the same id"
    assert this_process.is_alive


def test_tags_that_cannot_be_read_name_no_owner(tracker: MlflowTracker) -> None:
    for value in ("", "[]", "{", json.dumps({"user": "bob"})):
        client_of(tracker).set_tag(tracker.run_id, "branchsweep.holder", value)
        assert MlflowTracker.open(sweep_record(), tracker.tracking_uri).lock.after is None


def test_an_expired_lock_is_taken_and_its_owner_named(tracker: MlflowTracker) -> None:
    tracker.record([example_result(0)])
    store_owner(tracker, owner_elsewhere(seen=time.time() - EXPIRY_SECONDS - 1))
    taken_over = MlflowTracker.open(sweep_record(), tracker.tracking_uri)
    assert taken_over.lock.after is not None
    assert (taken_over.lock.after.user, taken_over.lock.after.host, taken_over.lock.after.pid) == ("bob", "elsewhere", 7)
    assert exact_texts(taken_over.recorded_results()) == exact_texts([example_result(0)])


def test_of_two_simultaneous_starts_one_is_refused(mlflow_store: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process creates its run after this one looked for a run and before it created its own."""
    first = MlflowTracker.open(sweep_record(), mlflow_store)
    store_owner(first, owner_elsewhere())
    monkeypatch.setattr("branchsweep.tracking.mlflow.run_tracker.newest_run", lambda *_: None)
    with pytest.raises(TrackingError, match="bob@elsewhere"):
        MlflowTracker.open(sweep_record(), mlflow_store)
    assert [run.info.run_id for run in client_of(first).search_runs([first.experiment_id])] == [first.run_id]
    assert MlflowTracker.open(sweep_record("other"), mlflow_store).run_id != first.run_id


def test_a_fresh_sweep_is_not_locked_by_another_one(tracker: MlflowTracker) -> None:
    store_owner(tracker, owner_elsewhere())
    assert MlflowTracker.open(sweep_record(), tracker.tracking_uri, fresh=True).run_id != tracker.run_id
