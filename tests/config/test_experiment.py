"""Experiments: validation, defaults, and the experiment of a single head."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from branchsweep.config import experiment_checks
from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import objective_metrics
from branchsweep.config.sections import training
from branchsweep.config.sections.driver_options import DRIVERS
from branchsweep.config.sections.search import Search
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.config.sections.validation import KFold, TestRows
from branchsweep.errors import ConfigError
from branchsweep.models import serving
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.workflows.records.report_tables import leaderboard_table
from message_values import message_values

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


def mistakes(**changes: Any) -> list[tuple[tuple[str | int, ...], list[str]]]:
    """The key of each mistake, and the values that its message names."""
    with pytest.raises(ValidationError) as caught:
        make(**changes)
    return [(error["loc"], message_values(error["msg"])) for error in caught.value.errors()]


class TestExperiment:
    def test_experiments_with_equal_content_are_equal(self) -> None:
        assert make() == make()
        assert make() != make(seed=2)
        assert Experiment.model_validate(make().model_dump()) == make()

    def test_is_frozen(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            make().seed = 3  # type: ignore[misc]  # what is refused

    def test_defaults_are_filled_in(self) -> None:
        experiment = make()
        assert experiment.validation == KFold(method="k_fold", folds=3, seeds=1)
        assert experiment.test == TestRows(fraction=0.2, seed=1)
        assert experiment.algorithm == "tpe"
        assert experiment.promotion is None

    @pytest.mark.parametrize(("epochs", "rungs"), [(200, [16, 32, 80]), (35, [6, 14]), (10, [4]), (8, [3]), (7, []), (1, [])])
    def test_default_rungs_are_at_8_16_and_40_percent_of_the_epochs(self, epochs: int, rungs: list[int]) -> None:
        assert make(fit={"epochs": epochs}).pruning_schedule == training.Pruning(rungs=rungs, keep=0.5)
        assert make(fit={"epochs": epochs}, pruning={"rungs": []}).pruning_schedule.rungs == []

    @pytest.mark.parametrize(
        ("pruning", "location", "values"),
        [
            ({"rungs": [5, 5]}, ("pruning", "rungs"), []),
            ({"rungs": [5, 100]}, ("pruning", "rungs", 1), ["100", "100"]),
            ({"rungs": [5], "keep": 1.0}, ("pruning", "keep"), ["1"]),
            ({"rungs": [5, 9], "folds": [1]}, ("pruning", "folds"), ["1", "2"]),
            ({"rungs": [5, 9], "folds": [2, 1]}, ("pruning", "folds", 1), ["1", "2"]),
            ({"rungs": [5, 9], "folds": [1, 4]}, ("pruning", "folds", 1), ["4", "3"]),
            ({"rungs": [5, 9], "seeds": [1, 2]}, ("pruning", "seeds", 1), ["2", "1"]),
        ],
    )
    def test_rungs_increase_and_end_before_the_last_epoch_and_no_rung_has_fewer_networks_than_the_one_before(
        self, pruning: Any, location: tuple[str | int, ...], values: list[str]
    ) -> None:
        assert mistakes(pruning=pruning) == [(location, values)]

    def test_the_default_column_of_a_head_is_its_name(self) -> None:
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

    def test_params_precede_fixed_values_which_precede_defaults_in_a_recipe(self) -> None:
        experiment = make()
        assert recipe_for(experiment, {}) == Recipe.of(experiment.space.fixed, ["PE", "V"])
        assert recipe_for(experiment, {"PE.loss_weight": 3.0}).loss_weights == {"PE": 3.0, "V": 0.5}
        assert recipe_for(experiment, {}).batch_size == 64
        assert recipe_for(experiment, {}).learning_rate == 1e-3

    @pytest.mark.parametrize("driver", DRIVERS)
    def test_every_driver_accepts_its_algorithms(self, driver: Any) -> None:
        assert make(search={"driver": driver}).algorithm == next(iter(DRIVERS[driver]))
        for algorithm in DRIVERS[driver]:
            assert make(search={"driver": driver, "algorithm": algorithm}).algorithm == algorithm

    def test_every_driver_of_the_schema_has_algorithms(self) -> None:
        assert set(Search.model_json_schema()["properties"]["driver"]["enum"]) == set(DRIVERS)

    def test_every_mistake_is_reported_with_its_key(self) -> None:
        space = {"dimensions": {"trunk.depth": {"type": "int", "low": 0, "high": 40}}, "fixed": {"activation": "rleu"}}
        errors = mistakes(
            heads={"PE": {"column": "AT"}, "mean": {"column": "V"}, "V": {}},
            space=space,
            search={"initial_trials": {"article": {"momentum": 2}}},
            baselines=["linear_regression", "forest"],
        )
        assert errors == [
            (("heads", "PE"), ["'AT'"]),
            (("heads", "mean"), []),
            (("heads", "V"), ["'V'"]),
            (("space", "dimensions", "trunk.depth", "low"), ["0", "1", "16"]),
            (("space", "dimensions", "trunk.depth", "high"), ["40", "1", "16"]),
            (("space", "fixed", "activation"), ["'rleu'", "'relu'"]),
            (("search", "initial_trials", "article", "momentum"), ["2", "0", "0.999"]),
            (("baselines", 1), ["'forest'", "'random_forest'"]),
        ]

    @pytest.mark.parametrize("name", ["trunk", "branch", "learning_rate", "activation", "mean"])
    def test_a_head_named_like_a_hyperparameter_or_a_metric_is_refused(self, name: str) -> None:
        errors = mistakes(heads={name: {}}, space={"dimensions": {}}, search={})
        assert [location for location, _ in errors] == [("heads", name)]

    def test_no_head_takes_the_name_of_the_column_that_warns_beside_predictions(self) -> None:
        """It is the one column of a table with a column per head that is no head's."""
        assert experiment_checks.OUTSIDE_COLUMN == serving.OUTSIDE_COLUMN
        found = mistakes(heads={"outside": {}, "y": {}}, space={"dimensions": {}}, search={})
        assert [path for path, _ in found] == [("heads", "outside")]

    @pytest.mark.parametrize("metric", ["weighted", "score", "r2", "rmse", "mae", "seconds", "trial"])
    def test_a_head_may_be_called_as_what_is_recorded_under_names_of_another_form(self, metric: str) -> None:
        """Metrics of a head are `METRIC/HEAD`, in stores, tables and objectives."""
        experiment = make(heads={metric: {}, "y": {}}, space={"dimensions": {}}, search={})
        names = [*objective_metrics(experiment.score_metrics), *leaderboard_table(experiment, [])[0]]
        assert len(names) - len(set(names)) == len({f"r2/{metric}", "r2/y"})

    @pytest.mark.parametrize(
        ("heads", "wrong"),
        [
            (["inputs"], ["inputs"]),
            (["trunk_1"], ["trunk_1"]),
            (["y", "y_1"], ["y_1"]),
            (["y", "y_2_dropout"], ["y_2_dropout"]),
        ],
    )
    def test_no_head_takes_the_name_of_a_layer_of_the_exported_network(self, heads: list[str], wrong: list[str]) -> None:
        found = mistakes(heads={name: {} for name in heads}, space={"dimensions": {}}, search={})
        assert [path for path, _ in found] == [("heads", name) for name in wrong]
        assert list(make(heads={"y_1": {}, "z": {}}, space={"dimensions": {}}, search={}).heads) == ["y_1", "z"]

    def test_an_algorithm_of_another_driver_is_refused(self) -> None:
        assert mistakes(search={"driver": "random", "algorithm": "tpe"}) == [(("search", "algorithm"), ["'tpe'"])]


