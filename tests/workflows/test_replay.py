"""A recorded trial trained again: equal under equal circumstances, and with the circumstances that differ otherwise."""

from __future__ import annotations

import json
import math
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
from branchsweep.errors import TrackingError
from branchsweep.reporting.text.replay import render_replay_result
from branchsweep.search.drivers import open_driver
from branchsweep.tracking.memory import MemoryTracker
from branchsweep.tracking.protocols import SweepRecord
from branchsweep.trial import Result, Score, Status, Trial
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.replay import compare_facts, compare_metrics, find_trial, replay
from branchsweep.workflows.replay_result import Agreement, EnvironmentFact, Replay
from branchsweep.workflows.search_loop import run_search
from branchsweep.workflows.sweep_record import RecordedSweep, new_sweep_record
from fakes import FormulaTrainer, RecordingProgress
from scores import head_score
from tiny_sweep import tiny_experiment


def tiny_table(noise: float = 0.0, digest: str = "t1") -> Dataset:
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 2))
    y = np.stack([x.sum(1), 2 * x.sum(1)], axis=1) + noise * random.normal(size=(120, 2))
    return Dataset("file", "tiny.csv", ("a", "b"), ("PE", "V"), x, y, digest=digest)


class Past:
    """A sweep that was recorded: rounds of eight, of which four train on after the first epoch, two after the third."""

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
        """The first trial that ended so, after so many rungs at least."""
        return next(it for it in self.results if it.score.status is status and len(it.score.rungs) >= rungs)

    def replay(
        self, result: Result, dataset: Dataset | None = None, tags: dict[str, str] | None = None, **others: Any
    ) -> tuple[Replay, FormulaTrainer]:
        """Today's replay, on the recorded table unless another is given."""
        table = dataset or tiny_table()
        parts: Split = split_rows(self.experiment, table)
        trainer = FormulaTrainer(training_rows(table, parts), others.pop("diverges_above", self.diverges_above))
        record = replace(self.record, tags={**self.record.tags, **(tags or {})})
        sweep = RecordedSweep("run", record, self.experiment, [result])
        training = TrainingContext(trainer, trainer.rows, RecordingProgress())
        return replay(sweep, result.trial.number, table, training, **others), trainer


@pytest.fixture(scope="module")
def past() -> Past:
    return Past()


def off(result: Result, by: float, head: str = "V") -> Result:
    """The result as if one head's R² had been recorded a little higher."""
    heads = {name: replace(of, score=of.score + by * (name == head)) for name, of in result.score.heads.items()}
    return replace(result, score=replace(result.score, heads=heads))


def to_text(outcome: Replay) -> str:
    console = Console(width=160)
    with console.capture() as captured:
        console.print(render_replay_result(outcome))
    return captured.get()


def test_every_trial_of_a_sweep_is_replayed_to_the_last_digit(past: Past) -> None:
    """Whether it came to its end, was pruned or failed: alone it is what it was in its round."""
    assert {result.score.status for result in past.results} == set(Status)
    for result in past.results:
        outcome, _ = past.replay(result, tolerance=0.0)
        assert (outcome.agreement, outcome.gap, outcome.agrees, outcome.differences) == (Agreement.EQUAL, 0.0, True, [])
        assert outcome.replayed.status is result.score.status
        assert outcome.replayed.rungs == result.score.rungs


def test_a_complete_trial_is_compared_at_its_rungs_and_at_its_end(past: Past) -> None:
    result = past.first(Status.COMPLETE)
    outcome, trainer = past.replay(result)
    assert trainer.epochs == 3 * 6  # three folds
    assert [(metric.name, metric.epoch) for metric in outcome.metrics] == [
        ("r2/PE", 1),
        ("r2/V", 1),
        ("r2/PE", 3),
        ("r2/V", 3),
        *((f"{kind}/{head}", None) for kind in ("r2", "r2_se") for head in ("PE", "V", "mean")),
    ]
    assert outcome.sentence == f"trial {result.trial.number} replayed: equal to the last digit"


@pytest.mark.parametrize("rungs", [1, 2])
def test_a_pruned_trial_is_trained_to_its_rung_and_no_further(past: Past, rungs: int) -> None:
    result = next(it for it in past.results if it.score.status is Status.PRUNED and len(it.score.rungs) == rungs)
    outcome, trainer = past.replay(result)
    epoch = (1, 3)[rungs - 1]
    assert trainer.epochs == 3 * epoch  # three folds
    assert (
        outcome.sentence
        == f"trial {result.trial.number} replayed to epoch {epoch}, where it was pruned: equal to the last digit"
    )


