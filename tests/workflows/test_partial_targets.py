"""A sweep and a comparison of heads that are measured in different rows, of which some have weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import r2_score

from branchsweep.config.comparison import N_HALVES, Comparison
from branchsweep.data.dataset import Dataset, Halves
from branchsweep.data.splits import split_rows
from branchsweep.data.training_rows import training_rows
from branchsweep.errors import DataError
from branchsweep.search.drivers import open_driver
from branchsweep.tracking.comparison_protocols import ComparisonRecord
from branchsweep.tracking.memory import MemoryComparisonTracker, MemoryStore, MemoryTracker
from branchsweep.training.trainer import PopulationTrainer
from branchsweep.trial import Status
from branchsweep.workflows.comparison.compare import compare
from branchsweep.workflows.comparison.protocol import comparison_rows
from branchsweep.workflows.context import ComparisonContext, SweepContext, TrainingContext
from branchsweep.workflows.promotion.baseline_evaluation import Baseline
from branchsweep.workflows.records.report_tables import PREDICTIONS, read_predictions
from branchsweep.workflows.records.sweep_record import new_sweep_record
from branchsweep.workflows.records.sweep_summary import SweepSummary
from branchsweep.workflows.replay import retrain
from branchsweep.workflows.sweep import run_sweep
from fakes import RecordingProgress
from tiny_sweep import tiny_experiment

EXPERIMENT = tiny_experiment(
    space={
        "dimensions": {"learning_rate": {"type": "float", "low": 5e-3, "high": 5e-2, "log": True}},
        "fixed": {"batch_size": 16},
    },
    search={"driver": "random", "trials": 3, "batch": 3},
    fit={"epochs": 12},
    pruning={"rungs": []},
    validation={"method": "k_fold", "folds": 2},
    confirmation={"trials": 2, "folds": 2, "seeds": 1},
    promotion={"model": "tiny", "ensemble": {"size": 2, "choose": "greedy"}, "gate": {"bootstrap": 200}},
)


def table(rows: int = 120, overlap: int = 0) -> Dataset:
    """Even rows have a target of PE, odd ones of V, the first `overlap` rows of both; V's rows have weights."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 2))
    y = np.stack([x.sum(1), 2 * x[:, 0] - x[:, 1]], axis=1) + 0.05 * random.normal(size=(rows, 2))
    number = np.arange(rows)
    for head in (0, 1):
        y[(number % 2 != head) & (number >= overlap), head] = np.nan
    weights = np.stack([np.ones(rows), random.choice([0.5, 2.0], rows)], axis=1)
    return Dataset("file", "tiny.csv", ("a", "b"), ("PE", "V"), x, y, digest="t1", weights=weights)


def sweep(store: MemoryStore, **changes: Any) -> tuple[SweepContext, SweepSummary, MemoryTracker]:
    experiment, dataset = EXPERIMENT.model_copy(update=changes), table()
    split = split_rows(experiment, dataset)
    tracker = MemoryTracker.open(new_sweep_record(experiment, dataset, split), store)
    rows = training_rows(dataset, split)
    training = TrainingContext(PopulationTrainer(rows), rows, RecordingProgress())
    context = SweepContext(experiment, dataset, split, training, tracker.tracking)
    return context, run_sweep(context, open_driver(experiment), [Baseline("linear_regression")]), tracker


@pytest.fixture(scope="module")
def finished() -> tuple[MemoryStore, SweepContext, SweepSummary, MemoryTracker]:
    store = MemoryStore()
    return (store, *sweep(store))


def test_a_sweep_scores_each_head_on_the_rows_that_have_its_target(
    finished: tuple[MemoryStore, SweepContext, SweepSummary, MemoryTracker],
) -> None:
    store, context, summary, tracker = finished
    assert all(result.score.status is Status.COMPLETE for result in tracker.recorded_results())
    assert summary.test_scores is not None
    assert all(math.isfinite(score) and score > 0.5 for score in summary.test_scores.values())
    (baseline,) = summary.baselines
    assert all(math.isfinite(score) and score > 0.9 for score in baseline.test_scores.values())
    predicted = read_predictions(str(next(iter(store.sweeps)).files[PREDICTIONS]))
    test = context.dataset.actual.rows(context.split.test)
    for column, head in enumerate(context.dataset.heads):
        actual, *weights = test.head(column)
        np.testing.assert_array_equal(predicted[head].actual, actual)
        score = r2_score(actual, predicted[head].predicted, sample_weight=weights[0])
        assert score == pytest.approx(summary.test_scores[head])


def test_a_trial_of_it_is_replayed_to_the_last_bit(
    finished: tuple[MemoryStore, SweepContext, SweepSummary, MemoryTracker],
) -> None:
    _, context, _, tracker = finished
    result = tracker.recorded_results()[1]
    assert retrain(result, context.experiment, context.training).score.scores == result.score.scores


def test_its_champion_is_compared_with_the_next_model_on_known_targets(
    finished: tuple[MemoryStore, SweepContext, SweepSummary, MemoryTracker],
) -> None:
    _, summary, _ = sweep(finished[0], seed=2)
    registered = summary.registered
    assert registered is not None and registered.version == 2
    assert registered.because


def comparison() -> Comparison:
    return Comparison.model_validate(
        {
            "name": "tiny",
            "experiment": EXPERIMENT,
            "contestants": {
                "branched": {"kind": "network"},
                "single": {"kind": "single"},
                "chain": {"kind": "estimator", "estimator": "linear_regression", "chain": ["PE", "V"]},
            },
            "budget": {"trials": 2},
        }
    )


def halves_of(dataset: Dataset) -> Halves:
    random = np.random.default_rng(1)
    orders = [random.permutation(dataset.rows) for _ in range(N_HALVES // 2)]
    return Halves(tuple((order[: dataset.rows // 2], order[dataset.rows // 2 :]) for order in orders), "shuffles", "h1", 1)


@pytest.mark.slow
def test_a_comparison_scores_each_head_on_the_rows_that_have_its_target() -> None:
    dataset = table(overlap=20)
    rows = comparison_rows(comparison(), dataset, halves_of(dataset))
    training = TrainingContext(PopulationTrainer(rows), rows, RecordingProgress())
    tracker = MemoryComparisonTracker.open(ComparisonRecord("tiny", "key", "", "", {}, {}))
    result = compare(ComparisonContext(comparison(), dataset, halves_of(dataset), training, tracker))
    assert not any(contestant.failure for contestant in result.contestants)
    assert all(np.isfinite(scores).all() for contestant in result.contestants for scores in contestant.scores.values())
    chain = next(contestant for contestant in result.contestants if contestant.name == "chain")
    assert min(chain.scores["PE"]) > 0.9


def test_a_fold_of_tuning_without_known_targets_of_a_head_is_named() -> None:
    dataset = table()
    y = dataset.y.copy()
    y[4:, 0] = np.nan
    few = Dataset("file", "tiny.csv", ("a", "b"), ("PE", "V"), dataset.x, y, digest="t2")
    with pytest.raises(DataError, match=r"heads\.PE: .*tuning"):
        comparison_rows(comparison(), few, halves_of(few))
