"""Drivers: their contract, and the properties of each."""

from __future__ import annotations

import importlib.util
import inspect
import math
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial
from pydantic import ValidationError

from branchsweep.config.sections.dimensions import Choice, Float, Int
from branchsweep.config.sections.driver_options import DRIVERS
from branchsweep.config.sections.objective import Objective
from branchsweep.errors import ConfigError
from branchsweep.models.recipe import recipe_for
from branchsweep.search.drivers import open_driver, random_trials
from branchsweep.search.optuna.algorithms import ALGORITHMS, MEMORY
from branchsweep.search.optuna.memory import remembered
from branchsweep.search.sampling import RandomStream, random_point, random_points, seed_sequence
from branchsweep.search.search_points import index_of, point_at, to_search_point, value_at, value_at_index
from branchsweep.trial import Params, Result, Trial
from contracts.driver import DriverContract, run_driver, trials_of
from contracts.results import result_of, score_of
from contracts.search_spaces import MIXED, SMALL, Dimensions, make_experiment

JUST_BELOW_ONE = math.nextafter(1.0, 0.0)


class TestRandom(DriverContract):
    driver, algorithm = "random", "random"

    def test_trials_do_not_depend_on_results(self) -> None:
        experiment = self.experiment(batch=32)
        results = run_driver(open_driver(experiment), asks=4)
        assert open_driver(experiment).ask(32) == trials_of(results)

    def test_a_trial_does_not_depend_on_earlier_trials(self) -> None:
        experiment = self.experiment(batch=20)
        trial = open_driver(experiment).ask(20)[19]
        rng = np.random.default_rng(seed_sequence(experiment, RandomStream.RANDOM, 19))
        assert trial.params == random_point(experiment.space, rng)

    def test_values_are_drawn_uniformly_on_their_scale(self) -> None:
        trials = open_driver(self.experiment(batch=600)).ask(600)
        depths = np.bincount([int(trial.params["trunk.depth"]) for trial in trials])[1:]
        assert depths == pytest.approx([150] * 4, abs=50)  # four and a half standard deviations
        weights = [float(trial.params["PE.loss_weight"]) for trial in trials]
        assert np.mean(np.array(weights) < 1.0) == pytest.approx(0.5, abs=0.1)  # the middle of 0.1 to 10 on its scale


