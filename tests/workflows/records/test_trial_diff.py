"""The difference of two trials, as values."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.metrics.significance import SignificanceSettings, corrected_t
from branchsweep.tracking.champion_history import RegisteredVersion
from branchsweep.trial import Status
from branchsweep.workflows.records.compared_trial import ComparedTrial
from branchsweep.workflows.records.sweep_summary import SweepSummary
from branchsweep.workflows.records.trial_diff import DiffRow, TrialDiff, compare_trials
from tiny_sweep import TinySweep, tiny_experiment

FOLDS = 3

EXPERIMENT = tiny_experiment(
    search={"driver": "random", "trials": 8, "batch": 8},
    validation={"method": "k_fold", "folds": FOLDS, "seeds": 2},
    fit={"epochs": 12},
)


@pytest.fixture(scope="module")
def sweep() -> tuple[TinySweep, SweepSummary]:
    tiny = TinySweep(EXPERIMENT)
    return tiny, tiny.run()


@pytest.fixture
def compared(sweep: tuple[TinySweep, SweepSummary]) -> list[ComparedTrial]:
    tiny, summary = sweep
    return [
        ComparedTrial(f"tiny:{result.trial.number}", "sweep", f"run{result.trial.number}", tiny.tracker.sweep, EXPERIMENT,
                      result, summary)
        for result in tiny.tracker.recorded_results()
    ]  # fmt: skip


def complete(compared: list[ComparedTrial]) -> list[ComparedTrial]:
    return [trial for trial in compared if trial.result.score.is_complete]


def row(rows: Any, name: str) -> DiffRow:
    (found,) = (row for row in rows if row.name == name)
    assert isinstance(found, DiffRow)
    return found


def test_differences_are_paired_over_folds_and_averaged_over_seeds(compared: list[ComparedTrial]) -> None:
    first, second, *_ = complete(compared)
    diff = compare_trials(first, second)
    assert (diff.folds, diff.not_paired_because) == (FOLDS, "")
    assert [score.name for score in diff.scores] == ["r2/PE", "r2/V", "r2/mean"]
    for score, head in zip(diff.scores, ("PE", "V"), strict=False):
        lanes = [np.reshape(trial.result.score.lane_scores[head], (FOLDS, 2)).mean(axis=1) for trial in (first, second)]
        expected = corrected_t(lanes[1] - lanes[0], 1 / FOLDS, SignificanceSettings(confidence=0.95))
        assert (score.difference, score.low, score.high, score.p) == pytest.approx(
            (expected.mean, expected.low, expected.high, expected.p)
        )
    assert diff.scores[2].difference == pytest.approx(second.result.score.value - first.result.score.value)


def test_hyperparameters_that_differ_are_marked(compared: list[ComparedTrial]) -> None:
    first, second = compared[:2]
    diff = compare_trials(first, second)
    for name, value in first.result.trial.params.items():
        found = row(diff.hyperparameters, name)
        assert (found.first, found.second) == (value, second.result.trial.params[name])
        assert found.differs == (value != second.result.trial.params[name])
    same = compare_trials(first, first)
    assert not any(found.differs for rows in same.sections.values() for found in rows)
    assert [score.difference for score in same.scores] == [0, 0, 0]


def test_what_one_trial_did_not_choose_is_what_it_was_trained_with(compared: list[ComparedTrial]) -> None:
    first, second = compared[:2]
    params = {**second.result.trial.params, "batch_size": 7, "PE.depth": 2, "branch.depth": 3}
    second = replace(second, result=replace(second.result, trial=replace(second.result.trial, params=params)))
    diff = compare_trials(first, second)
    assert row(diff.hyperparameters, "batch_size").first not in {None, 7}
    assert row(diff.hyperparameters, "PE.depth").first == row(diff.hyperparameters, "branch.depth").first


def with_record(trial: ComparedTrial, **changed: Any) -> ComparedTrial:
    return replace(trial, record=replace(trial.record, **changed))


def with_validation(trial: ComparedTrial, **validation: Any) -> ComparedTrial:
    data = {**EXPERIMENT.model_dump(exclude_unset=True), "validation": validation}
    return replace(trial, experiment=Experiment.model_validate(data))


@pytest.mark.parametrize("different", ["table", "split", "validation", "no scores by fold", "one validation set"])
def test_scores_that_are_not_of_the_same_folds_are_not_paired(compared: list[ComparedTrial], different: str) -> None:
    first, second, *_ = complete(compared)
    if different == "table":
        second = with_record(second, table=replace(second.record.table, digest="other"))
    elif different == "split":
        second = with_record(second, split_digest="other")
    elif different == "validation":
        second = with_validation(second, method="k_fold", folds=2, seeds=3)
    elif different == "no scores by fold":
        second = replace(second, result=replace(second.result, score=replace(second.result.score, lane_scores={})))
    else:
        first, second = (with_validation(trial, method="hold_out", seeds=2) for trial in (first, second))
    diff = compare_trials(first, second)
    assert diff.folds == 0 and diff.not_paired_because
    assert all(math.isnan(score.low) and math.isnan(score.p) for score in diff.scores)
    assert diff.scores[0].difference == second.result.score.by_head["PE"] - first.result.score.by_head["PE"]


def test_a_pruned_trial_is_named(compared: list[ComparedTrial]) -> None:
    pruned = next(trial for trial in compared if trial.result.score.status is Status.PRUNED)
    diff = compare_trials(complete(compared)[0], pruned)
    assert any(pruned.name in note and str(pruned.result.score.ended_at) in note for note in diff.notes)
    assert row(diff.facts, "reason").second == pruned.result.score.reason


def evidence(trial: ComparedTrial, other: ComparedTrial) -> TrialDiff:
    return compare_trials(trial, other)


def test_evidence_is_what_was_measured_after_the_search(
    compared: list[ComparedTrial], sweep: tuple[TinySweep, SweepSummary]
) -> None:
    summary = sweep[1]
    assert summary.finalist is not None and summary.test_scores is not None and summary.registered is not None
    best = compared[summary.finalist.trial]
    other = next(trial for trial in complete(compared) if trial is not best)
    rows = evidence(best, other).evidence
    assert row(rows, "test_r2/PE").first == pytest.approx(summary.test_scores["PE"], abs=1e-4)
    assert row(rows, "test_r2/PE").second is None
    (confirmed,) = (trial for trial in summary.confirmed if trial.trial == summary.finalist.trial)
    assert str(row(rows, "confirmed r2/mean").first).startswith(f"{confirmed.scores.mean:.4f}")
    assert row(rows, "registered as").first == "tiny version 1"
    version = RegisteredVersion(
        2, "now", "sweep", best.result.trial.number, 0.5, "mean_r2", {"test_r2/PE": 0.25}, "why", ["challenger"]
    )
    registered = evidence(replace(best, name="tiny version 2", version=version), other)
    assert registered.first == "tiny version 2"
    assert row(registered.evidence, "test_r2/PE").first == 0.25
    assert [row(registered.evidence, name).first for name in ("aliases", "decision")] == ["challenger", "why"]


def test_json_has_null_where_there_is_no_number(compared: list[ComparedTrial]) -> None:
    first, second, *_ = complete(compared)
    printed = json.loads(compare_trials(first, with_record(second, split_digest="other")).to_json())
    assert printed["scores"][0]["name"] == "r2/PE" and printed["scores"][0]["low"] is None
    assert printed["hyperparameters"][0].keys() == {"name", "first", "second", "differs"}
