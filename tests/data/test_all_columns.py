"""`inputs: '*'`: all columns of the table that no head predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.config.identity import sweep_key_fields
from branchsweep.config.yaml.recorded import dump_yaml, parse_recorded_experiment
from branchsweep.data.loading import load_dataset, with_named_inputs
from branchsweep.errors import DataError


def frame() -> pd.DataFrame:
    random = np.random.default_rng(1)
    values = {name: random.normal(size=60).round(4) for name in ("id", "load+1", "25400", "wind", "steam flow")}
    return pd.DataFrame(values)


def experiment(source: str, inputs: Any = "*", **table: Any) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "all",
            "table": {"source": source, "inputs": inputs, **table},
            "heads": {"PE": {"column": "25400"}, "V": {"column": "steam flow"}},
            "space": {"dimensions": {}},
        }
    )


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".parquet", ".jsonl"])
def test_inputs_are_all_columns_that_are_neither_targets_nor_excluded(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t{ending}"
    write = {
        ".csv": lambda: frame().to_csv(path, index=False),
        ".xlsx": lambda: frame().to_excel(path, index=False),
        ".parquet": lambda: frame().to_parquet(path),
        ".jsonl": lambda: frame().to_json(path, orient="records", lines=True),
    }
    write[ending]()
    named = with_named_inputs(experiment(str(path), exclude=["id"]))
    assert list(named.table.inputs) == ["load+1", "wind"] and not named.table.exclude
    np.testing.assert_array_equal(load_dataset(named).x, frame()[["load+1", "wind"]].to_numpy())


def test_a_data_frame_and_the_built_in_table_have_names_too() -> None:
    assert list(with_named_inputs(experiment("dataframe"), frame()).table.inputs) == ["id", "load+1", "wind"]
    built_in = experiment("ccpp").model_copy(update={"heads": {}})
    assert list(with_named_inputs(built_in).table.inputs) == ["AT", "V", "AP", "RH", "PE"]


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_columns_without_name_and_values_are_no_inputs(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t{ending}"
    blank = frame().assign(**{"": None, " ": frame()["wind"], "Unnamed: 7": None, "gaps": None})
    blank = blank.set_axis([*frame().columns, None, None, None, "gaps"], axis=1)
    blank.to_csv(path, index=False) if ending == ".csv" else blank.to_excel(path, index=False)
    assert list(with_named_inputs(experiment(str(path))).table.inputs) == ["id", "load+1", "wind", "Unnamed: 6", "gaps"]
    assert list(with_named_inputs(experiment("dataframe"), blank).table.inputs) == [
        "id",
        "load+1",
        "wind",
        "Unnamed: 6",
        "gaps",
    ]


def test_an_experiment_that_names_its_inputs_is_the_same_sweep(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    frame().to_csv(path, index=False)
    named = experiment(str(path), ["load+1", "wind"])
    assert with_named_inputs(named) is named
    assert sweep_key_fields(with_named_inputs(experiment(str(path), exclude=["id"]))) == sweep_key_fields(named)


def test_the_record_of_a_setting_for_all_columns_is_read_where_some_hold_texts() -> None:
    table = frame().assign(wind=["north", "south"] * 30)
    written = experiment("dataframe", {"*": {"missing": "mean"}})
    resolved = with_named_inputs(written, table)
    resolved = resolved.with_inputs(load_dataset(resolved, table).input_columns)
    read = parse_recorded_experiment(dump_yaml(resolved), "the record").table.inputs
    assert read["wind"].categories == ["north", "south"] and read["load+1"].missing == "mean"


def test_a_mistake_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    frame().to_csv(path, index=False)
    with pytest.raises(DataError, match=r"column 'idd' \(table\.exclude\)"):
        with_named_inputs(experiment(str(path), exclude=["idd"]))
    with pytest.raises(DataError, match=r"table\.exclude"):
        with_named_inputs(experiment(str(path), exclude=["id", "load+1", "wind"]))
    with pytest.raises(DataError, match="'25400' is a target"):
        with_named_inputs(experiment(str(path), exclude=["25400"]))
    frame().assign(note=[f"note {row}" for row in range(len(frame()))]).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"'note'.*table\.exclude"):
        load_dataset(with_named_inputs(experiment(str(path))))
    with pytest.raises(ValueError, match="exclude"):
        experiment(str(path), ["wind"], exclude=["id"])
