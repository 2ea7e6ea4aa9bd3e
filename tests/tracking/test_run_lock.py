"""Who runs a sweep: told at the start, renewed, taken over, let go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import pytest
from mlflow import MlflowClient

from branchsweep.errors import TrackingError
from branchsweep.tracking.mlflow.run_lock import EXPIRY_SECONDS, LockOwner
from branchsweep.tracking.mlflow.tracker import MlflowTracker, open_existing
from contracts.results import exact_texts, example_result
from contracts.tracking_records import sweep_record


def client_of(ledger: MlflowTracker) -> MlflowClient:
    return MlflowClient(ledger.tracking_uri, ledger.tracking_uri)


def told(ledger: MlflowTracker) -> LockOwner | None:
    """Who holds the sweep, as the store has it."""
    return LockOwner.from_tags(client_of(ledger).get_run(ledger.run_id).data.tags)


def another(**changed: Any) -> LockOwner:
    """A process on another machine, half a minute ago."""
    moment = time.time()
    return replace(LockOwner("bob", "elsewhere", 7, "another", moment - 90, moment - 30), **changed)


def plant(ledger: MlflowTracker, holder: LockOwner) -> None:
    for name, value in holder.tags.items():
        client_of(ledger).set_tag(ledger.run_id, name, value)


@pytest.fixture
def ledger(mlflow_store: str) -> MlflowTracker:
    return MlflowTracker.open(sweep_record(), mlflow_store)


def test_a_sweep_is_held_from_its_beginning_until_it_is_let_go(ledger: MlflowTracker) -> None:
    held = told(ledger)
    assert held is not None
    assert (held.is_this_process, held.pid, held.since) == (True, os.getpid(), held.seen)
    time.sleep(0.01)
    ledger.lock.renew()
    later = told(ledger)
    assert later is not None
    assert later == replace(held, seen=later.seen)
    assert later.seen > held.seen
    ledger.lock.release()
    ledger.lock.release()
    assert told(ledger) is None
    tags = client_of(ledger).get_run(ledger.run_id).data.tags
    assert not {"branchsweep.holder", "branchsweep.alive"} & set(tags)


def test_who_holds_a_sweep_is_no_fact_about_it(ledger: MlflowTracker) -> None:
    plant(ledger, another())
    assert open_existing(ledger.tracking_uri).sweep.tags == sweep_record().tags


def test_a_sign_of_life_of_who_has_lost_the_sweep_does_not_count(ledger: MlflowTracker) -> None:
    """It may come between another one's taking over and the next look at who has it."""
    ledger.lock.renew()
    tags = client_of(ledger).get_run(ledger.run_id).data.tags
    holder = another()
    plant(ledger, holder)
    client_of(ledger).set_tag(ledger.run_id, "branchsweep.alive", tags["branchsweep.alive"])
    assert told(ledger) == replace(holder, seen=holder.since)


def test_who_lost_its_tags_has_them_again(ledger: MlflowTracker) -> None:
    client_of(ledger).delete_tag(ledger.run_id, "branchsweep.holder")
    ledger.lock.renew()
    held = told(ledger)
    assert held is not None and held.is_this_process


def test_another_start_is_refused_and_touches_nothing(ledger: MlflowTracker) -> None:
    client_of(ledger).create_run(ledger.experiment_id, tags={"branchsweep.sweep": ledger.run_id}, run_name="half written")
    holder = another()
    plant(ledger, holder)
    with pytest.raises(TrackingError) as caught:
        MlflowTracker.open(sweep_record(), ledger.tracking_uri)
    said = str(caught.value)
    assert said.startswith(f"sweep contract ({ledger.run_id[:8]}) is being run by bob@elsewhere (pid 7) since 20")
    assert "last sign of life 30 s ago: wait for it, or take over with --take-over" in said
    assert told(ledger) == holder
    assert len(client_of(ledger).search_runs([ledger.experiment_id])) == 2


def test_who_is_taken_over_hears_who_has_it_and_does_not_let_it_go(ledger: MlflowTracker) -> None:
    holder = another()
    plant(ledger, holder)
    with pytest.raises(TrackingError, match=r"was taken over by bob@elsewhere \(pid 7\) .* stops, and records nothing more"):
        ledger.lock.renew()
    ledger.lock.release()
    assert told(ledger) == holder
    taken = MlflowTracker.open(sweep_record(), ledger.tracking_uri, take_over=True)
    assert taken.lock.after == holder
    taken.lock.renew()
    held = told(ledger)
    assert held is not None and held.is_this_process


@pytest.mark.parametrize(
    ("ago", "is_alive"),
    [(30.0, True), (EXPIRY_SECONDS - 60, True), (EXPIRY_SECONDS + 1, False), (-3600.0, True)],  # the last clock is ahead
)
def test_elsewhere_the_last_sign_of_life_counts(ago: float, is_alive: bool) -> None:
    assert another(seen=time.time() - ago).is_alive is is_alive


def test_on_the_same_machine_a_process_that_has_ended_holds_nothing() -> None:
    here = LockOwner.this_process()
    other = replace(here, token="another")  # noqa: S106  # no secret
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert replace(other, pid=process.pid).is_alive
        process.communicate(b"\n")
    assert not replace(other, pid=process.pid).is_alive
    assert replace(other, pid=1).is_alive, "somebody else's"
    assert not other.is_alive, "an earlier process of our number"
    assert here.is_alive


def test_what_cannot_be_read_holds_nothing(ledger: MlflowTracker) -> None:
    for value in ("", "[]", "{", json.dumps({"user": "bob"})):
        client_of(ledger).set_tag(ledger.run_id, "branchsweep.holder", value)
        assert MlflowTracker.open(sweep_record(), ledger.tracking_uri).lock.after is None


def test_a_stale_hold_is_taken_and_named(ledger: MlflowTracker) -> None:
    ledger.record([example_result(0)])
    plant(ledger, another(seen=time.time() - EXPIRY_SECONDS - 1))
    taken = MlflowTracker.open(sweep_record(), ledger.tracking_uri)
    assert str(taken.lock.after) == "bob@elsewhere (pid 7)"
    assert exact_texts(taken.recorded_results()) == exact_texts([example_result(0)])


def test_of_two_that_begin_in_the_same_moment_one_gives_up(mlflow_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one's run comes to be after we looked for one and before we made ours."""
    first = MlflowTracker.open(sweep_record(), mlflow_store)
    plant(first, another())
    monkeypatch.setattr("branchsweep.tracking.mlflow.tracker.newest_run", lambda *_: None)
    with pytest.raises(TrackingError, match="is being run by bob@elsewhere"):
        MlflowTracker.open(sweep_record(), mlflow_store)
    assert [run.info.run_id for run in client_of(first).search_runs([first.experiment_id])] == [first.run_id]
    assert MlflowTracker.open(sweep_record("other"), mlflow_store).run_id != first.run_id


def test_a_fresh_sweep_is_another_one(ledger: MlflowTracker) -> None:
    plant(ledger, another())
    assert MlflowTracker.open(sweep_record(), ledger.tracking_uri, fresh=True).run_id != ledger.run_id
