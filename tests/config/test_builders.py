"""`space.builder`: names that are the builder's own, and what makes a sweep another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

import branchsweep
from branchsweep.config import builders
from branchsweep.config.identity import sweep_key_fields
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.config.yaml.json_schema import json_schema
from branchsweep.errors import ConfigError
from tiny_sweep import tiny_experiment

SPACE: dict[str, Any] = {
    "builder": "some_networks:build",
    "dimensions": {
        "blocks": {"type": "int", "low": 1, "high": 4},
        "norm": {"type": "choice", "choices": ["batch", "layer"]},
        "learning_rate": {"type": "float", "low": 0.001, "high": 0.01},
    },
}


def with_space(**changes: Any) -> Any:
    search = {"driver": "random", "trials": 4, "initial_trials": {"first": {"blocks": 2, "norm": "layer"}}}
    return tiny_experiment(space={**SPACE, **changes}, search=search)


def some_function() -> None:
    """A function at the top level of a module."""


def test_names_are_the_builders_own_unless_they_are_of_training() -> None:
    heads = ["PE", "V"]
    assert [name for name in ("blocks", "trunk.depth", "PE.width", "activation") if builders.is_own(name, heads)] == [
        *("blocks", "trunk.depth", "PE.width", "activation")
    ]
    assert not any(builders.is_own(name, heads) for name in ("learning_rate", "PE.loss_weight", "input_scaling"))
    experiment = with_space()
    assert experiment.hyperparameter("norm").choices == ("batch", "layer")
    assert experiment.hyperparameter("learning_rate").high == 100


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fixed": {"loss_balancing": "uncertainty"}}, "has no effect"),
        ({"fixed": {"batch_size": 0}}, "expected a whole number from 1"),
        ({"builder": "some_networks.build"}, "expected a module and a function in it"),
        ({"dimensions": {"block": SPACE["dimensions"]["blocks"]}}, "expected a name of the space"),
    ],
)
def test_a_mistake_in_the_space_of_a_builder_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        with_space(**changes)


def test_the_default_trial_is_refused() -> None:
    with pytest.raises(ValueError, match="the default trial is a built-in network"):
        tiny_experiment(space=SPACE, search={"default_trial": True})


def test_other_code_makes_another_sweep_and_no_builder_leaves_the_key_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "some_networks.py"
    keys = []
    for code in ("a = 1\n", "a = 2\n"):
        module.write_text(code, encoding="utf-8")
        keys.append(sweep_key_fields(with_space())["space"])
    assert keys[0]["builder_source"] != keys[1]["builder_source"]
    assert builders.source_fact("some_networks:build") == {"version_builder": keys[1]["builder_source"]}
    assert builders.source_fact(None) == {}
    assert {*sweep_key_fields(tiny_experiment())["space"]} == {"dimensions", "fixed"}


def test_a_function_is_named_by_its_module_in_python_unless_it_is_one_of_a_script() -> None:
    assert SearchSpace(builder=some_function, dimensions={}).builder == f"{__name__}:some_function"
    script: dict[str, Any] = {"__name__": "__main__"}
    exec("def build(): pass", script)  # noqa: S102  # as a script defines it
    for function in (script["build"], lambda: None):
        with pytest.raises(ConfigError, match="cannot import scripts and notebooks"):
            branchsweep.Experiment(
                name="python", table=["a"], heads=["y"], space={"builder": function, "blocks": branchsweep.Int(1, 4)}
            )
    experiment = branchsweep.Experiment(
        name="python", table=["a"], heads=["y"], space={"builder": some_function, "blocks": branchsweep.Int(1, 4)}
    )
    assert f"builder: {__name__}:some_function" in experiment.to_yaml()


def test_the_json_schema_takes_other_names_where_there_is_a_builder() -> None:
    validator = jsonschema.Draft202012Validator(json_schema("experiment"))
    values: dict[str, Any] = {"name": "x", "table": "ccpp", "heads": {"PE": {}}, "space": SPACE}
    values["search"] = {"initial_trials": {"first": {"blocks": 2}}}
    assert validator.is_valid(values)
    without = {key: value for key, value in SPACE.items() if key != "builder"}
    assert not validator.is_valid({**values, "space": without})
    assert not validator.is_valid({**values, "search": {}, "space": without})
