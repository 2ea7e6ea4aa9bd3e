"""Shorthands of an experiment resolved in its document: `table: ccpp`, a path as `space` or `test`, one word as `objective`.

A head that is named by its column, which may be called anything, has a name of its own from here on.

Paths become absolute, so that the experiment means the same from every working directory.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from branchsweep.config.config_model import KeyPath, dotted
from branchsweep.config.metric_names import more_is_better
from branchsweep.config.sections.database import is_database, sqlite_file, with_sqlite_file
from branchsweep.config.sections.heads import is_named_by_column, name_from_column
from branchsweep.config.sections.objective import MINIMIZE, Objective
from branchsweep.config.sections.table import DATAFRAME, POWER_PLANT_INPUTS, POWER_PLANT_TABLE
from branchsweep.config.sections.training import NO_PRUNING
from branchsweep.config.yaml.deprecated_keys import rename_deprecated_keys
from branchsweep.config.yaml.file_paths import YAML_SUFFIXES, expand_user, find_file, missing_file_message
from branchsweep.config.yaml.messages import ConfigMistake
from branchsweep.config.yaml.yaml_document import Document, SourceLocation, describe_value
from branchsweep.config.yaml.yaml_parser import read_document
from branchsweep.errors import HeadNameWarning, did_you_mean, nearest


def resolve_experiment(document: Document, experiment: KeyPath, folder: Path) -> list[ConfigMistake]:
    """Resolve all shorthands and paths of an experiment.

    Args:
        document: Changed in place.
        experiment: The path of the experiment in it; empty for an experiment's own file.
        folder: The folder from which the experiment's paths are looked up.

    Returns:
        What could not be resolved.
    """
    if not isinstance(document.find(experiment), dict):
        return []
    return [
        *rename_deprecated_keys(document, experiment),
        *resolve_shorthand(document, experiment, "table", folder),
        *resolve_shorthand(document, experiment, "space", folder),
        *resolve_shorthand(document, experiment, "pruning", folder),
        *resolve_shorthand(document, experiment, "objective", folder),
        *resolve_shorthand(document, experiment, "test", folder),
        *_resolve_head_names(document, experiment),
        *_resolve_table_source(document, experiment, folder),
        *_resolve_baselines(document, experiment, folder),
    ]


def resolve_shorthand(document: Document, experiment: KeyPath, key: str, folder: Path) -> list[ConfigMistake]:
    """Replace the shorthand at one key of an experiment by what it stands for; other values and other keys are left.

    Args:
        document: Changed in place.
        experiment: The path of the experiment in it.
        key: A key of the experiment.
        folder: The folder from which the experiment's paths are looked up.

    Returns:
        What could not be resolved.
    """
    path = (*experiment, key)
    value = document.find(path)
    if key == "table" and isinstance(value, str):
        return _resolve_table(document, path, value)
    if key == "test":
        _resolve_test_table(document, path, value, folder)
    elif key == "pruning" and isinstance(value, str):
        return _resolve_pruning(document, path, value)
    if key == "objective":
        return _resolve_objective(document, path, value)
    if key == "space" and isinstance(value, str):
        file = find_file(value, folder)
        if file is None:
            return [ConfigMistake(path, path, missing_file_message(value, folder))]
        document.include(path, read_document(file))
    return []


def _resolve_table(document: Document, path: KeyPath, value: str) -> list[ConfigMistake]:
    """The built-in table by its name."""
    if value == POWER_PLANT_TABLE:
        document.put(path, {"source": POWER_PLANT_TABLE}, {(): document.location(path)})
        return []
    expected = f"expected '{POWER_PLANT_TABLE}', or a mapping such as {{source: {value}, inputs: [..]}}"
    return [ConfigMistake(path, path, f"got '{value}', {expected}{did_you_mean(value, [POWER_PLANT_TABLE])}")]


def _resolve_pruning(document: Document, path: KeyPath, value: str) -> list[ConfigMistake]:
    """No pruning by its name."""
    if value == NO_PRUNING:
        document.put(path, {"rungs": []}, {(): document.location(path)})
        return []
    expected = f"expected '{NO_PRUNING}', or a mapping such as {{rungs: [10, 20, 40], keep: 0.5}}"
    return [ConfigMistake(path, path, f"got '{value}', {expected}{did_you_mean(value, [NO_PRUNING])}")]


def _resolve_test_table(document: Document, path: KeyPath, value: Any, folder: Path) -> None:
    """A path instead of a mapping; made absolute. That there is no such file is reported when it is read."""
    if isinstance(value, str):
        location = document.location(path)
        document.put(path, {"path": value}, {(): location, ("path",): location})
    test = document.find(path)
    if isinstance(test, dict) and isinstance(written := test.get("path"), str):
        test["path"] = str(find_file(written, folder) or expand_user(written).absolute())


def _resolve_objective(document: Document, path: KeyPath, value: Any) -> list[ConfigMistake]:
    """One metric, or a list of them, instead of a mapping; in a mapping, `minimize` becomes the end of `maximize`.

    The models know one list of metrics, each of which has its own direction.
    """
    maximize, minimize = (*path, "maximize"), (*path, MINIMIZE)
    if isinstance(value, (str, list)):
        metrics = _metrics_at(document, path)
        document.put(path, {}, {(): document.location(path)})
        _put_metrics(document, maximize, metrics)
    if not isinstance(value, dict):
        return []
    mistakes = _minimize_mistakes(path, value)
    maximized, minimized = value.get("maximize"), value.get(MINIMIZE)
    if isinstance(minimized, (str, list)) and isinstance(maximized, (str, list, type(None))):
        before, metrics = _metrics_at(document, maximize), _metrics_at(document, minimize)
        document.remove(minimize)
        _put_metrics(document, maximize, [*before, *metrics])
        mistakes += [
            ConfigMistake((*maximize, index), minimize, f"got '{metric}', of which more is better: write it under maximize")
            for index, (metric, _) in enumerate(metrics, start=len(before))
            if isinstance(metric, str) and more_is_better(metric)
        ]
    elif isinstance(maximized, str):
        _put_metrics(document, maximize, _metrics_at(document, maximize))
    return mistakes


def _minimize_mistakes(path: KeyPath, value: dict[str, Any]) -> list[ConfigMistake]:
    """What is wrong with `minimize`, which the models do not know, and with keys that are meant to be it; removes them."""
    known, mistakes = (*Objective.model_fields, MINIMIZE), []
    for key, given in list(value.items()):
        if key == MINIMIZE and not isinstance(given, (str, list)):
            message = f"got {describe_value(given)}, expected a metric of which less is better, or a list of such"
            mistakes.append(ConfigMistake((*path, key), (*path, key), message))
        elif key not in known and nearest(str(key), known) == MINIMIZE:
            message = f"unknown key '{key}', expected one of {', '.join(known)}{did_you_mean(str(key), known)}"
            mistakes.append(ConfigMistake((*path, key), path, message, intended_key=MINIMIZE))
        else:
            continue
        del value[key]
    return mistakes


def _metrics_at(document: Document, path: KeyPath) -> list[tuple[Any, SourceLocation]]:
    """The metrics that stand at a path, one of them or a list, each with where it is written."""
    value = document.find(path)
    if not isinstance(value, list):
        return [] if value is None else [(value, document.location(path))]
    return [(metric, document.location((*path, index))) for index, metric in enumerate(value)]


def _put_metrics(document: Document, path: KeyPath, metrics: Sequence[tuple[Any, SourceLocation]]) -> None:
    """Write a list of metrics, each with its place; that of the list is where the first one is written."""
    places: dict[KeyPath, SourceLocation] = {(index,): place for index, (_, place) in enumerate(metrics)}
    of_list = metrics[0][1] if metrics else document.location(path)
    document.put(path, [metric for metric, _ in metrics], {(): of_list, **places})


def _resolve_head_names(document: Document, experiment: KeyPath) -> list[ConfigMistake]:
    """Heads that are named by a column whose name no head can have: they get a name, and the column as their `column`.

    Names of heads become those of metrics, layers and columns, which cannot hold everything that a column's name can.
    """
    heads = document.find((*experiment, "heads"))
    mistakes: list[ConfigMistake] = []
    for column, head in list(heads.items()) if isinstance(heads, dict) else []:
        if not (isinstance(column, str) and is_named_by_column(column, head)):  # in Python a key may be a number
            continue
        path, name = (*experiment, "heads", column), name_from_column(column)
        location = document.location(path)
        if name in heads:
            other = str(document.location((*experiment, "heads", name)))  # empty for values in Python
            place = f" ({other})" if other else ""
            message = f"the head would be called {name}, as another one is{place}; give it a name, and column: {column!r}"
            mistakes.append(ConfigMistake(path, path, message))
            continue
        head["column"] = column
        document.rename(path, name)
        warnings.warn(HeadNameWarning(str(location) or dotted(path[:-1]), column, name), stacklevel=2)
    return mistakes


def _resolve_table_source(document: Document, experiment: KeyPath, folder: Path) -> list[ConfigMistake]:
    """The table's path made absolute; the inputs of the built-in table added where none are named."""
    table = document.find((*experiment, "table"))
    source = table.get("source") if isinstance(table, dict) else None
    if not isinstance(table, dict) or not isinstance(source, str):
        return []
    if source == POWER_PLANT_TABLE:
        table.setdefault("inputs", list(POWER_PLANT_INPUTS))
        return []
    if source == DATAFRAME:
        return []
    if is_database(source):
        if database := sqlite_file(source):
            absolute = find_file(str(database), folder) or expand_user(str(database)).absolute()
            table["source"] = with_sqlite_file(source, absolute)
        return []
    file = find_file(source, folder)
    if file is None and not Path(source).suffix:
        path = (*experiment, "table", "source")
        expected = f"expected '{POWER_PLANT_TABLE}', or the path of a file such as plant.csv"
        return [ConfigMistake(path, path, f"got '{source}', {expected}{did_you_mean(source, [POWER_PLANT_TABLE])}")]
    table["source"] = str(file or expand_user(source).absolute())  # that a table is missing is reported when it is read
    return []


def _resolve_baselines(document: Document, experiment: KeyPath, folder: Path) -> list[ConfigMistake]:
    """The paths among the baselines made absolute."""
    baselines = document.find((*experiment, "baselines"))
    if not isinstance(baselines, list):
        return []
    mistakes = []
    for index, baseline in enumerate(baselines):
        if isinstance(baseline, str) and baseline.endswith(YAML_SUFFIXES):
            file = find_file(baseline, folder)
            if file is None:
                path = (*experiment, "baselines", index)
                mistakes.append(ConfigMistake(path, path, missing_file_message(baseline, folder)))
            else:
                baselines[index] = str(file)
    return mistakes
