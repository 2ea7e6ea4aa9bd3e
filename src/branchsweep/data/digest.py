"""Digests of contents: two tables have the same digest exactly when they hold the same rows, whatever file they came from.

All digests are SHA-256 in hex.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


def table_digest(columns: Sequence[str], values: NDArray[np.float64]) -> str:
    """The digest of the rows as a set with repetitions, of the columns' names, and of which value stands in which column.

    It does not depend on the order of the rows or of the columns, on the bytes of a file, or on whether a number was written
    as 5 or as 5.0. Columns are put in order of their names and rows in order of their values; then the names and the values
    as little-endian 64-bit floats, row by row, are digested.

    Args:
        columns: The columns' names, each once.
        values: `(rows, columns)`, finite.
    """
    by_name = sorted(range(len(columns)), key=lambda column: columns[column])
    table = values[:, by_name] + 0.0  # makes -0.0 a 0.0, which it equals
    in_order = table[np.lexsort(table.T[::-1])]
    digest = hashlib.sha256(json.dumps([columns[column] for column in by_name]).encode())
    digest.update(np.ascontiguousarray(in_order, dtype="<f8").tobytes())
    return digest.hexdigest()


def combined_digest(parts: Iterable[str]) -> str:
    """The digest of several digests (or other words without line breaks) in their order."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
