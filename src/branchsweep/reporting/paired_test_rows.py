"""McNemar's and DeLong's tests as rows of a table, the same in terminal, report and Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from branchsweep.metrics.names import label
from branchsweep.metrics.paired_tests import PairedTest, PairedTestName
from branchsweep.reporting.escaping import escape_markdown
from branchsweep.reporting.formatting import format_difference, format_p_cell
from branchsweep.reporting.markdown_table import markdown_table

PAIRED_TEST_TITLE = "{second} against {first} on the same test rows (decides nothing)"
"""What stands above the table."""

PAIRED_TEST_COLUMNS = ("head", "test", "difference", "z", "p", "rows")
"""The columns of the table."""

PAIRED_TESTS_OF_HALVES = "p: twice the median over the halves, at most 1; difference and z: medians"
"""How the tests of several halves are one."""

_NAMES = {PairedTestName.MCNEMAR: "McNemar (mid-p)", PairedTestName.DELONG: "DeLong"}


class PairedTestRow(NamedTuple):
    """A test.

    Args:
        head: The head.
        test: The test, with the metric whose difference it is about.
        difference: The difference.
        statistic: Its standardized difference.
        p: Its p-value.
        rows: Rows that were tested on.
    """

    head: str
    test: str
    difference: str
    statistic: str
    p: str
    rows: str


def paired_test_rows(tests: Iterable[PairedTest]) -> Iterator[PairedTestRow]:
    """One row per test."""
    for test in tests:
        name = f"{label(test.metric)}, {_NAMES[test.test]}"
        cells = format_difference(test.difference), f"{test.statistic:+.2f}", format_p_cell(test.p)
        yield PairedTestRow(test.head, name, *cells, f"{test.rows:,}")


def paired_test_markdown(tests: Iterable[PairedTest]) -> str:
    """The tests as a table in Markdown."""
    return markdown_table(PAIRED_TEST_COLUMNS, ([escape_markdown(cell) for cell in row] for row in paired_test_rows(tests)))
