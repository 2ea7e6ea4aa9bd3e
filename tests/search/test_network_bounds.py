"""Constraints on the network: trials are drawn within them, and those that no network meets are an error."""

from __future__ import annotations

import numpy as np
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.objective import Objective
from branchsweep.errors import ConfigError
from branchsweep.models.recipe import recipe_for
from branchsweep.search.drivers import open_driver
from branchsweep.search.network_bounds import NetworkBounds
from branchsweep.trial import Params
from contracts.driver import run_driver, trials_of
from contracts.search_spaces import MIXED, SMALL, Dimensions, make_experiment
from tiny_sweep import tiny_experiment


def bounded(driver: str, algorithm: str, *constraints: str, dimensions: Dimensions = MIXED) -> Experiment:
    experiment = make_experiment(driver, dimensions, algorithm=algorithm, initial_trials={"wide": {"trunk.width": 500}})
    return experiment.model_copy(update={"objective": Objective(constraints=list(constraints))})


def parameters(experiment: Experiment, params: Params) -> float:
    return recipe_for(experiment, params).network_metrics(experiment.table.inputs.values())["parameters"]


@pytest.mark.parametrize(
    ("driver", "algorithm"),
    [("random", "random"), ("optuna", "tpe"), ("optuna", "nsga2"), ("optuna", "qmc"), ("keras_tuner", "random")],
)
@pytest.mark.parametrize("most", [500, 1500])
def test_trials_are_drawn_within_the_bounds(driver: str, algorithm: str, most: int) -> None:
    """Initial trials are tried as they are written. A small part of the space has so few parameters."""
    experiment = bounded(driver, algorithm, f"parameters <= {most}")
    results = run_driver(open_driver(experiment), asks=4)
    assert len(results) == 32
    assert parameters(experiment, results[0].trial.params) > most
    assert all(parameters(experiment, result.trial.params) <= most for result in results[1:])
    resumed = open_driver(experiment)
    for result in results[:24]:
        resumed.tell(result)
    assert resumed.ask(8) == trials_of(results[24:])


@pytest.mark.parametrize(("driver", "algorithm"), [("optuna", "grid"), ("optuna", "brute_force"), ("keras_tuner", "grid")])
def test_a_grid_has_the_points_within_the_bounds(driver: str, algorithm: str) -> None:
    unbounded = bounded(driver, algorithm, dimensions=SMALL)
    everything = [result.trial.params for result in run_driver(open_driver(unbounded), asks=4)[1:]]
    most = sorted(parameters(unbounded, params) for params in everything)[len(everything) // 2]
    experiment = bounded(driver, algorithm, f"parameters <= {most}", dimensions=SMALL)
    inside = [result.trial.params for result in run_driver(open_driver(experiment), asks=4)[1:]]
    expected = [params for params in everything if parameters(experiment, params) <= most]
    assert 0 < len(expected) < len(everything)
    asked, recipes = ({repr(recipe_for(experiment, params)) for params in points} for points in (inside, expected))
    assert asked == recipes and len(asked) == len(inside)


def test_a_bound_may_be_that_of_an_initial_trial() -> None:
    experiment = bounded("random", "random", "multiplications <= 0.01 * wide", "size <= 4000")
    inputs = list(experiment.table.inputs.values())
    most = 0.01 * recipe_for(experiment, {"trunk.width": 500}).network_metrics(inputs)["multiplications"]
    for result in run_driver(open_driver(experiment), asks=2)[1:]:
        metrics = recipe_for(experiment, result.trial.params).network_metrics(inputs)
        assert metrics["multiplications"] <= most and metrics["size"] <= 4000
        assert metrics["size"] == 4 * metrics["parameters"]


def test_bounds_that_no_network_of_the_space_meets_are_an_error() -> None:
    experiment = bounded("random", "random", "r2/PE >= 0.5", "parameters <= 20")
    with pytest.raises(ConfigError) as caught:
        open_driver(experiment)
    assert caught.value.where == "objective.constraints[1]"
    smallest: Params = {"trunk.depth": 1, "trunk.width": 8, "PE.depth": 0, "branch.width": 8, "optimizer": "adam"}
    assert f"{parameters(experiment, smallest):,.0f}" in caught.value.message


def test_what_random_points_miss_is_made_smaller() -> None:
    """Of a space of wide networks one in many thousands is small."""
    dimensions: Dimensions = {
        **MIXED,
        **{f"{part}.width": {"type": "int", "low": 1, "high": 1024} for part in ("trunk", "PE", "V")},
    }
    experiment = make_experiment("random", dimensions)
    experiment = experiment.model_copy(update={"objective": Objective(constraints=["parameters <= 60"])})
    bounds = NetworkBounds(experiment)
    point = next(bounds.within([], np.random.default_rng(1)))
    assert bounds.allows(point) and experiment.space.contains(point)
    assert len({repr(result.trial.params) for result in run_driver(open_driver(experiment), asks=1)}) == 8


def test_networks_of_the_users_own_are_drawn_within_the_bounds() -> None:
    experiment = tiny_experiment(
        space={"builder": "built_networks:residual", "dimensions": {"units": {"type": "int", "low": 1, "high": 64}}},
        search={"driver": "random", "batch": 8},
        objective={"constraints": ["parameters <= 100"]},
    )
    drawn = [result.trial.params for result in run_driver(open_driver(experiment), asks=1)]
    assert drawn and max(parameters(experiment, params) for params in drawn) <= 100
    assert set(recipe_for(experiment, drawn[0]).network_metrics(experiment.table.inputs.values())) == {"parameters", "size"}


@pytest.mark.parametrize(("most", "is_met"), [(60, True), (5, False)])
def test_values_for_which_a_function_fails_make_no_small_network(most: int, is_met: bool) -> None:
    """The function fails for 13 units, the largest of this space."""
    bounds = NetworkBounds(
        tiny_experiment(
            space={"builder": "built_networks:residual", "dimensions": {"units": {"type": "int", "low": 1, "high": 13}}},
            search={"driver": "random"},
            objective={"constraints": [f"parameters <= {most}"]},
        )
    )
    assert not bounds.allows({"units": 13}) and bounds.allows({"units": 1}) == is_met
    if is_met:
        bounds.check()
    else:
        with pytest.raises(ConfigError, match="the smallest network"):
            bounds.check()
