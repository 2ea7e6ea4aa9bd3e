"""Rows are divided at random, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from branchsweep.config.comparison import N_REPETITIONS
from branchsweep.data.splitters.random_splitter import RandomSplitter, folds_of
from branchsweep.data.splitters.splitter import FEWEST_ROWS
from branchsweep.types import Fold, Positions


@dataclass(frozen=True, slots=True)
class Shuffle(RandomSplitter):
    """The same rows as scikit-learn's `train_test_split` and `KFold(shuffle=True)`, whose import takes half a second."""

    @property
    def description(self) -> str:
        """As of `Splitter`."""
        return "at random, row by row"

    def two_parts(self, rows: Positions, fraction: float, seed: int) -> Fold:
        """As of `RandomSplitter`."""
        order, size = np.random.RandomState(seed).permutation(len(rows)), ceil(fraction * len(rows))
        return rows[order[size:]], rows[order[:size]]

    def k_fold(self, rows: Positions, folds: int, seed: int) -> Sequence[Fold]:
        """As of `RandomSplitter`."""
        positions = np.arange(len(rows))
        order = np.random.RandomState(seed).permutation(positions)
        return folds_of(rows, ((np.delete(positions, part), np.sort(part)) for part in np.array_split(order, folds)))

    def most_folds(self, rows: Positions) -> int:
        """As of `RandomSplitter`."""
        return len(rows) // FEWEST_ROWS

    def halves(self, rows: int, seed: int) -> Sequence[Fold]:
        """As of `Splitter`; of an odd number of rows the first half is the smaller."""
        rng, middle = np.random.default_rng(seed), rows // 2
        return [(order[:middle], order[middle:]) for order in (rng.permutation(rows) for _ in range(N_REPETITIONS))]
