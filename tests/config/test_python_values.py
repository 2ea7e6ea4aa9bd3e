"""An experiment in Python: the same values as in YAML, with shorthands, and the same messages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from branchsweep import Choice, Column, Comparison, Experiment, Float, Head, Int
from branchsweep.config.identity import sweep_key_fields
from branchsweep.errors import ConfigError, UserError

EXPERIMENTS = sorted((Path(__file__).parents[2] / "experiments").glob("*.yaml"))

WRITTEN: dict[str, Any] = {
    "name": "boiler",
    "table": {"source": "dataframe", "inputs": {"load": {"kind": "numeric"}, "fuel": {"kind": "categorical"}}},
    "heads": {"heat": {"unit": "MW"}, "steam": {}},
    "space": {
        "dimensions": {
            "trunk.depth": {"type": "int", "low": 1, "high": 4},
            "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
            "activation": {"type": "choice", "choices": ["relu", "silu"]},
        },
        "fixed": {"batch_size": 64},
    },
    "promotion": {"model": "boiler"},
}


def in_python(**changes: Any) -> Experiment:
    """The same in Python."""
    given: dict[str, Any] = {
        "name": "boiler",
        "table": {"inputs": {"load": Column(kind="numeric"), "fuel": Column(kind="categorical")}},
        "heads": {"heat": Head(unit="MW"), "steam": Head()},
        "space": {
            "trunk.depth": Int(1, 4),
            "learning_rate": Float(1e-4, 1e-1, log=True),
            "activation": Choice(["relu", "silu"]),
            "batch_size": 64,
        },
        "promotion": "boiler",
    }
    return Experiment(**{**given, **changes})


def test_values_in_python_are_those_of_yaml() -> None:
    assert in_python() == Experiment.model_validate(WRITTEN) == Experiment(**WRITTEN)


def test_a_list_of_columns_and_a_list_of_heads() -> None:
    experiment = in_python(table=["load", "fuel"], heads=["heat"])
    assert list(experiment.table.inputs) == ["load", "fuel"] and list(experiment.heads) == ["heat"]


def test_a_comparison_in_python_is_that_of_its_yaml(tmp_path: Path) -> None:
    contestants = {"network": {"kind": "network"}, "forest": {"kind": "estimator", "estimator": "random_forest"}}
    comparison = Comparison(name="two", experiment=in_python(), contestants=contestants, budget={"trials": 4})
    comparison.to_yaml(tmp_path / "two.yaml")
    assert Comparison.from_yaml(tmp_path / "two.yaml") == comparison
    with pytest.raises(ConfigError, match=r"contestants\.forest.*random_forest"):
        Comparison(
            name="two",
            experiment=in_python(),
            contestants={**contestants, "forest": {"kind": "estimator", "estimator": "forest"}},
        )


@pytest.mark.parametrize(
    "path", [path for path in EXPERIMENTS if "contestants" not in path.read_text()], ids=lambda path: path.name
)
def test_an_experiment_as_yaml_is_the_same_sweep(path: Path, tmp_path: Path) -> None:
    experiment = Experiment.from_yaml(path)
    text = experiment.to_yaml(tmp_path / "copy.yaml")
    copied = Experiment.from_yaml(tmp_path / "copy.yaml")
    assert copied == experiment and repr(sweep_key_fields(copied)) == repr(sweep_key_fields(experiment))
    assert (tmp_path / "copy.yaml").read_text(encoding="utf-8") == text == copied.to_yaml()


@pytest.mark.parametrize(
    ("changes", "key", "named"),
    [
        ({"space": {"trunk.dept": Int(1, 4)}}, "space.dimensions.trunk.dept", "trunk.depth"),
        ({"space": {"learning_rate": {"type": "float", "low": 1}}}, "space.dimensions.learning_rate", "high"),
        ({"heads": {"heat": {"loss": "mea"}}}, "heads.heat.loss", "mae"),
        ({"fti": {}}, "", "fit"),
        ({"search": {"trials": 0}}, "search.trials", "1"),
    ],
)
def test_a_mistake_is_named_as_in_a_file(changes: dict[str, Any], key: str, named: str) -> None:
    with pytest.raises(ConfigError) as raised:
        in_python(**changes)
    assert raised.value.mistakes[0].key.startswith(key) and named in str(raised.value)


def test_dimensions_take_their_bounds_in_order() -> None:
    assert Int(1, 4) == Int(low=1, high=4, type="int") and Float(0, 1, step=0.1).size == 11
    assert Choice((8, 16), ordered=True).choices == [8, 16]


@pytest.mark.parametrize(
    ("key", "shorthand", "written"),
    [
        ("objective", ["r2/heat", "r2/steam"], {"maximize": ["r2/heat", "r2/steam"]}),
        ("objective", "r2/heat", {"maximize": ["r2/heat"]}),
        ("objective", {"minimize": "rmse/heat"}, {"maximize": ["rmse/heat"]}),
        ("pruning", "none", {"rungs": []}),
        (
            "search",
            {"trials": 4, "known": {"first": {"trunk.depth": 2}}},
            {"trials": 4, "initial_trials": {"first": {"trunk.depth": 2}}},
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::branchsweep.errors.DeprecatedKeyWarning")
def test_a_shorthand_of_yaml_means_the_same_in_python(key: str, shorthand: object, written: object) -> None:
    assert in_python(**{key: shorthand}) == Experiment.model_validate({**WRITTEN, key: written})


def test_the_built_in_table_by_its_name() -> None:
    assert list(in_python(table="ccpp").table.inputs) == ["AT", "AP", "RH"]


def test_paths_are_looked_up_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.yaml").write_text("dimensions:\n  trunk.depth: {type: int, low: 1, high: 4}\n", encoding="utf-8")
    table = {"source": "plant.csv", "inputs": ["load"]}
    experiment = in_python(space="space.yaml", test="held.csv", table=table)
    assert experiment.space == in_python(space={"trunk.depth": Int(1, 4)}).space
    assert experiment.test.path == str(tmp_path / "held.csv") and experiment.table.source == str(tmp_path / "plant.csv")
    experiment.to_yaml("boiler.yaml")
    contestants = {"network": {"kind": "network"}, "single": {"kind": "single"}}
    shorthands = {"name": "boiler", "table": ["load"], "heads": ["heat"], "space": "space.yaml"}
    for given, meant in (
        ("boiler.yaml", experiment),
        (Path("boiler.yaml"), experiment),
        (shorthands, Experiment(**shorthands)),
    ):
        assert Comparison(name="two", experiment=given, contestants=contestants).experiment == meant


def test_a_mistake_in_a_file_that_is_named_in_python_is_located_there(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("dimensions:\n  trunk.dept: {type: int, low: 1, high: 4}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        in_python(space=str(tmp_path / "space.yaml"), heads={"heat": {"loss": "mea"}})
    first, second = raised.value.mistakes
    assert (first.where, first.key) == ("", "heads.heat.loss")
    assert second.where.endswith("space.yaml:2") and second.key == "dimensions.trunk.dept"


@pytest.mark.parametrize(
    ("changes", "key", "named"),
    [
        ({"heads": ["heat", 3]}, "heads", "got 3"),
        ({"heads": ["heat", "heat"]}, "heads", "each column once"),
        ({"heads": "heat"}, "heads", "['heat']"),
        ({"heads": []}, "heads", "at least one"),
        ({"heads": {"heat", "steam"}}, "heads", "a list of columns"),
        ({"heads": {3: Head()}}, "heads[3]", "head_3"),
        ({"space": {"trunk.depth": [1, 2]}}, "space.fixed.trunk.depth", "Choice([1, ...])"),
        ({"heads": [Head()]}, "heads", "one mapping"),
        ({"table": pd.DataFrame({"load": [1]})}, "table", "sweep(experiment, df)"),
        ({"table": "plant.csv"}, "table", "inputs"),
        ({"pruning": "nane"}, "pruning", "none"),
        ({"space": "no.yaml"}, "space", "from the working directory"),
        ({"search": pd.DataFrame({"trials": [1]})}, "search", "a value of type DataFrame"),
    ],
)
def test_what_no_shorthand_stands_for_is_answered_with_what_does(changes: dict[str, Any], key: str, named: str) -> None:
    with pytest.raises(ConfigError) as raised:
        in_python(**changes)
    (mistake,) = raised.value.mistakes
    assert mistake.key == key and named in mistake.message


@pytest.mark.parametrize(
    ("construct", "keys"),
    [
        (lambda: Head(task="quantile", quantiles=[0.9, 0.1]), ["quantiles"]),
        (lambda: Head(task="multi-class", loss="mea"), ["task", "loss"]),
        (lambda: Column(kind="date"), [""]),
        (lambda: Int(3, 1), [""]),
        (lambda: Float(0, 1, log=True), [""]),
        (lambda: Choice([]), ["choices"]),
        (lambda: Choice("relu"), ["choices"]),
    ],
)
def test_a_wrong_part_is_the_users_mistake_and_all_mistakes_are_named(construct: Callable[[], object], keys: list[str]) -> None:
    with pytest.raises(UserError) as raised:
        construct()
    assert isinstance(raised.value, ConfigError)
    assert sorted(mistake.key for mistake in raised.value.mistakes) == sorted(keys)
    assert {mistake.where for mistake in raised.value.mistakes} <= {"Head", "Column", "Int", "Float", "Choice"}


def test_values_of_numpy_and_pandas_are_plain_values() -> None:
    scalars: list[Any] = [np.int64(8), np.float64(0.5), np.bool_(True), np.str_("relu")]
    assert [(type(value), value) for value in Choice(scalars).choices] == [
        *((int, 8), (float, 0.5), (bool, True), (str, "relu")),
    ]
    several: list[Any] = [np.array([8, 16]), pd.Series([8, 16]), range(8, 17, 8)]
    assert all(Choice(choices) == Choice([8, 16]) for choices in several)
    assert Int(scalars[0], scalars[0]) == Int(8, 8)
    experiment = in_python(space={"trunk.depth": Int(1, 4), "trunk.width": np.int64(16)}, seed=np.int32(3))
    assert experiment == in_python(space={"trunk.depth": Int(1, 4), "trunk.width": 16}, seed=3)


def test_columns_of_a_data_frame_and_arrays_of_names_are_lists() -> None:
    frame = pd.DataFrame({"load": [1.0], "fuel": ["a"], "heat": [2.0]})
    assert in_python(table=frame.columns[:2], heads=np.array(["heat"])) == in_python(table=["load", "fuel"], heads=["heat"])