class TestTpe(DriverContract):
    driver, algorithm = "optuna", "tpe"

    def test_the_first_round_covers_the_space_evenly(self) -> None:
        experiment = self.experiment(batch=16)
        trials = open_driver(experiment).ask(16)
        sixteenths = sorted(int(float(trial.params["weight_decay"]) / 0.01 * 16) for trial in trials)
        assert sixteenths == list(range(16))
        assert sorted(int(trial.params["trunk.depth"]) for trial in trials) == [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4

    def test_no_more_trials_are_asked_than_are_left_of_the_round(self) -> None:
        driver = open_driver(self.experiment(batch=10))
        assert len(driver.ask(64)) == 10
        assert len(driver.ask(4)) == 4
        assert [trial.number for trial in driver.ask(64)] == [14, 15, 16, 17, 18, 19]

    def test_results_change_the_trials_of_the_next_round_only(self) -> None:
        experiment = self.experiment()
        first = run_driver(open_driver(experiment), asks=3)
        worse = [Result(result.trial, score_of(-result.trial.number)) for result in first]
        assert self.resumed(experiment, worse).ask(8) != self.resumed(experiment, first).ask(8)
        with_worse_in_this_round = [*first[:16], *worse[16:20]]
        assert self.resumed(experiment, with_worse_in_this_round).ask(4) == trials_of(first[20:])

    def test_with_a_pending_round_trials_depend_on_all_rounds_but_the_last(self) -> None:
        experiment = self.experiment(pending_rounds=1)
        first = run_driver(open_driver(experiment), asks=4)

        def fifth_round(start: int, stop: int) -> list[Trial]:
            """The round after four, with other results of the trials from `start` to `stop`."""
            changed = [
                Result(result.trial, score_of(-result.trial.number)) if start <= result.trial.number < stop else result
                for result in first
            ]
            return self.resumed(experiment, changed).ask(8)

        assert fifth_round(24, 32) == fifth_round(0, 0)
        assert fifth_round(16, 24) != fifth_round(0, 0)

    def test_all_rounds_before_the_first_result_cover_the_space_evenly(self) -> None:
        trials = trials_of(run_driver(open_driver(self.experiment(pending_rounds=1, batch=16)), asks=2, count=16))
        assert sorted(int(float(trial.params["weight_decay"]) / 0.01 * 32) for trial in trials) == list(range(32))

    def test_trials_of_a_round_keep_a_distance_from_each_other(self) -> None:
        experiment = self.experiment({"weight_decay": {"type": "float", "low": 0.0, "high": 1.0}}, batch=16)
        driver = open_driver(experiment)
        for trial in driver.ask(16):
            driver.tell(Result(trial, score_of(-float(trial.params["weight_decay"]))))
        asked = sorted(float(trial.params["weight_decay"]) for trial in driver.ask(16))
        assert float(np.median(asked)) < 0.4  # drawn towards the best value, at 0
        assert float(np.min(np.diff(asked))) > 1e-4  # yet apart from each other

    def test_results_of_a_known_configuration_outside_the_space_have_no_effect(self) -> None:
        known = {"inside": {"branch.width": 16, "batch_size": 64}, "outside": {"trunk.width": 1000}}
        experiment = self.experiment(initial_trials=known)
        results = run_driver(open_driver(experiment), asks=2)

        def with_low_score_of(name: str) -> list[Result]:
            low = score_of(-1e6)
            return [Result(result.trial, low if result.trial.known == name else result.score) for result in results]

        plain, inside, outside = (self.resumed(experiment, with_low_score_of(name)).ask(8) for name in ("none", *known))
        assert plain == outside
        assert plain != inside

    def test_tpe_finds_better_points_than_random_search(self) -> None:
        regrets = {driver: [_regret(driver, seed) for seed in range(5)] for driver in ("random", "optuna")}
        assert float(np.mean(regrets["optuna"])) < 0.6 * float(np.mean(regrets["random"]))


def _frozen_trial(number: int, rng: np.random.Generator, several: bool) -> FrozenTrial:
    """A trial as Optuna has it, its number in its user attributes: complete, pruned or failed, with a constraint or without."""
    attributes: dict[str, Any] = {"user_attrs": {"number": number}}
    if number % 3 == 0:
        attributes["constraints"] = {"0": float(rng.integers(-1, 3))}
    if several or number % 4 == 0:
        values = [float(rng.integers(50)) for _ in range(1 + several)]
        return create_trial(state=TrialState.COMPLETE, values=values, **attributes)
    steps = {} if number % 4 == 1 else {int(rng.integers(1, 4)): float(rng.integers(50))}
    return create_trial(state=TrialState.PRUNED, intermediate_values=steps, **attributes)


@pytest.mark.parametrize("several", [False, True])
def test_tpe_keeps_the_latest_and_the_best_trials(several: bool) -> None:
    """Round by round; trials that were dropped are never considered again."""
    rng = np.random.default_rng(0)
    trials = [_frozen_trial(number, rng, several) for number in range(600)]
    kept: list[FrozenTrial] = []
    for start in range(0, 600, 20):
        kept = remembered([*kept, *trials[start : start + 20]], 100)
    numbers = [trial.user_attrs["number"] for trial in kept]
    assert numbers == sorted(set(numbers)) and len(numbers) <= 100
    assert set(range(550, 600)) <= set(numbers)
    feasible = [trial for trial in trials if all(violation <= 0 for violation in trial.constraints.values())]
    complete = [trial for trial in feasible if trial.state is TrialState.COMPLETE]
    for objective in range(1 + several):
        best = sorted(complete, key=lambda trial: -trial.values[objective])[:15]
        assert {trial.user_attrs["number"] for trial in best} <= set(numbers)
    assert remembered(trials, None) == trials
    assert remembered(trials, 0) == []


def test_a_resumed_long_tpe_search_asks_what_an_uninterrupted_one_asks() -> None:
    """With more trials than are kept."""
    experiment = make_experiment("optuna", {name: MIXED[name] for name in ("weight_decay", "activation")}, batch=4)
    recorded = [result_of(trial) for trial in random_trials(experiment, MEMORY + 48)]
    uninterrupted, resumed = open_driver(experiment), open_driver(experiment)
    for result in recorded:
        uninterrupted.tell(result)
    for _ in range(2):
        asked = [result_of(trial) for trial in uninterrupted.ask(4)]
        recorded += asked
        for result in asked:
            uninterrupted.tell(result)
    for result in recorded:
        resumed.tell(result)
    assert resumed.ask(4) == uninterrupted.ask(4)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed: the Gaussian process needs it")
class TestGp:
    """The Gaussian process takes half a second per trial: the essential parts of the contract in one small search."""

    def test_a_resumed_search_asks_what_an_uninterrupted_one_asks(self) -> None:
        names = ("trunk.depth", "PE.depth", "PE.width", "PE.loss_weight", "activation", "weight_decay")
        experiment = make_experiment("optuna", {name: MIXED[name] for name in names}, algorithm="gp", batch=6)
        results = run_driver(open_driver(experiment), asks=4, count=6)
        assert all(experiment.space.contains(trial.params) for trial in trials_of(results))
        assert len({repr(recipe_for(experiment, trial.params)) for trial in trials_of(results)}) == 24
        resumed = open_driver(experiment)
        for result in results[:18]:
            resumed.tell(result)
        assert resumed.ask(2) + resumed.ask(4) == trials_of(results[18:])


class TestCmaEs(DriverContract):
    driver, algorithm = "optuna", "cma_es"


class TestNsga2(DriverContract):
    driver, algorithm = "optuna", "nsga2"

    def test_the_first_generation_is_the_initial_design(self) -> None:
        """Later trials are children, not random points."""
        random_driver, driver = (
            open_driver(make_experiment("optuna", algorithm=algorithm)) for algorithm in ("random", self.algorithm)
        )
        random = [trial.params for trial in trials_of(run_driver(random_driver, asks=4))]
        assert not any(trial.params in random for trial in trials_of(run_driver(driver, asks=4)))


class TestNsga3(DriverContract):
    driver, algorithm = "optuna", "nsga3"


class TestQmc(DriverContract):
    driver, algorithm = "optuna", "qmc"


class TestOptunasRandom(DriverContract):
    driver, algorithm = "optuna", "random"


class TestGrid(DriverContract):
    driver, algorithm = "optuna", "grid"


class TestBruteForce(DriverContract):
    driver, algorithm = "optuna", "brute_force"


class TestKerasTunersRandom(DriverContract):
    driver, algorithm = "keras_tuner", "random"


class TestBayesian(DriverContract):
    driver, algorithm = "keras_tuner", "bayesian"


class TestHyperband(DriverContract):
    driver, algorithm = "keras_tuner", "hyperband"

    def test_a_finite_space_is_exhausted_with_each_recipe_asked_once(self) -> None:
        """A recipe with more epochs is another recipe."""
        experiment = self.experiment(SMALL)
        recipes = [
            repr(recipe_for(experiment, trial.params)) for trial in trials_of(run_driver(open_driver(experiment), asks=6))
        ]
        assert len(recipes) == len(set(recipes)) >= 9

    def test_a_continuous_space_of_one_recipe_is_exhausted(self) -> None:
        experiment = self.experiment({"momentum": {"type": "float", "low": 0.0, "high": 0.9}})  # adam has no momentum
        driver = open_driver(experiment)
        asked = trials_of(run_driver(driver, asks=6))
        assert len({repr(recipe_for(experiment, trial.params)) for trial in asked}) == len(asked) < 48


class TestKerasTunersGrid(DriverContract):
    driver, algorithm = "keras_tuner", "grid"

    def test_equal_seeds_ask_the_same_and_others_do_not(self) -> None:
        """There is nothing random about it."""
        first, other = (run_driver(open_driver(self.experiment(seed=seed)), asks=4) for seed in (1, 2))
        assert trials_of(first) == trials_of(other)


@pytest.mark.parametrize("algorithm", DRIVERS["optuna"])
def test_the_options_are_those_of_optunas_own_signatures(algorithm: str) -> None:
    """Every option is one of the sampler's; those that are not options are listed in `NOT_OFFERED`."""
    own = set(inspect.signature(ALGORITHMS[algorithm].sampler.__init__).parameters) - {"self"}
    assert set(DRIVERS["optuna"][algorithm]) <= own
    assert own - set(DRIVERS["optuna"][algorithm]) <= NOT_OFFERED


NOT_OFFERED = {
    "seed", "n_startup_trials", "x0", "search_space", "group", "source_trials", "independent_sampler",  # set by the driver
    "warn_independent_sampling", "warn_asynchronous_seeding", "constraints_func",
    "mutation", "crossover", "gamma", "weights", "reference_points", "elite_population_selection_strategy",  # objects
    "child_generation_strategy", "after_trial_strategy",
    "consider_prior", "prior_weight", "consider_magic_clip", "consider_endpoints",  # deprecated
    "restart_strategy", "inc_popsize", "consider_pruned_trials",
}  # fmt: skip


@pytest.mark.parametrize("algorithm", DRIVERS["keras_tuner"])
def test_the_options_are_those_of_keras_tuners_own_signatures(algorithm: str) -> None:
    from branchsweep.search.keras_tuner.oracles import options_of

    assert set(DRIVERS["keras_tuner"][algorithm]) == set(options_of(algorithm))


@pytest.mark.parametrize("algorithm", ["tpe", "cma_es", "nsga2", "nsga3", "qmc", "brute_force"])
def test_options_reach_the_sampler(algorithm: str) -> None:
    by_algorithm = {"tpe": {"n_ei_candidates": 1}, "qmc": {"qmc_type": "halton"}, "brute_force": {"avoid_premature_stop": True}}
    options = by_algorithm.get(algorithm, {"popsize": 6} if algorithm == "cma_es" else {"population_size": 3})
    plain, with_options = (
        run_driver(open_driver(make_experiment("optuna", algorithm=algorithm, options=given)), asks=5)
        for given in ({}, options)
    )
    assert (trials_of(plain) == trials_of(with_options)) == (algorithm == "brute_force")


def test_an_option_that_a_sampler_refuses_is_a_config_error() -> None:
    experiment = make_experiment("optuna", algorithm="cma_es", options={"use_separable_cma": True, "with_margin": True})
    with pytest.raises(ConfigError, match="'with_margin': True") as caught:
        open_driver(experiment)
    assert caught.value.where == "search.options"


@pytest.mark.parametrize(("algorithm", "library"), [("cma_es", "cmaes"), ("gp", "torch")])
def test_an_algorithm_whose_library_is_not_installed_is_a_config_error_before_the_search(
    algorithm: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigError, match=re.escape(f"branchsweep[{algorithm}]")) as caught:
        open_driver(make_experiment("optuna", algorithm=algorithm))
    assert caught.value.where == "search.algorithm"


@pytest.mark.parametrize("algorithm", ["tpe", "nsga2", "random", "qmc"])
def test_repeated_recipes_are_separate_trials_with_repeats_reseed(algorithm: str) -> None:
    """Their numbers give them other seeds, so that nine recipes are enough for any number of trials."""
    experiment = make_experiment("optuna", SMALL, algorithm=algorithm, repeats="reseed")
    results = run_driver(open_driver(experiment), asks=4)
    recipes = {repr(recipe_for(experiment, result.trial.params)) for result in results}
    assert len(results) == 32
    assert len(recipes) <= 9
    resumed = open_driver(experiment)
    for result in results[:16]:
        resumed.tell(result)
    assert resumed.ask(8) == trials_of(results[16:24])


@pytest.mark.parametrize("algorithm", ["tpe", "nsga2", "nsga3"])
def test_constraints_change_the_trials_asked(algorithm: str) -> None:
    """Once some trials break a constraint."""

    def asked(*constraints: str) -> list[Trial]:
        experiment = make_experiment("optuna", algorithm=algorithm, initial_trials={"first": {}})
        bound = experiment.model_copy(update={"objective": Objective(constraints=list(constraints))})
        return trials_of(run_driver(open_driver(bound), asks=5))

    free, bound = asked(), asked("r2/PE >= 0.99 * first")
    assert free[:16] == bound[:16]
    assert free != bound


@pytest.mark.parametrize("algorithm", ["tpe", "nsga2", "nsga3", "qmc", "random", "grid", "brute_force"])
def test_a_search_with_several_objectives_can_be_resumed(algorithm: str) -> None:
    experiment = make_experiment("optuna", algorithm=algorithm, maximize=("r2/PE", "r2/V"))
    results = run_driver(open_driver(experiment), asks=5)
    assert len({repr(recipe_for(experiment, result.trial.params)) for result in results}) == 40
    resumed = open_driver(experiment)
    for result in results[:32]:
        resumed.tell(result)
    assert resumed.ask(8) == trials_of(results[32:])


@pytest.mark.parametrize(("driver", "algorithm"), [("optuna", "cma_es"), ("keras_tuner", "bayesian")])
def test_several_objectives_are_refused_by_algorithms_for_one(driver: str, algorithm: str) -> None:
    with pytest.raises(ValidationError, match=rf"\b{algorithm} of {driver}\b.*\bobjective"):
        make_experiment(driver, algorithm=algorithm, maximize=("r2/PE", "r2/V"))


def _regret(driver: str, seed: int) -> float:
    """How far below the optimum (0) the best of 64 trials lies, on a valley in five dimensions of which two are conditional."""
    dimensions: Dimensions = {
        name: MIXED[name] for name in ("trunk.depth", "trunk.width", "PE.depth", "PE.width", "PE.loss_weight", "activation")
    }
    sampler, values = open_driver(make_experiment(driver, dimensions, seed)), list[float]()
    while len(values) < 64:
        for trial in sampler.ask(8):
            values.append(_valley(trial.params))
            sampler.tell(Result(trial, score_of(values[-1])))
    return -max(values)


def _valley(params: Params) -> float:
    distance = abs(int(params["trunk.depth"]) - 3) + math.log2(int(params["trunk.width"]) / 50) ** 2
    distance += abs(int(params["PE.depth"]) - 2) + abs(math.log2(int(params.get("PE.width", 8)) / 32))
    return -distance - math.log10(float(params["PE.loss_weight"]) / 3) ** 2 - (params["activation"] != "silu")


def test_random_search_imports_neither_optuna_nor_scipy() -> None:
    code = "import sys, branchsweep.search.random; sys.exit('optuna' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


ROWS = [
    (Int(type="int", low=2, high=9, step=3), [2, 5, 8]),
    (Float(type="float", low=0.1, high=0.4, step=0.1), [0.1, 0.2, 0.3, 0.4]),
    (Choice(type="choice", choices=["adam", "sgd"]), ["adam", "sgd"]),
    (Choice(type="choice", choices=[8, 16, 64], ordered=True), [8, 16, 64]),
    (Int(type="int", low=5, high=5), [5]),
]


@pytest.mark.parametrize(("dimension", "values"), ROWS)
def test_discrete_values_have_equal_parts_of_the_unit_interval(
    dimension: Int | Float | Choice, values: list[int | float | str]
) -> None:
    assert [value_at_index(dimension, index) for index in range(int(dimension.size))] == values
    assert [index_of(dimension, value) for value in values] == list(range(len(values)))
    middles = [(index + 0.5) / len(values) for index in range(len(values))]
    assert [value_at(dimension, unit) for unit in middles] == values
    assert value_at(dimension, 0.0) == values[0]
    assert value_at(dimension, JUST_BELOW_ONE) == values[-1]


def test_a_logarithmic_scale_is_halved_at_the_geometric_mean() -> None:
    rate = Float(type="float", low=1e-5, high=1e-1, log=True)
    assert value_at(rate, 0.5) == pytest.approx(1e-3)
    assert rate.contains(value_at(rate, 0.0))
    assert rate.contains(value_at(rate, JUST_BELOW_ONE))
    width = Int(type="int", low=1, high=4, log=True)
    units = np.arange(0.0005, 1.0, 0.001)
    shares = np.bincount([int(value_at(width, unit)) for unit in units])[1:] / len(units)
    by_hand = np.diff(np.log([0.5, 1.5, 2.5, 3.5, 4.5])) / np.log(4.5 / 0.5)
    assert shares == pytest.approx(by_hand, abs=0.002)


def test_a_point_has_a_coordinate_for_each_dimension_also_for_inactive_ones() -> None:
    space = make_experiment("random", {name: MIXED[name] for name in ("PE.depth", "PE.width", "optimizer")}).space
    assert point_at(space, [0.0, 0.9, 0.9]) == {"PE.depth": 0, "optimizer": "sgd"}
    assert point_at(space, [0.9, 0.9, 0.0]) == {"PE.depth": 3, "PE.width": 64, "optimizer": "adam"}


def test_draws_end_with_every_point_of_a_small_space() -> None:
    space = make_experiment("random", SMALL).space
    drawn = list(random_points(space, np.random.SeedSequence(5)))
    last = [tuple(params.values()) for params in drawn[-12:]]
    assert len(drawn) == 24
    assert len(set(last)) == 12


def test_a_configuration_has_the_search_point_of_its_values_and_the_defaults() -> None:
    names = ("trunk.depth", "PE.depth", "PE.width", "activation")
    experiment = make_experiment("optuna", {name: MIXED[name] for name in names})
    # batch_size is no dimension; PE.width is 16 as for all branches; the default activation is relu.
    configuration: Params = {"trunk.depth": 4, "branch.width": 16, "batch_size": 64}
    assert to_search_point(experiment, configuration) == {"trunk.depth": 4, "PE.depth": 1, "PE.width": 16, "activation": "relu"}
    without_branch: Params = {"trunk.depth": 4, "PE.depth": 0, "PE.width": 1000}
    assert to_search_point(experiment, without_branch) == {"trunk.depth": 4, "PE.depth": 0, "activation": "relu"}
    assert to_search_point(experiment, {"trunk.depth": 5}) is None
    assert to_search_point(experiment, {"activation": "gelu"}) is None


def test_a_configuration_with_a_value_for_one_head_is_outside_a_space_that_varies_it_for_all() -> None:
    experiment = make_experiment("optuna", {"branch.width": MIXED["branch.width"]})
    assert to_search_point(experiment, {"branch.width": 16}) == {"branch.width": 16}
    assert to_search_point(experiment, {"branch.width": 16, "PE.width": 32}) is None
    assert to_search_point(experiment, {"branch.width": 16, "PE.depth": 2}) == {"branch.width": 16}