def test_a_failed_trial_fails_again_in_the_same_place_or_it_differs(past: Past) -> None:
    result = past.first(Status.FAILED)
    outcome, _ = past.replay(result)
    assert outcome.metrics == []
    assert outcome.sentence == f"trial {result.trial.number} replayed until it failed: equal to the last digit"
    later = replace(result, score=replace(result.score, reason=result.score.reason.replace("epoch 1", "epoch 2")))
    outcome, _ = past.replay(later)
    assert outcome.agreement is Agreement.DIFFERS and not outcome.agrees
    assert "after epoch 2 (fold 0, seed 0)) then, FAILED (diverged" in outcome.sentence
    outcome, _ = past.replay(result, diverges_above=math.inf)
    assert outcome.agreement is Agreement.DIFFERS
    assert "then, COMPLETE now: nothing that is recorded differs; the processor" in outcome.sentence


def test_a_small_difference_is_within_the_tolerance_that_one_states(past: Past) -> None:
    result = off(past.first(Status.COMPLETE), 0.0004)
    outcome, _ = past.replay(result)
    assert outcome.agreement is Agreement.WITHIN and outcome.agrees
    assert outcome.sentence == f"trial {result.trial.number} replayed: within 0.001 (differs by 0.0004 on V)"
    for tolerance in (0.0, 0.0003):
        outcome, _ = past.replay(result, tolerance=tolerance)
        assert outcome.agreement is Agreement.DIFFERS and not outcome.agrees
    outcome, _ = past.replay(off(result, math.nan))
    assert outcome.agreement is Agreement.DIFFERS and outcome.gap == math.inf  # a figure that is missing on one side


def test_of_several_figures_an_r2_beyond_the_tolerance_is_told(past: Past) -> None:
    result = past.first(Status.COMPLETE)
    heads = {head: replace(of, score_se=of.score_se + 0.5) for head, of in off(result, 0.02, "PE").score.heads.items()}
    outcome, _ = past.replay(replace(result, score=replace(result.score, heads=heads)))
    assert "differs by 0.02 on PE:" in outcome.sentence
    outcome, _ = past.replay(replace(result, score=replace(result.score, value_se=result.score.value_se + 0.5)))
    assert "differs by 0.5 on the standard error of mean:" in outcome.sentence


def test_other_kept_epochs_are_told_though_no_score_differs(past: Past) -> None:
    result = past.first(Status.COMPLETE)
    outcome, _ = past.replay(replace(result, score=replace(result.score, epochs=5.0)))
    assert outcome.agreement is Agreement.WITHIN
    assert "no R² differs, but the epochs do: 5 then, 6 now" in outcome.sentence


def test_other_versions_are_named_as_what_differs(past: Past) -> None:
    now = past.record.tags["version_numpy"]
    result, tags = past.first(Status.COMPLETE), {"version_numpy": "1.0.0"}
    outcome, _ = past.replay(result, tags=tags)
    assert outcome.agreement is Agreement.EQUAL
    assert outcome.sentence.endswith(f"equal to the last digit, although numpy 1.0.0 then, {now} now")
    outcome, _ = past.replay(off(result, 0.02), tags=tags)
    assert outcome.sentence.endswith(f"replayed: differs by 0.02 on V: numpy 1.0.0 then, {now} now")
    assert outcome.agreement is Agreement.DIFFERS


def test_on_another_table_it_is_trained_and_told_but_never_said_to_agree(past: Past) -> None:
    result = past.first(Status.COMPLETE)
    outcome, trainer = past.replay(result, tiny_table(noise=0.5, digest="t2"))
    assert trainer.epochs == 3 * 6
    assert outcome.agreement is Agreement.NOT_COMPARABLE and not outcome.agrees
    assert [difference.name for difference in outcome.differences] == ["data_digest", "split_digest"]
    assert (
        outcome.sentence.endswith("another table (digest t1 then, t2 now)")
        and "not comparable (differs by " in outcome.sentence
    )
    renamed, _ = past.replay(result, tiny_table(digest="t2"))
    assert renamed.gap == 0.0 and not renamed.agrees
    assert "not comparable (no R² differs)" in renamed.sentence


