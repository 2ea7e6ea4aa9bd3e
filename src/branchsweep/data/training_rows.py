"""The rows that a trainer may see, with the folds of cross-validation: the test rows are not among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from branchsweep.config.sections.columns import NUMERIC, Column
from branchsweep.data.class_weights import ClassWeight, row_weights
from branchsweep.data.dataset import Dataset, Split
from branchsweep.errors import DataError
from branchsweep.metrics.actual import Actual
from branchsweep.types import Floats

ALL_ROWS = -1
"""The fold of a lane that trains on every training row and has no validation rows (a refit)."""


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """The training rows of a split.

    Args:
        x: `(rows, inputs)`, in natural units.
        y: `(rows, heads)`, in natural units; NaN where a target is not known.
        folds: For each fold the positions of the rows to train on and of those to validate on.
        heads: The names of the heads, in order. Where they are given, networks may predict some of them.
        weights: `(rows, heads)`, how much each target counts; None where all count alike.
        room: Rows that the arrays of a compiled program have room for, if more than there are: the training rows of the folds
            of an outer cross-validation differ in number, and one program fits them all.
        columns: What the inputs are, in order; numbers without gaps where they are not given.
        class_weights: By head, see `class_weights.py`; empty where no head has any.
    """

    x: Floats
    y: Floats
    folds: tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]
    heads: tuple[str, ...] = ()
    weights: Floats | None = None
    room: int = 0
    columns: tuple[Column, ...] = ()
    class_weights: tuple[ClassWeight, ...] = ()

    @property
    def input_columns(self) -> tuple[Column, ...]:
        """What the inputs are, in order."""
        return self.columns or (NUMERIC,) * self.x.shape[1]

    def for_heads(self, heads: Sequence[str]) -> TrainingRows:
        """The same rows with the targets of these heads, in this order; with all targets where no names are given."""
        if not self.heads or tuple(heads) == self.heads:
            return self
        columns = [self.heads.index(head) for head in heads]
        weights = None if self.weights is None else self.weights[:, columns]
        of_classes = tuple(self.class_weights[column] for column in columns) if self.class_weights else ()
        return replace(self, y=self.y[:, columns], heads=tuple(heads), weights=weights, class_weights=of_classes)

    @property
    def actual(self) -> Actual:
        """The targets, as predictions are compared with them."""
        return Actual(self.y, self.weights)

    @property
    def count_alike(self) -> bool:
        """Whether all targets are known and count alike in the loss."""
        return self.actual.is_plain and not any(own is not None for own in self.class_weights)

    def loss_weights(self, train: NDArray[np.int64]) -> Floats:
        """`(rows, heads)` what each target counts in the loss of networks that train on some rows, by its class, too.

        Args:
            train: The positions of these rows; others count as they do in scores.
        """
        weights = self.actual.masks
        for column, own in enumerate(self.class_weights):
            weights[train, column] *= row_weights(own, self.y[train, column])
        return weights

    def weighted_by_class(self, train: NDArray[np.int64]) -> Actual:
        """The targets of some rows for an estimator that trains on them, which count as in the loss of networks.

        Args:
            train: The positions of these rows.
        """
        return Actual(self.y[train], self.loss_weights(train)[train]) if self.class_weights else self.actual.rows(train)

    @property
    def ranges(self) -> list[tuple[float, float]]:
        """The smallest and the largest value of each input column, of categories the first and last position."""
        low, high = np.nanmin(self.x, axis=0), np.nanmax(self.x, axis=0)
        return list(zip(low.tolist(), high.tolist(), strict=True))

    def categories_without_rows(self, inputs: Mapping[str, Column]) -> dict[str, list[int]]:
        """By input the positions of its categories that no row has, where there are any.

        Args:
            inputs: The inputs, each with what it is.
        """
        found = {}
        for position, (name, column) in enumerate(inputs.items()):
            absent = set(range(len(column.categories or []))) - set(self.x[:, position].tolist())
            if absent:
                found[name] = sorted(absent)
        return found

    def fold_rows(self, fold: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions of the rows to train on and of those to validate on; all rows and none for `ALL_ROWS`."""
        return (np.arange(len(self.x)), np.arange(0)) if fold == ALL_ROWS else self.folds[fold]


def training_rows(dataset: Dataset, split: Split, room: int = 0) -> TrainingRows:
    """The training rows of a split, with its folds as positions among them.

    The folds of the search come first, those of the confirmation after them.

    Args:
        dataset: The table.
        split: Which of its rows are training rows.
        room: As of `TrainingRows`.

    Raises:
        DataError: A column whose gaps are filled has no value in the training rows of a fold.
    """
    _check_gaps(dataset, split)
    position = np.zeros(dataset.rows, np.int64)
    position[split.train] = np.arange(len(split.train))
    folds = tuple((position[train], position[validation]) for train, validation in (*split.folds, *split.confirmation))
    actual = dataset.actual.rows(split.train)
    of_rows = dataset.x[split.train], actual.values, folds
    return TrainingRows(*of_rows, dataset.heads, actual.weights, room, dataset.columns, dataset.class_weights)


def _check_gaps(dataset: Dataset, split: Split) -> None:
    """Check that the training rows of every fold have a mean to fill gaps with.

    Raises:
        DataError: They have not.
    """
    gaps = np.isnan(dataset.x)
    parts = {f"training (fold {number})": train for number, (train, _) in enumerate(split.folds, start=1)}
    parts |= {f"training (confirmation, fold {number})": train for number, (train, _) in enumerate(split.confirmation, start=1)}
    for position, (name, column) in enumerate(dataset.input_columns.items()):
        if column.missing == "error" or not gaps[:, position].any():
            continue
        for part, rows in {"training": split.train, **parts}.items():
            if gaps[rows, position].all():
                raise DataError(
                    f"column '{name}' (table.inputs) has no value in the {len(rows):,} {part} rows, so there is no mean to fill"
                    f" its gaps with; leave it out, bring more rows, or choose another seed",
                    dataset.location,
                )
