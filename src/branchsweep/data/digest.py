"""Digests of contents: two tables have the same digest exactly when they have the same rows, whatever file they came from.

All digests are SHA-256 in hex.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

import numpy as np

from branchsweep.types import Floats


def table_digest(columns: Sequence[str], values: Floats) -> str:
    """The digest of the rows as a multiset, of the columns' names, and of which value is in which column.

    It does not depend on the order of the rows or of the columns, on the bytes of a file, or on whether a number was written
    as 5 or as 5.0. Columns are sorted by their names and rows by their values; then the names and the values as little-endian
    64-bit floats, row by row, are digested.

    Args:
        columns: The columns' names, each once.
        values: `(rows, columns)`, finite, or NaN where there is none.
    """
    order = sorted(range(len(columns)), key=lambda column: columns[column])
    table = values[:, order] + 0.0  # makes -0.0 a 0.0, which it equals
    table[np.isnan(table)] = np.nan  # there are many, with other bits
    rows = table[np.lexsort(table.T[::-1])]
    digest = hashlib.sha256(json.dumps([columns[column] for column in order]).encode())
    digest.update(np.ascontiguousarray(rows, dtype="<f8").tobytes())
    return digest.hexdigest()


def combined_digest(parts: Iterable[str]) -> str:
    """The digest of several digests, or other texts without line breaks, in their order."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
