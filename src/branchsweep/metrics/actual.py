"""What predictions are compared with: actual values, of which some may not be known, and how much each of them counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from branchsweep.types import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Actual:
    """The actual values of some rows, in natural units.

    Args:
        values: `(rows, heads)`, NaN where a value is not known.
        weights: `(rows, heads)`, at least 0 (scikit-learn's `sample_weight`, head by head); None where all known values count
            alike.
    """

    values: Floats
    weights: Floats | None = None

    @classmethod
    def of(cls, actual: Floats | Actual) -> Actual:
        """The same; values without weights where an array is given."""
        return actual if isinstance(actual, Actual) else cls(actual)

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.values)

    def rows(self, positions: NDArray[np.integer[Any]]) -> Actual:
        """Those of some rows."""
        return Actual(self.values[positions], None if self.weights is None else self.weights[positions])

    def columns(self, positions: Sequence[int]) -> Actual:
        """Those of some heads."""
        own = list(positions)
        return Actual(self.values[:, own], None if self.weights is None else self.weights[:, own])

    @property
    def is_plain(self) -> bool:
        """Whether all values are known and count alike."""
        return self.weights is None and not np.isnan(self.values).any()

    @property
    def masks(self) -> Floats:
        """`(rows, heads)`, the weights, or ones; 0 where a value is not known."""
        weights = np.ones_like(self.values) if self.weights is None else self.weights
        return np.where(np.isnan(self.values), 0.0, weights)

    def head(self, column: int, *others: Floats) -> tuple[Floats, ...]:
        """The known values of one head.

        Args:
            column: The position of the head.
            others: `(…, rows)` each, what is taken of the same rows.

        Returns:
            `(known rows,)`, then of each of the others the same rows, then the weights `(known rows,)` if there are any: what
            a metric's function takes.
        """
        taken = (self.values[:, column], *others, *([] if self.weights is None else [self.weights[:, column]]))
        known = ~np.isnan(taken[0])
        return taken if known.all() else tuple(values[..., known] for values in taken)
