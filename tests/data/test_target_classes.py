"""Classes of targets: found in a table, their cells as numbers, and one message where a head cannot have them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.class_weight import compute_class_weight

from branchsweep.config.experiment import Experiment
from branchsweep.data.class_weights import row_weights
from branchsweep.data.column_summary import summarize_columns
from branchsweep.data.loading import load_dataset
from branchsweep.data.splits import split_rows
from branchsweep.data.training_rows import training_rows
from branchsweep.errors import DataError

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


@pytest.mark.parametrize("head", [{"task": "quantile", "quantiles": [0.1, 0.5]}, {"task": "count"}, {"loss": "mae"}])
@pytest.mark.parametrize("invalid", ["error", "drop"])
@pytest.mark.parametrize("cells", [["low", "high"], ["low", "middle", "high", None]])
def test_a_head_of_numbers_with_a_column_of_words_is_told_the_words_and_the_task_for_them(
    head: dict[str, Any], invalid: str, cells: list[Any]
) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset(experiment(head, table={"source": "t.csv", "inputs": ["a"], "invalid": invalid}), frame(cells))
    words = [*cells, "multiclass" if len(cells) > 2 else "binary"]
    assert [word for word in words if word is not None and word not in str(caught.value)] == []


def test_a_column_with_some_numbers_beside_words_may_lose_its_other_rows() -> None:
    table = {"source": "t.csv", "inputs": ["a"], "invalid": "drop"}
    dataset = load_dataset(experiment({"task": "count"}, table=table), frame(["off", "idle", 1, "off", 2]))
    assert dataset.rows == 2 * ROWS // 5 and set(dataset.y[:, 0]) == {1.0, 2.0}


def test_a_summary_names_the_classes_in_place_of_numbers() -> None:
    summary = {column.name: column for column in summarize_columns(load_dataset(experiment({}), frame(["b", "c", "a"])))}
    assert summary["state"].kind == "multiclass" and "a, b, c" in summary["state"].detail
    assert np.isnan(summary["state"].mean)


def test_weights_of_classes_are_those_of_scikit_learn() -> None:
    targets = np.array([0.0, 0.0, 0.0, 2.0, np.nan, 2.0])
    expected = compute_class_weight("balanced", classes=np.array([0, 2]), y=targets[~np.isnan(targets)])
    np.testing.assert_allclose(row_weights("balanced", targets), [*[expected[0]] * 3, expected[1], 1.0, expected[1]])
    np.testing.assert_allclose(row_weights((3.0, 1.0, 0.5), targets), [3.0, 3.0, 3.0, 0.5, 1.0, 0.5])


def test_rows_of_classes_weigh_in_the_loss_of_the_rows_that_are_trained_on_alone() -> None:
    told = experiment({"class_weight": {"b": 4}})
    dataset = load_dataset(told, frame(["b", "c", "a"]))
    assert dataset.class_weights == ((1.0, 4.0, 1.0), None)
    rows = training_rows(dataset, split_rows(told.with_classes(dataset.classes), dataset))
    train, validation = rows.fold_rows(0)
    weights = rows.loss_weights(train)
    assert not rows.count_alike and rows.actual.is_plain
    np.testing.assert_array_equal(weights[train, 0], np.where(rows.y[train, 0] == 1.0, 4.0, 1.0))
    assert (weights[validation] == 1.0).all() and (weights[:, 1] == 1.0).all()
    assert rows.for_heads(["load"]).count_alike


@pytest.mark.parametrize("head", [{"class_weight": {"d": 2}}, {"class_weight": {"a": 2}, "column": "other", "task": None}])
def test_weights_of_no_class_are_one_message(head: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="class_weight"):
        load_dataset(experiment(head), frame(["b", "c", "a"]).assign(other=1.0 * np.arange(ROWS)))
