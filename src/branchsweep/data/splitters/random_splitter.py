"""What all kinds have in common that divide rows at random."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import numpy as np

from branchsweep.config.comparison import N_REPETITIONS
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.validation import HoldOut, KFold
from branchsweep.data.splitters.sizes import check_sizes
from branchsweep.types import Fold, Positions


class RandomSplitter(ABC):
    """A `Splitter` by scikit-learn's classes that shuffle: a subclass says which ones."""

    __slots__ = ()

    @property
    @abstractmethod
    def description(self) -> str:
        """As of `Splitter`."""

    @property
    def is_random(self) -> bool:
        """As of `Splitter`."""
        return True

    @property
    def warnings(self) -> tuple[str, ...]:
        """As of `Splitter`."""
        return ()

    @abstractmethod
    def two_parts(self, rows: Positions, fraction: float, seed: int) -> Fold:
        """Rows divided into a part and a smaller one that has this share of them."""

    @abstractmethod
    def k_fold(self, rows: Positions, folds: int, seed: int) -> Sequence[Fold]:
        """The folds of a k-fold."""

    @abstractmethod
    def most_folds(self, rows: Positions) -> int:
        """How many folds these rows can be divided into."""

    def check(self, experiment: Experiment, rows: int, where: str, reason: str = "") -> None:
        """As of `Splitter`."""
        check_sizes(experiment, rows, where, reason)

    def test_rows(self, rows: Positions, fraction: float, seed: int) -> Fold:
        """As of `Splitter`."""
        return self.two_parts(rows, fraction, seed)

    def folds(self, validation: KFold | HoldOut, rows: Positions, seed: int) -> Sequence[Fold]:
        """As of `Splitter`."""
        if isinstance(validation, HoldOut):
            return (self.two_parts(rows, validation.fraction, seed),)
        return self.k_fold(rows, validation.folds, seed)

    def confirmation_folds(self, number: int, rows: Positions, seed: int, searched: Sequence[Fold]) -> Sequence[Fold]:
        """As of `Splitter`."""
        return self.k_fold(rows, max(2, min(number, self.most_folds(rows))), seed)

    def halves(self, rows: int, seed: int) -> Sequence[Fold]:
        """As of `Splitter`."""
        states = np.random.SeedSequence(seed).generate_state(N_REPETITIONS)
        return [next(iter(self.k_fold(np.arange(rows), 2, int(state)))) for state in states]


def folds_of(rows: Positions, divided: Iterable[Fold]) -> tuple[Fold, ...]:
    """The folds that scikit-learn cuts as positions among some rows, as positions of the table."""
    return tuple((rows[train], rows[held_out]) for train, held_out in divided)
