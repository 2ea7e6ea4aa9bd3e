"""No column of importance is shown twice without saying why."""

from __future__ import annotations

from branchsweep.reporting.importance_columns import importance_columns, shared_column_note

ONE, OTHER = {"learning_rate": 0.7, "trunk.depth": 0.3}, {"learning_rate": 0.2, "trunk.depth": 0.8}


def test_heads_with_equal_shares_have_one_column_and_a_note() -> None:
    columns = importance_columns({"PE": ONE, "V": OTHER, "mean": dict(ONE)}, ["PE", "V"])
    assert [column.heads for column in columns] == [("PE", "mean"), ("V",)]
    assert "PE" in shared_column_note(columns) and "V" not in shared_column_note(columns).split(":")[0]


def test_different_shares_need_no_note() -> None:
    columns = importance_columns({"PE": ONE, "V": OTHER, "mean": {"learning_rate": 0.5, "trunk.depth": 0.5}}, ["PE", "V"])
    assert [column.is_mean for column in columns] == [False, False, True] and shared_column_note(columns) == ""


def test_one_head_has_no_column_for_the_mean() -> None:
    assert [column.heads for column in importance_columns({"PE": ONE, "mean": ONE}, ["PE"])] == [("PE",)]
