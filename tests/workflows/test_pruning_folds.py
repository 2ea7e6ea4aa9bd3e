"""Trials that are scored on few folds at the first rungs, and on all at the end."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.data.splits import split_rows
from branchsweep.reporting.progress_state import lane_epochs
from branchsweep.training.resources import Resources
from branchsweep.trial import EndCause, Result, Status
from branchsweep.workflows.dry_run import make_dry_run
from branchsweep.workflows.records.compared_trial import ComparedTrial
from branchsweep.workflows.records.paired_scores import fold_count, why_not_paired
from branchsweep.workflows.records.sweep_record import new_sweep_record
from branchsweep.workflows.records.trial_details import RecordedTrial, trial_details
from branchsweep.workflows.replay import retrain
from tiny_sweep import TinySweep, tiny_experiment, tiny_table

OPTUNA = {"driver": "optuna", "algorithm": "tpe", "trials": 20, "batch": 8, "initial_trials": {}}


def on_few_folds(**changes: Any) -> Experiment:
    """Rounds of eight: one of three folds up to the first epoch, two of them up to the third, all three to the end."""
    pruning = {"rungs": [1, 3], "folds": [1, 2], **changes.pop("pruning", {})}
    return tiny_experiment(**{"fit": {"epochs": 6}, "pruning": pruning, "search": OPTUNA, **changes})


def compared(results: list[Result]) -> list[tuple[Any, ...]]:
    return [
        (result.trial, result.score.status, result.score.value, result.score.rungs, result.score.lanes, result.score.reason)
        for result in results
    ]


def test_networks_are_trained_on_more_folds_from_rung_to_rung() -> None:
    sweep = TinySweep(on_few_folds())
    results = sweep.search()
    networks = {(1,): 1, (1, 3): 2}
    for result in results:
        score = result.score
        assert score.lanes == (3 if score.is_complete else networks[tuple(score.rungs)])
        assert all(len(scores) == score.lanes for scores in score.lane_scores.values())
    first = [result.score for result in results[:8]]
    assert Counter((score.status, score.lanes) for score in first) == {
        (Status.PRUNED, 1): 4,
        (Status.PRUNED, 2): 2,
        (Status.COMPLETE, 3): 2,
    }
    assert {(score.cause, score.ended_at) for score in first} == {(EndCause.PRUNED, 1), (EndCause.PRUNED, 3), (None, 0)}
    of_eight = 8 * 1 * 1 + 4 * (2 * 3 - 1 * 1) + 2 * (3 * 6 - 2 * 3)
    of_four = 4 * 1 * 1 + 2 * (2 * 3 - 1 * 1) + 1 * (3 * 6 - 2 * 3)
    assert sweep.trainer.epochs == 2 * of_eight + of_four == sweep.progress.planned
    assert sum(lane_epochs(sweep.experiment, 8)) == of_eight


def test_a_complete_trial_scores_as_one_that_was_trained_on_all_folds_from_the_beginning() -> None:
    everything = {result.trial.number: result.score for result in TinySweep(on_few_folds(pruning={"folds": None})).search()[:8]}
    for result in TinySweep(on_few_folds()).search()[:8]:
        score, other = result.score, everything[result.trial.number]
        if score.is_complete and other.is_complete:
            assert (score.value, score.lane_scores) == (other.value, other.lane_scores)
        first_fold = {head: scores[0] for head, scores in other.lane_scores.items()}
        if other.ended_at == score.ended_at == 1:
            assert score.by_head == first_fold


def test_seeds_are_added_as_folds_are() -> None:
    experiment = on_few_folds(
        validation={"method": "hold_out", "seeds": 4}, pruning={"folds": None, "seeds": [1, 2]}, search={**OPTUNA, "trials": 8}
    )
    results = TinySweep(experiment, seed_effect=0.5).search()
    assert Counter(result.score.lanes for result in results) == {1: 4, 2: 2, 4: 2}


@pytest.mark.parametrize("populations", range(0, 30, 4))
def test_an_interrupted_sweep_resumes_with_the_pruning_of_an_uninterrupted_one(populations: int) -> None:
    uninterrupted = TinySweep(on_few_folds()).search()
    stopped = TinySweep(on_few_folds(), interrupts_after=populations)
    with suppress(KeyboardInterrupt):
        stopped.search()
    assert compared(stopped.again().search()) == compared(uninterrupted)


def test_networks_that_end_before_a_rung_are_trained_on_the_other_folds_later() -> None:
    experiment = on_few_folds(
        space={"dimensions": {"epochs": {"type": "choice", "choices": [1, 2, 3, 4, 5, 8], "ordered": True}}},
        search={"driver": "random", "trials": 6, "batch": 6},
        fit={"epochs": 8},
        pruning={"rungs": [2, 4, 6], "folds": [1, 1, 2], "keep": 0.99},
    )
    sweep = TinySweep(experiment)
    results = sweep.search()
    assert all(result.score.is_complete and result.score.lanes == 3 for result in results)
    assert {tuple(result.score.rungs) for result in results} == {(2, 4, 6)}
    assert sweep.trainer.epochs == 3 * (1 + 2 + 3 + 4 + 5 + 8)


def test_a_round_whose_networks_all_end_before_the_rungs_ends_too() -> None:
    experiment = on_few_folds(
        space={
            "dimensions": {"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-1, "log": True}},
            "fixed": {"epochs": 1},
        },
        search={"driver": "random", "trials": 8, "batch": 8},
        pruning={"rungs": [2, 3, 4], "folds": [1, 1, 1]},
    )
    scores = [result.score for result in TinySweep(experiment).search()]
    assert Counter(tuple(score.rungs) for score in scores) == {(2,): 4, (2, 3): 2, (2, 3, 4): 2}
    assert sum(score.is_complete for score in scores) == 1


def test_a_pruned_trial_is_replayed_on_the_folds_of_its_rung() -> None:
    sweep = TinySweep(on_few_folds())
    for result in sweep.search()[:8]:
        again = retrain(result, sweep.experiment, sweep.training)
        assert (again.score.value, again.score.rungs, again.score.lanes) == (
            result.score.value,
            result.score.rungs,
            result.score.lanes,
        )


def test_networks_of_a_pruned_trial_are_named_by_their_folds_and_seeds() -> None:
    experiment = on_few_folds(validation={"method": "k_fold", "folds": 3, "seeds": 2}, pruning={"seeds": [1, 2]})
    results = TinySweep(experiment).search()

    def names(epoch: int) -> list[str]:
        result = next(result for result in results if result.score.ended_at == epoch)
        return [*trial_details(experiment, "sweep", RecordedTrial("run", result, {})).lanes]

    assert names(1) == ["fold 0, seed 0"]
    assert names(3) == [f"fold {fold}, seed {seed}" for fold in range(2) for seed in range(2)]


def test_trials_are_compared_over_the_folds_that_both_have() -> None:
    sweep = TinySweep(on_few_folds())
    results = sweep.search()
    record = new_sweep_record(sweep.experiment, tiny_table(), split_rows(sweep.experiment, tiny_table()))
    trials = {
        epoch: [
            ComparedTrial(f"{result.trial.number}", "sweep", "run", record, sweep.experiment, result)
            for result in results
            if result.score.ended_at == epoch
        ]
        for epoch in (0, 1, 3)
    }
    assert [fold_count(trials[epoch][0]) for epoch in (1, 3, 0)] == [1, 2, 3]
    assert [bool(why_not_paired(*trials[epoch][:2])) for epoch in (1, 3, 0)] == [True, False, False]
    assert why_not_paired(trials[0][0], trials[3][0])


def test_a_dry_run_has_the_epochs_of_the_folds_that_are_trained() -> None:
    few, every = (on_few_folds(fit={"epochs": 100}, pruning={"rungs": [30, 60], "folds": folds}) for folds in ([1, 2], None))
    split = TinySweep(few).split
    plans = [make_dry_run(experiment, [], split, Resources(2)) for experiment in (few, every)]
    assert plans[0].rungs == plans[1].rungs == {30: 4, 60: 2}
    seconds = [sum(program.seconds for program in plan.plan) for plan in plans]
    assert sum(lane_epochs(few, 8)) < sum(lane_epochs(every, 8)) and seconds[0] < seconds[1]
