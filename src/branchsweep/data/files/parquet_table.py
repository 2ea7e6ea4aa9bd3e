"""Reads parquet files: the columns that are asked for, if the file says that they are not too large."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from branchsweep.data.columns import column_name
from branchsweep.data.files.column_selection import ColumnSelection
from branchsweep.data.files.table_file import FIRST_ROW, TableFile, check_size

_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")  # how pandas calls an index without a name


def read_parquet(path: Path, selection: ColumnSelection, where: str) -> TableFile:
    """The chosen columns of a parquet file; an index that pandas has written with a name is a column.

    Raises:
        DataError: Names of columns are missing or repeated, or the file is too large.
        Exception: Whatever pyarrow raises about a broken file.
    """
    with pq.ParquetFile(path) as file:
        written = [name for name in file.schema_arrow.names if not _UNNAMED_INDEX.fullmatch(name)]
        rows = file.metadata.num_rows
    if not written:
        return TableFile(pd.DataFrame())
    if not selection.keys:  # pandas cannot read two columns of one name
        selection = replace(selection, unique=True)
    names = selection.names(written, where)
    chosen = list(selection.choose(names).values())
    check_size(rows, len(chosen), where)
    frame = _read(path, chosen)
    empty = frame.isna().all(axis=1)
    if empty.any() and len(chosen) < len(names):
        check_size(rows, len(names), where)
        empty = _read(path, [*dict.fromkeys(written)]).isna().all(axis=1)
    return TableFile(frame[~empty.to_numpy(dtype=np.bool_)])


def _read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    frame = pd.read_parquet(path, engine="pyarrow", columns=list(columns))
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    frame.columns = pd.Index([column_name(name) for name in frame.columns])
    frame.index = pd.RangeIndex(FIRST_ROW, FIRST_ROW + len(frame))
    return frame[[name for name in columns if name in frame.columns]]
