"""The champions so far: what is recorded, reconciled with the aliases."""

from __future__ import annotations

import json
import math

from branchsweep.config.codec import from_json, to_json
from branchsweep.tracking import champion_history
from branchsweep.tracking.champion_history import UNKNOWN_TIME, ChampionHistory, ChampionTenure, RegisteredVersion

FIRST = ChampionTenure(1, "2026-01-01", "2026-02-01", "the first version")
SECOND = ChampionTenure(2, "2026-02-01", None, "above version 1")
PROMOTED = [
    ChampionTenure(1, "2026-01-01", None, "the first version"),
    ChampionTenure(2, "2026-02-01", None, "above version 1"),
]


def test_recorded_tenures_that_agree_with_the_alias_are_kept() -> None:
    assert champion_history.reconciled([FIRST, SECOND], PROMOTED, 2) == [FIRST, SECOND]
    assert champion_history.reconciled([], [], None) == []


def test_tenures_of_an_earlier_version_are_read() -> None:
    text = (
        '[{"version": 1, "since": "2026-01-01", "until": "2026-02-01", "because": "the first version"},'
        ' {"version": 2, "since": "2026-02-01", "until": null, "because": "above version 1"}]'
    )
    assert from_json(list[ChampionTenure], text) == [FIRST, SECOND]
    assert from_json(list[ChampionTenure], to_json([FIRST, SECOND], list[ChampionTenure])) == [FIRST, SECOND]


def test_without_a_record_tenures_are_derived_from_the_versions() -> None:
    assert champion_history.reconciled([], PROMOTED, 2) == [FIRST, SECOND]


def test_an_interrupted_promotion_is_derived_from_the_version() -> None:
    recorded = [ChampionTenure(1, "2026-01-01", None, "the first version")]
    assert champion_history.reconciled(recorded, PROMOTED, 2) == [FIRST, SECOND]
    assert champion_history.reconciled(recorded, PROMOTED, 1) == recorded, "the alias was not set yet"


def test_an_alias_that_was_moved_by_hand_is_a_tenure_of_unknown_start() -> None:
    tenures = champion_history.reconciled([FIRST, SECOND], PROMOTED, 1)
    assert (tenures[-1].version, tenures[-1].since, tenures[-1].until) == (1, UNKNOWN_TIME, None)
    assert tenures[-1].because not in {FIRST.because, SECOND.because}
    assert tenures[-2].until == UNKNOWN_TIME
    assert champion_history.reconciled([FIRST, SECOND], PROMOTED, 7)[-1].version == 7
    assert champion_history.reconciled([FIRST, SECOND], PROMOTED, None)[-1].until == UNKNOWN_TIME


def test_an_alias_that_was_removed_and_set_again_makes_two_tenures() -> None:
    removed = champion_history.reconciled([FIRST, SECOND], PROMOTED, None)
    assert [tenure.version for tenure in champion_history.reconciled(removed, PROMOTED, 2)] == [1, 2, 2]
    assert champion_history.reconciled(removed, PROMOTED, None) == removed


def test_the_predecessor_is_the_champion_before_the_promotion() -> None:
    def predecessor(*versions: int, existing_versions: tuple[int, ...] = (1, 2, 3, 4)) -> int | None:
        return champion_history.predecessor([ChampionTenure(version, "", None, "") for version in versions], existing_versions)

    assert predecessor() is None
    assert predecessor(1) is None
    assert predecessor(1, 2, 3) == 2
    assert predecessor(1, 2, 3, 2) == 1, "one rollback"
    assert predecessor(1, 2, 3, 2, 1) is None, "two"
    assert predecessor(1, 2, 3, 2, 4) == 2
    assert predecessor(1, 2, 3, existing_versions=(1, 3)) == 1, "a version that was deleted cannot come back"


def test_missing_numbers_are_null_in_json() -> None:
    version = RegisteredVersion(1, "2026-01-01", "", -1, math.nan, "mean_r2", {"test_r2/PE": math.nan}, "", ["champion"])
    data = json.loads(ChampionHistory("plant", [version], [SECOND]).to_json())
    assert data["versions"][0]["value"] is None
    assert data["versions"][0]["test"] == {"test_r2/PE": None}
    assert data["tenures"] == [{"version": 2, "since": "2026-02-01", "until": None, "because": SECOND.because}]
