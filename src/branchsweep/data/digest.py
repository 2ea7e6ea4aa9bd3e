"""Digests of contents: two tables have the same digest exactly when they have the same rows, whatever file they came from.

All digests are SHA-256 in hex.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from branchsweep.types import Floats

_LEADING = 3
"""Columns by which rows are sorted first: where no two rows are equal in them, the other columns need not be looked at."""


def table_digest(columns: Sequence[str], values: Floats) -> str:
    """The digest of the rows as a multiset, of the columns' names, and of which value is in which column.

    It does not depend on the order of the rows or of the columns, on the bytes of a file, or on whether a number was written
    as 5 or as 5.0. Columns are sorted by their names and rows by their values; then the names and the values as little-endian
    64-bit floats, row by row, are digested.

    Args:
        columns: The columns' names, each once.
        values: `(rows, columns)`, finite, or NaN where there is none.
    """
    (digest,) = part_digests(columns, values, [np.arange(len(values))])
    return digest


def part_digests(columns: Sequence[str], values: Floats, parts: Sequence[NDArray[np.intp]]) -> list[str]:
    """The `table_digest` of parts of the rows, which are sorted once for all of them.

    Args:
        columns: The columns' names, each once.
        values: `(rows, columns)`, finite, or NaN where there is none.
        parts: For each part the positions of its rows.
    """
    order = sorted(range(len(columns)), key=lambda column: columns[column])
    table = values[:, order]
    table += 0.0  # makes -0.0 a 0.0, which it equals
    table[np.isnan(table)] = np.nan  # there are many, with other bits
    ranks = np.empty(len(table), np.intp)
    ranks[_sorted_positions(table)] = np.arange(len(table))
    names = json.dumps([columns[column] for column in order]).encode()
    return [_digest(names, table[part[np.argsort(ranks[part])]]) for part in parts]


def _sorted_positions(table: Floats) -> NDArray[np.intp]:
    """The positions of the rows in the order of their values, the first column first; equal rows in any order."""
    leading = min(_LEADING, table.shape[1])
    order = np.lexsort(table[:, :leading].T[::-1])
    ordered = np.nan_to_num(table[order, :leading], nan=np.inf)
    if (ordered[1:] == ordered[:-1]).all(axis=1).any():  # those columns leave the order of some rows open
        order = np.lexsort(table.T[::-1])
    return order


def _digest(names: bytes, rows: Floats) -> str:
    digest = hashlib.sha256(names)
    digest.update(np.ascontiguousarray(rows, dtype="<f8").data)
    return digest.hexdigest()


def combined_digest(parts: Iterable[str]) -> str:
    """The digest of several digests, or other texts without line breaks, in their order."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
