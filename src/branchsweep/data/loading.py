"""The table of an experiment, read and checked.

a path, a DataFrame or ccpp -> SourceTable -> columns, numbers, repeated rows, constants -> Dataset
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.columns import ALL_OTHER_COLUMNS, Column
from branchsweep.config.sections.split import RowSplit
from branchsweep.config.sections.table import DATAFRAME, POWER_PLANT_TABLE, Table
from branchsweep.data import power_plant
from branchsweep.data.built_in_table import read_power_plant_table
from branchsweep.data.class_weights import class_weights
from branchsweep.data.cleaning import check_constants, check_magnitudes, clean_rows, column_keys, split_key
from branchsweep.data.column_kinds import resolved_columns, unknown_categories
from branchsweep.data.columns import is_missing, require_columns, without_missing_texts
from branchsweep.data.dataset import Dataset, read_only
from branchsweep.data.digest import table_digest
from branchsweep.data.download import DownloadOptions
from branchsweep.data.files.column_selection import ColumnSelection, column_names, is_generated_name
from branchsweep.data.group_columns import MOST_CELLS, MOST_COLUMNS, group_columns
from branchsweep.data.row_warnings import code_warnings, dependence_warnings, looks_like_group
from branchsweep.data.splitters.given import as_given
from branchsweep.data.splitters.reading import row_splitter
from branchsweep.data.sql_table import Query, column_names_of_query, read_query
from branchsweep.data.tables import FileOptions, SourceTable, column_names_of, from_dataframe, read_file
from branchsweep.data.target_cells import columns_of_targets, head_weights
from branchsweep.data.target_classes import check_counts, target_classes, with_codes, zero_one_warnings
from branchsweep.data.test_table import HOLDS_BETWEEN_TABLES, check_test_rows, with_test_table
from branchsweep.errors import DataError

TableData = Path | pd.DataFrame
"""Rows: the path of a table, or a DataFrame."""


def _ignore_message(message: str) -> None:
    pass


def load_dataset(
    experiment: Experiment,
    data: TableData | None = None,
    require_real: bool = False,
    on_message: Callable[[str], None] = _ignore_message,
    download: DownloadOptions | None = None,
) -> Dataset:
    """The rows of an experiment, checked.

    Args:
        experiment: Gives the table, its columns and its policies.
        data: A file to read, or a DataFrame, instead of the table that the experiment names.
        require_real: Refuse the synthetic table.
        on_message: Called with a sentence where getting the built-in table takes time or goes wrong.
        download: How the built-in table is downloaded; from its repository if None.

    Raises:
        DataError: The table cannot be had, or does not fit: columns are missing, values are missing or not numbers (unless
            they are to be dropped), a target is constant, or there are too few rows for the test and validation rows.
    """
    table = _read(experiment, data, require_real, on_message, download or DownloadOptions())
    dataset = _checked_rows(experiment, table)
    if experiment.test.path is None:
        return dataset
    path = Path(experiment.test.path)
    split = experiment.split if experiment.split.kind in HOLDS_BETWEEN_TABLES else RowSplit()
    alone = experiment.resolved_by(dataset.input_columns, dataset.classes).model_copy(update={"split": split})
    selection = ColumnSelection(column_keys(alone) | split_key(alone), others_as_text=True)
    test_table = read_file(path, FileOptions.of(experiment.table).that_apply_to(path), selection)
    return with_test_table(dataset, _checked_rows(alone, test_table, are_divided=False))


def _checked_rows(experiment: Experiment, table: SourceTable, are_divided: bool = True) -> Dataset:
    """The rows of a table that an experiment uses, checked.

    Args:
        experiment: Gives the columns and the policies.
        table: The table.
        are_divided: Whether there must be enough of them for test rows and folds.
    """
    require_columns(table.frame.columns, column_keys(experiment) | split_key(experiment), table.location)
    table = replace(table, frame=without_missing_texts(table.frame, experiment.table.missing))
    experiment = _with_kinds(experiment, table)
    classes = target_classes(experiment, table.frame, table.location)
    hints = zero_one_warnings(experiment, table.frame, classes)
    experiment = experiment.with_classes(classes)
    table = replace(table, frame=with_codes(experiment, table.frame, table.location))
    kinds = experiment.table.inputs
    inputs, targets = list(kinds), list(experiment.columns.values())
    columns = [*inputs, *targets, *experiment.weight_columns]
    rows = clean_rows(experiment, table.frame, table.location)
    values = rows.values
    splitter = row_splitter(experiment, table.frame, rows, table.location)
    if not are_divided:
        check_test_rows(len(values), table.location)
    else:
        splitter.check(experiment, len(values), table.location, rows.partial_targets)
    end = columns_of_targets(experiment).stop
    measured = [index for index, name in enumerate(columns[:end]) if name not in kinds or kinds[name].kind == "numeric"]
    names, numbers = [columns[index] for index in measured], values[:, measured] if len(measured) < end else values[:, :end]
    check_magnitudes(names, numbers, table.location, column_keys(experiment))
    constant_warnings = check_constants(columns[:end], values[:, :end], targets, table.location, kinds)
    y = values[:, columns_of_targets(experiment)].copy()
    check_counts(experiment, y, rows.numbers, table.location)
    weights = head_weights(experiment, values)
    guesses = code_warnings(names, numbers)
    others = table.frame.drop(columns=list(split_key(experiment)))  # a column that is respected needs no warning
    others = others if len(others) == len(values) else others.loc[rows.numbers]
    known_targets = dict(zip(experiment.heads, y.T, strict=True))
    unused = others[[name for name in others.columns if name not in columns]] if _is_cut_at_random(experiment) else others[[]]
    grouped = group_columns(unused, values[:, : len(inputs)], known_targets)
    guesses += dependence_warnings(others, known_targets, grouped)
    digest = table_digest([_digest_name(name, kinds.get(name)) for name in columns], values)
    return Dataset(
        source=table.source,
        location=table.location,
        inputs=tuple(inputs),
        heads=tuple(experiment.heads),
        x=read_only(values[:, : len(inputs)].copy()),
        y=read_only(y),
        digest=digest,
        warnings=(*table.warnings, *rows.warnings, *constant_warnings, *unknown_categories(kinds, values), *hints, *guesses),
        path=table.path,
        splitter=splitter,
        csv_arguments=table.csv_arguments,
        weights=None if weights is None else read_only(weights),
        columns=tuple(kinds.values()),
        classes=classes,
        class_weights=class_weights(experiment, table.location),
    )


def _digest_name(name: str, column: Column | None) -> str:
    """A column's name, with its categories where its values are their positions."""
    return name if column is None or column.categories is None else json.dumps([name, *column.categories])


