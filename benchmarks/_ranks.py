"""Several methods on several tables, compared by their ranks: Friedman's test and Nemenyi's critical difference.

Source: J. Demšar (2006), "Statistical comparisons of classifiers over multiple data sets". A method's rank on a table is 1
where its figure is the lowest; equal figures share the mean of their ranks. Two methods differ significantly where their mean
ranks are at least the critical difference apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

FEWEST_TABLES = 2
"""The fewest tables of a test."""


@dataclass(frozen=True, slots=True)
class RankComparison:
    """Methods by their ranks over tables.

    Args:
        mean_ranks: By method, the best first.
        tables: The number of tables.
        p: Friedman's test, its statistic taken as chi-squared; the null hypothesis is that all methods are alike. NaN where
            there are too few methods or tables.
        critical_difference: Of mean ranks, at the level 0.05.
    """

    mean_ranks: Mapping[str, float]
    tables: int
    p: float
    critical_difference: float

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """The largest sets of methods none of which differ significantly, of two methods or more, in order of rank."""
        ranked = list(self.mean_ranks.items())
        found: list[tuple[str, ...]] = []
        for first, (_, rank) in enumerate(ranked):
            group = tuple(name for name, other in ranked[first:] if other - rank < self.critical_difference)
            if len(group) > 1 and (not found or group[-1] != found[-1][-1]):
                found.append(group)
        return found


def compare_ranks(figures: Mapping[str, Mapping[str, float]]) -> RankComparison:
    """The comparison of methods from a figure per table and method, where lower is better.

    Args:
        figures: By table and method; every table has the same methods.
    """
    methods = list(next(iter(figures.values())))
    by_table = np.array([[of_table[method] for method in methods] for of_table in figures.values()])
    means = stats.rankdata(by_table, axis=1).mean(axis=0)
    enough = len(figures) >= FEWEST_TABLES and len(methods) > 2
    p = float(stats.friedmanchisquare(*by_table.T).pvalue) if enough else math.nan
    in_order = sorted(zip(methods, means.tolist(), strict=True), key=lambda pair: pair[1])
    return RankComparison(dict(in_order), len(figures), p, critical_difference(len(methods), len(figures)))


def critical_difference(methods: int, tables: int, level: float = 0.05) -> float:
    """The critical difference of mean ranks: q * sqrt(methods * (methods + 1) / (6 * tables)).

    q is the quantile of the studentized range for so many methods and infinitely many degrees of freedom, over the root of 2.
    """
    quantile = float(stats.studentized_range.ppf(1.0 - level, methods, np.inf)) / math.sqrt(2.0)
    return quantile * math.sqrt(methods * (methods + 1) / (6.0 * tables))


def draw_ranks(comparison: RankComparison, path: Path, highlighted: str, title: str) -> None:
    """Draw the critical-difference diagram: mean ranks on an axis, a bar over methods that do not differ significantly.

    Args:
        comparison: What is drawn.
        path: The PNG file.
        highlighted: The method drawn in colour.
        title: Above the diagram.
    """
    from matplotlib.figure import Figure

    ranked, bars = list(comparison.mean_ranks.items()), comparison.groups
    left = (len(ranked) + 1) // 2
    height = 0.5 * left + 0.22 * len(bars) + 1.2
    figure = Figure(figsize=(8.4, height * 0.72), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlim=(-0.6, len(ranked) + 1.6), ylim=(-height + 0.6, 1.0))
    axes.axis("off")
    axes.set_title(title, fontsize=10, loc="left")
    axes.plot([1, len(ranked)], [0, 0], color="black", linewidth=1)
    for mark in range(1, len(ranked) + 1):
        axes.plot([mark, mark], [0, 0.1], color="black", linewidth=1)
        axes.text(mark, 0.16, str(mark), ha="center", va="bottom", fontsize=8)
    axes.plot([1, 1 + comparison.critical_difference], [0.7, 0.7], color="#777777", linewidth=2)
    label = f"critical difference {comparison.critical_difference:.2f}"
    axes.text(1.1 + comparison.critical_difference, 0.7, label, va="center", fontsize=8, color="#555555")
    for number, bar in enumerate(bars):
        height_of_bar = -0.15 - 0.22 * number
        ends = [comparison.mean_ranks[bar[0]] - 0.04, comparison.mean_ranks[bar[-1]] + 0.04]
        axes.plot(ends, [height_of_bar, height_of_bar], color="#555555", linewidth=3, solid_capstyle="butt")
    for position, (method, rank) in enumerate(ranked):
        is_left = position < left
        row = position if is_left else len(ranked) - 1 - position
        at, edge = -0.22 * len(bars) - 0.4 - 0.5 * row, (0.6 if is_left else len(ranked) + 0.4)
        colour = "#b5485d" if method == highlighted else "black"
        axes.plot([rank, rank, edge], [0, at, at], color=colour, linewidth=1.6 if method == highlighted else 0.8)
        axes.text(
            edge + (-0.08 if is_left else 0.08),
            at,
            f"{method}  {rank:.2f}",
            ha="right" if is_left else "left",
            va="center",
            fontsize=9,
            color=colour,
        )
    figure.savefig(path, dpi=150, metadata={"Software": None})
