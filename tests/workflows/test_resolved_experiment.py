"""What an experiment becomes once its rows are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.config.identity import sweep_key_fields
from branchsweep.config.sections.training import Fit
from branchsweep.config.yaml.recorded import dump_yaml, parse_recorded_experiment
from branchsweep.data.splits import split_rows
from branchsweep.errors import ConfigError
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.search.drivers import open_driver
from branchsweep.workflows.resolved_experiment import resolved_by_split, with_default_trial
from branchsweep.workflows.session import Session, load_table
from branchsweep.workflows.starting_point import budget_for, default_recipe, starting_dimensions, starting_values
from tiny_sweep import TinySweep, tiny_experiment, tiny_table

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


@pytest.mark.parametrize(
    ("space", "epochs"),
    [
        ({"fixed": {"batch_size": 16}}, 50),  # 80 rows to train on: five steps an epoch
        ({"dimensions": {"batch_size": {"type": "choice", "choices": [16, 32]}}}, 84),
        ({"dimensions": {"batch_size": {"type": "int", "low": 16, "high": 64}}}, 125),
        ({}, 250),
    ],
)
def test_steps_are_as_many_epochs_as_have_them_with_the_largest_batches(space: dict[str, Any], epochs: int) -> None:
    experiment = tiny_experiment(fit={"steps": 250, "keep": "last"}, space={"dimensions": {}, **space})
    resolved = experiment.with_epochs(80)
    assert resolved.fit == Fit(epochs=epochs, keep="last")
    assert resolved.phases[-1].epoch == epochs and resolved.with_epochs(40) is resolved


def test_the_record_of_steps_has_the_epochs_that_they_are() -> None:
    by_steps = tiny_experiment(fit={"steps": 12})
    assert parse_recorded_experiment(dump_yaml(by_steps), "unresolved") == by_steps
    dataset = tiny_table()
    split = split_rows(by_steps, dataset)
    resolved = resolved_by_split(by_steps, dataset, split)
    (rows,) = {len(train) for train, _ in split.folds}
    assert rows == split.fewest_trained_on == by_steps.validation.fewest_trained_on(len(split.train)) == 64
    assert sweep_key_fields(resolved) == sweep_key_fields(tiny_experiment(fit={"epochs": 12}))
    assert dump_yaml(resolved) == dump_yaml(tiny_experiment(fit={"epochs": 12}))


def test_a_rung_after_the_last_epoch_is_a_mistake_once_the_epochs_are_known() -> None:
    experiment = tiny_experiment(fit={"steps": 250}, pruning={"rungs": [100, 200]})
    assert experiment.with_epochs(80).fit.epochs == 250
    with pytest.raises(ConfigError) as caught:
        experiment.with_epochs(256)
    assert caught.value.where == "pruning.rungs[1]"


@pytest.mark.parametrize("head", [{"task": "multiclass"}, {}])
def test_weighted_rows_have_heads_of_classes_whether_the_task_is_given_or_inferred(head: dict[str, Any]) -> None:
    table = {"source": "t.csv", "inputs": ["a"], "weight": "w"}
    experiment = tiny_experiment(table=table, heads={"state": head}, space={"dimensions": {}}, search={})
    a, weights = np.random.default_rng(0).random((2, 120))
    frame = pd.DataFrame({"a": a, "w": weights, "state": ["low", "middle", "high"] * 40})
    dataset = load_table(experiment, Session(data=frame))
    assert dataset.classes == {"state": ("high", "low", "middle")}
    np.testing.assert_array_equal(np.asarray(dataset.weights)[:, 0], weights)
