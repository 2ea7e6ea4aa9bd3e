"""Reads files of JSON lines: an object in each line, whose keys are the columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from branchsweep.data.files.column_selection import ColumnSelection
from branchsweep.data.files.table_file import LINES, MOST_BYTES_IN_MEMORY, TableFile, check_bytes, check_size
from branchsweep.errors import DataError


def read_json_lines(path: Path, selection: ColumnSelection, where: str) -> TableFile:
    """The chosen columns of a file of JSON lines; a key that an object lacks, or null, is a missing value.

    Rows are numbered by their lines; blank lines are left out and counted.

    Raises:
        DataError: A key that is needed is in no line, a line is no object, or the file is too large.
    """
    check_bytes(path, MOST_BYTES_IN_MEMORY, where)
    objects = dict(_objects(path, where))
    frame = pd.DataFrame(list(objects.values()), index=pd.Index(list(objects), dtype=np.int64, name=LINES))
    if frame.columns.empty:
        return TableFile(pd.DataFrame())
    names = selection.names(frame.columns, where)
    chosen = selection.choose(names)
    check_size(len(frame), len(chosen), where)
    frame = frame.dropna(how="all").iloc[:, list(chosen)]
    return TableFile(frame.set_axis(list(chosen.values()), axis="columns"))


def _decoded(lines: Iterable[str], where: str) -> Iterator[str]:
    try:
        yield from lines
    except UnicodeDecodeError as error:
        raise DataError("the file is not UTF-8; save it as UTF-8", where) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a key that is there twice is a mistake."""
    found = dict(pairs)
    if len(found) < len(pairs):
        repeated = next(name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1)
        raise ValueError(f"the key '{repeated}' is there twice")
    return found


def _objects(path: Path, where: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The object of each line, with the line's number from 1.

    Raises:
        DataError: A line is no object.
    """
    with path.open(encoding="utf-8-sig", newline="\n") as lines:
        for number, line in enumerate(_decoded(lines, where), start=1):
            if line.isspace():
                continue
            try:
                found = json.loads(line, object_pairs_hook=_object)
            except (ValueError, RecursionError) as error:
                reason = error.msg if isinstance(error, json.JSONDecodeError) else error
                message = f"line {number} cannot be read as JSON ({reason}); expected an object"
                raise DataError(f'{message}, such as {{"load": 10.5}}', where) from error
            if not isinstance(found, dict):
                kind = type(found).__name__
                raise DataError(f'line {number} is a {kind}; expected an object, such as {{"load": 10.5}}', where)
            yield number, found
