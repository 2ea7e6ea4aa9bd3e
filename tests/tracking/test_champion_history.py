"""Who reigned: what was noted, against who holds the title."""

from __future__ import annotations

import json
import math

from branchsweep.tracking import champion_history
from branchsweep.tracking.champion_history import UNKNOWN_TIME, ChampionHistory, ChampionTenure, RegisteredVersion

FIRST = ChampionTenure(1, "2026-01-01", "2026-02-01", "first of its name")
SECOND = ChampionTenure(2, "2026-02-01", None, "above version 1")
CROWNED = [ChampionTenure(1, "2026-01-01", None, "first of its name"), ChampionTenure(2, "2026-02-01", None, "above version 1")]


def test_what_is_noted_is_told() -> None:
    assert champion_history.reconciled([FIRST, SECOND], CROWNED, 2) == [FIRST, SECOND]
    assert champion_history.reconciled([], [], None) == []
    assert champion_history.loads(champion_history.dumps([FIRST, SECOND])) == [FIRST, SECOND]


def test_of_a_store_where_nobody_noted_the_versions_tell() -> None:
    assert champion_history.reconciled([], CROWNED, 2) == [FIRST, SECOND]


def test_a_crowning_that_was_cut_short_before_it_was_noted_is_told_by_the_version() -> None:
    noted = [ChampionTenure(1, "2026-01-01", None, "first of its name")]
    assert champion_history.reconciled(noted, CROWNED, 2) == [FIRST, SECOND]
    assert champion_history.reconciled(noted, CROWNED, 1) == noted, "the alias had not moved yet"


def test_an_alias_that_was_moved_by_hand_is_told_as_such() -> None:
    by_hand = champion_history.reconciled([FIRST, SECOND], CROWNED, 1)
    assert by_hand[-1] == ChampionTenure(1, UNKNOWN_TIME, None, "the alias was moved by hand")
    assert by_hand[-2].until == UNKNOWN_TIME
    assert champion_history.reconciled([FIRST, SECOND], CROWNED, 7)[-1].version == 7
    assert champion_history.reconciled([FIRST, SECOND], CROWNED, None)[-1].until == UNKNOWN_TIME


def test_a_title_that_was_taken_away_and_given_back_was_away() -> None:
    away = champion_history.reconciled([FIRST, SECOND], CROWNED, None)
    assert [reign.version for reign in champion_history.reconciled(away, CROWNED, 2)] == [1, 2, 2]
    assert champion_history.reconciled(away, CROWNED, None) == away


def test_the_predecessor_is_whom_the_champion_followed_when_it_was_crowned() -> None:
    def before(*versions: int, among: tuple[int, ...] = (1, 2, 3, 4)) -> int | None:
        return champion_history.predecessor([ChampionTenure(version, "", None, "") for version in versions], among)

    assert before() is None
    assert before(1) is None
    assert before(1, 2, 3) == 2
    assert before(1, 2, 3, 2) == 1, "one rollback"
    assert before(1, 2, 3, 2, 1) is None, "two"
    assert before(1, 2, 3, 2, 4) == 2
    assert before(1, 2, 3, among=(1, 3)) == 1, "a version that was deleted cannot come back"


def test_json_has_no_number_for_no_figure() -> None:
    version = RegisteredVersion(1, ["champion"], "2026-01-01", "", -1, math.nan, "mean_r2", {"test_r2/PE": math.nan}, "")
    told = json.loads(ChampionHistory("plant", [version], [SECOND]).to_json())
    assert told["versions"][0]["value"] is None
    assert told["versions"][0]["test"] == {"test_r2/PE": None}
    assert told["reigns"] == [{"version": 2, "since": "2026-02-01", "until": None, "because": "above version 1"}]
