"""Rows that belong together: `split.group`, and `table.duplicates: together`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsRegressor

from branchsweep.config.experiment import Experiment
from branchsweep.config.identity import sweep_key_fields
from branchsweep.data.dataset import Dataset, Split
from branchsweep.data.halves import split_halves
from branchsweep.data.loading import load_dataset, with_named_inputs
from branchsweep.data.splits import split_rows
from branchsweep.data.splitters.group import Group
from branchsweep.data.splitters.shuffle import Shuffle
from branchsweep.errors import DataError
from branchsweep.types import Positions


def experiment(**changes: Any) -> Experiment:
    written = {
        "name": "grouped",
        "table": {"source": "dataframe", "inputs": ["a", "b"]},
        "heads": {"f": {}},
        "space": {"dimensions": {}},
        "split": {"group": "batch"},
    }
    return Experiment.model_validate({**written, **changes})


def frame(groups: list[Any], seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame({**{name: random.normal(size=len(groups)) for name in "abf"}, "batch": groups})


def sides(split: Split) -> list[tuple[Positions, Positions]]:
    return [(split.train, split.test), *split.folds, *split.confirmation]


def load(chosen: Experiment, table: pd.DataFrame) -> tuple[Dataset, Split]:
    dataset = load_dataset(chosen, table)
    return dataset, split_rows(chosen, dataset)


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(2, 12), min_size=12, max_size=30),
    seed=st.integers(0, 2**32 - 1),
    validation=st.sampled_from([{"method": "k_fold", "folds": 3}, {"method": "hold_out", "fraction": 0.3}]),
)
def test_no_group_is_on_two_sides_of_a_split(sizes: list[int], seed: int, validation: dict[str, Any]) -> None:
    groups = [f"batch {number}" for number, size in enumerate(sizes) for _ in range(size)]
    table = frame(groups).sample(frac=1, random_state=seed).reset_index(drop=True)
    chosen = experiment(seed=seed, validation=validation, test={"fraction": 0.25, "seed": seed})
    dataset, split = load(chosen, table)
    labels = table["batch"].to_numpy()
    halves = split_halves(chosen, dataset, None, seed)
    for first, second in [*sides(split), *halves.pairs]:
        assert not set(labels[first]) & set(labels[second])
    for first, second in [(split.train, split.test), *halves.pairs]:
        assert sorted([*first, *second]) == list(range(len(table)))
    if validation["method"] == "k_fold":
        assert sorted(np.concatenate([held_out for _, held_out in split.folds])) == sorted(split.train)


def test_equal_rows_stay_together() -> None:
    random = np.random.default_rng(3)
    table = frame(list(range(60)))
    repeated = pd.concat([table, table.iloc[random.integers(0, 60, 60)]], ignore_index=True)
    chosen = experiment(split={}, table={"source": "dataframe", "inputs": ["a", "b"], "duplicates": "together"})
    _, split = load(chosen, repeated)
    for first, second in sides(split):
        assert not set(repeated["a"].to_numpy()[first]) & set(repeated["a"].to_numpy()[second])
    kept = experiment(split={}, table={"source": "dataframe", "inputs": ["a", "b"]})
    _, shuffled = load(kept, repeated)
    assert set(repeated["a"].to_numpy()[shuffled.train]) & set(repeated["a"].to_numpy()[shuffled.test])
    assert shuffled.warnings and not split.warnings


def test_a_planted_leak_between_rows_of_a_group_is_seen_by_rows_and_not_by_groups() -> None:
    """Inputs tell the group, the target is a number of the group: nothing is learnt that holds for another group."""
    random = np.random.default_rng(1)
    number = np.repeat(np.arange(60), 10)
    places, targets = random.normal(size=(60, 2)), random.normal(size=60)
    values = {name: places[number, axis] + random.normal(size=600) * 1e-3 for axis, name in enumerate("ab")}
    table = pd.DataFrame({**values, "f": targets[number] + random.normal(size=600) * 1e-3, "batch": number})

    def score(split: dict[str, Any]) -> tuple[float, Dataset]:
        dataset, parts = load(experiment(split=split), table)
        neighbours = KNeighborsRegressor(3).fit(dataset.x[parts.train], dataset.y[parts.train])
        return float(neighbours.score(dataset.x[parts.test], dataset.y[parts.test])), dataset

    by_rows, shuffled = score({})
    by_groups, grouped = score({"group": "batch"})
    assert by_rows > 0.99 and by_groups < 0.1
    assert any("'batch'" in warning for warning in shuffled.warnings) and not grouped.warnings
    assert isinstance(shuffled.splitter, Shuffle)
    assert isinstance(grouped.splitter, Group) and grouped.splitter.count == 60


def test_a_planted_leak_between_neighbours_in_time_is_seen_by_rows_and_not_in_order() -> None:
    """The inputs tell the hour, the target wanders: between two hours it is known, later on it is not."""
    random = np.random.default_rng(1)
    rows = 600
    hours = pd.date_range("2024-03-01", periods=rows, freq="h")
    values = {"a": np.arange(rows) + random.normal(size=rows) * 1e-3, "b": random.normal(size=rows) * 1e-3}
    table = pd.DataFrame({**values, "f": np.cumsum(random.normal(size=rows)), "timestamp": hours.astype(str)})
    table = table.sample(frac=1, random_state=2)

    def scores(split: dict[str, Any]) -> tuple[list[float], Dataset]:
        dataset, parts = load(experiment(split=split), table)
        measured = []
        for learning, held_out in [(parts.train, parts.test), *parts.folds, *parts.confirmation]:
            neighbours = KNeighborsRegressor(3).fit(dataset.x[learning], dataset.y[learning])
            measured.append(float(neighbours.score(dataset.x[held_out], dataset.y[held_out])))
        return measured, dataset

    by_rows, shuffled = scores({})
    in_order, ordered = scores({"time": "timestamp", "gap": "6h"})
    assert min(by_rows) > 0.9 and max(in_order) < 0.1
    assert any("split: {time: timestamp}" in warning for warning in shuffled.warnings) and not ordered.warnings


def test_groups_of_single_rows_are_warned_of() -> None:
    _, split = load(experiment(), frame(list(range(40))))
    assert any("'batch'" in warning for warning in split.warnings)


def test_the_column_of_the_groups_is_no_input_where_all_columns_are() -> None:
    chosen = experiment(table={"source": "dataframe", "inputs": "*"})
    assert list(with_named_inputs(chosen, frame([1, 2])).table.inputs) == ["a", "b"]


def test_an_experiment_without_groups_is_the_same_sweep_as_in_earlier_versions() -> None:
    assert "split" not in sweep_key_fields(experiment(split={}))
    assert sweep_key_fields(experiment())["split"] == {"group": "batch"}


@pytest.mark.parametrize(
    ("changes", "groups", "words"),
    [
        ({}, [1, 1, None, *range(2, 40)], ["split.group", "row 4"]),
        ({}, [1, 2] * 30, ["split.group", "2 groups"]),
        ({"split": {"group": "bath"}}, [1, 2] * 30, ["split.group", "did you mean 'batch'"]),
    ],
)
def test_a_mistake_in_a_table_is_named(changes: dict[str, Any], groups: list[Any], words: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        load(experiment(**changes), frame(groups))
    assert all(word in str(caught.value) for word in words)


def test_a_mistake_in_an_experiment_is_named(tmp_path: Path) -> None:
    for changes in ({"split": {"group": "f"}}, {"table": {"source": "t.csv", "inputs": ["a"], "duplicates": "together"}}):
        with pytest.raises(ValueError, match="group"):
            experiment(**changes)
