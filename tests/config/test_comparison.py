"""Comparisons: what they refuse, what they spell out, and the experiments that their contestants come from."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from branchsweep.config.comparison import ESTIMATORS, Comparison, Estimator, Network, Single
from branchsweep.config.dimensions import Choice
from branchsweep.config.experiment import Experiment
from branchsweep.config.search_space import SearchSpace
from branchsweep.trial import ParamValue

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


def mistakes(**changes: Any) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        make(**changes)
    return [(error["loc"], error["msg"]) for error in caught.value.errors()]


def network(comparison: Comparison, name: str) -> Network | Single:
    one = comparison.contestants[name]
    assert not isinstance(one, Estimator)
    return one


class TestComparison:
    def test_equal_words_are_equal(self) -> None:
        assert make() == make()
        assert make() != make(seed=2)
        assert Comparison.model_validate(make().model_dump()) == make()

    @pytest.mark.parametrize("estimator", ESTIMATORS)
    def test_every_estimator_may_compete(self, estimator: str) -> None:
        contestants = with_contestants(it={"kind": "estimator", "estimator": estimator})
        assert make(contestants=contestants).contestants["it"].kind == "estimator"

    def test_needs_two(self) -> None:
        ((place, _),) = mistakes(contestants={"branched": {"kind": "network"}})
        assert place == ("contestants",)

    def test_tells_every_mistake_with_its_place(self) -> None:
        fewer = {**OTHER, "heads": {"PE": {}}}
        found = mistakes(
            contestants=with_contestants(
                forest={"kind": "estimator", "estimator": "random_forest", "chain": ["V", "V"]},
                single={"kind": "single", "fixed": {"PE.depth": 99}},
                other={"kind": "network", "experiment": fewer},
            ),
            reference="froest",
            transfer={"shared": "single", "single": "branched"},
            sharing={"fixed": {"V.depth": 1, "trunk.width": 0}},
        )
        ours, theirs = "{'PE': 'PE', 'V': 'V'} and inputs ['AT', 'AP', 'RH']", "{'PE': 'PE'} and inputs ['AT', 'AP', 'RH']"
        assert [(place, message) for place, message in found if place[0] == "contestants"] == [
            (("contestants", "forest", "chain"), "got V, V, expected each of the heads PE, V once"),
            (("contestants", "single", "fixed", "PE.depth"), "got 99, expected a whole number from 0 to 16"),
            (
                ("contestants", "other", "experiment"),
                f"got an experiment with heads {theirs}, expected those of the comparison's experiment: heads {ours}",
            ),
        ]
        assert [place for place, _ in found if place[0] != "contestants"] == [
            ("reference",),
            ("transfer", "shared"),
            ("transfer", "single"),
            ("sharing", "fixed", "trunk.width"),
            ("sharing", "fixed", "V.depth"),
        ]

    def test_another_experiment_may_name_columns_as_it_likes(self) -> None:
        """What must agree are the heads with their columns, not units or losses."""
        other = {**OTHER, "heads": {"PE": {"column": "PE", "loss": "mae"}, "V": {}}}
        contestants = make(contestants=with_contestants(other={"kind": "network", "experiment": other})).contestants
        assert list(contestants) == list(DATA["contestants"])
        other = {**OTHER, "heads": {"PE": {"column": "V"}, "V": {"column": "PE"}}}
        ((place, _),) = mistakes(contestants=with_contestants(other={"kind": "network", "experiment": other}))
        assert place == ("contestants", "other", "experiment")

    def test_the_first_contestant_is_the_reference_unless_it_says_otherwise(self) -> None:
        assert make().reference_name == "forest"
        assert make(reference="single").reference_name == "single"

    def test_the_gain_is_that_of_the_first_network_over_the_first_single_unless_it_says_otherwise(self) -> None:
        assert make().transfer_pair == ("branched", "single")
        assert make(transfer={"shared": "other", "single": "separate"}).transfer_pair == ("other", "separate")

    @pytest.mark.parametrize("gone", [("single", "separate"), ("branched", "other")])
    def test_there_is_no_gain_without_both(self, gone: tuple[str, ...]) -> None:
        contestants = {name: one for name, one in DATA["contestants"].items() if name not in gone}
        assert make(contestants=contestants).transfer_pair is None


class TestDerived:
    def test_is_the_comparison_s_experiment_with_its_seed(self) -> None:
        comparison = make()
        derived = comparison.experiment_of(network(comparison, "branched"))
        assert derived == comparison.experiment.model_copy(update={"seed": 9})

    def test_holds_what_is_fixed(self) -> None:
        comparison = make()
        derived = comparison.experiment_of(network(comparison, "single"))
        assert derived == comparison.experiment.with_fixed({"PE.depth": 2}).model_copy(update={"seed": 9})
        assert "PE.depth" not in derived.space.dimensions

    def test_is_the_contestant_s_own_experiment_where_it_names_one(self) -> None:
        comparison = make()
        derived = comparison.experiment_of(network(comparison, "other"))
        assert (derived.name, derived.seed) == ("other", 9)
        assert derived.space.fixed == {"trunk.depth": 3, "activation": "silu"}

    @pytest.mark.parametrize("name", ["branched", "single", "other", "separate"])
    def test_is_a_sound_experiment(self, name: str) -> None:
        comparison = make()
        derived = comparison.experiment_of(network(comparison, name))
        assert Experiment.model_validate(derived.model_dump()) == derived


class TestHolding:
    EXPERIMENT = Experiment.model_validate(EXPERIMENT)

    def test_nothing_is_the_same_experiment(self) -> None:
        assert self.EXPERIMENT.with_fixed({}) == self.EXPERIMENT

    def test_moves_a_dimension_among_the_fixed(self) -> None:
        held = self.EXPERIMENT.with_fixed({"trunk.depth": 1})
        assert list(held.space.dimensions) == ["PE.depth", "PE.width", "V.depth"]
        assert held.space.fixed == {"batch_size": 64, "trunk.depth": 1}

    def test_goes_before_what_was_fixed_and_known(self) -> None:
        held = self.EXPERIMENT.with_fixed({"batch_size": 32, "trunk.depth": 4})
        assert held.space.fixed == {"batch_size": 32, "trunk.depth": 4}
        assert held.search.initial_trials == {"article": {"trunk.depth": 4, "PE.depth": 0}}

    def test_a_met_condition_falls_away_and_the_others_stay(self) -> None:
        held = self.EXPERIMENT.with_fixed({"PE.depth": 2})
        assert held.space.dimensions["PE.width"].when == {"trunk.depth": [1]}
        assert self.EXPERIMENT.with_fixed({"PE.depth": 2, "trunk.depth": 1}).space.dimensions["PE.width"].when is None

    def test_what_is_never_asked_falls_away_and_what_hangs_on_it(self) -> None:
        held = self.EXPERIMENT.with_fixed({"PE.depth": 0})
        assert list(held.space.dimensions) == ["trunk.depth"]

    def test_of_a_conditional_dimension_settles_what_hangs_on_it(self) -> None:
        held = self.EXPERIMENT.with_fixed({"PE.width": 16})
        assert held.space.dimensions["V.depth"].when is None
        assert "V.depth" not in self.EXPERIMENT.with_fixed({"PE.width": 8}).space.dimensions

    @pytest.mark.parametrize(
        "fixed", [{"trunk.depth": 1}, {"trunk.depth": 2}, {"PE.depth": 0}, {"PE.depth": 2}, {"trunk.depth": 1, "PE.depth": 2}]
    )
    def test_has_the_points_of_the_whole_that_agree(self, fixed: dict[str, ParamValue]) -> None:
        held = self.EXPERIMENT.with_fixed(fixed)
        assert Experiment.model_validate(held.model_dump()) == held
        agreeing = [point for point in points(self.EXPERIMENT.space) if fixed.items() <= point.items()]
        assert [fixed | point for point in points(held.space)] == agreeing


def points(space: SearchSpace) -> list[dict[str, ParamValue]]:
    """All of them, one by one."""
    found: list[dict[str, ParamValue]] = [{}]
    for name, dimension in space.dimensions.items():
        values = dimension.choices if isinstance(dimension, Choice) else range(int(dimension.low), int(dimension.high) + 1)
        found = [
            point | more
            for point in found
            for more in ([{name: value} for value in values] if space.is_asked(name, point) else [{}])
        ]
    return found
