"""Confirmation of the best trials: the rows, the scores, and the choice of the finalist."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import r2_score

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.objective import Objective
from branchsweep.config.sections.promotion import Confirmation
from branchsweep.data.dataset import Dataset
from branchsweep.data.splits import split_rows
from branchsweep.data.splitters.shuffle import Shuffle
from branchsweep.data.splitters.splitter import Splitter
from branchsweep.data.splitters.time import Time
from branchsweep.data.training_rows import TrainingRows, training_rows
from branchsweep.metrics.objectives import make_evaluator
from branchsweep.training.population import PopulationOutcome
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.trial import Result, Score, Status, Trial
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate, ReevaluatedTrial
from branchsweep.workflows.promotion.confirmation import best_candidates, choose_finalist, reevaluate
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


def training_rows_of(experiment: Experiment = EXPERIMENT, splitter: Splitter | None = None) -> TrainingRows:
    dataset = replace(table(), splitter=splitter or Shuffle())
    return training_rows(dataset, split_rows(experiment, dataset))


def confirmed(results: list[Result], experiment: Experiment = EXPERIMENT, **trainer: Any) -> list[ReevaluatedTrial]:
    rows = training_rows_of(experiment)
    candidates = best_candidates(experiment, results, make_evaluator(experiment.objective, results))
    return reevaluate(candidates, experiment, TrainingContext(FormulaTrainer(rows, **trainer), rows, RecordingProgress()))


def test_confirmation_has_new_folds_of_the_same_training_rows() -> None:
    rows = training_rows_of()
    search_folds, new_folds = rows.folds[:3], rows.folds[3:]
    assert len(new_folds) == 4
    assert sorted(np.concatenate([held_out for _, held_out in new_folds])) == list(range(len(rows.x)))
    for learning, held_out in new_folds:
        assert sorted([*learning, *held_out]) == list(range(len(rows.x)))
        assert not any(set(held_out) <= set(before) for _, before in search_folds)


def test_the_best_complete_trials_are_confirmed() -> None:
    results = [result(number, r2) for number, r2 in enumerate([0.5, 0.9, 0.7, 0.8, 0.6])]
    results += [Result(Trial(5, {}), Score(Status.FAILED)), replace(result(6, 0.99), score=Score(Status.PRUNED, value=0.99))]
    best = best_candidates(EXPERIMENT, results, make_evaluator(EXPERIMENT.objective, results))
    assert [candidate.name for candidate in best] == ["trial 1", "trial 3", "trial 2"]
    several = EXPERIMENT.model_copy(update={"objective": Objective(maximize=["r2/PE", "r2/V"])})
    assert [candidate.name for candidate in best_candidates(several, results, make_evaluator(several.objective, results))] == [
        "trial 1"
    ]  # the whole Pareto front


def test_confirmed_scores_are_those_of_the_lanes_on_their_validation_rows() -> None:
    rows = training_rows_of()
    (trial,) = confirmed([result(0, 0.9)])
    assert sorted(trial.lane_scores) == [(fold, seed) for fold in range(3, 7) for seed in range(2)]
    for (fold, _), r2 in trial.lane_scores.items():
        held_out = rows.folds[fold][1]
        # predictions by the formula do not depend on the seed, so that the mean over the seeds equals each of them
        assert r2["V"] == pytest.approx(r2_score(rows.y[held_out, 1], trial.predictions[held_out, 1]))
    assert trial.score.lanes == 8
    assert trial.score.heads["PE"].score == pytest.approx(np.mean([r2["PE"] for r2 in trial.lane_scores.values()]))
    assert np.isfinite(trial.predictions).all()


def test_rows_that_are_validation_rows_of_no_fold_have_no_predictions() -> None:
    """In the order of time, the first rows train only."""
    rows = training_rows_of(splitter=Time(np.arange(120, dtype=float), "hour"))
    candidates = best_candidates(EXPERIMENT, [result(0, 0.9)], make_evaluator(EXPERIMENT.objective, []))
    (trial,) = reevaluate(candidates, EXPERIMENT, TrainingContext(FormulaTrainer(rows), rows, RecordingProgress()))
    validated = np.concatenate([held_out for _, held_out in rows.folds[3:]])
    assert trial.predicted_rows.tolist() == sorted(validated) and len(validated) < len(rows.y)
    assert r2_score(rows.y[validated, 1], trial.predictions[validated, 1]) > 0.9


def test_a_trial_with_a_lucky_searched_score_is_not_the_finalist() -> None:
    """Trial 0 has the best searched score by luck; its recipe is worse than that of trial 1."""
    results = [result(0, 0.99, rate=0.2), result(1, 0.95, rate=0.01)]
    finalist = choose_finalist(confirmed(results), EXPERIMENT, make_evaluator(EXPERIMENT.objective, results))
    assert finalist is not None and finalist.candidate.name == "trial 1"
    assert finalist.candidate.searched is not None and finalist.candidate.searched.value == 0.95


def test_the_finalist_may_be_the_smallest_network_within_one_standard_error() -> None:
    policy = Confirmation(trials=3, folds=4, seeds=2, choose="one_standard_error")
    results = [result(0, 0.9, depth=4), result(1, 0.9, depth=3), result(2, 0.9, depth=1, rate=1.0)]
    reevaluated = confirmed(results)
    evaluator = make_evaluator(EXPERIMENT.objective, results)
    best = choose_finalist(reevaluated, EXPERIMENT, evaluator)
    assert best is not None and best.candidate.name == "trial 0"
    noisy = [
        replace(
            trial, lane_scores={key: {head: r2[head] + 0.01 * key[0] for head in r2} for key, r2 in trial.lane_scores.items()}
        )
        for trial in reevaluated
    ]
    smallest = choose_finalist(noisy, EXPERIMENT.model_copy(update={"confirmation": policy}), evaluator)
    assert smallest is not None and smallest.candidate.name == "trial 1"  # trial 2 is smaller, and worse by more than that


def test_a_trial_that_diverges_is_not_the_finalist() -> None:
    results = [result(0, 0.99, rate=0.5), result(1, 0.9, rate=0.01)]
    reevaluated = confirmed(results, diverges_above=0.1)
    finalist = choose_finalist(reevaluated, EXPERIMENT, make_evaluator(EXPERIMENT.objective, results))
    assert finalist is not None and finalist.candidate.name == "trial 1"
    assert (
        reevaluated[0].score.status is Status.FAILED
        and reevaluated[0].lane_scores == {}
        and np.isnan(reevaluated[0].predictions).all()
    )
    assert choose_finalist(reevaluated[:1], EXPERIMENT, make_evaluator(EXPERIMENT.objective, results)) is None


def test_networks_of_another_experiment_are_confirmed_on_the_same_folds() -> None:
    rows = training_rows_of()
    other = EXPERIMENT.model_copy(update={"name": "other", "fit": EXPERIMENT.fit.model_copy(update={"epochs": 5})})
    candidates = [
        ConfirmationCandidate("first", EXPERIMENT, result(7, 0.9).trial),
        ConfirmationCandidate("second", other, result(7, 0.9).trial),
    ]
    trainer = FormulaTrainer(rows)
    first, second = reevaluate(candidates, EXPERIMENT, TrainingContext(trainer, rows, RecordingProgress()))
    assert set(first.lane_scores) == set(second.lane_scores)
    assert first.lane_scores == second.lane_scores  # the formula depends only on the missing epochs
    assert trainer.epochs == 8 * 3 + 8 * 5


class InOrderTrainer(FormulaTrainer):
    """Yields outcomes in the order of the populations, not in the reverse order."""

    def train(self, line: PopulationQueue, keep_weights: bool = False) -> Iterator[tuple[int, PopulationOutcome]]:
        yield from sorted(super().train(line, keep_weights), key=lambda outcome: outcome[0])


def test_confirmed_scores_do_not_depend_on_the_order_in_which_populations_finish() -> None:
    """To the last bit; a mean in the order of finishing would have other last digits."""
    experiment = tiny_experiment(confirmation={"trials": 1, "folds": 7, "seeds": 5})  # more lanes than a population holds
    rows = training_rows_of(experiment)
    results = [result(0, 0.9)]
    candidates = best_candidates(experiment, results, make_evaluator(experiment.objective, results))
    (reverse,), (in_order,) = (
        reevaluate(candidates, experiment, TrainingContext(trainer_class(rows), rows, RecordingProgress()))
        for trainer_class in (FormulaTrainer, InOrderTrainer)
    )
    assert repr(replace(reverse.score, seconds=0.0)) == repr(replace(in_order.score, seconds=0.0))
    assert list(reverse.score.lane_scores["PE"]) == [r2["PE"] for r2 in reverse.lane_scores.values()]


def test_a_confirmed_score_does_not_depend_on_the_other_candidates() -> None:
    rows = training_rows_of()
    candidates = [
        ConfirmationCandidate("first", EXPERIMENT, result(0, 0.9).trial),
        ConfirmationCandidate("second", EXPERIMENT, result(1, 0.9, rate=0.02).trial),
    ]

    def confirmed_values(chosen: list[ConfirmationCandidate]) -> dict[str, float]:
        training = TrainingContext(FormulaTrainer(rows, seed_effect=0.05), rows, RecordingProgress())
        return {trial.candidate.name: trial.score.value for trial in reevaluate(chosen, EXPERIMENT, training)}

    together = confirmed_values(candidates)
    assert confirmed_values(candidates[::-1]) == together
    assert confirmed_values(candidates[:1]) | confirmed_values(candidates[1:]) == together
    assert together["first"] != together["second"]


def test_equal_recipes_are_trained_once_and_have_equal_scores() -> None:
    rows = training_rows_of()
    trainer = FormulaTrainer(rows, seed_effect=0.05)
    candidates = [ConfirmationCandidate(f"trial {number}", EXPERIMENT, result(number, 0.9).trial) for number in (3, 8)]
    first, second = reevaluate(candidates, EXPERIMENT, TrainingContext(trainer, rows, RecordingProgress()))
    assert len(trainer.trained) == 4 * 2
    assert repr(first.score) == repr(second.score)
    assert (first.candidate.name, second.candidate.name) == ("trial 3", "trial 8")


def test_candidates_of_several_experiments_are_trained_together_and_score_as_alone() -> None:
    rows = training_rows_of()
    other = EXPERIMENT.model_copy(update={"fit": EXPERIMENT.fit.model_copy(update={"epochs": EXPERIMENT.fit.epochs + 5})})
    trial = Trial(0, {"trunk.depth": 1, "trunk.width": 4, "learning_rate": 0.01})
    candidates = [ConfirmationCandidate("short", EXPERIMENT, trial), ConfirmationCandidate("long", other, trial)]
    queues: list[int] = []

    class Counting(FormulaTrainer):
        def train(self, queue: PopulationQueue, keep_weights: bool = False) -> Iterator[tuple[int, PopulationOutcome]]:
            queues.append(len(queue))
            return super().train(queue, keep_weights)

    training = TrainingContext(Counting(rows), rows, RecordingProgress())
    together = reevaluate(candidates, EXPERIMENT, training)
    assert len(queues) == 1
    assert queues[0] >= 2
    for candidate, result in zip(candidates, together, strict=True):
        (alone,) = reevaluate([candidate], EXPERIMENT, training)
        assert (result.score.heads, result.lane_scores) == (alone.score.heads, alone.lane_scores)
