"""Test rows that are a table of their own: joined with the training rows to one dataset."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from branchsweep.data.columns import count_noun
from branchsweep.data.dataset import Dataset, SeparateTable, read_only
from branchsweep.data.digest import combined_digest
from branchsweep.data.splitters.splitter import FEWEST_ROWS
from branchsweep.errors import DataError
from branchsweep.types import Floats


def with_test_table(dataset: Dataset, test: Dataset) -> Dataset:
    """The rows of the experiment's table, all of which are training rows, and then those of its test table.

    Args:
        dataset: The rows of the experiment's table.
        test: Those of the test table, read from a file by the same policies.

    Raises:
        DataError: There are too few test rows for a score.
    """
    if test.rows < FEWEST_ROWS:
        message = f"{count_noun(test.rows, 'row')} to test, expected {FEWEST_ROWS} or more: a score needs them"
        raise DataError(message, test.location)
    assert test.path is not None, "a test table is a file"
    weights: Floats | None = None
    if dataset.weights is not None or test.weights is not None:
        both = [np.ones_like(rows.y) if rows.weights is None else rows.weights for rows in (dataset, test)]
        weights = read_only(np.concatenate(both))
    columns = [
        column.model_copy(update={"has_gaps": column.has_gaps or test_column.has_gaps})
        for column, test_column in zip(dataset.columns, test.columns, strict=True)
    ]
    new = [f"Test table {test.location}: {warning}" for warning in test.warnings]
    return replace(
        dataset,
        x=read_only(np.concatenate([dataset.x, test.x])),
        y=read_only(np.concatenate([dataset.y, test.y])),
        digest=combined_digest([dataset.digest, f"test {test.digest}"]),
        warnings=(*dataset.warnings, *new),
        weights=weights,
        columns=tuple(columns),
        test_table=SeparateTable(test.location, test.path, test.rows, test.digest),
    )
