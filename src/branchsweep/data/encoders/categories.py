"""Encoding of categories: one column for each of them, or one for several of them.

This file imports nothing but NumPy: it is copied beside exported models. A raw value is the position of its category in the
column's list, -1 for one that is not in it, NaN for a missing one.

    {"kind": "categories", "positions": [[0, 1, -1, 2], ..columns..], "missing": [-1, ..columns..], "widths": [3, ..columns..]}

has, for each raw column, the encoded column of each of its categories and that of a missing value (-1: none, all zeros), and
how many encoded columns it has.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

UNKNOWN = -1.0
"""The raw value of a category that is not in the list."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_MISSING = frozenset({"NoneType", "NAType", "NaTType"})
_BOOLEANS = {"true": "True", "false": "False"}
_AS_NUMBERS = {"1": "True", "0": "False"}  # what databases and spreadsheets have for a boolean
_LARGEST_EXACT = 1e15


def category_label(cell: object) -> str | None:
    """What a cell is called as a category; None for a missing one.

    A number and a text that is one are the same category, however they are written (1, 1.0, "1", "01"), and so are True and the
    texts that files have for it.
    """
    if type(cell).__name__ in _MISSING:
        return None
    if isinstance(cell, (bool, np.bool_)):
        return str(bool(cell))
    text = str(cell).strip()
    if _NUMBER.fullmatch(text):
        number = float(text)
        return str(int(number)) if number.is_integer() and abs(number) < _LARGEST_EXACT else repr(number)
    if text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    return None if text in ("", "nan") else text


def category_codes(cells: Iterable[Any], categories: Sequence[str]) -> Floats:
    """The raw values `(rows,)` of cells: see above.

    Args:
        cells: As tables have them. A list or the like is no category.
        categories: The column's list. Where it has True and False alone, 1 and 0 stand for them.
    """
    positions: dict[str | None, float] = {label: float(position) for position, label in enumerate(categories)}
    if positions.keys() <= {"True", "False"}:
        positions |= {number: positions[label] for number, label in _AS_NUMBERS.items() if label in positions}
    positions[None] = np.nan
    known: dict[object, float] = {}
    found = []
    for cell in cells:
        if not isinstance(cell, Hashable):
            found.append(UNKNOWN)
            continue
        key = (type(cell), cell)
        if key not in known:
            known[key] = positions.get(category_label(cell), UNKNOWN)
        found.append(known[key])
    return np.array(found, dtype=np.float64)


def transform(fitted: Mapping[str, Any], values: Floats) -> Floats:
    """Raw columns `(rows, columns)` to encoded ones `(rows, sum of widths)` of zeros and ones."""
    encoded = []
    for column, (positions, missing, width) in enumerate(
        zip(fitted["positions"], fitted["missing"], fitted["widths"], strict=True)
    ):
        table = np.array([*positions, missing, -1], dtype=np.int64)  # behind the categories: missing, unknown
        raw = values[:, column]
        codes = np.where(np.isnan(raw), len(positions), np.where(raw < 0, len(positions) + 1, np.nan_to_num(raw))).astype(
            np.int64
        )
        encoded.append(table[codes][:, None] == np.arange(width))
    return np.concatenate(encoded, axis=1).astype(np.float64)
