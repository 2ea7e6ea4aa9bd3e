"""Classes of targets: found in a table, their cells as numbers, and one message where a head cannot have them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.data.column_summary import summarize_columns
from branchsweep.data.loading import load_dataset
from branchsweep.errors import ConfigError, DataError

ROWS = 120


def experiment(head: dict[str, Any], **further: Any) -> Experiment:
    written = {"name": "classes", "table": {"source": "t.csv", "inputs": ["a"]}, "heads": {"state": head, "load": {}}}
    return Experiment.model_validate({**written, "space": {"dimensions": {}}, **further})


def frame(cells: list[Any]) -> pd.DataFrame:
    numbers = np.random.default_rng(0).normal(size=(2, ROWS))
    states = [cells[row % len(cells)] for row in range(ROWS)]
    return pd.DataFrame({"a": numbers[0], "state": states, "load": numbers[1]})


@pytest.mark.parametrize(
    ("cells", "head", "classes"),
    [
        (["b", "c", "a"], {}, ("a", "b", "c")),
        (["b", "c", "a"], {"task": "multiclass"}, ("a", "b", "c")),
        ([10, 2, 7], {"task": "multiclass"}, ("2", "7", "10")),
        ([1.0, 2.0, np.nan, 3.0], {"task": "multiclass"}, ("1", "2", "3")),
        (["no", "yes"], {}, ("no", "yes")),
    ],
)
def test_the_classes_of_a_column_are_numbered_in_their_order(
    cells: list[Any], head: dict[str, Any], classes: tuple[str, ...]
) -> None:
    dataset = load_dataset(experiment(head), frame(cells))
    assert dataset.classes == {"state": classes}
    labels = [f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in cells]
    expected = [np.nan if label == "nan" else classes.index(label) for label in labels]
    np.testing.assert_array_equal(dataset.y[: len(cells), 0], expected)


def test_an_experiment_is_told_the_classes_and_the_task() -> None:
    told = experiment({}).with_classes({"state": ("a", "b", "c")})
    assert (told.heads["state"].task, told.heads["state"].kind) == ("multiclass", "multiclass(3)")
    assert told.score_metrics == {"state": "d2_log_loss", "load": "r2"}
    assert told.objective.maximize == ["mean_score"]


@pytest.mark.parametrize(
    ("cells", "head"),
    [
        (["a", "b"], {"task": "multiclass"}),
        ([f"w{number}" for number in range(21)], {}),
        ([f"w{number}" for number in range(101)], {"task": "multiclass"}),
        (["a", "b", "c"], {"task": "binary"}),
        (["a", "b", "c"], {"task": "multiclass", "classes": ["a", "b", "d"]}),
    ],
)
def test_a_column_whose_values_are_no_classes_of_the_head_is_one_message(cells: list[Any], head: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="state"):
        load_dataset(experiment(head), frame(cells))


def test_a_summary_names_the_classes_in_place_of_numbers() -> None:
    summary = {column.name: column for column in summarize_columns(load_dataset(experiment({}), frame(["b", "c", "a"])))}
    assert summary["state"].kind == "multiclass" and "a, b, c" in summary["state"].detail
    assert np.isnan(summary["state"].mean)


def test_a_stack_with_classes_is_refused_once_the_table_is_known() -> None:
    promotion = {"model": "m", "ensemble": {"choose": "stack", "size": 2}}
    with pytest.raises(ConfigError, match="greedy"):
        experiment({}, promotion=promotion).with_classes({"state": ("a", "b", "c")})
