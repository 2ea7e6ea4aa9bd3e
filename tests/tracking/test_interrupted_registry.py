"""Registrations, promotions and rollbacks that are cut off at any step are finished or undone by the same command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from branchsweep.config.addresses import Address
from branchsweep.tracking.champion_history import RollbackResult
from branchsweep.tracking.mlflow.checked_client import CheckedClient
from branchsweep.tracking.mlflow.lock_owner import LockOwner
from branchsweep.tracking.mlflow.registry import MlflowRegistry
from branchsweep.tracking.mlflow.tracker import MlflowTracker
from branchsweep.tracking.registry_protocols import ModelCandidate, PromotionDecision
from contracts.tracking_records import example_candidate, register, sweep_record
from processes import start_python
from recorded_runs import client_of, copy_database

PROMOTED = PromotionDecision(promote=True, because="better on both", against=2)
REFUSED = PromotionDecision(promote=False, because="worse on V")
WRITING = ("create_", "set_", "delete_", "log_", "finalize_")
"""How the names of the client's methods begin that change the store."""


class KilledError(BaseException):
    """Stands for the end of the process."""


class DyingClient(CheckedClient):
    """A client whose process ends before one of the calls that change the store.

    Args:
        uri: The store.
        survives: How many of these calls are made.
    """

    def __init__(self, uri: Address, survives: int) -> None:
        super().__init__(str(uri), str(uri))
        self.left = survives

    def __getattribute__(self, name: str) -> Any:
        attribute = super().__getattribute__(name)
        if not name.startswith(WRITING):
            return attribute
        if self.left == 0:
            raise KilledError(name)
        self.left -= 1
        return attribute


@dataclass
class Store:
    """A store with two versions of a model, both of which were promoted, which can be restored.

    Args:
        uri: The store.
        database: Its file.
        candidate: One more version, of a sweep of its own.
    """

    uri: Address
    database: Path
    candidate: ModelCandidate

    @property
    def registry(self) -> MlflowRegistry:
        """The registry of a process that lives."""
        return MlflowRegistry(CheckedClient(str(self.uri), str(self.uri)))

    def restore(self) -> None:
        """Forget what was done to it."""
        copy_database(self.database.with_suffix(".copy"), self.database)

    @property
    def facts(self) -> dict[str, Any]:
        """The aliases, the numbers of the versions that were champions, those of all versions, and what is unfinished."""
        client = client_of(self.uri)
        model, versions = client.get_registered_model("plant"), client.search_model_versions("name = 'plant'")
        experiment = client.get_run(self.candidate.sweep).info.experiment_id
        logged = list(client.search_logged_models([experiment], filter_string=f"source_run_id = '{self.candidate.sweep}'"))
        tags = [
            *model.tags,
            *(tag for version in versions for tag in version.tags),
            *(tag for own in logged for tag in own.tags),
        ]
        return {
            "aliases": {alias: int(version) for alias, version in model.aliases.items()},
            "champions": [tenure.version for tenure in self.registry.history("plant").tenures],
            "versions": len(versions),
            "logged models": [str(own.status) for own in logged],
            "unfinished": [tag for tag in tags if tag in ("branchsweep.change", "branchsweep.registering")],
        }


@pytest.fixture
def store(mlflow_store: Address, tmp_path: Path) -> Store:
    tracker = MlflowTracker.open(sweep_record(), mlflow_store)
    for number in (1, 2):
        register(tracker.tracking, example_candidate(tmp_path / "model", "plant", number), replace(PROMOTED, against=None))
    sweep = MlflowTracker.open(sweep_record("another"), mlflow_store).run_id
    database = tmp_path / "mlflow.db"
    copy_database(database, database.with_suffix(".copy"))
    return Store(mlflow_store, database, replace(example_candidate(tmp_path / "model", "plant", 4), sweep=sweep))


def interruptions(store: Store, action: Callable[[MlflowRegistry], object]) -> Iterator[int]:
    """Take an action that is cut off after 0, 1, 2, … calls, until it is not; each time with the restored store."""
    for survives in count():
        store.restore()
        try:
            action(MlflowRegistry(DyingClient(store.uri, survives)))
        except KilledError:
            yield survives
        else:
            return


def test_a_promotion_is_finished_wherever_it_was_cut_off(store: Store) -> None:
    cut_off = 0
    for _ in interruptions(store, lambda registry: registry.register(store.candidate, PROMOTED)):
        cut_off += 1
        champion = store.registry.register(store.candidate, PROMOTED)
        facts = store.facts
        assert facts["aliases"] == {"champion": champion.version, "previous": 2}
        assert champion.version == 3, "a version that was created is finished, and not made again"
        assert facts["champions"] == [1, 2, champion.version]
        assert (facts["versions"], facts["logged models"], facts["unfinished"]) == (3, ["READY"], [])
    assert cut_off > 10


