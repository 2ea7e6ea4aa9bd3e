"""The best trials once more: on which rows, how scored, and which of them goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import r2_score

from branchsweep.config.experiment import Experiment
from branchsweep.config.objective import Objective
from branchsweep.config.promotion import Confirmation
from branchsweep.data.dataset import Dataset
from branchsweep.data.splits import split_rows
from branchsweep.data.training_rows import TrainingRows, training_rows
from branchsweep.metrics.objectives import make_evaluator
from branchsweep.training.population import PopulationOutcome
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.trial import Result, Score, Status, Trial
from branchsweep.workflows.candidates import ConfirmationCandidate, ReevaluatedTrial
from branchsweep.workflows.confirmation import best_candidates, choose_finalist, reevaluate
from branchsweep.workflows.context import TrainingContext
from fakes import FormulaTrainer, RecordingProgress
from scores import head_score
from tiny_sweep import tiny_experiment


def table(rows: int = 120) -> Dataset:
    x = np.random.default_rng(0).normal(size=(rows, 2))
    y = np.stack([x.sum(1), 2 * x.sum(1)], axis=1)
    return Dataset("file", "tiny.csv", ("a", "b"), ("PE", "V"), x, y, digest="t1")


def result(number: int, r2: float, depth: int = 2, rate: float = 0.01) -> Result:
    params = {"trunk.depth": depth, "trunk.width": 4, "learning_rate": rate}
    heads = {head: head_score(r2, float("nan"), 1.0, 1.0) for head in ("PE", "V")}
    return Result(Trial(number, params), Score(Status.COMPLETE, value=r2, heads=heads))


EXPERIMENT = tiny_experiment(confirmation={"trials": 3, "folds": 4, "seeds": 2})


def seen(experiment: Experiment = EXPERIMENT) -> TrainingRows:
    dataset = table()
    return training_rows(dataset, split_rows(experiment, dataset))


def confirmed(results: list[Result], experiment: Experiment = EXPERIMENT, **trainer: Any) -> list[ReevaluatedTrial]:
    rows = seen(experiment)
    candidates = best_candidates(experiment, results, make_evaluator(experiment.objective, results))
    return reevaluate(candidates, experiment, TrainingContext(FormulaTrainer(rows, **trainer), rows, RecordingProgress()))


def test_the_folds_are_cut_anew_from_the_same_training_rows() -> None:
    rows = seen()
    searched, fresh = rows.folds[:3], rows.folds[3:]
    assert len(fresh) == 4
    assert sorted(np.concatenate([held_out for _, held_out in fresh])) == list(range(len(rows.x)))
    for learning, held_out in fresh:
        assert sorted([*learning, *held_out]) == list(range(len(rows.x)))
        assert not any(set(held_out) <= set(before) for _, before in searched)


def test_the_best_few_go_on() -> None:
    results = [result(number, r2) for number, r2 in enumerate([0.5, 0.9, 0.7, 0.8, 0.6])]
    results += [Result(Trial(5, {}), Score(Status.FAILED)), replace(result(6, 0.99), score=Score(Status.PRUNED, value=0.99))]
    best = best_candidates(EXPERIMENT, results, make_evaluator(EXPERIMENT.objective, results))
    assert [candidate.name for candidate in best] == ["trial 1", "trial 3", "trial 2"]
    several = EXPERIMENT.model_copy(update={"objective": Objective(maximize=["r2/PE", "r2/V"])})
    assert [one.name for one in best_candidates(several, results, make_evaluator(several.objective, results))] == [
        "trial 1"
    ]  # the whole front


def test_scores_are_those_of_the_lanes_on_the_rows_they_have_not_learnt_from() -> None:
    rows = seen()
    (one,) = confirmed([result(0, 0.9)])
    assert sorted(one.lane_scores) == [(fold, seed) for fold in range(3, 7) for seed in range(2)]
    for (fold, _), r2 in one.lane_scores.items():
        held_out = rows.folds[fold][1]
        # the formula says the same whatever the seed, so the mean over the seeds is what each of them says
        assert r2["V"] == pytest.approx(r2_score(rows.y[held_out, 1], one.predictions[held_out, 1]))
    assert one.score.lanes == 8
    assert one.score.heads["PE"].score == pytest.approx(np.mean([r2["PE"] for r2 in one.lane_scores.values()]))
    assert np.isfinite(one.predictions).all()


def test_a_planted_lucky_trial_is_found_out() -> None:
    """Trial 0 has the best searched score by luck; its recipe is worse than that of trial 1."""
    results = [result(0, 0.99, rate=0.2), result(1, 0.95, rate=0.01)]
    finalist = choose_finalist(confirmed(results), EXPERIMENT, make_evaluator(EXPERIMENT.objective, results))
    assert finalist is not None and finalist.candidate.name == "trial 1"
    assert finalist.candidate.searched is not None and finalist.candidate.searched.value == 0.95


def test_within_one_standard_error_the_smallest_goes_on() -> None:
    policy = Confirmation(trials=3, folds=4, seeds=2, choose="one_standard_error")
    results = [result(0, 0.9, depth=4), result(1, 0.9, depth=3), result(2, 0.9, depth=1, rate=1.0)]
    three = confirmed(results)
    evaluator = make_evaluator(EXPERIMENT.objective, results)
    best = choose_finalist(three, EXPERIMENT, evaluator)
    assert best is not None and best.candidate.name == "trial 0"
    noisy = [
        replace(one, lane_scores={key: {head: r2[head] + 0.01 * key[0] for head in r2} for key, r2 in one.lane_scores.items()})
        for one in three
    ]
    smallest = choose_finalist(noisy, EXPERIMENT.model_copy(update={"confirmation": policy}), evaluator)
    assert smallest is not None and smallest.candidate.name == "trial 1"  # trial 2 is smaller, and too bad


def test_who_diverges_is_not_chosen() -> None:
    results = [result(0, 0.99, rate=0.5), result(1, 0.9, rate=0.01)]
    two = confirmed(results, diverges_above=0.1)
    finalist = choose_finalist(two, EXPERIMENT, make_evaluator(EXPERIMENT.objective, results))
    assert finalist is not None and finalist.candidate.name == "trial 1"
    assert two[0].score.status is Status.FAILED and two[0].lane_scores == {} and np.isnan(two[0].predictions).all()
    assert choose_finalist(two[:1], EXPERIMENT, make_evaluator(EXPERIMENT.objective, results)) is None


def test_networks_of_another_experiment_meet_the_same_folds() -> None:
    rows = seen()
    other = EXPERIMENT.model_copy(update={"name": "other", "fit": EXPERIMENT.fit.model_copy(update={"epochs": 5})})
    candidates = [
        ConfirmationCandidate("mine", EXPERIMENT, result(7, 0.9).trial),
        ConfirmationCandidate("theirs", other, result(7, 0.9).trial),
    ]
    trainer = FormulaTrainer(rows)
    mine, theirs = reevaluate(candidates, EXPERIMENT, TrainingContext(trainer, rows, RecordingProgress()))
    assert set(mine.lane_scores) == set(theirs.lane_scores)
    assert mine.lane_scores == theirs.lane_scores  # the formula knows no epochs but those that are missing
    assert trainer.epochs == 8 * 3 + 8 * 5


class InOrder(FormulaTrainer):
    """Yields in the order in which it was given the populations, not in the reverse one."""

    def train(self, line: PopulationQueue, keep_weights: bool = False) -> Iterator[tuple[int, PopulationOutcome]]:
        yield from sorted(super().train(line, keep_weights), key=lambda answer: answer[0])


def test_the_order_in_which_populations_finish_changes_no_bit() -> None:
    """A mean over the lanes as they came would have other last digits with other workers."""
    experiment = tiny_experiment(confirmation={"trials": 1, "folds": 7, "seeds": 5})  # more lanes than a population holds
    rows = seen(experiment)
    results = [result(0, 0.9)]
    candidates = best_candidates(experiment, results, make_evaluator(experiment.objective, results))
    (one,), (other,) = (
        reevaluate(candidates, experiment, TrainingContext(kind(rows), rows, RecordingProgress()))
        for kind in (FormulaTrainer, InOrder)
    )
    assert repr(replace(one.score, seconds=0.0)) == repr(replace(other.score, seconds=0.0))
    assert list(one.score.lane_scores["PE"]) == [r2["PE"] for r2 in one.lane_scores.values()]


def test_a_confirmed_score_does_not_depend_on_the_other_candidates() -> None:
    rows = seen()
    candidates = [
        ConfirmationCandidate("one", EXPERIMENT, result(0, 0.9).trial),
        ConfirmationCandidate("other", EXPERIMENT, result(1, 0.9, rate=0.02).trial),
    ]

    def confirmed_values(chosen: list[ConfirmationCandidate]) -> dict[str, float]:
        training = TrainingContext(FormulaTrainer(rows, seed_effect=0.05), rows, RecordingProgress())
        return {each.candidate.name: each.score.value for each in reevaluate(chosen, EXPERIMENT, training)}

    together = confirmed_values(candidates)
    assert confirmed_values(candidates[::-1]) == together
    assert confirmed_values(candidates[:1]) | confirmed_values(candidates[1:]) == together
    assert together["one"] != together["other"]


def test_equal_recipes_are_trained_once_and_have_equal_scores() -> None:
    rows = seen()
    trainer = FormulaTrainer(rows, seed_effect=0.05)
    candidates = [ConfirmationCandidate(f"trial {number}", EXPERIMENT, result(number, 0.9).trial) for number in (3, 8)]
    first, second = reevaluate(candidates, EXPERIMENT, TrainingContext(trainer, rows, RecordingProgress()))
    assert len(trainer.trained) == 4 * 2
    assert repr(first.score) == repr(second.score)
    assert (first.candidate.name, second.candidate.name) == ("trial 3", "trial 8")
