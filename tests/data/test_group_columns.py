"""Columns that group the rows under any name are pointed out, and quantities are not."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.data.group_columns import MOST_CELLS, group_columns
from branchsweep.data.loading import load_dataset
from branchsweep.data.tables import read_table

GROUPS, ROWS_OF_EACH = 60, 10
GROUP = np.repeat(np.arange(GROUPS), ROWS_OF_EACH)
ROWS = len(GROUP)


def planted() -> pd.DataFrame:
    """Inputs that tell the group, a target that is a number of the group, and the group under a name that says nothing."""
    random = np.random.default_rng(1)
    places, levels = random.normal(size=(GROUPS, 2)), random.normal(size=GROUPS)
    columns = {name: places[GROUP, axis] + random.normal(size=ROWS) * 1e-2 for axis, name in enumerate("ab")}
    columns["f"] = levels[GROUP] + random.normal(size=ROWS) * 1e-2
    return pd.DataFrame(columns).assign(k7=random.permutation(GROUPS)[GROUP], other=random.integers(0, 40, ROWS))


def found(frame: pd.DataFrame, *columns: str) -> list[str]:
    return [
        column.name
        for column in group_columns(frame[list(columns)], frame[["a", "b"]].to_numpy(), {"f": frame["f"].to_numpy()})
    ]


def experiment(source: Path | str, **changes: Any) -> Experiment:
    written = {
        "name": "x",
        "table": {"source": str(source), "inputs": ["a", "b"]},
        "heads": {"f": {}},
        "space": {"dimensions": {}},
    }
    return Experiment.model_validate({**written, **changes})


def test_a_column_by_which_rows_tell_each_others_targets_is_found() -> None:
    (column,) = group_columns(
        planted()[["other", "k7"]], planted()[["a", "b"]].to_numpy(), {"f": planted()["f"].to_numpy(), "g": np.zeros(ROWS)}
    )
    assert (column.name, column.groups, column.rows, column.head) == ("k7", GROUPS, ROWS, "f")
    assert column.r2 > 0.9 and column.r2_of_new_groups < 0.2


def test_texts_and_gaps_are_no_obstacle() -> None:
    frame = planted()
    texts = frame["k7"].map("place {}".format).mask(np.arange(ROWS) % 7 == 0)
    assert found(frame.assign(k7=texts), "k7") == ["k7"]
    holes = frame.assign(a=frame["a"].mask(np.arange(ROWS) % 5 == 0), f=frame["f"].mask(np.arange(ROWS) % 3 == 0))
    assert found(holes, "k7") == ["k7"]


def test_of_columns_with_the_same_groups_the_first_is_found() -> None:
    frame = planted().assign(name=planted()["k7"].map("place {}".format))
    assert found(frame, "name", "k7") == ["name"]


@pytest.mark.parametrize(
    "column",
    [
        GROUP // 7,  # few values
        np.arange(ROWS) // 2,  # few rows of each
        np.arange(ROWS),
        np.zeros(ROWS),
        np.full(ROWS, np.nan),
        np.where(np.arange(ROWS) % 10 < 7, np.nan, GROUP),  # hardly ever known
    ],
)
def test_a_column_of_few_values_or_few_rows_of_each_is_none(column: Any) -> None:
    assert found(planted().assign(column=column), "column") == []


def test_a_rounded_quantity_is_none() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, ROWS))
    frame = pd.DataFrame({"a": a, "b": b, "f": np.sin(2 * a) + b})
    for quantity in (a, frame["f"], a + 0.3 * b):
        for digits in (0.05, 0.2):
            assert found(frame.assign(q=np.round(quantity / digits) * digits), "q") == []


def test_too_many_cells_are_not_tried() -> None:
    frame = pd.concat([planted()] * (MOST_CELLS // ROWS + 1), ignore_index=True)
    assert found(frame, "k7") == []


@pytest.mark.parametrize("ending", ["", ".csv", ".xlsx", ".parquet", ".jsonl", ".csv.gz"])
def test_it_is_warned_of_whatever_the_table_is(ending: str, tmp_path: Path) -> None:
    frame, path = planted(), tmp_path / f"table{ending}"
    if ending == ".xlsx":
        frame.to_excel(path, index=False)
    elif ending == ".parquet":
        frame.to_parquet(path)
    elif ending == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif ending:
        frame.to_csv(path, index=False)
    (warning,) = load_dataset(experiment(path), None if ending else frame).warnings
    assert "'k7'" in warning and "split: {group: k7}" in warning


@pytest.mark.parametrize("split", [{"group": "k7"}, {"group": "other"}])
def test_nothing_is_said_where_rows_are_not_cut_at_random(split: dict[str, str]) -> None:
    assert load_dataset(experiment("t", split=split), planted()).warnings == ()


def test_a_file_whose_further_columns_cannot_be_read_is_read_without_them(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    planted().drop(columns="k7").assign(note="text, with a comma", twice=1).rename(columns={"twice": "note"}).to_csv(path)
    assert load_dataset(experiment(path)).rows == ROWS


def test_no_column_of_the_power_plant_is_a_group(real_table: Path) -> None:
    frame = read_table(real_table)
    for left_out, target in itertools.permutations(frame.columns, 2):
        inputs = frame.drop(columns=[left_out, target]).to_numpy()
        assert group_columns(frame[[left_out]], inputs, {target: frame[target].to_numpy()}) == [], (left_out, target)
