"""Rows are divided at random, with equal shares of every class, or of every part of a target's range, in all parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd

from branchsweep.data.columns import column_name, count_noun
from branchsweep.data.splitters.random_splitter import RandomSplitter, folds_of
from branchsweep.errors import DataError
from branchsweep.types import Floats, Fold, Positions


@dataclass(frozen=True, slots=True, eq=False)
class Stratify(RandomSplitter):
    """scikit-learn's `StratifiedShuffleSplit` and `StratifiedKFold(shuffle=True)`.

    Args:
        labels: `(rows,)`, the stratum of each row.
        names: What messages call the strata, in the order of their numbers.
        column: The column that they are made of.
    """

    labels: Positions = field(repr=False)
    names: Sequence[str]
    column: str

    @property
    def description(self) -> str:
        """As of `Splitter`."""
        return f"at random, with equal shares of the {len(self.names)} classes of column '{self.column}' in all parts"

    def two_parts(self, rows: Positions, fraction: float, seed: int) -> Fold:
        """As of `RandomSplitter`.

        Raises:
            DataError: A class has too few rows.
        """
        self._require(rows, 2, "one for either part")
        present, smaller = len(np.unique(self.labels[rows])), min(fraction, 1 - fraction)
        if smaller * len(rows) < present:
            raise DataError(
                f"column '{self.column}' has {present} classes, more than a share of {smaller:g} of {len(rows):,} rows has"
                f" rows; choose a larger share, or fewer classes (split.bins, for a column of numbers)",
                "split.stratify",
            )
        from sklearn import model_selection  # noqa: PLC0415  # takes half a second, and most splits need none

        divided = model_selection.StratifiedShuffleSplit(n_splits=1, test_size=fraction, random_state=seed)
        (parts,) = folds_of(rows, divided.split(rows, self.labels[rows]))
        return parts

    def k_fold(self, rows: Positions, folds: int, seed: int) -> Sequence[Fold]:
        """As of `RandomSplitter`.

        Raises:
            DataError: A class has fewer rows than there are folds.
        """
        self._require(rows, folds, f"one for each of {folds} folds")
        from sklearn import model_selection  # noqa: PLC0415  # as above

        divided = model_selection.StratifiedKFold(folds, shuffle=True, random_state=seed)
        return folds_of(rows, divided.split(rows, self.labels[rows]))

    def most_folds(self, rows: Positions) -> int:
        """As of `RandomSplitter`."""
        return int(np.unique(self.labels[rows], return_counts=True)[1].min())

    def _require(self, rows: Positions, needed: int, why: str) -> None:
        """Check that every class has this many rows.

        Raises:
            DataError: One has fewer.
        """
        present, counts = np.unique(self.labels[rows], return_counts=True)
        if counts.min() < needed:
            name = self.names[present[counts.argmin()]]
            raise DataError(
                f"class {name} of column '{self.column}' has {count_noun(int(counts.min()), 'row')} of the {len(rows):,} to"
                f" divide, expected at least {needed}, {why}; join rare classes, leave such rows out, or choose fewer folds"
                f" (of a column of numbers, split.bins makes classes of equal size)",
                "split.stratify",
            )


def by_classes(values: pd.Series, column: str) -> Stratify:
    """A splitter whose strata are the distinct values of a column; a missing value is a class, too."""
    labels, classes = pd.factorize(values, use_na_sentinel=False)
    return Stratify(labels.astype(np.intp), [repr(column_name(value) or "missing") for value in classes], column)


def by_quantiles(values: Floats, bins: int, column: str) -> Stratify:
    """A splitter whose strata are the parts between quantiles, of about as many rows each.

    Args:
        values: `(rows,)`; NaN is a stratum of its own.
        bins: How many; fewer where values are repeated.
        column: The column of the values.
    """
    codes, edges = pd.qcut(values, bins, labels=False, retbins=True, duplicates="drop")
    labels = np.where(np.isnan(codes), len(edges) - 1, codes).astype(np.intp)
    names = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]
    return Stratify(labels, [*names, *(["missing"] if np.isnan(codes).any() else [])], column)
