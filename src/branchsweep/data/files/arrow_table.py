"""Reads parquet and feather files: the columns that are asked for, if the file says that they are not too large."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from branchsweep.data.columns import column_name
from branchsweep.data.files.column_selection import ColumnSelection
from branchsweep.data.files.table_file import TableFile, check_memory, check_size, rows_from_1
from branchsweep.runtime import available_memory

_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")  # how pandas calls an index without a name

Reader = Callable[[Path, list[str]], pd.DataFrame]
"""Reads the columns of these names."""


def read_parquet(path: Path, selection: ColumnSelection, where: str) -> TableFile:
    """The chosen columns of a parquet file; an index that pandas has written with a name is a column.

    Raises:
        DataError: Names of columns are missing or repeated, or the file is too large.
        Exception: Whatever pyarrow raises about a broken file.
    """
    with pq.ParquetFile(path) as file:
        names, rows = file.schema_arrow.names, file.metadata.num_rows
    return _read_columns(path, (names, rows), selection, where, _parquet_columns)


def read_feather(path: Path, selection: ColumnSelection, where: str) -> TableFile:
    """The chosen columns of a feather file (version 2, which is Arrow's file format); likewise."""
    with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as batches:
        names = batches.schema.names
        rows = sum(batches.get_batch(number).num_rows for number in range(batches.num_record_batches))
    return _read_columns(path, (names, rows), selection, where, _feather_columns)


def _parquet_columns(path: Path, columns: list[str]) -> pd.DataFrame:
    return pd.read_parquet(path, engine="pyarrow", columns=columns)


def _feather_columns(path: Path, columns: list[str]) -> pd.DataFrame:
    return pd.read_feather(path, columns=columns)


def _read_columns(
    path: Path, shape: tuple[Sequence[str], int], selection: ColumnSelection, where: str, read: Reader
) -> TableFile:
    """The chosen columns of a file with these names and so many rows."""
    written = [name for name in shape[0] if not _UNNAMED_INDEX.fullmatch(name)]
    if not written:
        return TableFile(pd.DataFrame())
    if not selection.keys:  # pandas cannot read two columns of one name
        selection = replace(selection, unique=True)
    names = selection.names(written, where)
    chosen = list(selection.choose(names).values())
    check_size(shape[1], len(chosen), where)
    check_memory(shape[1], len(chosen), where, available_memory())
    frame = _named(read(path, chosen), chosen)
    pa.default_memory_pool().release_unused()  # what it read the file into, as much again as the frame
    empty = frame.isna().all(axis=1)
    if empty.any() and len(chosen) < len(names):
        check_size(shape[1], len(names), where)
        every = list(dict.fromkeys(written))
        empty = _named(read(path, every), every).isna().all(axis=1)
    return TableFile(frame[~empty.to_numpy(dtype=np.bool_)])


def _named(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The columns of these names, and rows numbered from 1."""
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    frame.columns = pd.Index([column_name(name) for name in frame.columns])
    frame.index = rows_from_1(len(frame))
    return frame[[name for name in columns if name in frame.columns]]
