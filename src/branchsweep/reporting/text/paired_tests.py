"""McNemar's and DeLong's tests as a table of the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from branchsweep.metrics.paired_tests import PairedTest
from branchsweep.reporting.paired_test_rows import PAIRED_TEST_COLUMNS, PAIRED_TEST_TITLE, paired_test_rows
from branchsweep.reporting.text.responsive_table import ResponsiveTable, TableColumn, TableRow


def render_paired_tests(tests: Iterable[PairedTest], first: str, second: str) -> RenderableType:
    """Render the tests of one model against another.

    Args:
        tests: The tests, at least one.
        first: The model whose metrics are subtracted.
        second: The other one.
    """
    head, test, *numbers = PAIRED_TEST_COLUMNS
    columns = (
        TableColumn(f"  {head}"),
        TableColumn(test, is_text=True),
        *(TableColumn(name, priority=int(name == "rows"), right=True) for name in numbers),
    )
    rows = [TableRow([f"  {row.head}", *row[1:]]) for row in paired_test_rows(tests)]
    title = Text(PAIRED_TEST_TITLE.format(first=first, second=second), style="bold")
    return Group(title, ResponsiveTable(columns, rows))
