"""Where the contestants of a comparison stand: its findings in the order and the words in which people read them.

The terminal, the page, the tables and the pictures show the same standing, each in its own way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from branchsweep.config.metric_names import MEAN
from branchsweep.metrics.comparison_result import ComparisonResult, ContestantResult, PairwiseDifference
from branchsweep.reporting.formatting import format_score_with_error


@dataclass(frozen=True, slots=True)
class MetricCell:
    """A contestant in one figure.

    Args:
        mean: The score, averaged over the halves; NaN without any.
        error: Its standard error: the standard deviation over the halves (n - 1) over the root of their number. Halves share
            rows, so it is a measure of the spread and no test; tests are in `contrast`.
        halves: The score in every half.
        contrast: Its difference to the reference; None for the reference itself, and where there is none.
    """

    mean: float
    error: float
    halves: tuple[float, ...]
    contrast: PairwiseDifference | None

    @property
    def score(self) -> str:
        """The mean with its standard error, in words."""
        return format_score_with_error(self.mean, self.error)

    @property
    def verdict(self) -> str:
        """`better` or `worse` than the reference where that is significant, `undecided` where it is not, else empty."""
        return "" if self.contrast is None else difference_verdict(self.contrast)


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """A contestant.

    Args:
        one: What was measured.
        places: By figure, in the order of `figures`; empty for one that failed.
        is_reference: Whether the others are compared with it.
    """

    one: ContestantResult
    places: dict[str, MetricCell]
    is_reference: bool


def difference_verdict(contrast: PairwiseDifference) -> str:
    """`better` or `worse` where the difference is significant, `undecided` where it is not."""
    if not contrast.is_significant:
        return "undecided"
    return "better" if contrast.difference > 0 else "worse"


def comparison_metrics(findings: ComparisonResult) -> tuple[str, ...]:
    """The heads, and their mean where there is more than one."""
    heads = tuple(findings.heads)
    return (*heads, MEAN) if len(heads) > 1 else heads


def comparison_rows(findings: ComparisonResult) -> tuple[ComparisonRow, ...]:
    """The contestants, the best mean first; those that failed at the end, in order."""
    made = [_standing(findings, one) for one in findings.contestants]
    last = comparison_metrics(findings)[-1]

    def rank(each: ComparisonRow) -> float:
        mean = each.places[last].mean if last in each.places else math.nan
        return math.inf if math.isnan(mean) else -mean

    return tuple(sorted(made, key=rank))


def _standing(findings: ComparisonResult, one: ContestantResult) -> ComparisonRow:
    places = {}
    for figure in comparison_metrics(findings):
        halves = tuple(one.scores.get(figure, ()))
        if not one.failure and halves:
            places[figure] = MetricCell(
                *mean_and_error(halves), halves, find_difference(findings.differences, figure, one.name)
            )
    return ComparisonRow(one, places, one.name == findings.reference)


def find_difference(contrasts: Sequence[PairwiseDifference], figure: str, one: str) -> PairwiseDifference | None:
    """A contestant's contrast in a figure."""
    return next((each for each in contrasts if (each.head, each.contestant) == (figure, one)), None)


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error (n - 1); NaN where there is none."""
    count = len(values)
    mean = float(np.mean(values)) if count else math.nan
    return mean, float(np.std(values, ddof=1)) / math.sqrt(count) if count > 1 else math.nan


def half_names(count: int) -> tuple[str, ...]:
    """The halves in the order of `Findings`: repetition, from which half was learnt, on which was tested."""
    return tuple(f"{half // 2 + 1} {('A→B', 'B→A')[half % 2]}" for half in range(count))


def halves(findings: ComparisonResult) -> int:
    """How many halves contestants were tested on."""
    return max((len(halves) for one in findings.contestants for halves in one.scores.values()), default=0)
