"""The result of a comparison as rows and cells, which text, page, exports and figures show alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from branchsweep.config.metric_names import MEAN
from branchsweep.metrics.collapse import Collapse
from branchsweep.metrics.comparison_result import ComparisonResult, ContestantResult, PairwiseDifference
from branchsweep.reporting.formatting import format_score, format_score_with_error


@dataclass(frozen=True, slots=True)
class ScoreCell:
    """The scores of a contestant for one head, or their mean over the heads.

    Args:
        mean: The score, averaged over the halves; NaN if there is none.
        error: Its standard error: the standard deviation over the halves (n - 1) divided by the root of their number. It
            describes the spread only, as halves share rows; the tests are in `difference`.
        median: Its median over the halves.
        halves: The score on every half.
        difference: The difference to the reference; None for the reference itself, and if there is none.
        collapses: The halves whose score lies far below the others. Mean and error do not describe such scores.
    """

    mean: float
    error: float
    median: float
    halves: tuple[float, ...]
    difference: PairwiseDifference | None
    collapses: tuple[Collapse, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """The mean with its standard error; where halves collapsed, the median beside it, and these halves by name."""
        mean = format_score_with_error(self.mean, self.error)
        if not self.collapses:
            return (mean,)
        halves = (f"{collapse.where}: {format_score(collapse.score)}" for collapse in self.collapses)
        return (f"median {format_score(self.median)}", f"mean {mean}", *halves)

    @property
    def text(self) -> str:
        """The same on one line."""
        return "; ".join(self.lines)

    @property
    def verdict(self) -> str:
        """Of the difference; empty if there is none."""
        return "" if self.difference is None else self.difference.verdict


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """A contestant with its scores.

    Args:
        contestant: Its result.
        cells: By head, in the order of `scored_heads`; empty for a contestant that failed.
        is_reference: Whether the other contestants are compared with it.
    """

    contestant: ContestantResult
    cells: dict[str, ScoreCell]
    is_reference: bool


def verdict_text(difference: PairwiseDifference, margin: float) -> str:
    """The verdict in words, with the contestants that collapsed in some half.

    Args:
        difference: The difference.
        margin: What counts as equal.
    """
    verdict = f"equal within {margin:g}" if difference.verdict == "equal" else difference.verdict
    collapsed = [
        f"{name} collapsed in {' and '.join(f'half {half}' for half in halves)}"
        for name, halves in difference.collapsed.items()
    ]
    return "; ".join([verdict, *collapsed])


def scored_heads(result: ComparisonResult) -> tuple[str, ...]:
    """The heads, and `mean` if there are several."""
    heads = tuple(result.heads)
    return (*heads, MEAN) if len(heads) > 1 else heads


def comparison_rows(result: ComparisonResult) -> tuple[ComparisonRow, ...]:
    """The contestants, the best mean score first; those that failed are last."""
    rows = [_row(result, contestant) for contestant in result.contestants]
    last = scored_heads(result)[-1]

    def order(row: ComparisonRow) -> float:
        mean = row.cells[last].mean if last in row.cells else math.nan
        return math.inf if math.isnan(mean) else -mean

    return tuple(sorted(rows, key=order))


def _row(result: ComparisonResult, contestant: ContestantResult) -> ComparisonRow:
    cells = {}
    for head in scored_heads(result):
        scores = tuple(contestant.scores.get(head, ()))
        if scores and not contestant.failure:
            difference = find_difference(result.differences, head, contestant.name)
            median, collapses = float(np.median(scores)), contestant.collapses_of(head)
            cells[head] = ScoreCell(*mean_and_error(scores), median, scores, difference, collapses)
    return ComparisonRow(contestant, cells, contestant.name == result.reference)


def find_difference(differences: Sequence[PairwiseDifference], head: str, contestant: str) -> PairwiseDifference | None:
    """The difference of a contestant to the reference for a head; None if there is none."""
    return next(
        (difference for difference in differences if (difference.head, difference.contestant) == (head, contestant)), None
    )


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error (n - 1); NaN if there are too few values."""
    count = len(values)
    mean = float(np.mean(values)) if count else math.nan
    return mean, float(np.std(values, ddof=1)) / math.sqrt(count) if count > 1 else math.nan


def half_labels(count: int) -> tuple[str, ...]:
    """Labels of the halves in the order of `ComparisonResult`: the repetition, the training half and the test half."""
    return tuple(f"{half // 2 + 1} {('A→B', 'B→A')[half % 2]}" for half in range(count))


def half_count(result: ComparisonResult) -> int:
    """The number of halves that contestants were tested on."""
    return max((len(scores) for contestant in result.contestants for scores in contestant.scores.values()), default=0)
