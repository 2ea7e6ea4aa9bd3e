"""The test rows of an outer cross-validation: `test.folds`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.model_selection import GroupKFold, KFold

from branchsweep.config.experiment import Experiment
from branchsweep.config.identity import sweep_key_fields
from branchsweep.config.yaml.recorded import dump_yaml, parse_recorded_experiment
from branchsweep.data.loading import load_dataset
from branchsweep.data.splits import outer_splits, split_rows
from branchsweep.errors import DataError


def experiment(**changes: Any) -> Experiment:
    written = {
        "name": "outer",
        "table": {"source": "dataframe", "inputs": ["a", "b"]},
        "heads": {"f": {}},
        "space": {"dimensions": {}},
        "test": {"folds": 5, "seed": 3},
    }
    return Experiment.model_validate({**written, **changes})


def frame(rows: int = 63) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame({**{name: random.normal(size=rows) for name in "abf"}, "batch": np.arange(rows) % 9})


def test_the_test_rows_of_the_folds_are_those_of_k_fold() -> None:
    chosen = experiment()
    splits = outer_splits(chosen, load_dataset(chosen, frame()))
    expected = list(KFold(5, shuffle=True, random_state=3).split(np.arange(63)))
    assert len(splits) == 5
    for split, (train, test) in zip(splits, expected, strict=True):
        np.testing.assert_array_equal(split.train, train)
        np.testing.assert_array_equal(split.test, test)
        validated = np.concatenate([validation for _, validation in split.folds])
        np.testing.assert_array_equal(np.sort(validated), train)


def test_a_group_is_in_the_test_rows_of_one_fold() -> None:
    chosen = experiment(split={"group": "batch"}, test={"folds": 3})
    table = frame()
    splits = outer_splits(chosen, load_dataset(chosen, table))
    batches = table["batch"].to_numpy()
    expected = GroupKFold(3, shuffle=True, random_state=1).split(batches, groups=batches)
    assert [sorted(split.test) for split in splits] == [sorted(test) for _, test in expected]
    assert all(set(batches[split.test]).isdisjoint(batches[split.train]) for split in splits)


def test_in_the_order_of_time_a_fold_is_tested_after_the_rows_that_it_trains_on() -> None:
    chosen = experiment(split={"time": "batch"}, test={"folds": 3})
    table = frame().assign(batch=np.arange(63)[::-1])
    splits = outer_splits(chosen, load_dataset(chosen, table))
    times = table["batch"].to_numpy()
    assert [len(split.train) for split in splits] == sorted(len(split.train) for split in splits)
    assert all(times[split.train].max() < times[split.test].min() for split in splits)
    assert [times[split.test].min() for split in splits] == sorted(times[split.test].min() for split in splits)


def rare(rows: int = 63, *, at: list[int]) -> pd.DataFrame:
    target = np.zeros(rows)
    target[at] = 1.0
    return frame(rows).assign(f=target)


def test_a_target_may_be_constant_in_rows_that_are_scored() -> None:
    chosen = experiment(validation={"method": "k_fold", "folds": 2})
    splits = outer_splits(chosen, load_dataset(chosen, rare(at=[0, 1, 2, 3, 20, 21, 40, 41])))
    target = rare(at=[0, 1, 2, 3, 20, 21, 40, 41])["f"].to_numpy()
    parts = [[split.test, *(rows for _, rows in (*split.folds, *split.confirmation))] for split in splits]
    constant = [any(np.ptp(target[rows]) == 0 for rows in of_split) for of_split in parts]
    assert any(constant)
    assert [any("heads.f" in warning for warning in split.warnings) for split in splits] == constant


def test_a_target_that_is_constant_in_rows_to_learn_from_is_refused() -> None:
    chosen = experiment()
    with pytest.raises(DataError, match=r"heads\.f.* training"):
        outer_splits(chosen, load_dataset(chosen, rare(at=[0])))


def test_the_sweep_of_a_fold_has_a_name_and_an_identity_of_its_own() -> None:
    chosen = experiment()
    folds = [chosen.for_outer_fold(number) for number in (1, 2)]
    assert [fold.name for fold in folds] == ["outer-fold-1", "outer-fold-2"]
    assert sweep_key_fields(folds[0]) != sweep_key_fields(folds[1])
    assert parse_recorded_experiment(dump_yaml(folds[1]), "the record") == folds[1]
    dataset = load_dataset(chosen, frame())
    assert split_rows(folds[1], dataset).digest == outer_splits(chosen, dataset)[1].digest


def test_an_outer_cross_validation_registers_no_model() -> None:
    chosen = experiment(promotion={"model": "plant"})
    assert not chosen.registers_model and not chosen.for_outer_fold(1).registers_model
    assert experiment(promotion={"model": "plant"}, test={}).registers_model


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"test": {"fold": 1}}, ("test", "fold")),
        ({"test": {"folds": 3, "fold": 4}}, ("test", "fold")),
        ({"test": {"folds": 3, "fraction": 0.3}}, ("test", "fraction")),
        ({"test": {"folds": 1}}, ("test", "folds")),
        ({"search": {"warm_start": ["before"]}}, ("search", "warm_start")),
        ({"name": "n" * 94}, ("name",)),
    ],
)
def test_a_mistake_is_named_by_its_key(changes: dict[str, Any], path: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        experiment(**changes)
    assert [error["loc"] for error in caught.value.errors()] == [path]


def test_too_many_folds_for_the_rows_are_a_mistake_that_names_them() -> None:
    with pytest.raises(DataError, match=r"test\.folds 50"):
        load_dataset(experiment(test={"folds": 50}), frame(60))
