"""What a trial costs in a small sweep and in a large one, the memory it all takes, and what folds cost.

    python -m benchmarks.scaling [--sizes 64,256,1000,2000] [--epochs 3] [--ledger mlflow|memory] [--data PATH]
                                 [--quick] [--json]

The whole loop (`sweep.search`: ask, pack, train, grade, record, tell) over the shipped space at random, in rounds of 64 trials,
into a store of the benchmark's own. Workers and store are warm: the first sweep, which is not counted, compiles. Small sweeps
are repeated with other seeds, for a few dozen random networks may happen to be wide or narrow; all seeds together count.

Memory is what the parent and its workers occupy during the largest sweep, after its first tenth and at its end; together, pages
that they share are counted once.

Folds: the same 64 trials on one fold of three and on all three, medians of several rounds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import _measure
from branchsweep.config.addresses import Address
from branchsweep.config.experiment import Experiment
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.search.drivers import open_driver, random_trials
from branchsweep.tracking.async_tracker import AsyncTracker
from branchsweep.tracking.memory import MemoryTracker
from branchsweep.tracking.protocols import Tracking
from branchsweep.training import packing
from branchsweep.training.lanes import Lane, search_lanes
from branchsweep.training.local_workers import LocalWorkers
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.trial import Result
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.progress import NoProgress
from branchsweep.workflows.records.sweep_record import new_sweep_record
from branchsweep.workflows.search_loop import run_search

BATCH = 64
"""Trials of a round."""

MOST = 8
"""Repetitions of a small sweep."""


class MemoryWatch(NoProgress):
    """Notes the memory that parent and workers occupy when so many trials have been answered."""

    def __init__(self, moments: tuple[int, ...]) -> None:
        self._moments, self._answered = moments, 0
        self.megabytes: dict[int, dict[str, float]] = {}

    def on_trial_end(self, result: Result) -> None:
        """A trial has its score."""
        super().on_trial_end(result)
        self._answered += 1
        if self._answered in self._moments:
            workers = [process.pid for process in multiprocessing.active_children() if process.pid]
            self.megabytes[self._answered] = {
                "parent": _measure.resident_megabytes(os.getpid()),
                "largest_worker": max(_measure.resident_megabytes(worker) for worker in workers),
                "together": sum(_measure.proportional_megabytes(process) for process in (os.getpid(), *workers)),
            }


@dataclass(frozen=True)
class Bench:
    """Warm workers over three folds of the table, and a store for the sweeps.

    Args:
        options: The command's.
        setting: The shipped space with three folds; one narrow width where it must be quick.
        trainer: The workers.
        store: The address of MLflow's store; None: sweeps are kept in memory.
    """

    options: argparse.Namespace
    setting: _measure.Setting
    trainer: LocalWorkers
    store: str | None

    def experiment(self, trials: int, seed: int) -> Experiment:
        """So many trials, each on the first of the folds alone."""
        overrides = (f"search.trials={trials}", f"search.batch={self.options.batch}", f"seed={seed}")
        return shipped(self.options, (*overrides, f"fit.epochs={self.options.epochs}"))

    def sweep(self, trials: int, seed: int, progress: NoProgress) -> float:
        """Seconds of one sweep, from the first question to the last record."""
        experiment = self.experiment(trials, seed)
        began = time.perf_counter()
        with AsyncTracker(self._tracking(experiment).tracker) as tracker:
            training = TrainingContext(self.trainer, self.setting.rows, progress)
            results = run_search(experiment, open_driver(experiment), training, tracker).results
        assert len(results) == trials
        return time.perf_counter() - began

    def train(self, lanes: list[Lane]) -> float:
        """Seconds that lanes take."""
        populations = packing.pack(lanes, self.setting.experiment)
        began = time.perf_counter()
        for _ in self.trainer.train(PopulationQueue(populations)):
            pass
        return time.perf_counter() - began

    def _tracking(self, experiment: Experiment) -> Tracking:
        record = new_sweep_record(experiment, self.setting.dataset, self.setting.split)
        if self.store is None:
            return MemoryTracker.open(record).tracking
        from branchsweep.tracking.mlflow.tracker import MlflowTracker

        return MlflowTracker.open(record, Address(self.store), fresh=True).tracking


def shipped(options: argparse.Namespace, overrides: Sequence[str]) -> Experiment:
    """The shipped space at random."""
    narrow = _measure.widths(16) if options.quick else ()
    return load_experiment(_measure.EXPERIMENTS / "branched.yaml", [*_measure.SPACE, *narrow, *overrides])


def sizes(bench: Bench) -> dict[str, Any]:
    """Seconds per trial by the sweep's size, and the memory of the largest."""
    wanted: list[int] = bench.options.sizes
    smallest, largest = wanted[0], wanted[-1]
    progress, quiet = MemoryWatch((largest // 10, largest)), NoProgress()
    bench.sweep(bench.options.batch * (1 if bench.options.quick else 4), 0, quiet)  # compiles
    per_trial: dict[int, float] = {}
    for size in wanted:
        repeats = 1 if size == largest else max(1, min(bench.options.repeats, largest // size // 2))
        seconds = [bench.sweep(size, seed, progress if size == largest else quiet) for seed in range(1, repeats + 1)]
        per_trial[size] = statistics.fmean(seconds) / size
    first, last = (progress.megabytes[moment] for moment in (largest // 10, largest))
    return {
        **{f"ms_per_trial_of_{size}": figure * 1e3 for size, figure in per_trial.items()},
        "ratio": per_trial[largest] / per_trial[smallest],
        **{f"{variant}_megabytes_after_{largest // 10}": figure for variant, figure in first.items()},
        **{f"{variant}_megabytes_after_{largest}": figure for variant, figure in last.items()},
        **{f"{variant}_growth": last[variant] / first[variant] for variant in last},
    }


def folds(bench: Bench) -> dict[str, float]:
    """Seconds of the same trials on one fold of three and on all of them."""
    count: int = bench.options.batch
    experiment = _measure.with_epochs(bench.setting.experiment, bench.options.fold_epochs)
    three = [lane for trial in random_trials(experiment, count) for lane in search_lanes(trial, experiment)]
    one = [lane for lane in three if lane.key.fold == 0]
    for _ in range(2):  # compiles; twice, for the second time a worker may get what the other one compiled
        bench.train(three)
    medians = _measure.interleaved({"one": lambda: bench.train(one), "three": lambda: bench.train(three)}, 3)
    return {
        "one_fold_ms_per_trial": medians["one"] / count * 1e3,
        "three_folds_ms_per_trial": medians["three"] / count * 1e3,
        "ratio_of_three_folds_to_one": medians["three"] / medians["one"],
    }


def main() -> None:
    """Measures and prints."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--sizes", help="trials of the sweeps, rising, comma between: 64,256,1000,2000, or 32,256 with --quick")
    parser.add_argument("--epochs", type=int, default=3, help="of a trial: 3")
    parser.add_argument("--ledger", choices=("mlflow", "memory"), default="mlflow", help="where trials are recorded: mlflow")
    options = parser.parse_args()
    options.batch, options.repeats, options.fold_epochs = (32, 2, 5) if options.quick else (BATCH, MOST, 10)
    options.sizes = [int(size) for size in (options.sizes or ("32,256" if options.quick else "64,256,1000,2000")).split(",")]
    setting = _measure.setting("branched", options.data).of(shipped(options, ["validation={method: k_fold, folds: 3}"]))
    with tempfile.TemporaryDirectory() as folder, LocalWorkers(setting.rows) as trainer:
        store = f"sqlite:///{Path(folder) / 'mlflow.db'}" if options.ledger == "mlflow" else None
        bench = Bench(options, setting, trainer, store)
        measurements = {
            **sizes(bench),
            **folds(bench),
            "epochs": options.epochs,
            "fold_epochs": options.fold_epochs,
            "ledger": options.ledger,
        }
    _measure.conclude(measurements, options.json)


if __name__ == "__main__":
    main()
