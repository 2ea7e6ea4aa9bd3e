"""What every implementation of a role must do, as classes of tests: a test module subclasses one for each implementation."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Protocol
from uuid import uuid4

import pytest

from branchsweep.config.dimensions import Choice, Float
from branchsweep.config.experiment import Experiment
from branchsweep.errors import TrackingError
from branchsweep.metrics.comparison_result import (
    ComparisonResult,
    ContestantCost,
    ContestantResult,
    PairwiseDifference,
    SharingResult,
)
from branchsweep.models.recipe import recipe_for
from branchsweep.search.drivers import open_driver
from branchsweep.search.protocols import Driver
from branchsweep.tracking.protocols import (
    Champion,
    ComparisonRecord,
    ComparisonTracker,
    ModelCandidate,
    PromotionDecision,
    SweepRecord,
    Tracker,
)
from branchsweep.trial import HeadScore, ParamValue, Result, Score, Status, Trial

Dimensions = dict[str, dict[str, Any]]

MIXED: Dimensions = {
    "trunk.depth": {"type": "int", "low": 1, "high": 4},
    "trunk.width": {"type": "int", "low": 8, "high": 128, "log": True},
    "PE.depth": {"type": "int", "low": 0, "high": 3},
    "PE.width": {"type": "choice", "choices": [8, 16, 32, 64], "ordered": True, "when": {"PE.depth": [1, 2, 3]}},
    "branch.width": {"type": "int", "low": 8, "high": 64, "step": 8},
    "PE.loss_weight": {"type": "float", "low": 0.1, "high": 10.0, "log": True},
    "optimizer": {"type": "choice", "choices": ["adam", "sgd"]},
    "momentum": {"type": "float", "low": 0.0, "high": 0.9, "step": 0.1, "when": {"optimizer": ["sgd"]}},
    "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True, "when": {"optimizer": ["sgd"]}},
    "weight_decay": {"type": "float", "low": 0.0, "high": 0.01},
    "activation": {"type": "choice", "choices": ["relu", "silu", "tanh"]},
    "input_scaling": {"type": "choice", "choices": ["standard"]},
}
"""Every kind of dimension: scales, steps, ordered and unordered choices, conditions, and one that has a single value."""

SMALL: Dimensions = {
    "trunk.depth": {"type": "int", "low": 1, "high": 3},
    "PE.depth": {"type": "int", "low": 0, "high": 1},
    "PE.width": {"type": "choice", "choices": [8, 16]},
}
"""Twelve points, but nine recipes: where PE.depth is 0 the width means nothing."""

KNOWN: dict[str, dict[str, ParamValue]] = {
    "article": {"trunk.depth": 2, "input_scaling": "min_max", "target_scaling": "none"},
    "wide": {"trunk.width": 1000, "batch_size": 64},
}
"""Known configurations: one names a tunable that no dimension has, one has a value beyond its dimension's bounds."""


def make_experiment(
    driver: str, dimensions: Dimensions = MIXED, seed: int = 1, maximize: Sequence[str] = ("mean_r2",), **search: Any
) -> Experiment:
    """An experiment over these dimensions; rounds of 8, no known configurations unless `search` says otherwise."""
    return Experiment.model_validate(
        {
            "name": "contract",
            "seed": seed,
            "table": {"source": "ccpp", "inputs": ["AT", "AP", "RH"]},
            "heads": {"PE": {}, "V": {}},
            "space": {"dimensions": dimensions},
            "search": {"driver": driver, "batch": 8, **search},
            "objective": {"maximize": list(maximize)},
        }
    )


def answer(trial: Trial) -> Result:
    """A score that follows from the params; of seven trials one fails and one is pruned."""
    value = 0.9 - 0.1 * float(trial.params.get("PE.depth", 0)) - 10 * float(trial.params.get("weight_decay", 0.0))
    if trial.number % 7 == 3:
        return Result(trial, Score(Status.FAILED, reason="diverged"))
    status = Status.PRUNED if trial.number % 7 == 5 else Status.COMPLETE
    return Result(trial, scored(value, status))


def scored(value: float, status: Status = Status.COMPLETE) -> Score:
    """A score of this mean R², a little apart for the two heads."""
    heads = {"PE": _head(value + 0.01), "V": _head(value - 0.01)}
    return Score(status, value=value, heads=heads, epochs=2.5, rungs={2: (value - 0.09, value - 0.11)})


def _head(r2: float) -> HeadScore:
    return HeadScore(r2=r2, r2_se=float("nan"), rmse=1.0, mae=1.0)


