"""The contract of all kinds of row splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from branchsweep.types import Fold, Positions

if TYPE_CHECKING:
    from branchsweep.config.experiment import Experiment
    from branchsweep.config.sections.validation import HoldOut, KFold

FEWEST_ROWS = 2
"""Rows of a part, at least: a score such as R² is not defined on fewer."""


class Splitter(Protocol):
    """Divides the rows of one table. Positions are those of the table's rows; no row is in both parts that a method returns.

    Whatever is divided may be some of the rows only: the training rows, or one half of a comparison.
    """

    @property
    def description(self) -> str:
        """How rows are divided, for display, such as `by the 60 groups of column 'batch', …`."""
        ...

    @property
    def is_random(self) -> bool:
        """Whether another seed divides rows in another way."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know about this division, as sentences."""
        ...

    def check(self, experiment: Experiment, rows: int, where: str, reason: str = "") -> None:
        """Check what is known before rows are divided.

        Args:
            experiment: Gives the fractions and folds.
            rows: The number of rows in all.
            where: The table, for messages.
            reason: Why there are no more rows, as a sentence for messages.

        Raises:
            DataError: There are too few rows, groups or the like for the parts, or the experiment asks for other ones.
        """
        ...

    def test_rows(self, rows: Positions, fraction: float, seed: int) -> Fold:
        """Training rows and test rows.

        Args:
            rows: The rows to divide.
            fraction: The share of the test rows.
            seed: Of the shuffle, where there is one.
        """
        ...

    def folds(self, validation: KFold | HoldOut, rows: Positions, seed: int) -> Sequence[Fold]:
        """Rows divided into those to train on and those to validate on, once for a hold-out, several times for a k-fold.

        Args:
            validation: The method.
            rows: The rows to divide.
            seed: Of the shuffle, where there is one.

        Raises:
            DataError: These rows cannot be divided so often.
        """
        ...

    def confirmation_folds(self, number: int, rows: Positions, seed: int, searched: Sequence[Fold]) -> Sequence[Fold]:
        """Folds of the same rows anew, on which the finalists are evaluated again.

        Args:
            number: How many; they are fewer, but at least two, where these rows cannot be divided so often.
            rows: The rows to divide.
            seed: Of the shuffle, where there is one; another than that of the search.
            searched: The folds of the search.
        """
        ...

    def halves(self, rows: int, seed: int) -> Sequence[Fold]:
        """All rows divided into two halves, five times.

        Args:
            rows: The number of rows in all.
            seed: Of the shuffles.

        Raises:
            DataError: Rows that are divided so have no such halves; the message says why.
        """
        ...