def test_the_same_rows_in_another_order_are_another_split(past: Past) -> None:
    table = tiny_table()
    outcome, _ = past.replay(past.first(Status.COMPLETE), replace(table, x=table.x[::-1], y=table.y[::-1]))
    assert [difference.name for difference in outcome.differences] == ["split_digest"]
    assert outcome.agreement is Agreement.NOT_COMPARABLE and "another split (digest " in outcome.sentence


def test_the_default_rungs_may_have_changed_meanwhile(past: Past) -> None:
    """What was recorded says where a trial was looked at."""
    elsewhere = tiny_experiment(fit={"epochs": 6}, pruning={"rungs": [2, 4]})
    table = tiny_table()
    parts = split_rows(elsewhere, table)
    for status in (Status.COMPLETE, Status.PRUNED):
        trainer = FormulaTrainer(training_rows(table, parts), past.diverges_above)
        result = past.first(status)
        training = TrainingContext(trainer, trainer.rows, RecordingProgress())
        outcome = replay(RecordedSweep("run", past.record, elsewhere, [result]), result.trial.number, table, training)
        assert outcome.agreement is Agreement.EQUAL


def test_circumstances_are_those_of_both_sides() -> None:
    then = {"seed": "1", "version_keras": "3.12.0", "version_torch": "2.6.0", "driver": "optuna", "git_commit": "0" * 40}
    compared = compare_facts(then, {"seed": "1", "version_keras": "3.13.0", "version_python": "3.11.2"})
    assert [(one.name, one.is_as_recorded) for one in compared] == [
        ("seed", True),
        ("version_keras", False),
        ("version_python", False),
        ("version_torch", False),
        ("git_commit", False),
    ]
    assert str(compared[1]) == "keras 3.12.0 then, 3.13.0 now"
    assert str(compared[2]) == "python none then, 3.11.2 now"
    assert str(compared[4]) == "git commit 000000000000 then, none now"
    assert str(EnvironmentFact("version", "0.1", "0.2")) == "branchsweep 0.1 then, 0.2 now"


def test_figures_that_no_side_has_are_left_out() -> None:
    heads = {"PE": head_score(0.5, math.nan, 1.0, 1.0)}  # one lane has no standard error
    one = Score(Status.COMPLETE, value=0.5, heads=heads)
    assert [figure.name for figure in compare_metrics(one, one, {"PE": "r2"})] == ["r2/PE", "r2/mean"]
    failed = Score(Status.FAILED, rungs={2: (0.25,)})
    assert [(figure.name, figure.epoch, figure.gap) for figure in compare_metrics(failed, one, {"PE": "r2"})] == [
        ("r2/PE", 2, math.inf),
        ("r2/PE", None, math.inf),
        ("r2/mean", None, math.inf),
    ]


def test_the_report_and_the_json_show_both_sides(past: Past) -> None:
    result = off(past.first(Status.COMPLETE), 0.02)
    outcome, _ = past.replay(result, tags={"version_numpy": "1.0.0"})
    text = " ".join(to_text(outcome).split())
    r2, error = result.score.heads["V"].score, result.score.heads["V"].score_se
    assert "status COMPLETE COMPLETE" in text and "epochs 6 6 0" in text
    assert f"r2/V {r2:.4f} ± {error:.4f} {r2 - 0.02:.4f} ± {error:.4f} 2.0e-02" in text
    assert "r2/PE, epoch 1" in text
    assert "data digest t1 t1" in text and "numpy 1.0.0" in text and "tensorflow" not in text
    assert text.endswith(outcome.sentence)
    data = json.loads(outcome.to_json())
    assert (data["trial"], data["agreement"], data["differences"]) == (result.trial.number, "differs", ["version_numpy"])
    assert data["circumstances"]["data_digest"] == {"recorded": "t1", "replayed": "t1"}
    assert {"name": "r2/V", "epoch": None, "recorded": r2, "replayed": outcome.replayed.heads["V"].score} in data["figures"]


def test_a_number_that_is_not_there_is_told() -> None:
    results = [Result(Trial(number, {}), Score(Status.FAILED)) for number in (0, 2)]
    assert find_trial(results, 2, "sweep x") is results[1]
    with pytest.raises(TrackingError, match="sweep x has no trial 1; its 2 trials are numbered up to 2"):
        find_trial(results, 1, "sweep x")
    with pytest.raises(TrackingError, match="sweep x has no trial 0; it has none yet"):
        find_trial([], 0, "sweep x")
