"""A small experiment on a small table, and its sweep in memory: the whole loop in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.data.dataset import Dataset, Split
from branchsweep.data.splits import split_rows
from branchsweep.data.training_rows import training_rows
from branchsweep.search.drivers import open_driver
from branchsweep.tracking.memory import MemoryStore, MemoryTracker
from branchsweep.trial import Result
from branchsweep.workflows.context import SweepContext, TrainingContext
from branchsweep.workflows.promotion.baseline_evaluation import Baseline
from branchsweep.workflows.records.sweep_record import new_sweep_record
from branchsweep.workflows.records.sweep_summary import SweepSummary
from branchsweep.workflows.reporter import TABLES_ONLY, SweepReporter
from branchsweep.workflows.search_loop import SearchResult, run_search
from branchsweep.workflows.sweep import run_sweep
from fakes import FormulaTrainer, RecordingProgress


def tiny_experiment(**changes: Any) -> Experiment:
    """A small experiment with two heads on a csv file that no test of the flows reads."""
    values: dict[str, Any] = {
        "name": "tiny",
        "table": {"source": "tiny.csv", "inputs": ["a", "b"]},
        "heads": {"PE": {"unit": "MW"}, "V": {"unit": "cm Hg"}},
        "space": {
            "dimensions": {
                "trunk.depth": {"type": "int", "low": 1, "high": 4},
                "trunk.width": {"type": "int", "low": 2, "high": 40},
                "learning_rate": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
            }
        },
        "search": {
            "driver": "random",
            "trials": 20,
            "batch": 8,
            "initial_trials": {"small": {"trunk.depth": 1, "trunk.width": 2}},
        },
        "fit": {"epochs": 3},
        "promotion": {"model": "tiny"},
    }
    return Experiment.model_validate({**values, **changes})


def tiny_table() -> Dataset:
    """Every head is a multiple of the sum of the inputs."""
    x = np.random.default_rng(0).normal(size=(120, 2))
    y = np.stack([x.sum(1), 2 * x.sum(1)], axis=1)
    return Dataset("file", "tiny.csv", ("a", "b"), ("PE", "V"), x, y, digest="t1")


class TinySweep:
    """A sweep of an experiment on `tiny_table`, trained by a formula and recorded in memory.

    Args:
        experiment: The experiment.
        tracker: Records the sweep; one in memory, with a store of its own, if None.
        trainer: Arguments of `FormulaTrainer`.
    """

    def __init__(self, experiment: Experiment, tracker: MemoryTracker | None = None, **trainer: Any) -> None:
        self.experiment, self.dataset = experiment, tiny_table()
        self.split: Split = split_rows(experiment, self.dataset)
        self.rows = training_rows(self.dataset, self.split)
        self.tracker = tracker or MemoryTracker.open(new_sweep_record(experiment, self.dataset, self.split), MemoryStore())
        self.trainer = FormulaTrainer(self.rows, **trainer)
        self.progress = RecordingProgress()
        self.reporter: SweepReporter = TABLES_ONLY

    @classmethod
    def in_store(cls, experiment: Experiment, store: MemoryStore, **trainer: Any) -> TinySweep:
        """A sweep in a store that others use too."""
        dataset = tiny_table()
        record = new_sweep_record(experiment, dataset, split_rows(experiment, dataset))
        return cls(experiment, MemoryTracker.open(record, store), **trainer)

    @property
    def training(self) -> TrainingContext:
        """What it takes to train its lanes."""
        return TrainingContext(self.trainer, self.rows, self.progress)

    @property
    def context(self) -> SweepContext:
        """The sweep with all that it takes."""
        return SweepContext(self.experiment, self.dataset, self.split, self.training, self.tracker.tracking, self.reporter)

    def again(self, experiment: Experiment | None = None, **trainer: Any) -> TinySweep:
        """The same sweep as another process opens it."""
        return TinySweep(experiment or self.experiment, self.tracker, **trainer)

    def run_search(self, seconds_before: float = 0.0) -> SearchResult:
        """Search, without what follows."""
        return run_search(self.experiment, open_driver(self.experiment), self.training, self.tracker, seconds_before)

    def search(self) -> list[Result]:
        """The results of `run_search`."""
        return self.run_search().results

    def run(self, baselines: Sequence[Baseline] = ()) -> SweepSummary:
        """Search, and all that follows."""
        return run_sweep(self.context, open_driver(self.experiment), baselines)
