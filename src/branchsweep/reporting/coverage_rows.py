"""The coverage of prediction intervals as rows of a table, the same in terminal, report and model card."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from branchsweep.metrics.prediction_intervals import CheckedIntervals
from branchsweep.reporting.formatting import format_share

ALL_HEADS = "all heads at once"
"""What the row of the joint intervals is called."""


class CoverageRow(NamedTuple):
    """The intervals of one head, or the joint ones of all.

    Args:
        head: The head.
        half_width: Half the width of an interval, in natural units.
        inside: The share of test rows whose actual value lies inside.
        confidence: The confidence interval of that share.
        rows: Test rows with an actual value.
    """

    head: str
    half_width: str
    inside: str
    confidence: str
    rows: str


def coverage_rows(intervals: CheckedIntervals) -> Iterator[CoverageRow]:
    """One row per head, and one for the joint intervals of all heads, where there are any."""
    joint = {ALL_HEADS: intervals.joint} if intervals.joint else {}
    for head, coverage in {**intervals.heads, **joint}.items():
        half_width = f"± {intervals.half_widths[head]:.4g}" if coverage is not intervals.joint else "-"
        confidence = f"{format_share(coverage.low)} to {format_share(coverage.high)}"
        yield CoverageRow(head, half_width, format_share(coverage.share), confidence, f"{coverage.rows:,}")
