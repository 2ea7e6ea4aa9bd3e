"""Test rows from a table of their own: `test: PATH`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from branchsweep.config.experiment import Experiment
from branchsweep.config.identity import sweep_key_fields
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.config.yaml.recorded import dump_yaml, parse_recorded_experiment
from branchsweep.data.encoders.categories import UNKNOWN
from branchsweep.data.loading import load_dataset
from branchsweep.data.splits import split_rows
from branchsweep.errors import ConfigError, DataError
from branchsweep.workflows.records.sweep_record import new_sweep_record

YAML = """
name: plant
table: {source: main.csv, inputs: [a, b], invalid: drop}
heads: {f: {}}
space: {dimensions: {}}
test: held-out.csv
"""


def frame(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame({name: random.normal(size=rows) for name in ("a", "b", "f")})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frame(40, 0).to_csv(tmp_path / "main.csv", index=False)
    frame(12, 1).to_csv(tmp_path / "held-out.csv", index=False)
    (tmp_path / "plant.yaml").write_text(YAML, encoding="utf-8")
    return tmp_path


def load(folder: Path, **changes: Any) -> Experiment:
    experiment = load_experiment(folder / "plant.yaml")
    return Experiment.model_validate({**experiment.model_dump(), **changes})


def test_its_rows_are_the_test_rows_and_all_others_train(folder: Path) -> None:
    experiment = load(folder)
    assert experiment.test.path == str(folder / "held-out.csv")
    dataset = load_dataset(experiment)
    split = split_rows(experiment, dataset)
    assert (len(split.train), len(split.test)) == (40, 12)
    np.testing.assert_allclose(dataset.x[split.test], frame(12, 1)[["a", "b"]])
    np.testing.assert_allclose(dataset.y[split.train], frame(40, 0)[["f"]])
    assert all(set(part.tolist()) <= set(split.train.tolist()) for fold in split.folds for part in fold)


def test_the_digests_include_it_and_its_place_does_not_matter(folder: Path) -> None:
    experiment = load(folder)
    dataset = load_dataset(experiment)
    moved = experiment.with_test_table(Path(shutil.move(folder / "held-out.csv", folder / "moved.csv")))
    assert load_dataset(moved).digest == dataset.digest
    assert sweep_key_fields(moved) == sweep_key_fields(experiment)
    frame(12, 2).to_csv(folder / "moved.csv", index=False)
    changed = load_dataset(moved)
    assert changed.digest != dataset.digest
    assert split_rows(moved, changed).test_digest != split_rows(experiment, dataset).test_digest


def test_another_main_table_leaves_the_test_rows_as_they_are(folder: Path) -> None:
    experiment = load(folder)
    frame(30, 3).to_csv(folder / "other.csv", index=False)
    dataset = load_dataset(experiment, folder / "other.csv")
    split = split_rows(experiment, dataset)
    assert (len(split.train), len(split.test)) == (30, 12)
    np.testing.assert_allclose(dataset.x[split.test], frame(12, 1)[["a", "b"]])


def test_the_same_policies_apply_and_warnings_name_its_file(folder: Path) -> None:
    table = frame(12, 1)
    table.loc[3, "a"] = None
    table.to_csv(folder / "held-out.csv", index=False)
    dataset = load_dataset(load(folder))
    assert dataset.test_table is not None
    assert dataset.test_table.rows == 11
    assert any("held-out.csv" in warning for warning in dataset.warnings)
    strict = load(folder, table={"source": str(folder / "main.csv"), "inputs": ["a", "b"]})
    with pytest.raises(DataError, match=r"held-out\.csv"):
        load_dataset(strict)


def test_test_rows_that_are_training_rows_too_are_warned_of(folder: Path) -> None:
    pd.concat([frame(12, 1), frame(40, 0).head(5)]).to_csv(folder / "held-out.csv", index=False)
    experiment = load(folder)
    (warning,) = split_rows(experiment, load_dataset(experiment)).warnings
    assert warning.startswith("5 of the 17 test rows")
    assert "main.csv" in warning and "held-out.csv" in warning


@pytest.mark.parametrize(
    "change",
    [lambda table: table.drop(columns="b"), lambda table: table.head(1), lambda table: table.assign(f=1.0)],
    ids=["no column b", "one row", "a constant target"],
)
def test_a_test_table_that_does_not_fit_is_a_mistake_that_names_its_file(folder: Path, change: Any) -> None:
    change(frame(12, 1)).to_csv(folder / "held-out.csv", index=False)
    with pytest.raises(DataError, match=r"held-out\.csv"):
        load_dataset(load(folder))


def test_a_single_test_row_is_answered_with_how_many_are_needed(folder: Path) -> None:
    frame(1, 1).to_csv(folder / "held-out.csv", index=False)
    with pytest.raises(DataError, match="1 row to test, expected 2 or more"):
        load_dataset(load(folder))


SPLIT_COLUMNS: dict[str, tuple[list[Any], list[Any], dict[str, Any], str]] = {
    "groups in both": ([*range(8)] * 5, [7, 6, 99] * 4, {"group": "by"}, r"2 groups .* 6, 7;"),
    "groups that are numbers in one table": (
        ["01", "A", "B", "C"] * 10,
        [1] * 12,
        {"group": "by"},
        "1 group .* has rows .* 1;",
    ),
    "test rows before training rows": ([*range(40)], [*range(30, 42)], {"time": "by"}, "10 of 12 rows are not after"),
    "a test row of the last time": ([*range(40)], [*range(39, 51)], {"time": "by"}, "1 of 12 rows is not after"),
    "dates and numbers": (["2024-01-01"] * 40, [1] * 12, {"time": "by"}, "dates in one table and numbers"),
    "a gap": (
        ["2024-01-01", "2024-01-02"] * 20,
        ["2024-01-08"] * 12,
        {"time": "by", "gap": "7d"},
        r"20 rows of .*main\.csv are less than 7d",
    ),
}


@pytest.mark.parametrize(("training", "tested", "split", "words"), SPLIT_COLUMNS.values(), ids=list(SPLIT_COLUMNS))
def test_test_rows_that_break_the_division_are_a_mistake(
    folder: Path, training: list[Any], tested: list[Any], split: dict[str, Any], words: str
) -> None:
    frame(40, 0).assign(by=training).to_csv(folder / "main.csv", index=False)
    frame(12, 1).assign(by=tested).to_csv(folder / "held-out.csv", index=False)
    with pytest.raises(DataError, match=words) as caught:
        load_dataset(load(folder, split=split))
    assert caught.value.where == str(folder / "held-out.csv")


@pytest.mark.parametrize("kind", ["group", "time"])
def test_both_tables_need_the_column_that_divides_rows(folder: Path, kind: str) -> None:
    frame(40, 0).assign(by=range(40)).to_csv(folder / "main.csv", index=False)
    with pytest.raises(DataError, match=rf"column 'by' \(split\.{kind}\) not found") as caught:
        load_dataset(load(folder, split={kind: "by"}))
    assert caught.value.where == str(folder / "held-out.csv")


@pytest.mark.parametrize(
    ("split", "warnings"),
    [({"group": "by"}, 0), ({"time": "by"}, 0), ({"time": "by", "gap": 3}, 1), ({"stratify": "by"}, 0)],
)
def test_test_rows_that_keep_to_the_division_are_used(folder: Path, split: dict[str, Any], warnings: int) -> None:
    by = [number // 8 for number in range(40)]
    frame(40, 0).assign(by=by).to_csv(folder / "main.csv", index=False)
    frame(12, 1).assign(by=[5] * 6 + [6] * 6).to_csv(folder / "held-out.csv", index=False)
    dataset = load_dataset(experiment := load(folder, split=split))
    assert len(split_rows(experiment, dataset).test) == 12
    assert len([warning for warning in dataset.warnings if "gap" in warning]) == warnings


def test_test_rows_of_unknown_categories_are_counted(folder: Path) -> None:
    frame(40, 0).assign(b=["x", "y"] * 20).to_csv(folder / "main.csv", index=False)
    frame(12, 1).assign(b=["y", "z", "new"] * 4).to_csv(folder / "held-out.csv", index=False)
    assert any("8 rows" in warning and "'b'" in warning for warning in load_dataset(load(folder)).warnings)


def test_the_option_refuses_an_outer_cross_validation(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"test\.folds"):
        load(folder, test={"folds": 3}).with_test_table(folder / "held-out.csv")


def test_categories_are_those_of_the_training_rows(folder: Path) -> None:
    frame(40, 0).assign(b=["x", "y"] * 20).to_csv(folder / "main.csv", index=False)
    frame(12, 1).assign(b=pd.Series(["y", "z", None] * 4, dtype=object)).to_csv(folder / "held-out.csv", index=False)
    dataset = load_dataset(load(folder))
    assert dataset.input_columns["b"].categories == ["x", "y"]
    assert dataset.input_columns["b"].has_gaps
    np.testing.assert_array_equal(dataset.x[-3:, 1], [1.0, UNKNOWN, np.nan])


def test_a_missing_test_table_is_a_mistake(folder: Path) -> None:
    (folder / "held-out.csv").unlink()
    with pytest.raises(DataError, match=r"held-out\.csv"):
        load_dataset(load(folder))


def test_it_is_recorded_beside_the_table(folder: Path) -> None:
    experiment = load(folder)
    dataset = load_dataset(experiment)
    record = new_sweep_record(experiment, dataset, split_rows(experiment, dataset))
    assert record.test_table is not None
    assert (record.test_table.rows, record.test_table.name) == (12, "held-out.csv")
    assert parse_recorded_experiment(dump_yaml(experiment), "the record") == experiment


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"test": {"path": "held-out.csv", "fraction": 0.3}}, ("test", "fraction")),
        ({"test": {"path": "held-out.csv", "folds": 3}}, ("test", "folds")),
        ({"test": {"path": "held-out.csv", "fold": 3}}, ("test", "fold")),
        ({"split": {"column": "part"}}, ("test", "path")),
    ],
)
def test_another_way_to_choose_test_rows_beside_it_is_a_mistake(
    folder: Path, changes: dict[str, Any], path: tuple[str, ...]
) -> None:
    with pytest.raises(ValidationError) as caught:
        load(folder, **changes)
    assert [error["loc"] for error in caught.value.errors()] == [path]


def test_the_option_refuses_a_table_that_says_itself_which_rows_are_test_rows(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"split\.column"):
        load(folder, test={}, split={"column": "part"}).with_test_table(folder / "held-out.csv")
