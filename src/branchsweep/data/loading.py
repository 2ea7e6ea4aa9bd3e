"""The table: read, checked against the experiment, split into the rows of the search and the rows of the test.

    path or ccpp --> read_table --> load: columns, numbers, duplicates, constants --> Dataset --> split --> Split
                                                                                              --> halves --> Halves

A row is called by its number in a spreadsheet, in messages and in the index of every frame here: the header is row 1, so the
first row of values is row 2. The only module that knows pandas (the deployed model apart).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from branchsweep.config.experiment import Experiment
from branchsweep.config.table import POWER_PLANT_TABLE, Table
from branchsweep.data import download, power_plant, synthetic_table
from branchsweep.data.dataset import Dataset, Floats, count_rows, first_equal_rows, read_only
from branchsweep.data.digest import table_digest
from branchsweep.data.splits import check_sizes
from branchsweep.data.tables import describe_invalid, read_table, require_columns, table_name, to_numbers
from branchsweep.errors import DataError


@dataclass(frozen=True, slots=True)
class _Origin:
    """A table as it was read, with where it came from."""

    frame: pd.DataFrame
    source: power_plant.Source
    location: str
    path: Path | None
    warnings: tuple[str, ...] = ()


def _say_nothing(sentence: str) -> None:
    pass


def _show_nothing(received: int, total: int) -> None:
    pass


def load_dataset(
    experiment: Experiment,
    data: Path | None = None,
    require_real: bool = False,
    report: Callable[[str], None] = _say_nothing,
    progress: download.Progress = _show_nothing,
    url: str | None = None,
    deadline: float = download.DEADLINE,
) -> Dataset:
    """The rows that an experiment is about, checked.

    Args:
        experiment: Says which table, columns and policies.
        data: A file to read instead of the table that the experiment names.
        require_real: Refuse the stand-in.
        report: Told, in sentences, what takes time or goes wrong on the way to the built-in table.
        progress: Told the bytes received and the bytes in all (0: unknown) of a download.
        url: Where to download the built-in table from, instead of the repository.
        deadline: Seconds of silence after which a download is given up.

    Raises:
        DataError: The table cannot be had, or does not fit: columns are missing, values are missing or not numbers (unless
            they are to be dropped), a target is constant, or there are too few rows for the test and validation rows.
    """
    if experiment.table.source == POWER_PLANT_TABLE:
        origin = _built_in(experiment.table, data, require_real, report, progress, url, deadline)
    else:
        origin = _of_file(experiment.table, data)
    inputs, targets = list(experiment.table.inputs), list(experiment.columns.values())
    columns = inputs + targets
    values, notes = _values(experiment, origin.frame, origin.location)
    check_sizes(experiment, len(values), origin.location)
    idle = _constants(columns, values, targets, origin.location)
    return Dataset(
        source=origin.source,
        location=origin.location,
        inputs=tuple(inputs),
        heads=tuple(experiment.heads),
        x=read_only(values[:, : len(inputs)].copy()),
        y=read_only(values[:, len(inputs) :].copy()),
        digest=table_digest(columns, values),
        warnings=(*origin.warnings, *notes, *idle),
        path=origin.path,
    )


def _values(experiment: Experiment, frame: pd.DataFrame, where: str) -> tuple[Floats, list[str]]:
    """The values `(n, inputs + targets)` of the rows that the table's policies leave, and what was noticed."""
    inputs, targets = list(experiment.table.inputs), list(experiment.columns.values())
    keys = dict.fromkeys(inputs, "table.inputs") | {name: f"heads.{head}.column" for head, name in experiment.columns.items()}
    require_columns(frame, keys, where)
    columns = inputs + targets
    whole, numbers, left_out = _without_invalid(frame[columns], experiment.table, where)
    values, repeated = _without_duplicates(whole, numbers, columns, experiment.table)
    return values, [*left_out, *repeated]


def _of_file(table: Table, data: Path | None) -> _Origin:
    path = data or Path(table.source)
    sheet = table.sheet if data is None else _sheet_in(path, table)
    return _Origin(read_table(path, sheet), "file", table_name(path, sheet), path)


def _sheet_in(path: Path, table: Table) -> str | int | None:
    """The experiment's sheet, where a file that stands in for the experiment's own has sheets."""
    return table.sheet if path.suffix.lower() == ".xlsx" else None


