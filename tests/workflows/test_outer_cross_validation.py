"""Outer cross-validation: every row is a test row of one sweep, and the nested score is computed from all of them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.data.dataset import Dataset, Split
from branchsweep.data.splits import outer_splits
from branchsweep.data.training_rows import training_rows
from branchsweep.metrics.significance import corrected_t
from branchsweep.search.drivers import open_driver
from branchsweep.tracking.memory import MemoryCrossValidationTracker, MemoryStore, MemoryTracker
from branchsweep.workflows.context import SweepContext, TrainingContext
from branchsweep.workflows.outer_cross_validation import (
    OuterContext,
    cross_validate,
    new_cross_validation_record,
    recorded_result,
    result_so_far,
)
from branchsweep.workflows.promotion.baseline_evaluation import baselines_of
from branchsweep.workflows.promotion.pipeline import PromotionOutcome
from branchsweep.workflows.records.cross_validation_result import CrossValidationResult
from branchsweep.workflows.records.sweep_record import new_sweep_record
from branchsweep.workflows.records.sweep_summary import SweepSummary
from branchsweep.workflows.sweep import run_sweep_to_outcome
from fakes import FormulaTrainer, RecordingProgress
from tiny_sweep import tiny_experiment, tiny_table

FOLDS = 4


def outer_experiment(**changes: Any) -> Experiment:
    search = {"driver": "random", "trials": 4, "batch": 4}
    return tiny_experiment(
        **{"test": {"folds": FOLDS, "seed": 2}, "search": search, "baselines": ["linear_regression"], **changes}
    )


def noisy_table() -> Dataset:
    """As `tiny_table`, with noise on one head, so that no model is perfect."""
    table = tiny_table()
    y = table.y + np.random.default_rng(1).normal(scale=[0.5, 0.0], size=table.y.shape)
    return Dataset("file", "tiny.csv", table.inputs, table.heads, table.x, y, digest="noisy")


@dataclass
class Outer:
    """An outer cross-validation on `noisy_table`, trained by a formula and recorded in memory."""

    experiment: Experiment
    store: MemoryStore = field(default_factory=MemoryStore)
    trainer: dict[str, Any] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dataset = noisy_table()
        self.splits = outer_splits(self.experiment, self.dataset)

    def run(self, fails_at: str = "") -> CrossValidationResult:
        """Run it, or resume it, as another process would; interrupted in the sweep of this name."""
        baselines = baselines_of(self.experiment)
        record = new_cross_validation_record(self.experiment, baselines, self.dataset, self.splits)
        tracker = MemoryCrossValidationTracker.open(record, self.store)
        rows = training_rows(self.dataset, self.splits[0])
        opened = TrainingContext(FormulaTrainer(rows, **self.trainer), rows, RecordingProgress())

        def run_fold(of_fold: Experiment, split: Split, training: TrainingContext) -> tuple[SweepSummary, PromotionOutcome]:
            if of_fold.name == fails_at:
                raise KeyboardInterrupt
            self.runs.append(of_fold.name)
            tracking = MemoryTracker.open(new_sweep_record(of_fold, self.dataset, split), self.store).tracking
            sweep = SweepContext(of_fold, self.dataset, split, training, tracking)
            return run_sweep_to_outcome(sweep, open_driver(of_fold), baselines)

        return cross_validate(OuterContext(self.experiment, self.dataset, self.splits, opened, tracker, run_fold))

    @property
    def predictions(self) -> list[dict[str, str]]:
        """The rows of predictions.csv."""
        return list(csv.DictReader(io.StringIO(str(self.store.cross_validations[-1].files["predictions.csv"]))))


@pytest.fixture(scope="module")
def finished() -> tuple[Outer, CrossValidationResult]:
    outer = Outer(outer_experiment())
    return outer, outer.run()


def test_the_relative_rmse_is_that_of_its_definition(finished: tuple[Outer, CrossValidationResult]) -> None:
    outer, result = finished
    y, by_fold = outer.dataset.y, []
    predicted = np.array([[float(row["PE predicted"]), float(row["V predicted"])] for row in outer.predictions])
    for split in outer.splits:
        residual = np.square(y[split.test] - predicted[split.test]).sum(axis=0)
        of_mean = np.square(y[split.test] - y[split.train].mean(axis=0)).sum(axis=0)
        by_fold.append(np.sqrt(residual / of_mean))
    expected = np.mean(by_fold, axis=0)
    assert list(result.scores["rrmse"].values.values()) == pytest.approx([*expected, expected.mean()], rel=1e-12)
    assert result.metrics["rrmse/mean"] == result.scores["rrmse"].mean
    assert outer.store.cross_validations[0].conclusion == recorded(outer)


def recorded(outer: Outer) -> Any:
    return MemoryCrossValidationTracker(outer.store, 0).conclusion


def test_every_row_is_predicted_once_by_the_sweep_that_did_not_see_it(finished: tuple[Outer, CrossValidationResult]) -> None:
    outer, _ = finished
    folds = {int(row["row"]) - 1: int(row["fold"]) for row in outer.predictions}
    assert sorted(folds) == list(range(outer.dataset.rows))
    for number, split in enumerate(outer.splits, 1):
        assert {folds[row] for row in split.test.tolist()} == {number}
    assert outer.runs == [f"tiny-fold-{number}" for number in range(1, FOLDS + 1)]
    assert [sweep.record.name for sweep in outer.store.sweeps] == outer.runs
    assert len({sweep.record.key for sweep in outer.store.sweeps}) == FOLDS


def test_scores_are_means_over_the_folds_with_standard_errors(finished: tuple[Outer, CrossValidationResult]) -> None:
    _, result = finished
    scores = [fold.metrics["PE"]["r2"] for fold in result.folds]
    assert result.scores["r2"].values["PE"] == pytest.approx(np.mean(scores))
    assert result.scores["r2"].errors["PE"] == pytest.approx(np.std(scores, ddof=1) / np.sqrt(FOLDS))
    assert set(result.scores) == {"r2", "rmse", "mae", "rrmse"}
    assert "mean" not in result.scores["rmse"].values, "heads have units of their own"


def test_baselines_are_scored_on_the_same_folds(finished: tuple[Outer, CrossValidationResult]) -> None:
    _, result = finished
    differences = np.array(
        [fold.metrics["PE"]["r2"] - fold.baselines["linear regression"]["PE"]["r2"] for fold in result.folds]
    )
    found, expected = result.differences["linear regression"]["PE"], corrected_t(differences, 1 / FOLDS)
    assert (found.mean, found.p) == pytest.approx((expected.mean, expected.p))
    assert found.low < found.mean < found.high


def test_no_model_of_a_fold_is_registered_and_no_champion_is_asked_for(finished: tuple[Outer, CrossValidationResult]) -> None:
    outer, _ = finished
    assert outer.experiment.promotion is not None
    assert outer.store.versions == {}


def test_an_interrupted_cross_validation_goes_on_where_it_was() -> None:
    outer = Outer(outer_experiment())
    with pytest.raises(KeyboardInterrupt):
        outer.run(fails_at="tiny-fold-3")
    assert outer.runs == ["tiny-fold-1", "tiny-fold-2"]
    stored = outer.store.cross_validations[0]
    parts = {name: json.loads(text) for name, text in stored.parts.items()}
    so_far = result_so_far(outer.experiment, "run", stored.record.table, parts.get)
    assert [fold.number for fold in so_far.folds] == [1, 2] and not so_far.is_finished
    assert so_far.scores["r2"].values.keys() == {"PE", "V", "mean"}
    assert so_far.data["rows"] == outer.dataset.rows
    result = outer.run()
    assert result.is_finished and result.folds[:2] == so_far.folds
    assert outer.runs == [f"tiny-fold-{number}" for number in range(1, FOLDS + 1)]
    undisturbed = Outer(outer_experiment()).run()
    assert result.scores == undisturbed.scores and result.baselines == undisturbed.baselines


def test_the_result_is_read_back_and_printed_as_json(finished: tuple[Outer, CrossValidationResult]) -> None:
    outer, result = finished
    again = recorded_result(recorded(outer))
    assert again is not None
    assert again.scores == result.scores and again.differences == result.differences
    printed = json.loads(result.to_json())
    assert printed["scores"]["rrmse"]["values"]["mean"] == result.scores["rrmse"].mean


def test_a_fold_without_a_model_is_named_and_left_out_of_the_scores() -> None:
    result = Outer(outer_experiment(), trainer={"diverges_above": 0.0}).run()
    assert result.without_model == (1, 2, 3, 4)
    assert result.scores == {} and result.differences == {"linear regression": {}}


def test_a_larger_budget_is_another_result_over_the_same_sweeps() -> None:
    outer = Outer(outer_experiment())
    outer.run()
    larger = Outer(outer_experiment(search={"driver": "random", "trials": 8, "batch": 4}), outer.store)
    larger.run()
    assert len(outer.store.sweeps) == FOLDS, "they were resumed"
    assert len(outer.store.cross_validations) == 2
    assert {len(sweep.results) for sweep in outer.store.sweeps} == {8}
