"""An experiment in Python: the same values as in YAML, with shorthands, and the same messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from branchsweep import Choice, Column, Comparison, Experiment, Float, Head, Int
from branchsweep.config.identity import sweep_key_fields
from branchsweep.errors import ConfigError

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
    with pytest.raises(ValidationError):
        Int(4, 1)
