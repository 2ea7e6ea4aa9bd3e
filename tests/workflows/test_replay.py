"""Replays of recorded trials: how they agree with the record, and what differs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from branchsweep.config.experiment import Experiment
from branchsweep.data.dataset import Dataset, Split
from branchsweep.data.splits import split_rows
from branchsweep.data.training_rows import training_rows
from branchsweep.reporting.text.replay import render_replay_result
from branchsweep.search.drivers import open_driver
from branchsweep.tracking.memory import MemoryTracker
from branchsweep.tracking.protocols import SweepRecord
from branchsweep.trial import EndCause, Result, Score, Status
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.records.replay_result import Agreement, EnvironmentFact, Replay
from branchsweep.workflows.records.sweep_record import RecordedSweep, new_sweep_record
from branchsweep.workflows.replay import compare_facts, compare_metrics, replay
from branchsweep.workflows.search_loop import run_search
from fakes import FormulaTrainer, RecordingProgress
from scores import head_score
from tiny_sweep import tiny_experiment


def tiny_table(noise: float = 0.0, digest: str = "t1") -> Dataset:
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 2))
    y = np.stack([x.sum(1), 2 * x.sum(1)], axis=1) + noise * random.normal(size=(120, 2))
    return Dataset("file", "tiny.csv", ("a", "b"), ("PE", "V"), x, y, digest=digest)


class RecordedTinySweep:
    """A recorded sweep: rounds of eight trials, of which four continue after the first epoch and two after the third."""

    diverges_above = 0.3

    def __init__(self) -> None:
        self.experiment: Experiment = tiny_experiment(fit={"epochs": 6}, pruning={"rungs": [1, 3]})
        dataset = tiny_table()
        parts = split_rows(self.experiment, dataset)
        self.record: SweepRecord = new_sweep_record(self.experiment, dataset, parts)
        tracker = MemoryTracker.open(self.record)
        trainer = FormulaTrainer(training_rows(dataset, parts), self.diverges_above)
        training = TrainingContext(trainer, trainer.rows, RecordingProgress())
        run_search(self.experiment, open_driver(self.experiment), training, tracker)
        self.results: Sequence[Result] = tracker.recorded_results()

    def first(self, status: Status, rungs: int = 0) -> Result:
        """The first trial of this status that reached at least this many rungs."""
        return next(result for result in self.results if result.score.status is status and len(result.score.rungs) >= rungs)

    def replay(
        self, result: Result, dataset: Dataset | None = None, environment: dict[str, str] | None = None, **others: Any
    ) -> tuple[Replay, FormulaTrainer]:
        """A replay of the trial, by default on the recorded table."""
        table = dataset or tiny_table()
        parts: Split = split_rows(self.experiment, table)
        trainer = FormulaTrainer(training_rows(table, parts), others.pop("diverges_above", self.diverges_above))
        record = replace(self.record, environment={**self.record.environment, **(environment or {})})
        sweep = RecordedSweep("run", record, self.experiment, [result])
        training = TrainingContext(trainer, trainer.rows, RecordingProgress())
        return replay(sweep, result.trial.number, table, training, **others), trainer


@pytest.fixture(scope="module")
def recorded_sweep() -> RecordedTinySweep:
    return RecordedTinySweep()


def with_higher_score(result: Result, increase: float, head: str = "V") -> Result:
    """The result with one head's recorded score increased."""
    heads = {name: replace(score, score=score.score + increase * (name == head)) for name, score in result.score.heads.items()}
    return replace(result, score=replace(result.score, heads=heads))


def to_text(outcome: Replay) -> str:
    console = Console(width=160)
    with console.capture() as captured:
        console.print(render_replay_result(outcome))
    return captured.get()


def test_every_trial_is_replayed_to_the_last_digit(recorded_sweep: RecordedTinySweep) -> None:
    """Whether it is complete, pruned or failed: its scores do not depend on the other trials of its round."""
    assert {result.score.status for result in recorded_sweep.results} == set(Status)
    for result in recorded_sweep.results:
        outcome, _ = recorded_sweep.replay(result, tolerance=0.0)
        assert (outcome.agreement, outcome.gap, outcome.agrees, outcome.differences) == (Agreement.EQUAL, 0.0, True, [])
        assert outcome.replayed.status is result.score.status
        assert outcome.replayed.rungs == result.score.rungs


