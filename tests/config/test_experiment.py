"""The experiment: what it refuses, what it spells out, and the single-output baseline it derives."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from branchsweep.config import training
from branchsweep.config.experiment import Experiment
from branchsweep.config.search import DRIVERS, Search
from branchsweep.config.search_space import SearchSpace
from branchsweep.config.validation import KFold, TestRows
from branchsweep.errors import ConfigError
from branchsweep.models.recipe import Recipe, recipe_for

DATA: dict[str, Any] = {
    "name": "plant",
    "table": {"source": "ccpp", "inputs": ["AT", "AP", "RH"]},
    "heads": {"PE": {"unit": "MW"}, "V": {"unit": "cm Hg", "loss": "mae"}},
    "space": {
        "dimensions": {
            "trunk.depth": {"type": "int", "low": 1, "high": 4},
            "PE.depth": {"type": "int", "low": 0, "high": 3},
            "PE.width": {"type": "choice", "choices": [8, 16], "when": {"PE.depth": [1, 2, 3], "trunk.depth": [1]}},
            "V.depth": {"type": "int", "low": 0, "high": 3, "when": {"PE.depth": [0]}},
        },
        "fixed": {"batch_size": 64, "V.loss_weight": 0.5, "PE.loss_weight": 2.0},
    },
    "search": {"trials": 8, "initial_trials": {"article": {"trunk.depth": 2, "PE.depth": 0, "V.depth": 1}}},
}


def make(**changes: Any) -> Experiment:
    return Experiment.model_validate({**DATA, **changes})


def mistakes(**changes: Any) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        make(**changes)
    return [(error["loc"], error["msg"]) for error in caught.value.errors()]


class TestExperiment:
    def test_equal_words_are_equal(self) -> None:
        assert make() == make()
        assert make() != make(seed=2)
        assert Experiment.model_validate(make().model_dump()) == make()

    def test_is_frozen(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            make().seed = 3  # type: ignore[misc]  # what is refused

    def test_spells_out_the_defaults(self) -> None:
        experiment = make()
        assert experiment.validation == KFold(method="k_fold", folds=3, seeds=1)
        assert experiment.test == TestRows(fraction=0.2, seed=1)
        assert experiment.algorithm == "tpe"
        assert experiment.promotion is None

    @pytest.mark.parametrize(("epochs", "rungs"), [(200, [16, 32, 80]), (35, [6, 14]), (10, [4]), (8, [3]), (7, []), (1, [])])
    def test_rungs_stand_at_two_four_and_ten_of_twenty_five_parts_unless_it_says_otherwise(
        self, epochs: int, rungs: list[int]
    ) -> None:
        assert make(fit={"epochs": epochs}).pruning_schedule == training.Pruning(rungs=rungs, keep=0.5)
        assert make(fit={"epochs": epochs}, pruning={"rungs": []}).pruning_schedule.rungs == []

    @pytest.mark.parametrize(
        ("pruning", "where", "what"),
        [
            ({"rungs": [5, 5]}, ("pruning", "rungs"), "rungs must increase"),
            ({"rungs": [5, 100]}, ("pruning", "rungs", 1), "got 100, expected fewer epochs than a trial has (fit.epochs 100)"),
            ({"rungs": [5], "keep": 1.0}, ("pruning", "keep"), "Input should be less than 1"),
        ],
    )
    def test_rungs_rise_and_end_before_the_training(self, pruning: Any, where: tuple[str | int, ...], what: str) -> None:
        ((place, message),) = mistakes(pruning=pruning)
        assert place == where
        assert what in message

    def test_a_head_s_column_is_its_name_unless_it_has_another(self) -> None:
        assert make(heads={"PE": {}, "vacuum": {"column": "V"}}, space={"dimensions": {}}, search={}).columns == {
            "PE": "PE",
            "vacuum": "V",
        }

    @pytest.mark.parametrize(
        ("validation", "lanes"),
        [
            ({"method": "k_fold"}, 3),
            ({"method": "k_fold", "folds": 5, "seeds": 2}, 10),
            ({"method": "hold_out"}, 1),
            ({"method": "hold_out", "seeds": 4}, 4),
        ],
    )
    def test_lanes_are_folds_times_seeds(self, validation: dict[str, Any], lanes: int) -> None:
        assert make(validation=validation).lanes_per_trial == lanes

    def test_a_recipe_is_the_params_over_what_is_fixed_over_the_defaults(self) -> None:
        experiment = make()
        assert recipe_for(experiment, {}) == Recipe.of(experiment.space.fixed, ["PE", "V"])
        assert recipe_for(experiment, {"PE.loss_weight": 3.0}).loss_weights == {"PE": 3.0, "V": 0.5}
        assert recipe_for(experiment, {}).batch_size == 64
        assert recipe_for(experiment, {}).learning_rate == 1e-3

    @pytest.mark.parametrize("driver", DRIVERS)
    def test_every_driver_may_be_named_with_its_algorithms(self, driver: Any) -> None:
        assert make(search={"driver": driver}).algorithm == next(iter(DRIVERS[driver]))
        for algorithm in DRIVERS[driver]:
            assert make(search={"driver": driver, "algorithm": algorithm}).algorithm == algorithm

    def test_every_driver_that_may_be_named_has_algorithms(self) -> None:
        assert set(Search.model_json_schema()["properties"]["driver"]["enum"]) == set(DRIVERS)

    def test_tells_every_mistake_with_its_place(self) -> None:
        space = {"dimensions": {"trunk.depth": {"type": "int", "low": 0, "high": 40}}, "fixed": {"activation": "rleu"}}
        found = mistakes(
            heads={"PE": {"column": "AT"}, "mean": {"column": "V"}, "V": {}},
            space=space,
            search={"initial_trials": {"article": {"momentum": 2}}},
            baselines=["linear_regression", "forest"],
        )
        assert found == [
            (("heads", "PE"), "column 'AT' is an input; a network may not read what it predicts"),
            (("heads", "mean"), "the name is taken by a hyperparameter or a metric; choose another (and give its column)"),
            (("heads", "V"), "column 'V' is already the target of mean"),
            (("space", "dimensions", "trunk.depth", "low"), "got 0, expected a whole number from 1 to 16"),
            (("space", "dimensions", "trunk.depth", "high"), "got 40, expected a whole number from 1 to 16"),
            (("space", "fixed", "activation"), "got 'rleu', expected one of relu, silu, tanh, gelu; did you mean 'relu'?"),
            (("search", "initial_trials", "article", "momentum"), "got 2, expected a number from 0 to 0.999"),
            (("baselines", 1), "got 'forest', expected one of linear_regression, or a path to an experiment (.yaml)"),
        ]

    @pytest.mark.parametrize("name", ["trunk", "branch", "learning_rate", "activation", "mean"])
    def test_no_head_takes_the_name_of_a_hyperparameter_or_of_a_metric(self, name: str) -> None:
        found = mistakes(heads={name: {}}, space={"dimensions": {}}, search={})
        assert [place for place, _ in found] == [("heads", name)]

    def test_an_algorithm_belongs_to_its_driver(self) -> None:
        assert mistakes(search={"driver": "random", "algorithm": "tpe"}) == [
            (("search", "algorithm"), "got 'tpe', expected an algorithm of random (random)")
        ]


class TestSingle:
    def test_is_the_experiment_with_one_head(self) -> None:
        single = make().for_single_head("V")
        assert single.name == "plant-V"
        assert list(single.heads) == ["V"]
        assert single.heads["V"] == make().heads["V"]
        assert (
            single.model_copy(update={"name": "plant", "heads": make().heads, "space": make().space, "search": make().search})
            == make()
        )

    def test_what_names_other_heads_falls_away(self) -> None:
        single = make().for_single_head("PE")
        assert list(single.space.dimensions) == ["trunk.depth", "PE.depth", "PE.width"]
        assert single.space.fixed == {"batch_size": 64}  # a lone head has nothing to be weighed against
        assert single.search.initial_trials == {"article": {"trunk.depth": 2, "PE.depth": 0}}
        assert single.space.dimensions["PE.width"] == make().space.dimensions["PE.width"]

    def test_conditions_on_other_heads_fall_away(self) -> None:
        assert make().for_single_head("V").space.dimensions["V.depth"].when is None

    def test_is_a_sound_experiment(self) -> None:
        for head in ("PE", "V"):
            single = make().for_single_head(head)
            assert Experiment.model_validate(single.model_dump()) == single

    def test_of_one_head_is_the_same_but_for_its_name(self) -> None:
        once = make().for_single_head("PE")
        assert once.for_single_head("PE") == once.model_copy(update={"name": "plant-PE-PE"})

    def test_of_no_head(self) -> None:
        with pytest.raises(ConfigError, match=r"^got head 'EP', expected one of PE, V; did you mean 'PE'\?$"):
            make().for_single_head("EP")


def test_a_space_need_not_vary_anything() -> None:
    assert make(space={"dimensions": {}}, search={"trials": 1}).space == SearchSpace(dimensions={})
