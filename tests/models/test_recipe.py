"""Hyperparameters, and the recipes that params stand for."""

from __future__ import annotations

import math
from typing import Any

import pytest

from branchsweep.config.codec import from_data, to_data
from branchsweep.config.hyperparameters import (
    HYPERPARAMETERS,
    Binding,
    check_value,
    find_hyperparameter,
    hyperparameter_names,
    value_problem,
)
from branchsweep.errors import ConfigError
from branchsweep.models.architecture import Architecture
from branchsweep.models.recipe import Recipe
from branchsweep.trial import Params, ParamValue

HEADS = ["PE", "V"]

ARTICLE: Params = {"trunk.depth": 2, "trunk.width": 10, "PE.depth": 0, "V.depth": 1, "V.width": 10}


class TestHyperparameters:
    @pytest.mark.parametrize("hyperparameter", HYPERPARAMETERS.values(), ids=lambda hyperparameter: hyperparameter.name)
    def test_defaults_are_accepted(self, hyperparameter: Any) -> None:
        assert hyperparameter.accepts(hyperparameter.default)
        assert hyperparameter.meaning

    @pytest.mark.parametrize("hyperparameter", HYPERPARAMETERS.values(), ids=lambda hyperparameter: hyperparameter.name)
    def test_the_expected_values_name_the_bounds_or_choices(self, hyperparameter: Any) -> None:
        expected = hyperparameter.expected
        bounds = hyperparameter.choices or [f"{hyperparameter.low:g}", f"{hyperparameter.high:g}"]
        assert all(bound in expected for bound in bounds)

    def test_static_hyperparameters_are_those_that_shape_a_program(self) -> None:
        static = {name for name, hyperparameter in HYPERPARAMETERS.items() if hyperparameter.binding is Binding.STATIC}
        encoded = {"bins", "one_hot_limit", "hash_columns"}
        assert static == encoded | {"trunk.width", "trunk.taper", "branch.width", "branch.taper", "optimizer", "batch_size"}

    def test_names_include_those_of_each_head(self) -> None:
        for_all = [name for name in HYPERPARAMETERS if name != "branch.reads"]
        assert hyperparameter_names(["PE"]) == [
            *for_all,
            "PE.depth",
            "PE.width",
            "PE.taper",
            "PE.layer",
            "PE.exit",
            "PE.reads",
            "PE.dropout",
            "PE.loss_weight",
        ]
        assert hyperparameter_names([]) == for_all

    def test_a_head_can_read_those_before_it(self) -> None:
        heads = ["PE", "V", "Q"]
        found = {head: find_hyperparameter(f"{head}.reads", heads) for head in heads}
        assert {head: list(reads.choices) for head, reads in found.items() if reads} == {
            "PE": ["trunk"],
            "V": ["trunk", "PE"],
            "Q": ["trunk", "PE", "V"],
        }
        assert find_hyperparameter("branch.reads", heads) is None, "it names one head, so all heads cannot have it"

    @pytest.mark.parametrize(
        ("name", "hyperparameter"),
        [
            ("trunk.depth", "trunk.depth"),
            ("branch.depth", "branch.depth"),
            ("PE.depth", "branch.depth"),
            ("PE.taper", "branch.taper"),
            ("V.loss_weight", "loss_weight"),
            ("V.exit", "branch.exit"),
            ("branch.exit", "branch.exit"),
            ("PE.activation", None),
            ("RH.depth", None),
            ("depth", None),
            ("", None),
        ],
    )
    def test_a_name_is_found_for_all_heads_and_for_each(self, name: str, hyperparameter: str | None) -> None:
        assert find_hyperparameter(name, HEADS) is (HYPERPARAMETERS[hyperparameter] if hyperparameter else None)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("trunk.depth", 1),
            ("trunk.depth", 16),
            ("PE.depth", 0),
            ("learning_rate", 1),
            ("learning_rate", 1e-12),
            ("momentum", 0.999),
            ("activation", "gelu"),
            ("V.reads", "PE"),
            ("PE.reads", "trunk"),
            ("branch.exit", 0),
            ("V.exit", 16),
        ],
    )
    def test_valid_values_are_accepted(self, name: str, value: ParamValue) -> None:
        assert value_problem(name, value, HEADS) == ""
        check_value(name, value, HEADS)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("trunk.depth", 0),
            ("trunk.depth", 17),
            ("trunk.depth", 2.0),
            ("trunk.depth", True),
            ("V.depth", "2"),
            ("trunk.taper", 0.0),
            ("PE.taper", 2.5),
            ("momentum", 1.0),
            ("weight_decay", math.nan),
            ("loss_weight", math.inf),
            ("activation", "rleu"),
            ("activation", 3),
            ("V.reads", "V"),
            ("PE.reads", "V"),
            ("V.reads", 1),
            ("PE.exit", -1),
            ("PE.exit", 17),
        ],
    )
    def test_invalid_values_are_refused_with_the_expected_ones(self, name: str, value: ParamValue) -> None:
        problem, hyperparameter = value_problem(name, value, HEADS), find_hyperparameter(name, HEADS)
        assert hyperparameter is not None
        assert repr(value) in problem and hyperparameter.expected in problem
        assert ("'relu'" in problem) == (value == "rleu"), "the nearest choice"
        with pytest.raises(ConfigError) as caught:
            check_value(name, value, HEADS)
        assert (caught.value.where, caught.value.message) == (name, problem)

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("trunk.depth", "a whole number from 1 to 16"),
            ("trunk.taper", "a number from 0.25 to 2"),
            ("activation", "one of relu, silu, tanh, gelu, mish, leaky_relu"),
        ],
    )
    def test_the_expected_values_are_described_in_words(self, name: str, expected: str) -> None:
        assert HYPERPARAMETERS[name].expected == expected

    @pytest.mark.parametrize(
        ("name", "suggested"),
        [
            ("dropout", ["trunk.dropout", "branch.dropout"]),
            ("exit", ["branch.exit"]),
            ("ema", ["ema_momentum"]),
            ("beta2", ["beta_2"]),
        ],
    )
    def test_a_part_of_a_name_suggests_the_names_that_have_it(self, name: str, suggested: list[str]) -> None:
        with pytest.raises(ConfigError, match=f"did you mean {' or '.join(map(repr, suggested))}") as caught:
            Recipe.of({name: 1}, HEADS)
        assert caught.value.where == name

    def test_an_unknown_name_is_refused_with_a_suggestion(self) -> None:
        with pytest.raises(ConfigError, match=r"'PE\.dpeth'.*'PE\.depth'"):
            Recipe.of({"PE.dpeth": 1}, HEADS)