def test_a_complete_trial_is_compared_at_its_rungs_and_at_its_end(recorded_sweep: RecordedTinySweep) -> None:
    result = recorded_sweep.first(Status.COMPLETE)
    outcome, trainer = recorded_sweep.replay(result)
    assert trainer.epochs == 3 * 6  # three folds
    assert [(metric.name, metric.epoch) for metric in outcome.metrics] == [
        ("r2/PE", 1),
        ("r2/V", 1),
        ("r2/PE", 3),
        ("r2/V", 3),
        *((f"{metric}/{head}", None) for metric in ("r2", "r2_se") for head in ("PE", "V", "mean")),
    ]
    assert outcome.agreement is Agreement.EQUAL


@pytest.mark.parametrize("rungs", [1, 2])
def test_a_pruned_trial_is_trained_to_its_rung_and_no_further(recorded_sweep: RecordedTinySweep, rungs: int) -> None:
    pruned = (result for result in recorded_sweep.results if result.score.status is Status.PRUNED)
    result = next(result for result in pruned if len(result.score.rungs) == rungs)
    outcome, trainer = recorded_sweep.replay(result)
    epoch = (1, 3)[rungs - 1]
    assert trainer.epochs == 3 * epoch  # three folds
    assert outcome.agreement is Agreement.EQUAL
    assert (outcome.replayed.cause, outcome.replayed.ended_at) == (EndCause.PRUNED, epoch)
    assert f"epoch {epoch}" in outcome.sentence


def test_a_failed_trial_agrees_only_if_it_fails_again_in_the_same_lane_and_epoch(recorded_sweep: RecordedTinySweep) -> None:
    result = recorded_sweep.first(Status.FAILED)
    outcome, _ = recorded_sweep.replay(result)
    assert outcome.metrics == []
    assert (outcome.replayed.status, outcome.agreement) == (Status.FAILED, Agreement.EQUAL)
    assert (outcome.replayed.cause, outcome.replayed.ended_at) == (EndCause.DIVERGED, 1)
    later = replace(result, score=replace(result.score, reason="diverged after another epoch", ended_at=2))
    outcome, _ = recorded_sweep.replay(later)
    assert outcome.agreement is Agreement.DIFFERS and not outcome.agrees
    assert (outcome.recorded.ended_at, outcome.replayed.ended_at) == (2, 1)
    assert (outcome.recorded.reason, outcome.replayed.reason) == (later.score.reason, result.score.reason)
    outcome, _ = recorded_sweep.replay(result, diverges_above=math.inf)
    assert outcome.agreement is Agreement.DIFFERS
    assert (outcome.recorded.status, outcome.replayed.status, outcome.differences) == (Status.FAILED, Status.COMPLETE, [])


def test_a_difference_up_to_the_tolerance_agrees(recorded_sweep: RecordedTinySweep) -> None:
    result = with_higher_score(recorded_sweep.first(Status.COMPLETE), 0.0004)
    outcome, _ = recorded_sweep.replay(result)
    assert outcome.agreement is Agreement.WITHIN and outcome.agrees
    assert outcome.tolerance == 0.001 and outcome.gap == pytest.approx(0.0004)
    assert "0.0004 on V" in outcome.sentence
    for tolerance in (0.0, 0.0003):
        outcome, _ = recorded_sweep.replay(result, tolerance=tolerance)
        assert outcome.agreement is Agreement.DIFFERS and not outcome.agrees
    outcome, _ = recorded_sweep.replay(with_higher_score(result, math.nan))
    assert outcome.agreement is Agreement.DIFFERS and outcome.gap == math.inf  # a value that is missing on one side


def test_the_sentence_names_a_score_beyond_the_tolerance_before_standard_errors(recorded_sweep: RecordedTinySweep) -> None:
    result = recorded_sweep.first(Status.COMPLETE)
    heads = {
        head: replace(score, score_se=score.score_se + 0.5)
        for head, score in with_higher_score(result, 0.02, "PE").score.heads.items()
    }
    outcome, _ = recorded_sweep.replay(replace(result, score=replace(result.score, heads=heads)))
    assert "0.02 on PE:" in outcome.sentence
    outcome, _ = recorded_sweep.replay(replace(result, score=replace(result.score, value_se=result.score.value_se + 0.5)))
    assert "0.5 on " in outcome.sentence and " mean:" in outcome.sentence


def test_other_kept_epochs_are_within_the_tolerance_if_no_score_differs(recorded_sweep: RecordedTinySweep) -> None:
    result = recorded_sweep.first(Status.COMPLETE)
    outcome, _ = recorded_sweep.replay(replace(result, score=replace(result.score, epochs=5.0)))
    assert outcome.agreement is Agreement.WITHIN
    assert (outcome.gap, outcome.recorded.epochs, outcome.replayed.epochs) == (0.0, 5, 6)


