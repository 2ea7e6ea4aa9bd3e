"""Lanes: the seeds of their initial weights, and their keys."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from branchsweep.data.training_rows import ALL_ROWS
from branchsweep.models.recipe import recipe_for
from branchsweep.training.lanes import (
    WEIGHTS,
    Lane,
    Stage,
    distinct_lanes,
    recipe_digest,
    recipe_lanes,
    refit_lanes,
    search_lanes,
)
from branchsweep.trial import Params, Trial
from tiny_sweep import tiny_experiment

EXPERIMENT = tiny_experiment(seed=5)


def lane_of(
    params: Params, stage: Stage = Stage.CONFIRMATION, fold: int = 0, seed: int = 0, stop: int | None = None, epochs: int = 3
) -> Lane:
    experiment = EXPERIMENT.model_copy(update={"fit": EXPERIMENT.fit.model_copy(update={"epochs": epochs})})
    (lane,) = recipe_lanes(stage, recipe_for(experiment, params), experiment, [(fold, seed)], stop)
    return lane


def test_a_lane_of_the_search_is_seeded_by_the_number_of_its_trial() -> None:
    lanes = search_lanes(Trial(7, {"trunk.depth": 2}), EXPERIMENT)
    assert [lane.weight_seed for lane in lanes] == [(5, WEIGHTS, 7, fold + 1, 0) for fold in range(3)]
    assert [lane.weight_seed for lane in search_lanes(Trial(7, {"trunk.depth": 3}), EXPERIMENT)] == [
        lane.weight_seed for lane in lanes
    ]


def test_after_the_search_a_lane_is_seeded_by_its_recipe() -> None:
    seeds = {
        lane_of({"trunk.depth": depth}, stage, fold, seed).weight_seed
        for depth, stage, fold, seed in product((1, 2), (Stage.CONFIRMATION, Stage.REFIT, Stage.COMPARISON), (0, 1), (0, 1))
    }
    assert len(seeds) == 2 * 3 * 2 * 2
    assert lane_of({"trunk.depth": 2}) == lane_of({"trunk.depth": 2})
    assert lane_of({}).weight_seed == lane_of({"trunk.depth": 2}).weight_seed, "two layers are the default"


def test_a_weight_seed_depends_on_the_planned_epochs_and_not_on_the_stop() -> None:
    assert lane_of({}, epochs=4).weight_seed != lane_of({}, epochs=3).weight_seed
    stopped = lane_of({}, stop=2)
    assert stopped.weight_seed == lane_of({}).weight_seed
    assert stopped.key != lane_of({}).key, "the two may train together"
    assert lane_of({}, stop=9) == lane_of({})


def test_a_refit_has_no_fold() -> None:
    recipe = recipe_for(EXPERIMENT, {})
    lanes = refit_lanes(recipe, EXPERIMENT, range(2), stop=2)
    assert [(lane.key.fold, lane.key.seed, lane.epochs, lane.stop) for lane in lanes] == [
        (ALL_ROWS, 0, 3, 2),
        (ALL_ROWS, 1, 3, 2),
    ]
    assert lanes[0].key.candidate == f"{recipe_digest(recipe, 3).hex()}/2"


def test_equal_lanes_are_merged_and_different_lanes_of_one_key_refused() -> None:
    lane = lane_of({})
    assert distinct_lanes([lane, lane_of({"trunk.depth": 1}), lane]) == [lane, lane_of({"trunk.depth": 1})]
    with pytest.raises(ValueError, match="lanes"):
        distinct_lanes([lane, replace(lane, stop=1)])


def test_a_digest_holds_what_differs_from_the_defaults_and_stays_the_same_in_later_versions() -> None:
    """The literals are those of the first version with such digests: the seeds of what is confirmed derive from them."""
    assert recipe_digest(recipe_for(EXPERIMENT, {}), 3).hex()[:16] == "862d02e5b11f4400"
    assert recipe_digest(recipe_for(EXPERIMENT, {"trunk.depth": 3, "PE.loss_weight": 0.5}), 60).hex()[:16] == "cb0a6b4fedc91ac9"
    assert recipe_digest(recipe_for(EXPERIMENT, {"trunk.depth": 2}), 3) == recipe_digest(recipe_for(EXPERIMENT, {}), 3)


@given(st.floats(1e-4, 1e-1), st.floats(1e-4, 1e-1))
@settings(derandomize=True, deadline=None, max_examples=20)
def test_two_recipes_have_one_digest_only_if_they_are_equal(first: float, second: float) -> None:
    recipes = [recipe_for(EXPERIMENT, {"learning_rate": rate}) for rate in (first, second)]
    assert (recipe_digest(recipes[0], 3) == recipe_digest(recipes[1], 3)) == (recipes[0] == recipes[1])