def _built_in(
    table: Table,
    data: Path | None,
    require_real: bool,
    report: Callable[[str], None],
    progress: download.Progress,
    url: str | None,
    deadline: float,
) -> _Origin:
    """The power-plant table from the first place that has it."""
    frames: dict[Path, pd.DataFrame] = {}  # what was read to be recognised need not be read again: it takes most of a second

    def read(path: Path) -> Mapping[str, Floats]:
        frames[path] = _ccpp_names(read_table(path))
        return _columns(frames[path])

    found = power_plant.locate_table(data, read, report=report, progress=progress, url=url, deadline=deadline)
    if found.path is None:
        return _stand_in(found.location, require_real)
    sheet = _sheet_in(found.path, table)
    if sheet is not None or found.path not in frames:
        frames[found.path] = _ccpp_names(read_table(found.path, sheet))
    frame = frames[found.path]
    different = power_plant.table_difference(_columns(frame))
    if different:
        warning = f"{found.location} is not the power-plant table as it was published: {different}. Its rows are taken."
        return _Origin(frame, found.source, found.location, found.path, (warning,))
    return _Origin(_published(frame), found.source, found.location, found.path)


def _published(frame: pd.DataFrame) -> pd.DataFrame:
    """The power-plant table's columns with the decimals that are published: 14.96 for 14.960000000000001."""
    return frame.assign(**{name: frame[name].astype(float).round(power_plant.DECIMALS) for name in power_plant.COLUMNS})


def _stand_in(why: str, require_real: bool) -> _Origin:
    remedy = f"get the table from {power_plant.PAGE} and put it at data/{download.FILE_NAME}, or name its place with --data"
    if require_real:
        raise DataError(f"the real table is required, and cannot be had: {why}; {remedy}")
    frame = pd.DataFrame(synthetic_table.synthetic_rows(), columns=pd.Index(list(power_plant.COLUMNS)))
    frame.index = pd.RangeIndex(2, 2 + len(frame))
    warning = (
        f"STAND-IN DATA. The real power-plant table cannot be had: {why}. These rows are drawn by a seeded generator after the"
        f" table's published description: good for trying things out, not for conclusions about the plant. For the real ones,"
        f" {remedy}."
    )
    return _Origin(frame, "stand-in", f"the embedded stand-in (seed {synthetic_table.SEED})", None, (warning,))


def _ccpp_names(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the published columns' names, where a copy in circulation gives others."""
    others = {other: name for other, name in power_plant.OTHER_NAMES.items() if name not in frame.columns}
    return frame.rename(columns=others)


def _columns(frame: pd.DataFrame) -> Mapping[str, Floats]:
    """Those columns of the power-plant table that are there, as numbers."""
    return {name: to_numbers(frame[[name]])[:, 0] for name in power_plant.COLUMNS if name in frame.columns}


def _without_invalid(frame: pd.DataFrame, table: Table, where: str) -> tuple[Floats, NDArray[np.int64], list[str]]:
    """The values `(n, columns)` and the numbers `(n,)` of the rows that are whole, and what was noticed."""
    values = to_numbers(frame)
    whole = ~np.isnan(values).any(axis=1)
    notes = []
    if not whole.all():
        sentence = describe_invalid(frame, values)
        if table.invalid == "error":
            raise DataError(f"{sentence}; correct them, or leave such rows out with table.invalid: drop", where)
        if not whole.any():
            raise DataError(f"{sentence}; no row is left", where)
        notes.append(f"{sentence}; these rows are left out (table.invalid: drop).")
    return values[whole], frame.index.to_numpy(dtype=np.int64)[whole], notes


def _without_duplicates(
    values: Floats, numbers: NDArray[np.int64], columns: Sequence[str], table: Table
) -> tuple[Floats, list[str]]:
    """The values that the policy leaves, and what was noticed. Rows are alike where all columns of the experiment are."""
    first = first_equal_rows(values)
    repeats = np.flatnonzero(first != np.arange(len(values)))
    if not len(repeats):
        return values, []
    fate = "left out" if table.duplicates == "drop" else "kept"
    one = len(repeats) == 1
    note = (
        f"{count_rows(len(repeats), 'row')} {'repeats' if one else 'repeat'} an earlier one in all columns of the experiment"
        f" ({', '.join(columns)}), such as row {numbers[repeats[0]]}, which repeats row {numbers[first[repeats[0]]]}"
        f" (the header is row 1); {'it is' if one else 'they are'} {fate} (table.duplicates: {table.duplicates})."
    )
    return (np.delete(values, repeats, axis=0) if table.duplicates == "drop" else values), [note]


def _constants(columns: Sequence[str], values: Floats, targets: Sequence[str], where: str) -> list[str]:
    """Warnings about constant inputs. Raises DataError where a target is constant."""
    constant = {name: column[0] for name, column in zip(columns, values.T, strict=True) if np.ptp(column) == 0.0}
    for name in targets:
        if name in constant:
            raise DataError(
                f"target column '{name}' has the same value, {constant[name]:g}, in all"
                f" {count_rows(len(values), 'row')}: there is"
                f" nothing to predict; correct the column, or leave the head out",
                where,
            )
    return [
        f"Input column '{name}' has the same value, {value:g}, in all rows: it tells the network nothing."
        for name, value in constant.items()
    ]
