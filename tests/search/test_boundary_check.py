"""Best values at a bound of the search space, and the edit that widens it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from branchsweep.config.yaml.loading import load_experiment
from branchsweep.config.yaml.recorded import dump_yaml
from branchsweep.search.boundary_check import boundary_hits
from branchsweep.trial import ParamValue
from contracts.search_spaces import Dimensions, make_experiment

WIDTH: dict[str, Any] = {"type": "choice", "choices": [8, 16, 32, 64, 96, 128], "ordered": True}
RATE: dict[str, Any] = {"type": "float", "low": 5e-4, "high": 5e-2, "log": True}


@pytest.mark.parametrize(
    ("name", "dimension", "value", "end", "edit"),
    [
        ("trunk.width", WIDTH, 128, "high", "{type: choice, choices: [8, 16, 32, 64, 96, 128, 192], ordered: true}"),
        ("trunk.width", WIDTH, 8, "low", "{type: choice, choices: [4, 8, 16, 32, 64, 96, 128], ordered: true}"),
        (
            "V.depth",
            {"type": "choice", "choices": [0, 1, 2], "ordered": True},
            2,
            "high",
            "{type: choice, choices: [0, 1, 2, 3], ordered: true}",
        ),
        ("learning_rate", RATE, 0.0487, "high", "{type: float, low: 0.0005, high: 0.5, log: true}"),
        ("learning_rate", RATE, 5e-4, "low", "{type: float, low: 5e-05, high: 0.05, log: true}"),
        ("trunk.depth", {"type": "int", "low": 1, "high": 4}, 4, "high", "{type: int, low: 1, high: 8}"),
        (
            "branch.width",
            {"type": "int", "low": 16, "high": 64, "step": 8},
            16,
            "low",
            "{type: int, low: 8, high: 64, step: 8}",
        ),
        (
            "momentum",
            {"type": "float", "low": 0.0, "high": 0.3, "step": 0.1},
            0.3,
            "high",
            "{type: float, low: 0.0, high: 0.6, step: 0.1}",
        ),
        ("loss_weight", {"type": "float", "low": 0.3, "high": 3.0}, 0.31234, "low", "{type: float, low: 0.15, high: 3.0}"),
    ],
)
def test_a_value_at_a_bound_is_reported_with_the_edit_that_widens_the_dimension(
    name: str, dimension: dict[str, Any], value: ParamValue, end: str, edit: str
) -> None:
    (hit,) = boundary_hits(make_experiment("random", {name: dimension}), {name: value})
    assert (hit.dimension, hit.value, hit.end, hit.edit) == (name, value, end, f"{name}: {edit}")
    bounds = dimension.get("choices") or [dimension["low"], dimension["high"]]
    assert hit.bound == bounds[-1 if end == "high" else 0]


@pytest.mark.parametrize(
    ("value", "finding"),
    [(0.05, "0.05, the largest it may be"), (0.0487, "0.0487, near the largest it may be (0.05)")],
)
def test_the_sentence_names_value_bound_and_edit(value: float, finding: str) -> None:
    (hit,) = boundary_hits(make_experiment("random", {"learning_rate": RATE}), {"learning_rate": value})
    assert hit.sentence == f"learning_rate is {finding}: widen it, e.g. {hit.edit}"


@pytest.mark.parametrize(
    ("name", "dimension", "value", "wider"),
    [
        ("momentum", {"type": "float", "low": 0.0, "high": 0.9}, 0.9, {"high": 0.999}),
        ("trunk.width", {"type": "int", "low": 8, "high": 600, "log": True}, 600, {"high": 1024}),
        (
            "trunk.width",
            {"type": "choice", "choices": [200, 800, 1000], "ordered": True},
            1000,
            {"choices": [200, 800, 1000, 1024]},
        ),
        ("branch.width", {"type": "int", "low": 8, "high": 1000, "step": 8}, 1000, {"high": 1024}),
    ],
)
def test_the_edit_stays_within_the_bounds_of_the_hyperparameter(
    name: str, dimension: dict[str, Any], value: ParamValue, wider: dict[str, Any]
) -> None:
    (hit,) = boundary_hits(make_experiment("random", {name: dimension}), {name: value})
    assert (hit.dimension, hit.value, hit.end) == (name, value, "high")
    assert hit.wider.model_dump().items() >= wider.items()


@pytest.mark.parametrize(
    ("name", "dimension", "value"),
    [
        ("trunk.depth", {"type": "int", "low": 1, "high": 4}, 1),  # no network has fewer
        ("trunk.depth", {"type": "int", "low": 2, "high": 16}, 16),
        ("PE.depth", {"type": "choice", "choices": [0, 1, 2], "ordered": True}, 0),
        ("branch.width", {"type": "int", "low": 8, "high": 64, "step": 8}, 8),  # a step further is less than one unit
        ("momentum", {"type": "float", "low": 0.0, "high": 0.9}, 0.02),
        ("activation", {"type": "choice", "choices": ["relu", "silu"]}, "silu"),
        ("trunk.width", {"type": "choice", "choices": [8, 16, 32]}, 32),
        ("trunk.width", {"type": "choice", "choices": [32], "ordered": True}, 32),  # not varied
        ("trunk.width", {"type": "int", "low": 32, "high": 32}, 32),
        ("trunk.width", WIDTH, 96),
        ("trunk.width", WIDTH, 1000),  # a known configuration outside the space
        ("learning_rate", RATE, 0.035),
        ("learning_rate", RATE, 7e-4),
        ("epochs", {"type": "int", "low": 1, "high": 40}, 1),  # 0 is not fewer epochs
        ("epochs", {"type": "int", "low": 1, "high": 100}, 100),  # `fit.epochs`, which no trial exceeds
        ("PE.exit", {"type": "int", "low": 1, "high": 4}, 1),  # nor an earlier exit
        ("PE.exit", {"type": "int", "low": 0, "high": 1}, 0),
        ("PE.exit", {"type": "int", "low": 1, "high": 2}, 2),  # the end of a trunk of two layers, the default
    ],
)
def test_values_whose_bound_cannot_be_widened_are_not_reported(name: str, dimension: dict[str, Any], value: ParamValue) -> None:
    assert boundary_hits(make_experiment("random", {name: dimension}), {name: value}) == []


@pytest.mark.parametrize("depth", [{"type": "int", "low": 2, "high": 6}, {"type": "choice", "choices": [6, 2]}])
def test_a_head_may_leave_a_deeper_trunk_later(depth: dict[str, Any]) -> None:
    dimensions: Dimensions = {
        "trunk.depth": depth,
        "PE.exit": {"type": "int", "low": 1, "high": 4},
    }
    (hit,) = boundary_hits(make_experiment("random", dimensions), {"trunk.depth": 5, "PE.exit": 4})  # 5: of an initial trial
    assert hit.edit == "PE.exit: {type: int, low: 1, high: 6}"


def test_hits_are_in_the_order_of_the_space_and_only_of_dimensions_with_a_value() -> None:
    dimensions: Dimensions = {
        "PE.depth": {"type": "int", "low": 0, "high": 3},
        "PE.width": {**WIDTH, "when": {"PE.depth": [1, 2, 3]}},
        "learning_rate": RATE,
    }
    experiment = make_experiment("random", dimensions)
    assert [hit.dimension for hit in boundary_hits(experiment, {"learning_rate": 0.05, "PE.depth": 3, "PE.width": 8})] == [
        *dimensions
    ]
    assert [hit.dimension for hit in boundary_hits(experiment, {"learning_rate": 0.05, "PE.depth": 0})] == ["learning_rate"]


def test_the_edit_is_yaml_that_widens_the_dimension(tmp_path: Path) -> None:
    """It keeps the condition, and gives the wider space."""
    experiment = make_experiment(
        "random",
        {"PE.depth": {"type": "int", "low": 0, "high": 3}, "PE.loss_weight": {**RATE, "when": {"PE.depth": [2, 3]}}},
    )
    (hit,) = boundary_hits(experiment, {"PE.depth": 2, "PE.loss_weight": 5e-4})
    lines = dump_yaml(experiment).splitlines()
    start = lines.index("    PE.loss_weight:")
    end = next(index for index in range(start + 1, len(lines)) if not lines[index].startswith("      "))
    path = tmp_path / "wider.yaml"
    edited = [*lines[:start], "    " + hit.edit, *lines[end:]]
    path.write_text("\n".join(edited), encoding="utf-8")
    wider = load_experiment(path).space.dimensions["PE.loss_weight"]
    assert wider == experiment.space.dimensions["PE.loss_weight"].model_copy(update={"low": 5e-5})