class TestForSingleHead:
    def test_it_is_the_experiment_with_one_head(self) -> None:
        single = make().for_single_head("V")
        assert single.name == "plant-V"
        assert list(single.heads) == ["V"]
        assert single.heads["V"] == make().heads["V"]
        assert (
            single.model_copy(update={"name": "plant", "heads": make().heads, "space": make().space, "search": make().search})
            == make()
        )

    def test_hyperparameters_of_other_heads_are_removed(self) -> None:
        single = make().for_single_head("PE")
        assert list(single.space.dimensions) == ["trunk.depth", "PE.depth", "PE.width"]
        assert single.space.fixed == {"batch_size": 64}  # a lone head has nothing to be weighed against
        assert single.search.initial_trials == {"article": {"trunk.depth": 2, "PE.depth": 0}}
        assert single.space.dimensions["PE.width"] == make().space.dimensions["PE.width"]

    def test_conditions_on_other_heads_are_removed(self) -> None:
        assert make().for_single_head("V").space.dimensions["V.depth"].when is None

    def test_it_reads_no_other_head(self) -> None:
        reads = {"type": "choice", "choices": ["trunk", "PE"]}
        exits = {"type": "int", "low": 1, "high": 2, "when": {"V.reads": ["trunk"]}}
        space = {"dimensions": {"V.reads": reads, "V.exit": exits}, "fixed": {"PE.exit": 1}}
        single = make(space=space, search={"initial_trials": {"chain": {"V.reads": "PE"}}}).for_single_head("V")
        assert list(single.space.dimensions) == ["V.exit"] and single.space.dimensions["V.exit"].when is None
        assert (single.space.fixed, single.search.initial_trials) == ({}, {"chain": {}})

    def test_it_is_a_valid_experiment(self) -> None:
        for head in ("PE", "V"):
            single = make().for_single_head(head)
            assert Experiment.model_validate(single.model_dump()) == single

    def test_of_an_experiment_with_one_head_only_the_name_changes(self) -> None:
        once = make().for_single_head("PE")
        assert once.for_single_head("PE") == once.model_copy(update={"name": "plant-PE-PE"})

    def test_an_unknown_head_is_an_error(self) -> None:
        with pytest.raises(ConfigError, match=r"'EP'.*\bPE, V\b.*'PE'"):
            make().for_single_head("EP")


def test_a_space_without_dimensions_is_valid() -> None:
    assert make(space={"dimensions": {}}, search={"trials": 1}).space == SearchSpace(dimensions={})
