"""What an experiment becomes once its rows are known."""

from __future__ import annotations

import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.config.yaml.recorded import dump_yaml, parse_recorded_experiment
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.search.drivers import open_driver
from branchsweep.workflows.resolved_experiment import with_default_trial
from branchsweep.workflows.starting_point import budget_for, default_recipe, starting_dimensions, starting_values
from tiny_sweep import TinySweep, tiny_experiment

ROWS = 600


def searched(**search: object) -> Experiment:
    return tiny_experiment(search={"driver": "random", "trials": 3, "batch": 2, "default_trial": True, **search})


def test_the_default_trial_is_the_nearest_point_of_the_space_after_the_initial_trials() -> None:
    experiment = with_default_trial(searched(initial_trials={"small": {"trunk.depth": 1}}), ROWS)
    point = {"trunk.depth": 2, "trunk.width": 40, "learning_rate": 5e-3}
    assert experiment.space.contains(point)
    assert list(experiment.search.initial_trials.items()) == [("small", {"trunk.depth": 1}), ("default_trial", point)]
    assert [trial.known for trial in open_driver(experiment).ask(2)] == ["small", "default_trial"]


def test_what_is_recorded_says_the_default_trial_and_asks_for_no_other() -> None:
    experiment = with_default_trial(searched(), ROWS)
    again = parse_recorded_experiment(dump_yaml(experiment), "the record")
    assert again == experiment == with_default_trial(again, 10 * ROWS)


def test_an_experiment_that_does_not_ask_for_it_stays_as_it_is() -> None:
    experiment = tiny_experiment()
    assert with_default_trial(experiment, ROWS) is experiment


@pytest.mark.parametrize("initial", [{"trunk.depth": 2, "trunk.width": 40, "learning_rate": 5e-3}, {"trunk.width": 10}])
def test_it_is_left_out_where_an_initial_trial_is_the_same_point(initial: dict[str, float]) -> None:
    experiment = with_default_trial(searched(initial_trials={"mine": initial}), ROWS)
    assert ("default_trial" in experiment.search.initial_trials) == (len(initial) < 3)


def test_it_is_left_out_where_nothing_is_varied() -> None:
    experiment = searched().model_copy(update={"space": tiny_experiment(space={"dimensions": {}}).space})
    assert not with_default_trial(experiment, ROWS).search.initial_trials


def test_initial_trials_that_fill_the_search_leave_no_room_for_it() -> None:
    initial = {name: {"trunk.depth": depth} for depth, name in enumerate(("one", "two", "three"), start=1)}
    resolved = with_default_trial(searched(initial_trials=initial), ROWS)
    results = TinySweep(resolved).search()
    assert [result.trial.known for result in results] == ["one", "two", "three"]


@pytest.mark.parametrize("rows", [80, 2_000, 20_000])
def test_in_the_starting_space_it_is_the_default_recipe(rows: int) -> None:
    budget, heads = budget_for(rows, test_fraction=0.0), ["PE", "V"]
    space = {"dimensions": starting_dimensions(heads, budget), "fixed": starting_values(heads, budget)}
    experiment = with_default_trial(tiny_experiment(space=space, search={"default_trial": True}), rows)
    (params,) = experiment.search.initial_trials.values()
    assert recipe_for(experiment, params) == Recipe.of(default_recipe(heads, budget), heads)
