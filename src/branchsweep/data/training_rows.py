"""The rows that a trainer may see, with the folds of cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from branchsweep.data.dataset import Dataset, Split
from branchsweep.types import Floats


def training_rows(dataset: Dataset, split: Split) -> TrainingRows:
    """What a trainer may see: the training rows alone, with the folds as positions among them.

    The folds of the search come first, those of the confirmation after them.
    """
    place = np.zeros(dataset.rows, np.int64)
    place[split.train] = np.arange(len(split.train))
    folds = tuple((place[train], place[validation]) for train, validation in (*split.folds, *split.confirmation))
    return TrainingRows(dataset.x[split.train], dataset.y[split.train], folds, dataset.heads)


ALL_ROWS = -1
"""The fold of a lane that trains on every training row and has no validation rows (a refit)."""


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """All that a trainer may see: the training rows, test rows are not among them.

    Args:
        x: `(n, F)` inputs in natural units.
        y: `(n, H)` targets in natural units, in the order of the heads.
        folds: Per fold the positions of the rows it trains on and of those it validates on.
        heads: The names of the targets' columns. Where they are known, networks may predict some of them.
    """

    x: Floats
    y: Floats
    folds: tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]
    heads: tuple[str, ...] = ()

    def for_heads(self, heads: Sequence[str]) -> TrainingRows:
        """The same rows with the targets of these heads, in this order; all of them where nobody knows their names."""
        if not self.heads or tuple(heads) == self.heads:
            return self
        return replace(self, y=self.y[:, [self.heads.index(head) for head in heads]], heads=tuple(heads))

    @property
    def ranges(self) -> list[tuple[float, float]]:
        """The smallest and the largest value of each input column."""
        return list(zip(self.x.min(0).tolist(), self.x.max(0).tolist(), strict=True))

    def fold_rows(self, fold: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions of the fold's training and validation rows; all and none for `ALL_ROWS`."""
        return (np.arange(len(self.x)), np.arange(0)) if fold == ALL_ROWS else self.folds[fold]
