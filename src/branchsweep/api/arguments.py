"""The arguments of the functions of the Python API, checked before anything begins: a message says what was expected."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import get_args

from branchsweep.config.comparison import Comparison
from branchsweep.config.config_model import NAME, ConfigModel
from branchsweep.config.experiment import Experiment
from branchsweep.config.file_model import FileModel
from branchsweep.config.sections.workers import LocalWorkersConfig, Workers
from branchsweep.config.yaml.python_values import plain_value
from branchsweep.config.yaml.schema_lookup import NAME_DESCRIPTION
from branchsweep.errors import UserError


def check_file_model(value: object, expected: type[FileModel], parameter: str) -> None:
    """Raise UserError where this is no experiment, or no comparison.

    Args:
        value: What was given.
        expected: Its class should be this one.
        parameter: What it was given as.
    """
    if isinstance(value, expected):
        return
    name = expected.__name__
    wanted = "an Experiment" if expected is Experiment else "a Comparison"
    if isinstance(value, (str, Path)):
        given, remedy = f"the text {str(value)!r}", f"read the file with {name}.from_yaml({str(value)!r})"
    elif isinstance(value, Mapping):
        given, remedy = "a mapping", f"construct one with {name}(**values)"
    elif isinstance(value, Experiment):
        given, remedy = "an Experiment", "branchsweep.sweep(experiment) runs it"
    elif isinstance(value, Comparison):
        given, remedy = "a Comparison", "branchsweep.compare(comparison) runs it"
    else:
        given, remedy = described(value), f"construct one with {name}(...), or read a file with {name}.from_yaml(path)"
    raise UserError(f"got {given}, expected {wanted}: {remedy}", parameter)


def check_table(data: object, parameter: str = "data") -> None:
    """Raise UserError where this is neither the path of a table nor a DataFrame."""
    if not (_is_frame(data) or isinstance(data, (str, Path))):
        raise UserError(f"got {described(data)}, expected the path of a table, or a DataFrame of pandas", parameter)


def check_frame(data: object, inputs: Iterable[str]) -> None:
    """Raise UserError where rows for a model are no DataFrame.

    Args:
        data: What was given.
        inputs: The columns that the model reads.
    """
    if not _is_frame(data):
        columns = ", ".join(inputs)
        raise UserError(f"got {described(data)}, expected a DataFrame of pandas with the columns {columns:.200}", "data")


def _is_frame(data: object) -> bool:
    """Whether this is a DataFrame; pandas is not imported for what is none."""
    return hasattr(data, "columns") and hasattr(data, "reset_index")


def check_text(value: object, parameter: str, example: str) -> None:
    """Raise UserError where this is no text."""
    if not isinstance(value, str):
        raise UserError(f"got {described(value)}, expected a text such as {example!r}", parameter)


def check_name(value: object, parameter: str) -> None:
    """Raise UserError where this cannot be the name of an experiment or a model."""
    if not (isinstance(value, str) and re.fullmatch(NAME, value)):
        raise UserError(f"got {described(value)}, expected {NAME_DESCRIPTION}", parameter)


def checked_columns(columns: object, parameter: str) -> list[str]:
    """The names of columns: a list, or what becomes one.

    Raises:
        UserError: They are no list of texts.
    """
    names = plain_value(columns)
    if isinstance(names, Iterable) and not isinstance(names, (str, Mapping)):
        names = list(names)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        wrong = names if not isinstance(names, list) else next(name for name in names if not isinstance(name, str))
        where = " in a list of columns, expected texts" if isinstance(names, list) else ", expected a list of columns"
        raise UserError(f"got {described(wrong)}{where} such as ['heat', 'steam']", parameter)
    return names


def checked_workers(workers: object) -> Workers | None:
    """Workers as an experiment describes them, of a number of processes, too; None for those of the experiment.

    Raises:
        UserError: They are neither.
    """
    number = plain_value(workers) if not isinstance(workers, ConfigModel) else workers
    if number is None or isinstance(number, get_args(Workers)):
        return number
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        message = (
            f"got {described(workers)}, expected a number of processes from 1 on; an experiment's workers may be a mapping"
        )
        raise UserError(message, "workers")
    return LocalWorkersConfig(kind="local", count=number)


def described(value: object) -> str:
    """What was given, in a few words: a short value as it is, of others the class."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return f"{value!r:.200}"
    return f"a value of type {type(value).__name__}"