def test_other_versions_are_named_as_differences(recorded_sweep: RecordedTinySweep) -> None:
    now = recorded_sweep.record.environment["version_numpy"]
    result, environment = recorded_sweep.first(Status.COMPLETE), {"version_numpy": "1.0.0"}
    outcome, _ = recorded_sweep.replay(result, environment=environment)
    assert outcome.agreement is Agreement.EQUAL
    assert [(fact.name, fact.recorded, fact.replayed) for fact in outcome.differences] == [("version_numpy", "1.0.0", now)]
    outcome, _ = recorded_sweep.replay(with_higher_score(result, 0.02), environment=environment)
    assert outcome.agreement is Agreement.DIFFERS
    assert outcome.gap == pytest.approx(0.02)
    assert str(outcome.differences[0]) in outcome.sentence


def test_a_replay_uses_the_recorded_rungs_rather_than_those_of_the_experiment(recorded_sweep: RecordedTinySweep) -> None:
    other_rungs = tiny_experiment(fit={"epochs": 6}, pruning={"rungs": [2, 4]})
    table = tiny_table()
    parts = split_rows(other_rungs, table)
    for status in (Status.COMPLETE, Status.PRUNED):
        trainer = FormulaTrainer(training_rows(table, parts), recorded_sweep.diverges_above)
        result = recorded_sweep.first(status)
        training = TrainingContext(trainer, trainer.rows, RecordingProgress())
        outcome = replay(
            RecordedSweep("run", recorded_sweep.record, other_rungs, [result]), result.trial.number, table, training
        )
        assert outcome.agreement is Agreement.EQUAL


def test_environment_facts_include_those_of_either_side() -> None:
    recorded = {"seed": "1", "version_keras": "3.12.0", "version_torch": "2.6.0", "git_commit": "0" * 40}
    compared = compare_facts(recorded, {"seed": "1", "version_keras": "3.13.0", "version_python": "3.11.2"})
    assert [(fact.name, fact.is_as_recorded) for fact in compared] == [
        ("seed", True),
        ("version_keras", False),
        ("version_python", False),
        ("version_torch", False),
        ("git_commit", False),
    ]
    assert [(fact.label, *fact.values) for fact in (*compared, EnvironmentFact("version", "0.1", "0.2"))] == [
        ("seed", "1", "1"),
        ("keras", "3.12.0", "3.13.0"),
        ("python", "none", "3.11.2"),
        ("torch", "2.6.0", "none"),
        ("git commit", "0" * 12, "none"),
        ("branchsweep", "0.1", "0.2"),
    ]


def test_metrics_that_neither_side_has_are_left_out() -> None:
    heads = {"PE": head_score(0.5, math.nan, 1.0, 1.0)}  # one lane has no standard error
    complete = Score(Status.COMPLETE, value=0.5, heads=heads)
    assert [metric.name for metric in compare_metrics(complete, complete, {"PE": "r2"})] == ["r2/PE", "r2/mean"]
    failed = Score(Status.FAILED, rungs={2: (0.25,)})
    assert [(metric.name, metric.epoch, metric.gap) for metric in compare_metrics(failed, complete, {"PE": "r2"})] == [
        ("r2/PE", 2, math.inf),
        ("r2/PE", None, math.inf),
        ("r2/mean", None, math.inf),
    ]


def test_the_report_and_the_json_have_recorded_and_replayed_values(recorded_sweep: RecordedTinySweep) -> None:
    result = with_higher_score(recorded_sweep.first(Status.COMPLETE), 0.02)
    outcome, _ = recorded_sweep.replay(result, environment={"version_numpy": "1.0.0"})
    text = " ".join(to_text(outcome).split())
    r2, r2_se = result.score.heads["V"].score, result.score.heads["V"].score_se
    assert "COMPLETE COMPLETE" in text and "epochs 6 6 0" in text
    assert f"r2/V {r2:.4f} ± {r2_se:.4f} {r2 - 0.02:.4f} ± {r2_se:.4f} 2.0e-02" in text
    assert re.search(r"r2/PE\b.*\b1 ", text)
    assert " t1 t1 " in text and "numpy 1.0.0" in text and "tensorflow" not in text
    assert text.endswith(outcome.sentence)
    data = json.loads(outcome.to_json())
    assert (data["trial"], data["agreement"], data["differences"]) == (result.trial.number, "differs", ["version_numpy"])
    assert data["facts"]["data_digest"] == {"recorded": "t1", "replayed": "t1"}
    assert {"name": "r2/V", "epoch": None, "recorded": r2, "replayed": outcome.replayed.heads["V"].score} in data["metrics"]