def with_named_inputs(experiment: Experiment, data: TableData | None = None) -> Experiment:
    """The experiment with the names of its inputs, where it takes all columns of the table that no head predicts.

    Args:
        experiment: The experiment.
        data: A file or a DataFrame that is read instead of its table.

    Raises:
        DataError: The table cannot be read, a column of `table.exclude` is not in it, or no column is left.
    """
    table = experiment.table
    if not table.takes_all_columns:
        return experiment
    names, where = _all_names(experiment, data)
    require_columns(names, dict.fromkeys(table.exclude, "table.exclude"), where)
    targets = [name for name in table.exclude if name in experiment.columns.values()]
    if targets:
        raise DataError(f"column '{targets[0]}' is a target, which is no input anyhow; leave it out of table.exclude", where)
    others = {*experiment.columns.values(), *table.exclude, *experiment.weight_columns, *table.inputs, *split_key(experiment)}
    left = _without_empty_columns([name for name in names if name not in others], experiment, data)
    if not left and len(table.inputs) == 1:
        message = f"no column is left to be an input: all are targets, or in table.exclude ({', '.join(names)})"
        raise DataError(message, where)
    inputs: dict[str, Column] = {}
    for name, column in table.inputs.items():
        inputs |= dict.fromkeys(left, column) if name == ALL_OTHER_COLUMNS else {name: column}
    return experiment.with_inputs(inputs)


def _without_empty_columns(names: list[str], experiment: Experiment, data: TableData | None) -> list[str]:
    """The names but for those of columns with neither a name nor values, which spreadsheets write behind the others."""
    unnamed = [name for name in names if is_generated_name(name)]
    if not unnamed:
        return names
    targets = {name: key for name, key in column_keys(experiment).items() if name in experiment.columns.values()}
    selection = ColumnSelection(targets | dict.fromkeys(unnamed, "table.inputs"))
    table = from_dataframe(data, unnamed) if isinstance(data, pd.DataFrame) else _read_file(experiment, data, selection)
    empty = {name for name in unnamed if table.frame[name].map(is_missing).all()}
    return [name for name in names if name not in empty]


def with_resolved_columns(experiment: Experiment, data: TableData | None = None) -> Experiment:
    """The experiment with what its inputs are and which classes its heads have, where that is for the table to say.

    The table of the power plant has numbers alone.

    Args:
        experiment: The experiment, its inputs named.
        data: A file or a DataFrame that is read instead of its table.

    Raises:
        DataError: The table cannot be read, a column is not in it, or what a column is cannot be inferred.
    """
    inputs, heads = experiment.table.inputs.values(), experiment.heads.values()
    is_open = any(column.is_read_from_table for column in inputs) or any(head.may_have_classes for head in heads)
    if experiment.table.source == POWER_PLANT_TABLE or not is_open:
        return experiment
    keys = column_keys(experiment)
    selection = ColumnSelection(keys)
    table = from_dataframe(data, list(keys)) if isinstance(data, pd.DataFrame) else _read_file(experiment, data, selection)
    require_columns(table.frame.columns, keys, table.location)
    table = replace(table, frame=without_missing_texts(table.frame, experiment.table.missing))
    resolved = _with_kinds(experiment, table)
    return resolved.with_classes(target_classes(resolved, table.frame, table.location))