class TestRecipe:
    def test_a_branch_without_layers_has_no_dropout(self) -> None:
        """So that networks that are the same are one trial."""
        without, with_dropout = (Recipe.of({"PE.depth": 0, "PE.dropout": rate}, HEADS) for rate in (0.0, 0.4))
        assert without == with_dropout

    def test_a_recipe_without_params_has_the_defaults(self) -> None:
        recipe = Recipe.of({}, HEADS)
        assert recipe == Recipe(
            architecture=Architecture(trunk=(10, 10), branches={"PE": (10,), "V": (10,)}, activation="relu"),
            loss_weights={"PE": 1.0, "V": 1.0},
            loss_balancing="static",
            optimizer="adam",
            learning_rate=1e-3,
            learning_rate_schedule="constant",
            momentum=0.0,
            weight_decay=0.0,
            batch_size=128,
            input_scaling="standard",
            target_scaling="standard",
            epochs=0,
        )

    def test_every_hyperparameter_changes_the_recipe(self) -> None:
        other: dict[str, ParamValue] = {
            "optimizer": "sgd",  # which has momentum
            "branch.depth": 2,  # one layer does not taper
            "input_scaling": "piecewise_linear",  # which has bins
        }
        for name, hyperparameter in HYPERPARAMETERS.items():
            if hyperparameter.names_heads:
                continue  # one head's: see below
            if name == "branch.exit":
                value: ParamValue = 1
                other["V.exit"] = 2  # else no head would read the second layer
            elif hyperparameter.choices:
                value = (
                    hyperparameter.choices[-1]
                    if hyperparameter.choices[-1] != hyperparameter.default
                    else hyperparameter.choices[0]
                )
            else:
                value = 3 if isinstance(hyperparameter.default, int) else 0.5
            of_adam = {"optimizer": "adam"} if name == "beta_2" else {}
            params = other | of_adam
            assert Recipe.of(params, HEADS) != Recipe.of({**params, name: value}, HEADS) or name == "optimizer", name

    def test_a_value_of_a_head_overrides_that_of_all_heads(self) -> None:
        recipe = Recipe.of(
            {"branch.depth": 2, "V.depth": 1, "branch.width": 8, "PE.width": 16, "loss_weight": 2.0, "V.loss_weight": 0.5},
            HEADS,
        )
        assert recipe.architecture.branches == {"PE": (16, 16), "V": (8,)}
        assert recipe.loss_weights == {"PE": 2.0, "V": 0.5}

    def test_a_value_of_all_heads_overrides_the_default(self) -> None:
        assert Recipe.of({"branch.depth": 3, "branch.width": 4}, HEADS).architecture.branches["V"] == (4, 4, 4)

    def test_a_branch_begins_where_exit_and_reads_say(self) -> None:
        params: Params = {"trunk.depth": 4, "PE.exit": 2, "V.reads": "PE"}
        architecture = Recipe.of(params, ["PE", "V", "Q"]).architecture
        assert (len(architecture.trunk), architecture.exits, architecture.reads) == (4, {"PE": 2}, {"V": "PE"})

    @pytest.mark.parametrize(
        ("params", "same"),
        [
            pytest.param({"trunk.depth": 3, "PE.exit": 3}, {"trunk.depth": 3}, id="the last layer is the end"),
            pytest.param({"trunk.depth": 3, "PE.exit": 9}, {"trunk.depth": 3}, id="and so is every later one"),
            pytest.param({"trunk.depth": 3, "branch.exit": 2}, {"trunk.depth": 2}, id="layers that no head reads are left out"),
            pytest.param(
                {"trunk.depth": 5, "trunk.taper": 0.7, "branch.exit": 2, "PE.exit": 1},
                {"trunk.depth": 2, "trunk.taper": 0.7, "PE.exit": 1},
                id="likewise",
            ),
            pytest.param({"V.reads": "PE", "PE.depth": 0}, {"PE.depth": 0}, id="a head without layers ends where it begins"),
            pytest.param(
                {"trunk.depth": 3, "PE.depth": 0, "PE.exit": 1, "V.reads": "PE", "Q.exit": 0},
                {"trunk.depth": 3, "PE.depth": 0, "PE.exit": 1, "V.exit": 1},
                id="which is its exit",
            ),
            pytest.param(
                {"V.reads": "PE", "V.depth": 0, "Q.reads": "V"},
                {"V.reads": "PE", "V.depth": 0, "Q.reads": "PE"},
                id="or the head that it reads",
            ),
            pytest.param({"V.reads": "PE", "V.exit": 1}, {"V.reads": "PE"}, id="who reads a head does not leave the trunk"),
            pytest.param({"V.reads": "trunk"}, {}, id="the trunk is the default"),
        ],
    )
    def test_equal_networks_are_equal_recipes(self, params: Params, same: Params) -> None:
        assert Recipe.of(params, ["PE", "V", "Q"]) == Recipe.of(same, ["PE", "V", "Q"])

    @pytest.mark.parametrize(
        "wrong",
        [
            {"exits": {"PE": 2}},
            {"exits": {"PE": 0}},
            {"exits": {"PE": 1, "V": 1}},
            {"exits": {"Q": 1}},
            {"reads": {"PE": "V"}},
            {"reads": {"V": "Q"}},
            {"reads": {"Q": "PE"}},
        ],
    )
    def test_an_edited_record_of_a_network_that_cannot_be_is_refused(self, wrong: dict[str, Any]) -> None:
        data = to_data(Recipe.of({}, HEADS))
        with pytest.raises(ValueError, match="do not fit the layers"):
            from_data(Recipe, data | {"architecture": data["architecture"] | wrong})

    def test_the_record_of_an_earlier_version_has_branches_at_the_end_of_the_trunk(self) -> None:
        recipe = Recipe.of({"trunk.depth": 3}, HEADS)
        data = to_data(recipe)
        del data["architecture"]["exits"], data["architecture"]["reads"]
        assert from_data(Recipe, data) == recipe

    def test_a_head_may_have_no_branch(self) -> None:
        assert Recipe.of(ARTICLE, HEADS).architecture.branches == {"PE": (), "V": (10,)}

    @pytest.mark.parametrize(
        ("depth", "width", "taper", "units"),
        [
            (3, 10, 1.0, (10, 10, 10)),
            (4, 64, 0.5, (64, 32, 16, 8)),
            (4, 10, 0.7, (10, 7, 5, 3)),  # 4.9 and 3.43, not 0.7 times a rounded 5
            (3, 12, 1.5, (12, 18, 27)),
            (5, 4, 0.25, (4, 1, 1, 1, 1)),
            (4, 300, 2.0, (300, 600, 1024, 1024)),
            (0, 10, 0.5, ()),
        ],
    )
    def test_the_width_of_layers_is_multiplied_by_the_taper(
        self, depth: int, width: int, taper: float, units: tuple[int, ...]
    ) -> None:
        recipe = Recipe.of({"branch.depth": depth, "branch.width": width, "branch.taper": taper}, HEADS)
        assert recipe.architecture.branches == {"PE": units, "V": units}
        if depth:
            recipe = Recipe.of({"trunk.depth": depth, "trunk.width": width, "trunk.taper": taper}, HEADS)
            assert recipe.architecture.trunk == units

    def test_a_head_may_have_its_own_taper(self) -> None:
        recipe = Recipe.of({"branch.depth": 2, "branch.width": 8, "branch.taper": 0.5, "V.taper": 2}, HEADS)
        assert recipe.architecture.branches == {"PE": (8, 4), "V": (8, 16)}

    def test_hyperparameters_without_effect_give_equal_recipes(self) -> None:
        assert Recipe.of({"momentum": 0.9}, HEADS) == Recipe.of({}, HEADS)
        assert Recipe.of({"PE.depth": 0, "PE.width": 64}, HEADS) == Recipe.of({"PE.depth": 0}, HEADS)
        assert Recipe.of({"trunk.depth": 1, "trunk.taper": 0.5}, HEADS) == Recipe.of({"trunk.depth": 1}, HEADS)
        assert Recipe.of({"trunk.taper": 0.99}, HEADS) == Recipe.of({}, HEADS)  # 9.9 units are ten
        assert Recipe.of({"loss_balancing": "uncertainty"}, ["PE"]) == Recipe.of({}, ["PE"])

    def test_integers_and_floats_give_equal_recipes(self) -> None:
        assert Recipe.of({"learning_rate": 1}, HEADS) == Recipe.of({"learning_rate": 1.0}, HEADS)

    def test_a_recipe_may_have_any_number_of_heads(self) -> None:
        assert list(Recipe.of({"b.width": 2}, ["a", "b", "c"]).architecture.branches) == ["a", "b", "c"]


class TestArchitecture:
    def test_the_article_s_network_has_282_parameters(self) -> None:
        by_hand = (3 * 10 + 10) + (10 * 10 + 10) + (10 + 1) + ((10 * 10 + 10) + (10 + 1))
        assert by_hand == 282
        assert Recipe.of(ARTICLE, HEADS).architecture.parameters(inputs=3) == by_hand

    def test_a_network_of_several_widths(self) -> None:
        network = Architecture(trunk=(4, 5), branches={"a": (6, 7), "b": ()}, activation="tanh")
        by_hand = (2 * 4 + 4) + (4 * 5 + 5) + (5 * 6 + 6) + (6 * 7 + 7) + (7 + 1) + (5 + 1)
        assert network.parameters(inputs=2) == by_hand
        assert network.width == 7
