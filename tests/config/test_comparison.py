"""Comparisons: validation, defaults, and the experiments of contestants."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import ValidationError

from branchsweep.config.comparison import Comparison, Estimator, Network, Single
from branchsweep.config.estimator_names import ESTIMATORS
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.dimensions import Choice
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.trial import ParamValue
from message_values import message_values

EXPERIMENT: dict[str, Any] = {
    "name": "plant",
    "seed": 5,
    "table": {"source": "ccpp", "inputs": ["AT", "AP", "RH"]},
    "heads": {"PE": {"unit": "MW"}, "V": {"unit": "cm Hg"}},
    "space": {
        "dimensions": {
            "trunk.depth": {"type": "int", "low": 1, "high": 4},
            "PE.depth": {"type": "int", "low": 0, "high": 3},
            "PE.width": {"type": "choice", "choices": [8, 16], "when": {"PE.depth": [1, 2, 3], "trunk.depth": [1]}},
            "V.depth": {"type": "int", "low": 0, "high": 3, "when": {"PE.width": [16]}},
        },
        "fixed": {"batch_size": 64},
    },
    "search": {"trials": 8, "initial_trials": {"article": {"trunk.depth": 2, "PE.depth": 0}}},
}

OTHER = {**EXPERIMENT, "name": "other", "space": {"dimensions": {}, "fixed": {"trunk.depth": 3}}, "search": {}}

DATA: dict[str, Any] = {
    "name": "contest",
    "seed": 9,
    "experiment": EXPERIMENT,
    "contestants": {
        "forest": {"kind": "estimator", "estimator": "random_forest", "chain": ["V", "PE"]},
        "branched": {"kind": "network"},
        "single": {"kind": "single", "fixed": {"PE.depth": 2}},
        "other": {"kind": "network", "experiment": OTHER, "fixed": {"activation": "silu"}},
        "separate": {"kind": "single"},
    },
}


def make(**changes: Any) -> Comparison:
    return Comparison.model_validate({**DATA, **changes})


def with_contestants(**more: Any) -> dict[str, Any]:
    return {**DATA["contestants"], **more}


BUILT = {
    **EXPERIMENT,
    "space": {"builder": "networks:build", "dimensions": {"blocks": {"type": "int", "low": 1, "high": 4}}},
    "search": {},
}


def test_contestants_have_the_networks_of_a_builder_and_fix_its_hyperparameters() -> None:
    contestants = {
        "branched": {"kind": "network"},
        "one": {"kind": "network", "fixed": {"blocks": 1}},
        "single": {"kind": "single"},
    }
    comparison = make(experiment=BUILT, contestants=contestants)
    derived = [
        comparison.experiment,
        comparison.experiment.with_fixed({"blocks": 1}),
        comparison.experiment.for_single_head("V"),
    ]
    assert [experiment.space.builder for experiment in derived] == ["networks:build"] * 3
    assert derived[1].space.fixed == {"blocks": 1}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        (
            {"contestants": {"one": {"kind": "network", "fixed": {"trunk.depth": 1}}, "two": {"kind": "single"}}},
            ("contestants", "one", "fixed", "trunk.depth"),
        ),
        ({"contestants": {"one": {"kind": "network"}, "two": {"kind": "single"}}, "sharing": {"layers": 2}}, ("sharing",)),
    ],
)
def test_what_networks_of_a_builder_do_not_have_is_no_part_of_their_comparison(changes: Any, path: Any) -> None:
    assert [found for found, _ in mistakes(experiment=BUILT, **changes)] == [path]


def mistakes(**changes: Any) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        make(**changes)
    return [(error["loc"], error["msg"]) for error in caught.value.errors()]


def network(comparison: Comparison, name: str) -> Network | Single:
    contestant = comparison.contestants[name]
    assert not isinstance(contestant, Estimator)
    return contestant


class TestComparison:
    def test_comparisons_with_equal_content_are_equal(self) -> None:
        assert make() == make()
        assert make() != make(seed=2)
        assert Comparison.model_validate(make().model_dump()) == make()

    @pytest.mark.parametrize("estimator", ESTIMATORS)
    def test_every_estimator_may_compete(self, estimator: str) -> None:
        contestants = with_contestants(added={"kind": "estimator", "estimator": estimator})
        assert make(contestants=contestants).contestants["added"].kind == "estimator"

    def test_one_contestant_is_refused(self) -> None:
        ((location, _),) = mistakes(contestants={"branched": {"kind": "network"}})
        assert location == ("contestants",)

    def test_every_mistake_is_reported_with_its_key(self) -> None:
        fewer = {**OTHER, "heads": {"PE": {}}}
        errors = mistakes(
            contestants=with_contestants(
                forest={"kind": "estimator", "estimator": "random_forest", "chain": ["V", "V"]},
                single={"kind": "single", "fixed": {"PE.depth": 99}},
                other={"kind": "network", "experiment": fewer},
            ),
            reference="froest",
            transfer={"shared": "single", "single": "branched"},
            sharing={"fixed": {"V.depth": 1, "trunk.width": 0, "PE.exit": 1, "V.reads": "PE"}},
        )
        assert [location for location, _ in errors] == [
            ("contestants", "forest", "chain"),
            ("contestants", "single", "fixed", "PE.depth"),
            ("contestants", "other", "experiment"),
            ("reference",),
            ("transfer", "shared"),
            ("transfer", "single"),
            ("sharing", "fixed", "trunk.width"),
            ("sharing", "fixed", "V.depth"),
            ("sharing", "fixed", "PE.exit"),
            ("sharing", "fixed", "V.reads"),
        ]
        messages = dict(errors)
        assert "V, V" in messages["contestants", "forest", "chain"]
        assert message_values(messages["contestants", "single", "fixed", "PE.depth"]) == ["99", "0", "16"]
        assert re.findall(r"\{.*?\}", messages["contestants", "other", "experiment"]) == [
            "{'PE': 'PE'}",
            "{'PE': 'PE', 'V': 'V'}",
        ]

    def test_experiments_of_contestants_need_the_same_heads_and_columns_only(self) -> None:
        """The heads and their columns must be equal, not units or losses."""
        other = {**OTHER, "heads": {"PE": {"column": "PE", "loss": "mae"}, "V": {}}}
        contestants = make(contestants=with_contestants(other={"kind": "network", "experiment": other})).contestants
        assert list(contestants) == list(DATA["contestants"])
        other = {**OTHER, "heads": {"PE": {"column": "V"}, "V": {"column": "PE"}}}
        ((location, _),) = mistakes(contestants=with_contestants(other={"kind": "network", "experiment": other}))
        assert location == ("contestants", "other", "experiment")

    def test_the_first_contestant_is_the_default_reference(self) -> None:
        assert make().reference_name == "forest"
        assert make(reference="single").reference_name == "single"

    def test_the_default_transfer_pair_is_the_first_network_and_the_first_single(self) -> None:
        assert make().transfer_pair == ("branched", "single")
        assert make(transfer={"shared": "other", "single": "separate"}).transfer_pair == ("other", "separate")

    @pytest.mark.parametrize("removed", [("single", "separate"), ("branched", "other")])
    def test_there_is_no_transfer_pair_without_a_network_and_a_single(self, removed: tuple[str, ...]) -> None:
        contestants = {name: contestant for name, contestant in DATA["contestants"].items() if name not in removed}
        assert make(contestants=contestants).transfer_pair is None


class TestExperimentOfAContestant:
    def test_it_is_the_comparisons_experiment_with_the_comparisons_seed(self) -> None:
        comparison = make()
        derived = comparison.experiment_of(network(comparison, "branched"))
        assert derived == comparison.experiment.model_copy(update={"seed": 9})

    def test_it_has_the_contestants_fixed_values(self) -> None:
        comparison = make()
        derived = comparison.experiment_of(network(comparison, "single"))
        assert derived == comparison.experiment.with_fixed({"PE.depth": 2}).model_copy(update={"seed": 9})
        assert "PE.depth" not in derived.space.dimensions

    def test_it_is_the_contestants_own_experiment_if_there_is_one(self) -> None:
        comparison = make()
        derived = comparison.experiment_of(network(comparison, "other"))
        assert (derived.name, derived.seed) == ("other", 9)
        assert derived.space.fixed == {"trunk.depth": 3, "activation": "silu"}

    @pytest.mark.parametrize("name", ["branched", "single", "other", "separate"])
    def test_it_is_a_valid_experiment(self, name: str) -> None:
        comparison = make()
        derived = comparison.experiment_of(network(comparison, name))
        assert Experiment.model_validate(derived.model_dump()) == derived


class TestWithFixed:
    EXPERIMENT = Experiment.model_validate(EXPERIMENT)

    def test_fixing_nothing_changes_nothing(self) -> None:
        assert self.EXPERIMENT.with_fixed({}) == self.EXPERIMENT

    def test_a_fixed_dimension_moves_to_the_fixed_values(self) -> None:
        fixed_experiment = self.EXPERIMENT.with_fixed({"trunk.depth": 1})
        assert list(fixed_experiment.space.dimensions) == ["PE.depth", "PE.width", "V.depth"]
        assert fixed_experiment.space.fixed == {"batch_size": 64, "trunk.depth": 1}

    def test_fixed_values_override_those_of_the_space_and_of_initial_trials(self) -> None:
        fixed_experiment = self.EXPERIMENT.with_fixed({"batch_size": 32, "trunk.depth": 4})
        assert fixed_experiment.space.fixed == {"batch_size": 32, "trunk.depth": 4}
        assert fixed_experiment.search.initial_trials == {"article": {"trunk.depth": 4, "PE.depth": 0}}

    def test_satisfied_conditions_are_removed_and_others_are_kept(self) -> None:
        fixed_experiment = self.EXPERIMENT.with_fixed({"PE.depth": 2})
        assert fixed_experiment.space.dimensions["PE.width"].when == {"trunk.depth": [1]}
        assert self.EXPERIMENT.with_fixed({"PE.depth": 2, "trunk.depth": 1}).space.dimensions["PE.width"].when is None

    def test_dimensions_that_are_never_sampled_are_removed_with_those_that_depend_on_them(self) -> None:
        fixed_experiment = self.EXPERIMENT.with_fixed({"PE.depth": 0})
        assert list(fixed_experiment.space.dimensions) == ["trunk.depth"]

    def test_fixing_a_conditional_dimension_decides_the_conditions_on_it(self) -> None:
        fixed_experiment = self.EXPERIMENT.with_fixed({"PE.width": 16})
        assert fixed_experiment.space.dimensions["V.depth"].when is None
        assert "V.depth" not in self.EXPERIMENT.with_fixed({"PE.width": 8}).space.dimensions

    @pytest.mark.parametrize(
        "fixed", [{"trunk.depth": 1}, {"trunk.depth": 2}, {"PE.depth": 0}, {"PE.depth": 2}, {"trunk.depth": 1, "PE.depth": 2}]
    )
    def test_its_points_are_those_of_the_whole_space_with_the_fixed_values(self, fixed: dict[str, ParamValue]) -> None:
        fixed_experiment = self.EXPERIMENT.with_fixed(fixed)
        assert Experiment.model_validate(fixed_experiment.model_dump()) == fixed_experiment
        agreeing = [point for point in points(self.EXPERIMENT.space) if fixed.items() <= point.items()]
        assert [fixed | point for point in points(fixed_experiment.space)] == agreeing


def points(space: SearchSpace) -> list[dict[str, ParamValue]]:
    """All points of a discrete space."""
    all_points: list[dict[str, ParamValue]] = [{}]
    for name, dimension in space.dimensions.items():
        values = dimension.choices if isinstance(dimension, Choice) else range(int(dimension.low), int(dimension.high) + 1)
        all_points = [
            point | more
            for point in all_points
            for more in ([{name: value} for value in values] if space.is_asked(name, point) else [{}])
        ]
    return all_points
