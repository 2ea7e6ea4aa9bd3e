"""Columns of texts that are numbers, or True and False, as such, where a file of another kind is written than was read."""

from __future__ import annotations

import re
from collections.abc import Set

import pandas as pd

from branchsweep.data.files.table_file import MISSING_TEXTS

_PLAIN_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d+)?([eE][+-]\d+)?")
_BOOLEANS = {"True": True, "False": False}


def plain_values(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """The columns of texts that are plain numbers, or True and False, as such.

    An identifier stays text: a number with zeros in front, or an integer of more than fifteen digits. Among numbers `NA` and
    the like are missing values; in a column of other texts they are texts.
    """
    texts = {str(name): column for name, column in frame.items() if pd.api.types.infer_dtype(column) == "string"}
    return {
        name: column.map(_plain_value, na_action="ignore").infer_objects()
        for name, column in texts.items()
        if _are_plain(set(column.dropna()) - MISSING_TEXTS)
    }


def numbers_without_texts(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """The columns of numbers in which `NA` and the like stand for missing ones, without these texts."""
    mixed = {str(name): column for name, column in frame.items() if pd.api.types.infer_dtype(column).startswith("mixed")}
    return {
        name: column.where(~column.isin(list(MISSING_TEXTS))).infer_objects()
        for name, column in mixed.items()
        if {cell for cell in column if isinstance(cell, str)} <= MISSING_TEXTS
    }


def _are_plain(cells: Set[str]) -> bool:
    return bool(cells) and (cells <= _BOOLEANS.keys() or all(_PLAIN_NUMBER.fullmatch(cell) for cell in cells))


def _plain_value(cell: str) -> float | bool | None:
    if cell in MISSING_TEXTS:
        return None
    return _BOOLEANS[cell] if cell in _BOOLEANS else int(cell) if cell.removeprefix("-").isdigit() else float(cell)
