"""Curves as text."""

from __future__ import annotations

import math

from branchsweep.reporting.text.curves import BARS, braille_plot, sparkline


def test_a_sparkline_has_a_bar_for_each_value() -> None:
    assert sparkline([0.0, 0.5, 1.0], 10) == "▁▅█"
    assert sparkline([1.0, 1.0], 10) == "▁▁"
    assert sparkline([math.nan, 0.0, math.inf, 1.0], 10) == " ▁ █"
    assert sparkline([], 10) == sparkline([math.nan], 10) == ""


def test_a_sparkline_shortens_many_values_to_the_last_of_each_part() -> None:
    values = [float(value) for value in range(100)]
    assert sparkline(values, 8) == BARS
    assert len(sparkline(values[:99], 8)) == 8
    assert sparkline([0.0] * 95 + [1.0], 4) == "▁▁▁█"


def test_a_sparkline_ignores_outliers_at_the_beginning() -> None:
    good = [0.1 * value for value in range(9)]
    assert sparkline([*good], 20) == sparkline([-1e6, *good], 20)[1:]


def test_a_straight_curve_is_drawn_as_a_diagonal() -> None:
    lines = braille_plot([(1, 0.0), (5, 1.0)], columns=4, rows=2)
    assert lines[0].startswith("1.000 ┤") and lines[1].startswith("0.000 ┤")
    heights = [dots(line[7:]) for line in lines[:2]]
    assert heights[0][0] == 0 and heights[1][0] > 0  # it begins below
    assert heights[0][-1] > 0 and heights[1][-1] == 0  # and ends above


def dots(cells: str) -> list[int]:
    """By column, how many dots."""
    return [0 if cell == " " else (ord(cell) - 0x2800).bit_count() for cell in cells]


def test_a_curve_has_no_gaps_however_steep_it_is() -> None:
    lines = braille_plot([(1, 0.0), (2, 1.0), (3, 0.0), (4, 1.0)], columns=20, rows=6)
    columns = zip(*(line[7:] for line in lines[:6]), strict=True)
    assert all(any(cell != " " for cell in column) for column in columns)
    assert {len(line) for line in lines} == {len(lines[0])}


def test_a_single_point_is_drawn_and_no_point_is_not() -> None:
    assert braille_plot([]) == braille_plot([(1, math.nan)]) == []
    assert "0.500 ┤" in braille_plot([(7, 0.5)])[-3]


def test_values_below_the_axis_are_marked() -> None:
    points = [(1, -50.0), *((epoch, 0.9) for epoch in range(2, 12))]
    assert "≤0.900" in braille_plot(points)[-3]
