"""Which columns of predictions are a head's: those of its output units, head after head.

Targets have one column for each head. A head of several units, such as the probabilities of three classes, has as many columns
of predictions. Where all heads have one unit, both have the same columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import Protocol

import numpy as np

from branchsweep.types import Floats


class WithUnits(Protocol):
    """A kind of head, of which only the number of its output units is known."""

    @property
    def units(self) -> int:
        """Columns of a prediction."""
        ...


def output_columns(kinds: Iterable[WithUnits]) -> list[slice]:
    """By head, its columns of predictions `(rows, outputs)`.

    Args:
        kinds: The kinds of the heads, in order.
    """
    units = [kind.units for kind in kinds]
    return [slice(end - own, end) for own, end in zip(units, accumulate(units), strict=True)]


def output_count(kinds: Iterable[WithUnits]) -> int:
    """The columns of predictions of all heads."""
    return sum(kind.units for kind in kinds)


def of_head(predicted: Floats, columns: slice) -> Floats:
    """The predictions of one head, rows last.

    Args:
        predicted: `(…, rows, outputs)`.
        columns: The head's.

    Returns:
        `(…, rows)` of a head of one unit, else `(…, units, rows)`.
    """
    if columns.stop - columns.start == 1:
        return predicted[..., columns.start]
    return np.moveaxis(predicted[..., columns], -1, -2)


def as_columns(values: Floats) -> Floats:
    """The predictions `(rows,)` or `(units, rows)` of one head as columns `(rows, units)`."""
    return values[:, None] if values.ndim == 1 else values.T


def by_output(values: Floats, kinds: Iterable[WithUnits]) -> Floats:
    """Values of the heads `(…, heads)`, each repeated for every unit of its head: `(…, outputs)`."""
    units = [kind.units for kind in kinds]
    return values if set(units) <= {1} else np.repeat(values, units, axis=-1)