def play(driver: Driver, asks: int, count: int = 8) -> list[Result]:
    """Ask `count` trials at once, answer them in order, and again: `asks` times or until nothing new is asked."""
    results: list[Result] = []
    for _ in range(asks):
        answers = [answer(trial) for trial in driver.ask(count)]
        for result in answers:
            driver.tell(result)
        results += answers
    return results


def asked_ahead(driver: Driver, experiment: Experiment, rounds: int) -> list[Trial]:
    """What is asked where the oldest round is told only when `search.ahead` more are under way."""
    asked, under_way = list[Trial](), deque[list[Trial]]()
    for _ in range(rounds):
        under_way.append(driver.ask(experiment.batch))
        asked += under_way[-1]
        if len(under_way) > experiment.ahead:
            for trial in under_way.popleft():
                driver.tell(answer(trial))
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
        """The trials with what the space names of their params."""
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
        trials = self.points(play(open_driver(experiment), asks=5))
        assert all(experiment.space.contains(trial.params) for trial in trials)
        assert {("momentum" in trial.params, trial.params["optimizer"]) for trial in trials} == {(True, "sgd"), (False, "adam")}
        assert all(("PE.width" in trial.params) == (trial.params["PE.depth"] != 0) for trial in trials)

    def test_values_have_pythons_own_types(self) -> None:
        dimensions = self.experiment().space.dimensions
        for trial in self.points(play(open_driver(self.experiment()), asks=5)):
            for name, value in trial.params.items():
                dimension = dimensions[name]
                expected = str if isinstance(value, str) else float if isinstance(dimension, Float) else int
                assert type(value) is expected, name
                if isinstance(dimension, Choice):
                    assert value in dimension.choices

    def test_params_stand_in_the_spaces_order(self) -> None:
        order = list(MIXED)
        for trial in self.points(play(open_driver(self.experiment()), asks=3)):
            assert list(trial.params) == sorted(trial.params, key=order.index)

    def test_numbers_follow_each_other(self) -> None:
        trials = trials_of(play(open_driver(self.experiment()), asks=4))
        assert [trial.number for trial in trials] == list(range(32))

    def test_no_recipe_is_asked_twice(self) -> None:
        experiment = self.experiment()
        recipes = [repr(recipe_for(experiment, trial.params)) for trial in trials_of(play(open_driver(experiment), asks=5))]
        assert len(set(recipes)) == len(recipes) == 40

    def test_at_most_as_many_as_asked_for(self) -> None:
        driver = open_driver(self.experiment())
        assert driver.ask(0) == []
        assert len(driver.ask(3)) == 3

    def test_equal_seeds_ask_the_same_and_others_do_not(self) -> None:
        first, again, other = (play(open_driver(self.experiment(seed=seed)), asks=4) for seed in (1, 1, 2))
        assert trials_of(first) == trials_of(again)
        assert not any(one.trial.params == two.trial.params for one, two in zip(first, other, strict=True))

    def test_known_configurations_are_asked_first_in_their_order(self) -> None:
        experiment = self.experiment(known=KNOWN)
        trials = open_driver(experiment).ask(4)
        assert [(trial.number, trial.known) for trial in trials] == [(0, "article"), (1, "wide"), (2, ""), (3, "")]
        assert [dict(trial.params) for trial in trials[:2]] == list(KNOWN.values())

    def test_known_configurations_are_not_asked_again_after_a_resume(self) -> None:
        experiment = self.experiment(known=KNOWN)
        recorded = play(open_driver(experiment), asks=1)
        assert [trial.known for trial in self.resumed(experiment, recorded[:1]).ask(2)] == ["wide", ""]
        assert [trial.known for trial in self.resumed(experiment, recorded).ask(2)] == ["", ""]

    @pytest.mark.parametrize("status", list(Status))
    def test_survives_whatever_becomes_of_trials(self, status: Status) -> None:
        driver = open_driver(self.experiment())
        for _ in range(4):
            trials = driver.ask(8)
            assert len(trials) == 8
            for trial in trials:
                driver.tell(Result(trial, Score(status) if status is Status.FAILED else scored(0.5, status)))

    def test_a_value_that_is_no_number_is_no_answer(self) -> None:
        driver = open_driver(self.experiment())
        for _ in range(3):
            for trial in driver.ask(8):
                driver.tell(Result(trial, scored(float("nan") if trial.number % 2 else -1e300)))
        assert len(driver.ask(8)) == 8

    def test_a_finite_space_is_asked_whole_once_each_recipe(self) -> None:
        experiment = self.experiment(SMALL, known={"deep": {"trunk.depth": 3, "PE.depth": 1, "PE.width": 16}})
        driver = open_driver(experiment)
        trials = trials_of(play(driver, asks=6))
        recipes = [repr(recipe_for(experiment, trial.params)) for trial in trials]
        assert len(trials) == len(set(recipes)) == 9
        assert driver.ask(8) == []

    def test_a_space_without_dimensions_has_one_question(self) -> None:
        driver = open_driver(self.experiment({}))
        assert driver.ask(8) == [Trial(0, {})]
        assert driver.ask(8) == []

    def test_a_continuous_space_that_makes_no_difference_is_exhausted_too(self) -> None:
        experiment = self.experiment({"momentum": {"type": "float", "low": 0.0, "high": 0.9}})  # adam has no momentum
        driver = open_driver(experiment)
        assert len(driver.ask(8)) == 1
        assert driver.ask(8) == []

    def test_how_many_are_asked_at_once_changes_nothing(self) -> None:
        experiment = self.experiment(known=KNOWN)
        recorded = play(open_driver(experiment), asks=4)
        whole = self.resumed(experiment, recorded).ask(8)
        assert self.resumed(experiment, recorded).ask(3) == whole[:3]
        piecemeal = self.resumed(experiment, recorded)
        assert [trial for _ in range(8) for trial in piecemeal.ask(1)] == whole

    def test_a_fresh_driver_told_the_history_asks_what_the_old_one_asked(self) -> None:
        experiment = self.experiment(known=KNOWN)
        uninterrupted = play(open_driver(experiment), asks=5)
        for recorded in (8, 16, 24, 32):
            driver = self.resumed(experiment, uninterrupted[:recorded])
            again = play(driver, asks=(40 - recorded) // 8)
            assert trials_of(again) == trials_of(uninterrupted[recorded:])

    def test_a_round_of_which_part_was_recorded_can_be_asked_again_as_a_whole(self) -> None:
        experiment = self.experiment(known=KNOWN)
        uninterrupted = play(open_driver(experiment), asks=4)
        recorded = uninterrupted[:29]
        whole_rounds = recorded[:24]
        assert self.resumed(experiment, whole_rounds).ask(8) == trials_of(uninterrupted[24:])

    @pytest.mark.parametrize("lost", [{25, 26, 27, 28, 29, 30, 31}, {24, 27, 30}, {31}, {0, 9, 18, 27}])
    def test_a_resume_asks_exactly_what_was_not_recorded(self, lost: set[int]) -> None:
        experiment = self.experiment(known=KNOWN)
        uninterrupted = play(open_driver(experiment), asks=4)
        driver = self.resumed(experiment, [result for result in uninterrupted if result.trial.number not in lost])
        asked = trials_of(play(driver, asks=4, count=1 + len(lost) // 4))
        assert asked[: len(lost)] == [uninterrupted[number].trial for number in sorted(lost)]

    @pytest.mark.parametrize("ahead", [1, 3])
    def test_what_is_asked_ahead_does_not_depend_on_when_answers_come(self, ahead: int) -> None:
        """Asked ahead, asked when all answers are there, or by a fresh driver that knows them: always the same."""
        experiment = self.experiment(known=KNOWN, ahead=ahead)
        at_once = play(open_driver(experiment), asks=6)
        assert asked_ahead(open_driver(experiment), experiment, rounds=6) == trials_of(at_once)
        for told in (8, 16, 40):
            driver = self.resumed(experiment, at_once[:told])
            assert asked_ahead(driver, experiment, rounds=6 - told // 8) == trials_of(at_once[told:])


class OpenLedger(Protocol):
    """Opens a ledger over one store, as often as it is called: each call stands for a process of its own."""

    def __call__(self, record: SweepRecord, fresh: bool = False) -> Tracker: ...


def sweep_record(key: str = "key", **changed: Any) -> SweepRecord:
    """What is written down of a sweep with two heads; a key stands for a question."""
    said = {
        "name": "contract",
        "key": key,
        "question": "Does it hold?",
        "yaml": "name: contract  # ½\n",
        "heads": {"PE": "MW", "V": "cm Hg"},
        "tags": {"data_source": "embedded", "git_commit": "c0ffee"},
        **changed,
    }
    return SweepRecord(**said)


def recorded(number: int, status: Status = Status.COMPLETE) -> Result:
    """A result as the sweep hands it over: params of all types, figures that are no round numbers, one that is no number."""
    params: dict[str, ParamValue] = {
        "trunk.depth": number + 1,
        "learning_rate": 1e-3 / (number + 3),
        "weight_decay": 0.0,
        "loss_weight": 2.0,
        "activation": "relu",
        "flag": number % 2 == 0,
    }
    trial = Trial(number, params, known="article" if number == 0 else "")
    if status is Status.FAILED:
        return Result(
            trial, Score(status, reason="diverged at epoch 12 (fold 2, seed 1): 'Ω' \"quoted\"", seconds=0.5, lanes=3)
        )
    heads = {
        "PE": HeadScore(r2=0.9 + number / 300, r2_se=0.001 / 3, rmse=4.0 + 1 / 3, mae=10 / 3),
        "V": HeadScore(r2=0.8 - number / 300, r2_se=float("nan"), rmse=5.0 + 1 / 7, mae=30 / 7),
    }
    return Result(
        trial,
        Score(
            status,
            value=(heads["PE"].r2 + heads["V"].r2) / 2 + number / 1000,
            value_se=float("nan"),
            heads=heads,
            reason="rung 2: below the best half" if status is Status.PRUNED else "",
            epochs=37.0 + 1 / 3,
            seconds=1.25,
            lanes=3,
            rungs={4: (0.5 + number / 7, 0.25), 16: (1 / 3, -2.0)} if number != 3 else {},
            curves={head: tuple(of.r2 - 1 / epoch for epoch in range(1, 121)) for head, of in heads.items()},
            lanes_r2={head: (of.r2 - 0.1, of.r2 + 1 / 3, of.r2) for head, of in heads.items()} if number != 4 else {},
        ),
    )


def written(results: Sequence[Result]) -> list[str]:
    """Results without their curves, as text: exact to the last digit and the types, and with NaN equal to NaN."""
    return [repr(Result(result.trial, replace(result.score, curves={}))) for result in results]


def record_and_look(ledger: Tracker, result: Result) -> None:
    """Record a result; a ledger that writes beside its caller tells at the next call how that went."""
    ledger.record([result])
    ledger.recall()


def candidate(folder: Path, model: str, number: int = 3, **files: str) -> ModelCandidate:
    """A model to register, as far as a ledger looks into it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.keras").write_bytes(b"a network")
    manifest = {
        "inputs": ["AT", "RH"],
        "heads": [{"name": "PE", "unit": "MW"}, {"name": "V", "unit": "cm Hg"}],
        "ranges": [[2.0, 37.0], [25.0, 100.0]],
        "input_scalers": {"inputs": {"kind": "affine", "shift": [20.0, 70.0], "scale": [7.0, 15.0]}},
        "target_scaler": {"kind": "affine", "shift": [450.0, 50.0], "scale": [17.0, 12.0]},
    }
    (folder / "serving.json").write_text(json.dumps(manifest), encoding="utf-8")
    test = {"test_r2/PE": 0.93 + 1 / 3000, "test_r2/V": 0.8, "test_r2/mean": 0.865}
    result = recorded(number)
    return ModelCandidate(model, folder, result, result.score.value, "mean_r2", test, "d1", "s1", files)


class LedgerContract:
    """What every ledger must do. A subclass has a fixture `opened` that gives an `OpenLedger` over an empty store."""

    def test_a_new_sweep_is_empty(self, opened: OpenLedger) -> None:
        ledger = opened(sweep_record())
        assert not ledger.is_resumed
        assert ledger.recall() == []
        assert ledger.conclusion is None

    def test_what_was_recorded_is_recalled_exactly(self, opened: OpenLedger) -> None:
        ledger = opened(sweep_record())
        results = [recorded(0), recorded(1, Status.FAILED), recorded(2, Status.PRUNED), recorded(3)]
        ledger.record(results)
        assert written(ledger.recall()) == written(results)
        for before, after in zip(results, ledger.recall(), strict=True):
            assert [type(value) for value in after.trial.params.values()] == [
                type(value) for value in before.trial.params.values()
            ]

    def test_trials_are_recalled_in_order_of_their_numbers(self, opened: OpenLedger) -> None:
        ledger = opened(sweep_record())
        ledger.record([recorded(5), recorded(1)])
        ledger.record([recorded(3)])
        assert [result.trial.number for result in ledger.recall()] == [1, 3, 5]

    def test_nothing_to_record_is_nothing(self, opened: OpenLedger) -> None:
        ledger = opened(sweep_record())
        ledger.record([])
        assert ledger.recall() == []

    def test_a_sweep_of_the_same_key_goes_on(self, opened: OpenLedger) -> None:
        first = opened(sweep_record())
        first.record([recorded(0), recorded(1)])
        second = opened(sweep_record())
        assert second.is_resumed
        assert second.run_id == first.run_id
        assert written(second.recall()) == written([recorded(0), recorded(1)])
        second.record([recorded(2)])
        assert [result.trial.number for result in opened(sweep_record()).recall()] == [0, 1, 2]

    def test_a_sweep_of_another_key_does_not_mix(self, opened: OpenLedger) -> None:
        one, other = opened(sweep_record("one")), opened(sweep_record("other"))
        assert one.run_id != other.run_id
        one.record([recorded(0)])
        other.record([recorded(7)])
        assert [result.trial.number for result in one.recall()] == [0]
        assert [result.trial.number for result in opened(sweep_record("other")).recall()] == [7]

    def test_a_fresh_sweep_begins_anew_and_is_the_one_that_goes_on(self, opened: OpenLedger) -> None:
        old = opened(sweep_record())
        old.record([recorded(0)])
        fresh = opened(sweep_record(), fresh=True)
        assert not fresh.is_resumed
        assert fresh.run_id != old.run_id
        assert fresh.recall() == []
        assert opened(sweep_record()).run_id == fresh.run_id
        assert len(old.recall()) == 1

    @pytest.mark.parametrize("is_resumed", [False, True])
    def test_no_trial_is_recorded_twice(self, opened: OpenLedger, is_resumed: bool) -> None:
        ledger = opened(sweep_record())
        ledger.record([recorded(0), recorded(1), recorded(1)])
        again = opened(sweep_record()) if is_resumed else ledger
        slower = replace(recorded(1), score=replace(recorded(1).score, seconds=9.0))
        again.record([slower, recorded(2)])
        assert written(again.recall()) == written([recorded(0), recorded(1), recorded(2)])

    @pytest.mark.parametrize("is_resumed", [False, True])
    def test_two_searches_in_one_sweep_are_noticed(self, opened: OpenLedger, is_resumed: bool) -> None:
        ledger = opened(sweep_record())
        ledger.record([recorded(0), recorded(1)])
        again = opened(sweep_record()) if is_resumed else ledger
        with pytest.raises(TrackingError, match="trial 1 is already recorded with other params"):
            record_and_look(again, Result(Trial(1, {"trunk.depth": 9}), recorded(1).score))
        assert written(again.recall()) == written([recorded(0), recorded(1)])

    def test_there_are_no_pages_of_trials_that_are_not_there(self, opened: OpenLedger) -> None:
        ledger = opened(sweep_record())
        ledger.record([recorded(0), recorded(2)])
        assert set(ledger.pages([0, 1]).trials) <= {0}
        assert opened(sweep_record()).pages([0, 1, 2]).trials == ledger.pages([0, 1, 2]).trials, "in another process too"

    def test_a_conclusion_is_kept(self, opened: OpenLedger) -> None:
        ledger = opened(sweep_record())
        ledger.record([recorded(0), recorded(1, Status.FAILED), recorded(2, Status.PRUNED), recorded(3)])
        ledger.conclude({"test_r2/PE": 0.1 + 0.2}, {"summary": "ü" * 20_000}, {"summary.json": "{}"})
        for reader in (ledger, opened(sweep_record())):
            assert reader.conclusion is not None
            assert reader.conclusion.tags["summary"] == "ü" * 20_000
            assert reader.conclusion.tags["data_source"] == "embedded"
            expected = {"test_r2/PE": 0.1 + 0.2, "trials/complete": 2.0, "trials/failed": 1.0, "trials/pruned": 1.0}
            assert reader.conclusion.metrics.items() >= expected.items()
            assert reader.conclusion.metrics["best_r2/mean"] == recorded(3).score.value
            assert reader.conclusion.metrics["best_r2/V"] == recorded(0).score.heads["V"].r2

    def test_a_conclusion_may_be_drawn_again_and_say_less(self, opened: OpenLedger) -> None:
        opened(sweep_record()).conclude({"test_r2/PE": 0.9}, {"summary": "long " * 4000}, {})
        again = opened(sweep_record())
        again.conclude({"test_r2/PE": 0.8}, {"summary": "short"}, {})
        concluded = opened(sweep_record()).conclusion
        assert concluded is not None
        assert concluded.tags["summary"] == "short"
        assert concluded.metrics["test_r2/PE"] == 0.8

    @pytest.mark.parametrize("is_same_process", [True, False])
    def test_one_more_trial_takes_the_conclusion_back(self, opened: OpenLedger, is_same_process: bool) -> None:
        ledger = opened(sweep_record())
        ledger.record([recorded(0)])
        ledger.conclude({}, {}, {})
        again = ledger if is_same_process else opened(sweep_record())
        again.record([recorded(0)])
        after_nothing_new = again.conclusion
        again.record([recorded(1)])
        assert after_nothing_new is not None
        assert again.conclusion is None
        assert opened(sweep_record()).conclusion is None

    def test_there_is_no_champion_before_one_is_crowned(self, opened: OpenLedger, tmp_path: Path) -> None:
        ledger = opened(sweep_record())
        assert ledger.champion("none-of-this-name") is None
        ledger.crown(candidate(tmp_path / "model", "uncrowned"), PromotionDecision(crown=False, because="not good enough"))
        assert ledger.champion("uncrowned") is None

    def test_the_title_goes_to_whom_the_verdict_gives_it(self, opened: OpenLedger, tmp_path: Path) -> None:
        ledger = opened(sweep_record())
        first = ledger.crown(
            candidate(tmp_path / "model", "heir", 1), PromotionDecision(crown=True, because="first of its name")
        )
        assert first == Champion(
            model="heir",
            version=first.version,
            value=recorded(1).score.value,
            rule="mean_r2",
            data_digest="d1",
            split_digest="s1",
            sweep=ledger.run_id,
            trial=1,
            because="first of its name",
            params=recorded(1).trial.params,
        )
        assert ledger.champion("heir") == first
        second = ledger.crown(candidate(tmp_path / "model", "heir", 2), PromotionDecision(crown=False, because="worse on V"))
        assert second.version == first.version + 1
        assert ledger.champion("heir") == first
        third = ledger.crown(candidate(tmp_path / "model", "heir", 4), PromotionDecision(crown=True, because="better on both"))
        assert opened(sweep_record("another sweep")).champion("heir") == third
        assert ledger.champion("another") is None

    def test_what_was_registered_is_read_back_with_what_made_it(self, opened: OpenLedger, tmp_path: Path) -> None:
        ledger = opened(sweep_record())
        evidence = {"p": 1 / 3, "interval": [0.1, 0.2]}
        made = candidate(tmp_path / "model", "kept", 2, card="# Karte ½\n")
        first = ledger.crown(made, PromotionDecision(crown=True, because="first of its name", evidence=evidence))
        second = ledger.crown(candidate(tmp_path / "other", "kept", 4), PromotionDecision(crown=False, because="worse on V"))
        reader = opened(sweep_record("another sweep"))
        assert first.params == recorded(2).trial.params
        assert [type(value) for value in first.params.values()] == [type(value) for value in recorded(2).trial.params.values()]
        with reader.files("kept", first.version) as folder:
            for name in ("model.keras", "serving.json"):
                assert (folder / name).read_bytes() == (tmp_path / "model" / name).read_bytes()
            assert (folder / "card").read_text(encoding="utf-8") == "# Karte ½\n"
            assert (folder / "experiment.yaml").read_text(encoding="utf-8") == sweep_record().yaml
            assert json.loads((folder / "evidence.json").read_text(encoding="utf-8")) == evidence
        assert not folder.exists()
        with reader.files("kept", second.version) as folder:
            assert not (folder / "card").exists()
        with pytest.raises(TrackingError, match="there is no models:/kept/9"), reader.files("kept", 9):
            pass

    def test_the_title_goes_to_nobody_who_was_compared_with_another_champion(self, opened: OpenLedger, tmp_path: Path) -> None:
        one, other = opened(sweep_record("one")), opened(sweep_record("other"))
        made = [candidate(tmp_path / "model", "contested", number) for number in range(4)]
        first = one.crown(made[0], PromotionDecision(crown=True, because="first of its name", against=0))
        with pytest.raises(TrackingError, match=r"was to follow nobody, but meanwhile version 1 has the title \(trial 0 of"):
            other.crown(made[1], PromotionDecision(crown=True, because="first of its name", against=0))
        winner = other.crown(made[2], PromotionDecision(crown=True, because="better on both", against=first.version))
        with pytest.raises(TrackingError) as caught:
            one.crown(made[3], PromotionDecision(crown=True, because="better still", against=first.version))
        assert f"was to follow version 1, but meanwhile version {winner.version} has the title" in str(caught.value)
        assert "better on both" in str(caught.value)
        assert "promote again" in str(caught.value)
        assert one.champion("contested") == other.champion("contested") == winner

    def test_who_met_the_test_rows_is_counted_over_all_sweeps(self, opened: OpenLedger) -> None:
        split, another = uuid4().hex, uuid4().hex
        tags = {"test_digest": split}
        ledger = opened(sweep_record("one", tags=tags))
        assert ledger.meetings(split) == 0
        ledger.meet("trial 3")
        ledger.meet("linear regression")
        ledger.meet("trial 3")
        assert ledger.meetings(split) == 2
        resumed = opened(sweep_record("one", tags=tags))
        resumed.record([recorded(0)])
        resumed.meet("trial 3")
        resumed.meet("trial 7")
        resumed.conclude({}, {"summary": "done"}, {})
        other = opened(sweep_record("other", tags=tags))
        other.meet("trial 3")
        elsewhere = opened(sweep_record("elsewhere", tags={"test_digest": another}))
        elsewhere.meet("trial 3")
        assert [elsewhere.meetings(split), elsewhere.meetings(another), elsewhere.meetings("none")] == [4, 1, 0]
        fresh = opened(sweep_record("one", tags=tags), fresh=True)
        fresh.meet("trial 3")
        assert fresh.meetings(split) == 5


class OpenComparison(Protocol):
    """Opens a comparison's ledger over one store, as often as it is called: each call stands for a process of its own."""

    def __call__(self, record: ComparisonRecord, fresh: bool = False) -> ComparisonTracker: ...


def comparison_record(key: str = "key", **changed: Any) -> ComparisonRecord:
    """What is written down of a comparison with two heads."""
    said = {
        "name": "contract",
        "key": key,
        "question": "Who is better?",
        "yaml": "name: contract  # ½\n",
        "heads": {"PE": "MW", "V": "cm Hg"},
        "tags": {"data_source": "embedded", "git_commit": "c0ffee"},
        **changed,
    }
    return ComparisonRecord(**said)


def measured(name: str, level: float, **changed: Any) -> ContestantResult:
    """A contestant whose figures are no round numbers."""
    halves = {head: tuple(level - place / 7 + half / 300 for half in range(10)) for place, head in enumerate(("PE", "V"))}
    means = tuple((pe + v) / 2 for pe, v in zip(*halves.values(), strict=True))
    said = {
        "name": name,
        "what": f"{name}, tuned",
        "r2": {**halves, "mean": means},
        "rmse": {head: tuple(10 * (1 - r2) for r2 in of) for head, of in halves.items()},
        "cost": ContestantCost(
            parameters=1234.5, training_seconds=0.1 + 0.2, tuning_seconds=2.5, latency=0.004 / 3, bytes=70_001.5
        ),
        **changed,
    }
    return ContestantResult(**said)


def contrast(figure: str, one: str, other: str, difference: float) -> PairwiseDifference:
    """A difference with an interval about it."""
    low, high = difference - 1 / 300, difference + 1 / 300
    return PairwiseDifference(figure, one, other, difference, low, high, 5.1, 0.04, 0.08, 0.03, 1.5, is_significant=low > 0)


def found(**changed: Any) -> ComparisonResult:
    """A comparison's end with contestants of all kinds: one that was tuned in each half, one for each head, one that failed."""
    figures, names = ("PE", "V", "mean"), ("branched", "single", "forest")
    recipes = tuple(
        {"": {"trunk.depth": 2 + half % 2, "optimizer": "adam", "learning_rate": 0.001 * half}} for half in range(10)
    )
    of_heads = tuple({"PE": {"trunk.depth": 3}, "V": {"batch_norm": True} if half else {}} for half in range(10))
    nothing = ContestantCost(parameters=None, training_seconds=math.nan, tuning_seconds=0.0, latency=math.nan, bytes=math.nan)
    contestants = (
        measured(names[0], 0.9, recipes=recipes),
        measured(names[1], 0.8, recipes=of_heads),
        measured(names[2], 0.7, cost=ContestantCost(None, 0.01, 0.0, 0.02, 5e6)),
        measured("diverged", 0.0, r2={}, rmse={}, cost=nothing, failed="diverged in half 3: 'Ω'"),
    )
    contrasts = [contrast(figure, name, names[0], -1 / (3 + at)) for at, name in enumerate(names[1:]) for figure in figures]
    said = {
        "comparison": "contract",
        "question": "Who is better?",
        "run_id": "r",
        "heads": {"PE": "MW", "V": "cm Hg"},
        "data": {"source": "embedded", "location": "", "digest": "d", "rows": 300},
        "protocol": ("Ten halves.", "Tuned in each."),
        "reference": names[0],
        "alpha": 0.05,
        "measured": contestants,
        "contrasts": tuple(contrasts),
        "transfer": tuple(contrast(figure, names[0], names[1], 1 / (7 + at)) for at, figure in enumerate(figures)),
        "answer": ("Sharing helps PE.", "It does not help V."),
        "sharing": (SharingResult(0, {"PE": (0.1 + 0.2, math.nan)}, 77), SharingResult(1, {"PE": (0.5, -math.inf)}, 66)),
        "sharing_layers": 1,
        "warnings": ("One diverged.",),
        "seconds": 12.25,
        **changed,
    }
    return ComparisonResult(**said)


class ComparisonContract:
    """What every comparison's ledger must do."""

    def test_a_comparison_begins_with_nothing(self, opened: OpenComparison) -> None:
        ledger = opened(comparison_record())
        assert (ledger.recall(), ledger.conclusion) == ({}, None)
        assert ledger.run_id

    def test_parts_are_kept_exactly_for_whoever_goes_on(self, opened: OpenComparison) -> None:
        parts: dict[str, Any] = {
            "plan": {"halves": [[0, 2], [1, 3]], "Ω": "ä\n½", "nothing": None},
            "tuned/branched": {"r2": [0.1 + 0.2, -1e300, 5e-324], "flag": True, "count": 2**60},
            "tuned/branched.V": [],
            "tuned": "a word",
        }
        first = opened(comparison_record())
        for part, data in parts.items():
            first.keep(part, data)
        again = opened(comparison_record())
        assert first.recall() == again.recall() == parts
        assert again.run_id == first.run_id
        assert again.conclusion is None

    def test_another_comparison_has_parts_of_its_own(self, opened: OpenComparison) -> None:
        first = opened(comparison_record("one"))
        first.keep("tuned/branched", 1)
        other, fresh = opened(comparison_record("other")), opened(comparison_record("one"), fresh=True)
        assert (other.recall(), fresh.recall()) == ({}, {})
        assert len({ledger.run_id for ledger in (first, other, fresh)}) == 3
        fresh.keep("tuned/branched", 2)
        assert first.recall() == {"tuned/branched": 1}
        assert opened(comparison_record("one")).recall() == {"tuned/branched": 2}, "the newest goes on"

    def test_of_a_part_the_last_counts_and_is_a_copy(self, opened: OpenComparison) -> None:
        ledger, data = opened(comparison_record()), {"r2": [0.5]}
        ledger.keep("part", [1] * 1000)
        ledger.keep("part", data)
        data["r2"].append(0.6)
        assert ledger.recall() == {"part": {"r2": [0.5]}}

    def test_what_json_has_no_word_for_is_refused_and_not_kept(self, opened: OpenComparison) -> None:
        ledger = opened(comparison_record())
        with pytest.raises(ValueError, match="not JSON compliant"):
            ledger.keep("part", {"r2": [math.nan]})
        assert ledger.recall() == {}

    def test_what_was_found_is_read_back_whole(self, opened: OpenComparison) -> None:
        first = opened(comparison_record())
        first.keep("tuned/branched", 1)
        first.conclude(found(), {"comparison.md": "# Done", "figures/gain.png": b"\x89PNG\x00"})
        for ledger in (first, opened(comparison_record())):
            assert ledger.conclusion is not None
            assert repr(ComparisonResult.loads(ledger.conclusion)) == repr(found())
            assert ledger.recall() == {"tuned/branched": 1}
        assert opened(comparison_record(), fresh=True).conclusion is None

    def test_a_conclusion_may_be_drawn_again(self, opened: OpenComparison) -> None:
        opened(comparison_record()).conclude(found(answer=("long " * 4000,)), {})
        opened(comparison_record()).conclude(found(answer=("short",)), {})
        said = opened(comparison_record()).conclusion
        assert said is not None
        assert ComparisonResult.loads(said).answer == ("short",)

    @pytest.mark.parametrize("is_same_process", [True, False])
    def test_one_more_part_takes_the_conclusion_back(self, opened: OpenComparison, is_same_process: bool) -> None:
        ledger = opened(comparison_record())
        ledger.conclude(found(), {})
        again = ledger if is_same_process else opened(comparison_record())
        again.keep("more", 1)
        assert again.conclusion is None
        assert opened(comparison_record()).conclusion is None
