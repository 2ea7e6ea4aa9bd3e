"""How the values of an input are distributed: over bins that each hold a tenth of the training rows, or over its categories.

An exported model keeps the distributions of its training rows, so that another table can be compared with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from branchsweep.config.sections.columns import Column
from branchsweep.types import Floats

BINS = 10
"""Of numbers and dates: deciles, as is usual for the population stability index."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """The rows of a table by the values of one input.

    Args:
        counts: The rows of each bin, or of each category in their order; and last those without a known value.
        edges: Of numbers and dates (in seconds), ascending: bin i holds the values above edge i - 1 up to edge i. None of
            categories.
    """

    counts: tuple[int, ...]
    edges: tuple[float, ...] | None = None

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(self.counts)

    def of_other_rows(self, values: Floats) -> Distribution:
        """The distribution of other rows over the same bins or categories.

        Args:
            values: `(rows,)`, as networks know them: numbers, seconds or positions of categories; NaN for a missing one.
        """
        return Distribution(_counts(values, self.edges, len(self.counts) - 1), self.edges)


def distribution(values: Floats, column: Column) -> Distribution:
    """The distribution of an input in the training rows.

    Args:
        values: `(rows,)`, as of `of_other_rows`.
        column: What the input is.
    """
    if column.kind == "categorical":
        return Distribution(_counts(values, None, len(column.categories or ())))
    known = values[~np.isnan(values)]
    quantiles = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="inverted_cdf")) if len(known) else known
    edges = tuple(edge for edge in quantiles.tolist() if edge < known.max())
    return Distribution(_counts(values, edges, len(edges) + 1), edges)


def _counts(values: Floats, edges: tuple[float, ...] | None, bins: int) -> tuple[int, ...]:
    """The rows in each of so many bins, and those in none of them."""
    known = values[~np.isnan(values)]
    positions: NDArray[Any] = np.searchsorted(edges, known, side="left") if edges is not None else known.astype(np.int64)
    within = positions[(positions >= 0) & (positions < bins)]
    return (*np.bincount(within, minlength=bins).tolist(), len(values) - len(within))
