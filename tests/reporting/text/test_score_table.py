"""Tables of scores by head: whole in every terminal, however many heads and models there are."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

from branchsweep.reporting.text.score_table import EXTREMES, MOST_HEADS, ScoreRow, ScoreTable, heads_by_rank

KINDS = ("confirmed", "test")


def score(model: int, kind: int, head: int) -> str:
    return f"0.{model + 1}{kind + 1}{head:02d}"


def score_table(models: int, heads: int, name: str = "gradient boosting {}") -> ScoreTable:
    names = [f"h{head:02d}" for head in range(heads)]
    rows = [
        ScoreRow(
            name.format(model),
            {
                kind: {head: f"{score(model, which, index)} ± 0.0012" for index, head in enumerate(names)}
                for which, kind in enumerate(KINDS)
            },
        )
        for model in range(models)
    ]
    return ScoreTable("R²", rows, names, KINDS, {head: float(index) for index, head in enumerate(names)})


def lines_at(table: ScoreTable, width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(table)
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(("models", "heads"), [(1, 2), (4, 2), (4, 14), (9, 3), (3, 40)])
def test_every_score_is_shown_whole(width: int, models: int, heads: int) -> None:
    lines = lines_at(score_table(models, heads), width)
    assert all(len(line) <= width for line in lines)
    text = "\n".join(lines)
    assert "…" not in text
    for model in range(models):
        for kind in range(len(KINDS)):
            for head in range(heads):
                assert text.count(score(model, kind, head)) == 1


def test_heads_are_columns_where_they_fit() -> None:
    lines = lines_at(score_table(2, 2), 120)
    assert lines[1].split() == ["h00", "confirmed", "h01", "confirmed", "h00", "test", "h01", "test"]
    assert len(lines) == 4


def test_heads_are_rows_where_columns_do_not_fit_and_models_are_fewer() -> None:
    lines = lines_at(score_table(2, 3), 60)
    assert [line.split()[0] for line in lines if line.startswith("h0")] == ["h00", "h01", "h02"] * len(KINDS)


def test_long_names_of_models_take_several_lines_before_there_is_a_table_for_each_kind() -> None:
    table = score_table(3, 2, "{} extremely randomised trees of a hundred leaves each")
    whole, of_kinds = lines_at(table, 100), lines_at(table, 66)
    assert whole[1].split() == ["h00", "confirmed", "h01", "confirmed", "h00", "test", "h01", "test"]
    assert [line for line in of_kinds if not line.split() or line.startswith("R²")] == ["R², confirmed", "", "R², test"]
    assert sum("trees" in line for line in of_kinds) == 3 * len(KINDS)


def test_of_many_heads_the_worst_and_the_best_come_first() -> None:
    heads = [f"h{head:02d}" for head in range(MOST_HEADS + 2)]
    sections = heads_by_rank(heads, {head: -float(index) for index, head in enumerate(heads)})
    assert list(sections) == ["worst heads", "best heads", "other heads"]
    assert sections["worst heads"] == heads[::-1][:EXTREMES]
    assert sections["best heads"] == heads[:EXTREMES]
    assert sorted(head for section in sections.values() for head in section) == heads


def test_heads_without_a_score_are_among_the_others() -> None:
    heads = [f"h{head:02d}" for head in range(MOST_HEADS + 2)]
    sections = heads_by_rank(heads, {**{head: float(index) for index, head in enumerate(heads)}, "h00": math.nan})
    assert "h00" in sections["other heads"]


def test_a_few_heads_keep_their_order() -> None:
    assert heads_by_rank(["b", "a"], {"a": 1.0, "b": 2.0}) == {"": ["b", "a"]}


@pytest.mark.parametrize("width", [44, 50, 60, 70])
def test_no_cell_and_no_word_of_a_header_is_cut_where_headers_take_several_lines(width: int) -> None:
    names = ["R²", "RMSE", "MAE", "fold 0, seed 0", "fold 1, seed 0", "rung at epoch 10"]
    rows = [
        ScoreRow(name, {"": {"PE": f"0.93{index} ± 0.0015", "V": f"{index}.485 cm Hg"}}) for index, name in enumerate(names)
    ]
    lines = lines_at(ScoreTable("", rows, ["PE", "V"], [""], {"PE": 0.9, "V": 0.8}), width)
    text = "\n".join(lines)
    assert all(len(line) <= width for line in lines)
    for index, name in enumerate(names):
        assert f"0.93{index} ± 0.0015" in text and f"{index}.485 cm Hg" in text
        assert all(word.rstrip(",") in text for word in name.split())