def test_a_challenger_is_registered_once_wherever_it_was_cut_off(store: Store) -> None:
    cut_off = 0
    for _ in interruptions(store, lambda registry: registry.register(store.candidate, REFUSED)):
        cut_off += 1
        version = store.registry.register(store.candidate, REFUSED).version
        facts = store.facts
        assert facts["aliases"] == {"champion": 2, "previous": 1, "challenger": version}
        assert (facts["champions"], facts["versions"], facts["logged models"]) == ([1, 2], 3, ["READY"])
        assert facts["unfinished"] == []
    assert cut_off > 7


def test_a_rollback_is_finished_and_not_repeated_wherever_it_was_cut_off(store: Store) -> None:
    cut_off = 0
    for _ in interruptions(store, lambda registry: registry.rollback("plant")):
        cut_off += 1
        assert store.registry.rollback("plant") == RollbackResult("plant", restored=1, replaced=2, previous=None)
        facts = store.facts
        assert (facts["aliases"], facts["champions"]) == ({"champion": 1, "challenger": 2}, [1, 2, 1])
        assert facts["unfinished"] == []
    assert cut_off > 4


def test_the_history_of_a_rollback_that_was_cut_off_is_that_of_a_finished_one(store: Store) -> None:
    reasons = set()
    for _ in interruptions(store, lambda registry: registry.rollback("plant")):
        tenures = store.registry.history("plant").tenures
        reasons.add((tuple(tenure.version for tenure in tenures), tenures[-1].because))
    assert reasons == {((1, 2), PROMOTED.because), ((1, 2, 1), "rolled back from version 2")}


def test_a_challenger_whose_sweep_was_cut_off_after_the_registration_is_registered_once(store: Store) -> None:
    first = store.registry.register(store.candidate, REFUSED)
    assert store.registry.register(store.candidate, REFUSED) == first
    facts = store.facts
    assert facts["aliases"] == {"champion": 2, "previous": 1, "challenger": first.version}
    assert (facts["versions"], facts["logged models"], facts["unfinished"]) == (3, ["READY"], [])


def test_a_rollback_that_was_cut_off_before_it_was_reported_is_not_repeated(store: Store) -> None:
    def end(_: RollbackResult) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        store.registry.rollback("plant", end)
    reported: list[RollbackResult] = []
    done = store.registry.rollback("plant", reported.append)
    assert reported == [done] == [RollbackResult("plant", restored=1, replaced=2, previous=None)]
    assert (store.facts["aliases"], store.facts["unfinished"]) == ({"champion": 1, "challenger": 2}, [])


CHANGE_IN_NEW_PROCESS = """
import os, sys
from branchsweep.tracking.mlflow.checked_client import CheckedClient
from branchsweep.tracking.mlflow.champion_change import ChampionChange, ChampionChanger, ChangeKind

changer = ChampionChanger(CheckedClient(sys.argv[1], sys.argv[1]), "plant")
changer.begin(ChampionChange.now(ChangeKind.ROLLBACK, 1, 2))
print("begun", flush=True)
sys.stdin.readline()
"""


def test_a_change_of_another_process_is_finished_once_that_has_ended(store: Store) -> None:
    with start_python(CHANGE_IN_NEW_PROCESS, str(store.uri)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        champion = store.registry.champion("plant")
        assert champion is not None and champion.version == 1
        assert store.facts["unfinished"] == ["branchsweep.change"], "the other process goes on with it"
        process.kill()
        process.wait()
    store.registry.champion("plant")
    assert store.facts["unfinished"] == []
    assert store.facts["aliases"] == {"champion": 1, "challenger": 2}


def test_a_change_that_others_overtook_is_forgotten(store: Store) -> None:
    changed: Iterator[int] = interruptions(store, lambda registry: registry.rollback("plant"))
    next(changed), next(changed)  # the change is written, and no alias moved
    client = client_of(store.uri)
    store.registry.register(replace(store.candidate, sweep=store.candidate.sweep), replace(PROMOTED, against=None))
    client.delete_registered_model_alias("plant", "champion")
    store.registry.champion("plant")
    assert store.facts["unfinished"] == []


def test_an_owner_that_cannot_be_read_counts_as_ended(store: Store) -> None:
    client = client_of(store.uri)
    client.set_registered_model_tag("plant", "branchsweep.change", "{")
    assert store.registry.rollback("plant").restored == 1
    assert LockOwner.this_process().is_alive