def _with_kinds(experiment: Experiment, table: SourceTable) -> Experiment:
    """The experiment with what the columns of its table are; texts that stand for a missing value are none any more."""
    kinds = resolved_columns(experiment.table.inputs, table.frame, experiment.table.missing, table.location)
    return experiment.with_inputs(kinds)


def completed_by_table(experiment: Experiment, data: TableData | None = None) -> Experiment:
    """The experiment with what its table says: the names of all columns, where they are inputs, and the folds that one gives.

    Args:
        experiment: The experiment.
        data: A file or a DataFrame that is read instead of its table.

    Raises:
        DataError: The table cannot be read, or its columns do not fit.
    """
    experiment = with_named_inputs(experiment, data)
    column = experiment.split.column
    if column is None or experiment.table.source == POWER_PLANT_TABLE:
        return experiment
    selection = ColumnSelection({column: "split.column"})
    table = from_dataframe(data, [column]) if isinstance(data, pd.DataFrame) else _read_file(experiment, data, selection)
    require_columns(table.frame.columns, selection.keys, table.location)
    cells = without_missing_texts(table.frame, experiment.table.missing)[column].dropna()
    return as_given(cells, column, table.location).scored(experiment)


def _all_names(experiment: Experiment, data: TableData | None) -> tuple[list[str], str]:
    """The names of all columns of the table, and the table for messages."""
    table = experiment.table
    if isinstance(data, pd.DataFrame):
        location = "the DataFrame"
        return column_names(data.columns, location), location
    if table.source == POWER_PLANT_TABLE:
        return list(power_plant.COLUMNS), "the power-plant table"
    if data is None and table.source == DATAFRAME:
        raise _no_dataframe()
    if data is None and table.is_database:
        query = _query(table)
        return column_names_of_query(query), query.location
    path = data or Path(table.source)
    return column_names_of(path, _file_options(experiment, data)), str(path)


def _no_dataframe() -> DataError:
    return DataError(
        f"got '{DATAFRAME}', so its rows are passed in Python (branchsweep.sweep(experiment, df)); to read a file instead, "
        "give its path with --data or as table.source",
        where="table.source",
    )


def _read(
    experiment: Experiment,
    data: TableData | None,
    require_real: bool,
    on_message: Callable[[str], None],
    download: DownloadOptions,
) -> SourceTable:
    table = experiment.table
    keys = column_keys(experiment) | split_key(experiment)
    if isinstance(data, pd.DataFrame):
        return from_dataframe(data, list(keys))
    if table.source == POWER_PLANT_TABLE:
        return read_power_plant_table(table, data, require_real, on_message, download)
    others: list[str] = []

    def is_read(name: str) -> bool:
        others.append(name)
        return looks_like_group(name)

    found = _read_file(experiment, data, ColumnSelection(keys, is_read, others_as_text=True))
    if experiment.table.is_database and data is None:  # whose query is not run twice
        return found
    return _with_further_columns(found, others, experiment, data)


def _with_further_columns(table: SourceTable, names: Sequence[str], experiment: Experiment, data: Path | None) -> SourceTable:
    """The table with columns that nobody asked for and that may group its rows; without them where they cannot be read."""
    names = [name for name in dict.fromkeys(names) if name not in table.frame.columns][:MOST_COLUMNS]
    if not names or not _is_cut_at_random(experiment) or len(table.frame) * len(names) > MOST_CELLS:
        return table
    try:
        further = _read_file(experiment, data, ColumnSelection(is_read=set(names).__contains__, others_as_text=True)).frame
    except DataError:  # they may be anything
        return table
    return replace(table, frame=table.frame.join(further))


def _is_cut_at_random(experiment: Experiment) -> bool:
    """Whether test rows and folds are cut row by row, whatever rows have in common."""
    return experiment.split.kind in ("shuffle", "stratify")


def _read_file(experiment: Experiment, data: Path | None, selection: ColumnSelection) -> SourceTable:
    source = experiment.table.source
    if data is None and source == DATAFRAME:
        raise _no_dataframe()
    if data is None and experiment.table.is_database:
        return read_query(_query(experiment.table), selection)
    path = data or Path(source)
    return read_file(path, _file_options(experiment, data), selection)


def _query(table: Table) -> Query:
    return Query(table.source, table.query or "")


def _file_options(experiment: Experiment, data: Path | None) -> FileOptions:
    """What the experiment says of how its file is read, or of that which is read instead."""
    options = FileOptions.of(experiment.table)
    return options if data is None else options.that_apply_to(data)
