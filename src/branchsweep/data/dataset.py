"""A dataset, and how its rows are divided: values that the rest of the package reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from branchsweep.data import power_plant

Floats = NDArray[np.float64]

Positions = NDArray[np.intp]

Array = TypeVar("Array", Floats, Positions)


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """The rows an experiment is about. Two of them are compared by `digest`.

    Args:
        source: `file`, `cache`, `download` or `stand-in`.
        location: Where the rows came from, for people.
        inputs: The input columns, in order.
        heads: The heads' names, in order (their columns may be called otherwise).
        x: `(n, inputs)` the inputs, raw, read-only.
        y: `(n, heads)` the targets in natural units, read-only.
        digest: `digest.of_table` of the input and target columns.
        warnings: What a person should know about these rows, as sentences.
        path: The file that the rows were read from; None where there is none.
    """

    source: power_plant.Source
    location: str
    inputs: tuple[str, ...]
    heads: tuple[str, ...]
    x: Floats = field(repr=False)
    y: Floats = field(repr=False)
    digest: str
    warnings: tuple[str, ...] = ()
    path: Path | None = None

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.x)

    @property
    def is_stand_in(self) -> bool:
        """Whether the rows are drawn by the embedded generator instead of measured."""
        return self.source == "stand-in"


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Which rows are for what. All arrays hold positions in the Dataset's rows, from 0.

    Args:
        train: `(training rows,)`, in the order scikit-learn gave them.
        test: `(test rows,)` never seen by the search.
        folds: For each fold the rows to learn from and the rows to validate on, both among `train`.
        confirmation: Likewise, cut anew for the finalists, from the same training rows.
        digest: Digest of the contents of each of these parts but the confirmation: equal where the same rows serve the same
            purpose, whatever their order in the file.
        test_digest: Digest of the test rows alone.
        warnings: What a person should know about the split, as sentences.
    """

    train: Positions = field(repr=False)
    test: Positions = field(repr=False)
    folds: tuple[tuple[Positions, Positions], ...] = field(repr=False)
    digest: str
    test_digest: str = ""
    warnings: tuple[str, ...] = ()
    confirmation: tuple[tuple[Positions, Positions], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Halves:
    """All rows divided into two halves, five times over. All arrays hold positions in the Dataset's rows, from 0.

    Args:
        pairs: For each repetition half A and half B, which have no row in common and together all rows. Of an odd number of
            rows half A is the smaller.
        origin: Whose division it is, as half a sentence: `the file's own five sheets`, `five shuffles seeded by 1`.
        digest: Digest of the contents of all halves in their order: equal where the same rows stand in the same halves.
    """

    pairs: tuple[tuple[Positions, Positions], ...] = field(repr=False)
    origin: str
    digest: str


def count_rows(number: int, noun: str) -> str:
    """The number with its noun, plural where it should be."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def first_equal_rows(values: Floats) -> Positions:
    """`(rows,)` for each row the position of the first row with the same values."""
    _, first, group = np.unique(values + 0.0, axis=0, return_index=True, return_inverse=True)
    return np.asarray(first[group.reshape(-1)], dtype=np.intp)


def read_only(array: Array) -> Array:
    """The same array, which can no longer be written to."""
    array.flags.writeable = False
    return array
