"""An experiment whose table says which rows are for what (`split.column`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.validation import HoldOut, KFold
from branchsweep.config.yaml.recorded import dump_yaml, parse_recorded_experiment
from branchsweep.data.loading import completed_by_table, load_dataset
from branchsweep.data.splits import split_rows
from branchsweep.errors import DataError

ROWS = 60
HOLD_OUT = ["train", "train", "validation", "test"] * 15
FOLDS = ["a", "b", "c", "d", "test"] * 12
FOLDS_ALONE = ["a", "b", "c", "d", "e"] * 12


def experiment(**changes: Any) -> Experiment:
    written = {
        "name": "given",
        "table": {"source": "dataframe", "inputs": ["a", "b"]},
        "heads": {"f": {}},
        "space": {"dimensions": {}},
        "split": {"column": "part"},
    }
    return Experiment.model_validate({**written, **changes})


def table(parts: list[str]) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame({**{name: random.normal(size=ROWS) for name in "abf"}, "part": parts})


@pytest.mark.parametrize(
    ("parts", "validation", "networks"),
    [
        (HOLD_OUT, HoldOut(method="hold_out", fraction=0.333), 1),
        (FOLDS, KFold(method="k_fold", folds=4), 4),
        (FOLDS_ALONE, KFold(method="k_fold", folds=4), 4),
        (["train", "test"] * 30, KFold(method="k_fold", folds=3), 3),
    ],
)
def test_an_experiment_is_scored_as_its_table_says(
    parts: list[str], validation: KFold | HoldOut, networks: int, tmp_path: Path
) -> None:
    table(parts).to_csv(tmp_path / "t.csv", index=False)
    from_file = completed_by_table(experiment(), tmp_path / "t.csv")
    chosen = completed_by_table(experiment(), table(parts))
    assert chosen.validation == from_file.validation == validation
    assert chosen.lanes_per_trial == networks
    dataset = load_dataset(chosen, table(parts))
    split = split_rows(chosen, dataset)
    assert len(split.folds) == networks and len(split.confirmation) >= 2
    if "test" in parts:
        assert split.test.tolist() == [row for row, part in enumerate(parts) if part == "test"]
    recorded = parse_recorded_experiment(dump_yaml(chosen), "a record")
    assert completed_by_table(recorded, table(parts)) == recorded
    assert split_rows(recorded, load_dataset(recorded, table(parts))).digest == split.digest


def test_rows_that_are_left_out_change_the_share_of_validation_rows_and_nothing_else() -> None:
    given = table(HOLD_OUT)
    given.loc[given["part"] == "train", "a"] = np.where(np.arange(30) < 10, np.nan, 1.0) * given["a"][given["part"] == "train"]
    chosen = experiment(table={"source": "dataframe", "inputs": ["a", "b"], "invalid": "drop"})
    chosen = completed_by_table(chosen, given)
    split = split_rows(chosen, load_dataset(chosen, given))
    assert [len(rows) for rows in (*split.folds[0], split.test)] == [20, 15, 15]


@pytest.mark.parametrize(("parts", "lost"), [(HOLD_OUT, "validation"), (HOLD_OUT, "test"), (FOLDS, "test")])
def test_a_part_that_loses_all_its_rows_is_an_error(parts: list[str], lost: str) -> None:
    given = table(parts)
    given.loc[given["part"] == lost, "a"] = np.nan
    chosen = completed_by_table(experiment(table={"source": "dataframe", "inputs": ["a", "b"], "invalid": "drop"}), given)
    with pytest.raises(DataError, match=f"{parts.count(lost)} rows as {lost}"):
        load_dataset(chosen, given)


def test_networks_per_fold_may_be_given_beside_given_folds() -> None:
    chosen = completed_by_table(experiment(validation={"method": "k_fold", "seeds": 3}), table(FOLDS))
    assert chosen.validation == KFold(method="k_fold", folds=4, seeds=3)
    same = experiment(validation={"method": "k_fold", "folds": 4})
    assert completed_by_table(same, table(FOLDS)) == same


@pytest.mark.parametrize(
    ("parts", "changes", "words"),
    [
        (FOLDS, {"validation": {"method": "k_fold", "folds": 3}}, ["gives 4 folds", "validation.folds 3"]),
        (FOLDS, {"validation": {"method": "hold_out"}}, ["gives 4 folds", "validation.method hold_out"]),
        (HOLD_OUT, {"validation": {"method": "k_fold", "folds": 3}}, ["a hold-out", "validation.method k_fold"]),
        (HOLD_OUT, {"validation": {"method": "hold_out", "fraction": 0.1}}, ["33.3%", "validation.fraction 0.1"]),
        (HOLD_OUT, {"test": {"fraction": 0.3}}, ["15 rows", "test.fraction 0.3"]),
        (["a", "b"] * 30, {}, ["2 folds (a, b)", "takes 1"]),
        (["a", "test"] * 30, {}, ["1 fold (a)", "at least two"]),
        (["train", "test", "x"] * 20, {}, ["train beside other values (x)"]),
    ],
)
def test_what_a_column_says_cannot_be_said_otherwise(parts: list[str], changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset(completed_by_table(experiment(**changes), table(parts)), table(parts))
    assert all(word in str(caught.value) for word in words)


def test_one_kind_of_split_is_given_with_what_belongs_to_it() -> None:
    for split in (
        {"group": "part", "time": "day"},
        {"gap": 3},
        {"time": "day", "gap": "7 days"},
        {"time": "day", "gap": -1},
        {"bins": 5},
        "shuffle",
        {"stratify": "f", "bins": 1},
        {"time": "f"},
        {"column": "f"},
    ):
        with pytest.raises(ValueError, match="split"):
            experiment(split=split)
    for split in ({"time": "day"}, {"column": "part"}, {"stratify": "f"}):
        with pytest.raises(ValueError, match="kept together"):
            experiment(split=split, table={"source": "dataframe", "inputs": ["a"], "duplicates": "together"})
