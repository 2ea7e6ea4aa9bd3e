"""Tables that leave out columns instead of shortening cells."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType

from branchsweep.reporting.comparison.text import render_comparison
from branchsweep.reporting.text.registry import render_champion_history
from branchsweep.reporting.text.responsive_table import ESSENTIAL, TEXT_WIDTH, Items, ResponsiveTable, TableColumn, TableRow
from branchsweep.reporting.text.run_lists import render_run_lists
from branchsweep.tracking.champion_history import ChampionHistory, ChampionTenure, RegisteredVersion
from comparison_examples import COMPARISONS

WIDTHS = [60, 80, 120]


def lines_at(renderable: RenderableType, width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(renderable)
    return out.getvalue().splitlines()


tables = st.lists(
    st.tuples(st.text("abcdefghij", min_size=1, max_size=12), st.integers(0, 3), st.booleans()), min_size=1, max_size=9
).map(
    lambda columns: ResponsiveTable(
        [TableColumn(title, priority) for title, priority, _ in columns],
        [TableRow([f"{index}{'x' * (5 if long else 1)}" for index, (_, _, long) in enumerate(columns)])],
    )
)


@given(table=tables, width=st.integers(20, 120))
def test_no_cell_is_shortened_and_essential_columns_are_always_shown(table: ResponsiveTable, width: int) -> None:
    shown = table.fitting_columns(width)
    lines = lines_at(table, width)
    assert all(cell_len(line) <= width for line in lines)
    assert not any("…" in line for line in lines)
    assert {index for index, column in enumerate(table.columns) if column.priority == ESSENTIAL} <= set(shown)
    left_out = [column.priority for index, column in enumerate(table.columns) if index not in shown]
    assert all(table.columns[index].priority <= min(left_out, default=99) for index in shown)
    text = " ".join(lines)
    cells = [table.rows[0].cells[index] for index in shown]
    if not ResponsiveTable([table.columns[index] for index in shown], [TableRow(cells)]).fits(width):
        return
    assert ("not shown in" in text) == (len(shown) < len(table.columns))


@given(table=tables)
def test_where_essential_columns_are_too_wide_a_row_is_a_list_of_all_columns(table: ResponsiveTable) -> None:
    essential = ResponsiveTable([replace(column, priority=ESSENTIAL) for column in table.columns], table.rows)
    needed = sum(
        max(cell_len(column.title), len(str(cell))) for column, cell in zip(table.columns, table.rows[0].cells, strict=True)
    )
    if len(table.columns) == 1 or needed + 2 * (len(table.columns) - 1) <= 25:
        return
    pairs = [tuple(line.split()) for line in lines_at(essential, 25)]
    assert pairs == [(column.title, cell) for column, cell in zip(table.columns, table.rows[0].cells, strict=True)]


def test_a_list_has_the_name_of_its_row_above_it_and_leaves_out_empty_cells() -> None:
    columns = [TableColumn(""), TableColumn("recorded"), TableColumn("replayed"), TableColumn("difference")]
    rows = [
        TableRow(("  r2/PE", "0.9320 ± 0.0014", "0.9320 ± 0.0014", "0")),
        TableRow(("  status", "COMPLETE", "COMPLETE", "")),
    ]
    assert [line.rstrip() for line in lines_at(ResponsiveTable(columns, rows), 40)] == [
        "  r2/PE",
        "    recorded    0.9320 ± 0.0014",
        "    replayed    0.9320 ± 0.0014",
        "    difference  0",
        "  status",
        "    recorded  COMPLETE",
        "    replayed  COMPLETE",
    ]


@given(
    st.lists(st.tuples(st.text("abc", min_size=1, max_size=6), st.integers(0, 999)), min_size=1, max_size=9),
    st.integers(12, 40),
)
def test_a_line_of_a_list_ends_between_its_items(named: list[tuple[str, int]], width: int) -> None:
    items = [f"{name} {value}" for name, value in named]
    lines = [line.rstrip() for line in lines_at(Items(items), width)]
    assert all(len(line) <= width for line in lines)
    assert [item for line in lines for item in line.removesuffix(",").split(", ")] == items


def test_a_sentence_continues_on_the_next_line_before_a_column_is_left_out() -> None:
    sentence = "a sentence of several words that is longer than the terminal is wide"
    table = ResponsiveTable([TableColumn("name", priority=1), TableColumn("why", is_text=True)], [TableRow(("x", sentence))])
    assert table.fitting_columns(TEXT_WIDTH + 10) == [0, 1]
    assert table.fitting_columns(TEXT_WIDTH) == [1]
    assert " ".join(" ".join(lines_at(table, TEXT_WIDTH)[1:-2]).split()) == sentence


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", sorted(COMPARISONS))
def test_a_comparison_names_every_contestant_and_every_score(name: str, width: int) -> None:
    result = COMPARISONS[name]
    lines = lines_at(render_comparison(result), width)
    assert all(len(line) <= width for line in lines)
    text = "\n".join(lines)
    assert "…" not in text
    for contestant in result.contestants:
        assert any(line.split()[:1] == contestant.name.split()[:1] for line in lines), contestant.name


@pytest.mark.parametrize("width", WIDTHS)
def test_the_history_of_a_model_shortens_nothing(width: int) -> None:
    because = "better on both heads: PE +0.0031 [0.0012, 0.0049], V +0.0102 [0.0045, 0.0160]"
    versions = [
        RegisteredVersion(
            number,
            aliases=("champion",) if number == 2 else ("previous",),
            sweep="0123456789abcdef",
            trial=17,
            value=0.8812,
            rule="mean validation R²",
            test={"test_r2/PE": 0.9414, "test_r2/V": 0.8182},
            because=because,
            registered="2026-11-29T10:00:00+00:00",
        )
        for number in (2, 1)
    ]
    tenures = [
        ChampionTenure(1, "2026-11-28T10:00:00+00:00", "2026-11-29T10:00:00+00:00", because),
        ChampionTenure(2, "2026-11-29T10:00:00+00:00", None, because),
    ]
    lines = lines_at(render_champion_history(ChampionHistory("power-plant", versions, tenures)), width)
    assert all(len(line) <= width for line in lines)
    words = " ".join(lines).split()
    for word in ("version", "alias", "test_r2/PE", "test_r2/V", "because", "0.9414", "0.8182", "champion", "previous"):
        assert word in words


def test_lists_of_runs_are_empty_without_runs() -> None:
    assert len(lines_at(render_run_lists([], []), 80)) == 2
