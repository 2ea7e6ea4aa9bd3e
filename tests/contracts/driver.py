"""What every driver must do."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.dimensions import Choice, Float
from branchsweep.models.recipe import recipe_for
from branchsweep.search.drivers import open_driver
from branchsweep.search.protocols import Driver
from branchsweep.trial import Result, Score, Status, Trial
from contracts.results import result_of, score_of
from contracts.search_spaces import KNOWN, MIXED, SMALL, Dimensions, make_experiment


def run_driver(driver: Driver, asks: int, count: int = 8) -> list[Result]:
    """Ask `count` trials at once and tell their results in order, `asks` times or until no new trial is asked."""
    results: list[Result] = []
    for _ in range(asks):
        round_results = [result_of(trial) for trial in driver.ask(count)]
        for result in round_results:
            driver.tell(result)
        results += round_results
    return results


def ask_pending_rounds(driver: Driver, experiment: Experiment, rounds: int) -> list[Trial]:
    """The trials asked where the results of a round are told only once `search.pending_rounds` later rounds are asked."""
    asked, pending = list[Trial](), deque[list[Trial]]()
    for _ in range(rounds):
        pending.append(driver.ask(experiment.batch))
        asked += pending[-1]
        if len(pending) > experiment.pending_rounds:
            for trial in pending.popleft():
                driver.tell(result_of(trial))
    return asked


def trials_of(results: list[Result]) -> list[Trial]:
    return [result.trial for result in results]


class DriverContract:
    """What every driver must do."""

    driver: ClassVar[str]
    algorithm: ClassVar[str]

    def experiment(self, dimensions: Dimensions = MIXED, seed: int = 1, **search: Any) -> Experiment:
        return make_experiment(self.driver, dimensions, seed, **{"algorithm": self.algorithm, **search})

    def points(self, results: list[Result]) -> list[Trial]:
        """The trials with those of their params that are dimensions of the space."""
        return [
            replace(trial, params={name: trial.params[name] for name in trial.params if name in MIXED})
            for trial in trials_of(results)
        ]

    def resumed(self, experiment: Experiment, recorded: list[Result]) -> Driver:
        driver = open_driver(experiment)
        for result in recorded:
            driver.tell(result)
        return driver

    def test_params_are_points_of_the_space_with_conditions_respected(self) -> None:
        experiment = self.experiment()
        trials = self.points(run_driver(open_driver(experiment), asks=5))
        assert all(experiment.space.contains(trial.params) for trial in trials)
        assert {("momentum" in trial.params, trial.params["optimizer"]) for trial in trials} == {(True, "sgd"), (False, "adam")}
        assert all(("PE.width" in trial.params) == (trial.params["PE.depth"] != 0) for trial in trials)

    def test_values_have_pythons_own_types(self) -> None:
        dimensions = self.experiment().space.dimensions
        for trial in self.points(run_driver(open_driver(self.experiment()), asks=5)):
            for name, value in trial.params.items():
                dimension = dimensions[name]
                expected = str if isinstance(value, str) else float if isinstance(dimension, Float) else int
                assert type(value) is expected, name
                if isinstance(dimension, Choice):
                    assert value in dimension.choices

    def test_params_are_in_the_order_of_the_space(self) -> None:
        order = list(MIXED)
        for trial in self.points(run_driver(open_driver(self.experiment()), asks=3)):
            assert list(trial.params) == sorted(trial.params, key=order.index)

    def test_trials_are_numbered_consecutively(self) -> None:
        trials = trials_of(run_driver(open_driver(self.experiment()), asks=4))
        assert [trial.number for trial in trials] == list(range(32))

    def test_no_recipe_is_asked_twice(self) -> None:
        experiment = self.experiment()
        recipes = [
            repr(recipe_for(experiment, trial.params)) for trial in trials_of(run_driver(open_driver(experiment), asks=5))
        ]
        assert len(set(recipes)) == len(recipes) == 40

    def test_at_most_as_many_as_asked_for(self) -> None:
        driver = open_driver(self.experiment())
        assert driver.ask(0) == []
        assert len(driver.ask(3)) == 3

    def test_equal_seeds_ask_the_same_and_others_do_not(self) -> None:
        first, again, other = (run_driver(open_driver(self.experiment(seed=seed)), asks=4) for seed in (1, 1, 2))
        assert trials_of(first) == trials_of(again)
        assert not any(result.trial.params == different.trial.params for result, different in zip(first, other, strict=True))

    def test_known_configurations_are_asked_first_in_their_order(self) -> None:
        experiment = self.experiment(initial_trials=KNOWN)
        trials = open_driver(experiment).ask(4)
        assert [(trial.number, trial.known) for trial in trials] == [(0, "article"), (1, "wide"), (2, ""), (3, "")]
        assert [dict(trial.params) for trial in trials[:2]] == list(KNOWN.values())

    def test_known_configurations_are_not_asked_again_after_a_resume(self) -> None:
        experiment = self.experiment(initial_trials=KNOWN)
        recorded = run_driver(open_driver(experiment), asks=1)
        assert [trial.known for trial in self.resumed(experiment, recorded[:1]).ask(2)] == ["wide", ""]
        assert [trial.known for trial in self.resumed(experiment, recorded).ask(2)] == ["", ""]

    @pytest.mark.parametrize("status", list(Status))
    def test_asking_goes_on_whatever_the_status_of_trials(self, status: Status) -> None:
        driver = open_driver(self.experiment())
        for _ in range(4):
            trials = driver.ask(8)
            assert len(trials) == 8
            for trial in trials:
                driver.tell(Result(trial, Score(status) if status is Status.FAILED else score_of(0.5, status)))

    def test_asking_goes_on_after_values_that_are_not_finite(self) -> None:
        driver = open_driver(self.experiment())
        for _ in range(3):
            for trial in driver.ask(8):
                driver.tell(Result(trial, score_of(float("nan") if trial.number % 2 else -1e300)))
        assert len(driver.ask(8)) == 8

    def test_a_finite_space_is_exhausted_with_each_recipe_asked_once(self) -> None:
        experiment = self.experiment(SMALL, initial_trials={"deep": {"trunk.depth": 3, "PE.depth": 1, "PE.width": 16}})
        driver = open_driver(experiment)
        trials = trials_of(run_driver(driver, asks=6))
        recipes = [repr(recipe_for(experiment, trial.params)) for trial in trials]
        assert len(trials) == len(set(recipes)) == 9
        assert driver.ask(8) == []

    def test_a_space_without_dimensions_has_one_trial(self) -> None:
        driver = open_driver(self.experiment({}))
        assert driver.ask(8) == [Trial(0, {})]
        assert driver.ask(8) == []

    def test_a_continuous_space_of_one_recipe_is_exhausted(self) -> None:
        experiment = self.experiment({"momentum": {"type": "float", "low": 0.0, "high": 0.9}})  # adam has no momentum
        driver = open_driver(experiment)
        assert len(driver.ask(8)) == 1
        assert driver.ask(8) == []

    def test_trials_do_not_depend_on_how_many_are_asked_at_once(self) -> None:
        experiment = self.experiment(initial_trials=KNOWN)
        recorded = run_driver(open_driver(experiment), asks=4)
        asked_at_once = self.resumed(experiment, recorded).ask(8)
        assert self.resumed(experiment, recorded).ask(3) == asked_at_once[:3]
        one_by_one = self.resumed(experiment, recorded)
        assert [trial for _ in range(8) for trial in one_by_one.ask(1)] == asked_at_once

    def test_a_resumed_driver_asks_what_an_uninterrupted_one_asks(self) -> None:
        experiment = self.experiment(initial_trials=KNOWN)
        uninterrupted = run_driver(open_driver(experiment), asks=5)
        for recorded in (8, 16, 24, 32):
            driver = self.resumed(experiment, uninterrupted[:recorded])
            again = run_driver(driver, asks=(40 - recorded) // 8)
            assert trials_of(again) == trials_of(uninterrupted[recorded:])

    def test_a_partly_recorded_round_can_be_asked_again_as_a_whole(self) -> None:
        experiment = self.experiment(initial_trials=KNOWN)
        uninterrupted = run_driver(open_driver(experiment), asks=4)
        recorded = uninterrupted[:29]
        whole_rounds = recorded[:24]
        assert self.resumed(experiment, whole_rounds).ask(8) == trials_of(uninterrupted[24:])

    @pytest.mark.parametrize("lost", [{25, 26, 27, 28, 29, 30, 31}, {24, 27, 30}, {31}, {0, 9, 18, 27}])
    def test_a_resume_asks_exactly_what_was_not_recorded(self, lost: set[int]) -> None:
        experiment = self.experiment(initial_trials=KNOWN)
        uninterrupted = run_driver(open_driver(experiment), asks=4)
        driver = self.resumed(experiment, [result for result in uninterrupted if result.trial.number not in lost])
        asked = trials_of(run_driver(driver, asks=4, count=1 + len(lost) // 4))
        assert asked[: len(lost)] == [uninterrupted[number].trial for number in sorted(lost)]

    @pytest.mark.parametrize("pending_rounds", [1, 3])
    def test_pending_rounds_do_not_depend_on_when_results_are_told(self, pending_rounds: int) -> None:
        """The same trials with rounds pending, with all results told before the next round, and after a resume."""
        experiment = self.experiment(initial_trials=KNOWN, pending_rounds=pending_rounds)
        uninterrupted = run_driver(open_driver(experiment), asks=6)
        assert ask_pending_rounds(open_driver(experiment), experiment, rounds=6) == trials_of(uninterrupted)
        for recorded in (8, 16, 40):
            driver = self.resumed(experiment, uninterrupted[:recorded])
            assert ask_pending_rounds(driver, experiment, rounds=6 - recorded // 8) == trials_of(uninterrupted[recorded:])

    def test_the_round_after_a_small_first_one_is_asked_without_its_results(self) -> None:
        experiment = self.experiment(initial_trials=KNOWN, first_batch=2)
        first = 2 if experiment.can_ask_ahead else 8
        driver = open_driver(experiment)
        asked = [driver.ask(64), driver.ask(64)]
        assert [len(trials) for trials in asked] == [first, 8]
        assert [trial.known for trial in asked[0][:2]] == list(KNOWN)
        uninterrupted = run_driver(open_driver(experiment), asks=5, count=64)
        if experiment.can_ask_ahead:
            assert [*asked[0], *asked[1]] == trials_of(uninterrupted[:10])
        for recorded in (first, first + 8, first + 24):
            again = run_driver(self.resumed(experiment, uninterrupted[:recorded]), asks=1, count=64)
            assert trials_of(again) == trials_of(uninterrupted[recorded : recorded + 8])
