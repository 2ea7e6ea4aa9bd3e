"""A dataset, and how its rows are divided: values that the rest of the package reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from branchsweep.config.sections.columns import NUMERIC, Column
from branchsweep.data.class_weights import ClassWeight
from branchsweep.data.splitters.splitter import Splitter
from branchsweep.metrics.actual import Actual
from branchsweep.types import Floats, Fold, Positions

Array = TypeVar("Array", Floats, Positions)

TableSource = Literal["file", "cache", "download", "dataframe", "database", "synthetic"]
"""Where rows come from."""


def is_synthetic(source: object) -> bool:
    """Whether a recorded source is the synthetic table, which records of earlier versions call `stand-in`."""
    return source in {"synthetic", "stand-in"}


HalvesSource = Literal["sheets", "shuffles"]
"""Where halves come from: the five sheets of the power-plant table's workbook, or shuffles of the rows."""


def _shuffle() -> Splitter:
    from branchsweep.data.splitters.shuffle import Shuffle  # noqa: PLC0415  # scikit-learn takes a second to import

    return Shuffle()


@dataclass(frozen=True, slots=True)
class SeparateTable:
    """The table that test rows come from, where they have one of their own.

    Args:
        location: As of `Dataset`.
        path: The file.
        rows: The number of its rows that are used, the last ones of the dataset.
        digest: Of its rows, as of `Dataset`.
    """

    location: str
    path: Path
    rows: int
    digest: str


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """The rows of an experiment. Two datasets are compared by `digest`.

    Args:
        source: The kind of place that the rows came from.
        location: Their source as shown to users: a path, an address, or the name of the synthetic table.
        inputs: The input columns, in order.
        heads: The names of the heads, in order (their columns may have other names).
        x: `(rows, inputs)`, the inputs in natural units, read-only; of a category its position among the column's, of a date
            the seconds since 1970, NaN where a value is missing and the column may have gaps.
        y: `(rows, heads)`, the targets in natural units, NaN where one is not known, read-only.
        digest: `table_digest` of the input and target columns; with `test_table`, of both tables.
        warnings: What a user should know about these rows, as sentences.
        path: The file that the rows were read from; None where there is none.
        splitter: Divides these rows into test rows, training rows and folds.
        csv_arguments: Of a csv file that is not of the plain kind, the arguments of `pandas.read_csv`.
        weights: `(rows, heads)`, how much each target counts, read-only; None where all count alike.
        columns: What the inputs are, in order; numbers without gaps where they are not given.
        classes: By head with classes, whose target is the number of one here, from 0, what these are in the table.
        class_weights: By head, see `class_weights.py`; empty where no head has any.
        test_table: Where the test rows come from, if they have a table of their own: they are the last rows then, and
            `splitter` divides the others.
    """

    source: TableSource
    location: str
    inputs: tuple[str, ...]
    heads: tuple[str, ...]
    x: Floats = field(repr=False)
    y: Floats = field(repr=False)
    digest: str
    warnings: tuple[str, ...] = ()
    path: Path | None = None
    splitter: Splitter = field(default_factory=_shuffle, repr=False)
    csv_arguments: Mapping[str, str | int] = field(default_factory=dict)
    weights: Floats | None = field(default=None, repr=False)
    columns: tuple[Column, ...] = ()
    test_table: SeparateTable | None = None
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    class_weights: tuple[ClassWeight, ...] = ()

    @property
    def partial_targets(self) -> bool:
        """Whether some rows lack the targets of some heads."""
        return bool(np.isnan(self.y).any())

    @property
    def actual(self) -> Actual:
        """The targets, as predictions are compared with them."""
        return Actual(self.y, self.weights)

    @property
    def input_columns(self) -> dict[str, Column]:
        """The inputs, each with what it is."""
        return dict(zip(self.inputs, self.columns or (NUMERIC,) * len(self.inputs), strict=True))

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.x)

    @property
    def is_synthetic(self) -> bool:
        """Whether the rows are generated instead of measured."""
        return is_synthetic(self.source)


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Which rows are used for what. All arrays hold positions of the Dataset's rows.

    Args:
        train: `(training rows,)`, in the order in which the splitter has them.
        test: `(test rows,)`, which the search never sees.
        folds: For each fold the rows to train on and the rows to validate on, both among `train`.
        digest: Digest of the contents of each of these parts: equal where the same rows are used for the same, whatever their
            order in the file.
        test_digest: Digest of the test rows alone.
        warnings: What a user should know about the split, as sentences.
        confirmation: Folds like `folds`, cut anew from the same training rows to evaluate the finalists again.
    """

    train: Positions = field(repr=False)
    test: Positions = field(repr=False)
    folds: tuple[Fold, ...] = field(repr=False)
    digest: str
    test_digest: str = ""
    warnings: tuple[str, ...] = ()
    confirmation: tuple[Fold, ...] = field(default=(), repr=False)

    @property
    def fewest_trained_on(self) -> int:
        """The number of rows that the smallest of the folds trains on."""
        return min(len(train) for train, _ in self.folds)


@dataclass(frozen=True, slots=True, eq=False)
class Halves:
    """All rows divided into two halves, five times. All arrays hold positions of the Dataset's rows.

    Args:
        pairs: For each repetition half A and half B, which have no row in common and together all rows. Of an odd number of
            rows half A is the smaller, unless halves are cut by groups.
        source: Where the division comes from.
        digest: Digest of the contents of all halves in their order: equal where the same rows are in the same halves.
        seed: Of the shuffles; None for sheets.
    """

    pairs: tuple[Fold, ...] = field(repr=False)
    source: HalvesSource
    digest: str
    seed: int | None = None

    @property
    def origin(self) -> str:
        """Where the division comes from, for display."""
        return "the file's own five sheets" if self.source == "sheets" else f"five shuffles seeded by {self.seed}"


def read_only(array: Array) -> Array:
    """The same array, which can no longer be written to."""
    array.flags.writeable = False
    return array
