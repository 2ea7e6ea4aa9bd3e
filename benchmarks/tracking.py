"""What it takes to write trials down in MLflow, on a new local sqlite store: beside MLflow's own API, and beside training.

    python -m benchmarks.tracking [--data PATH] [--quick] [--json]

**Recording.** Trials with 12 params, 20 metrics and the curves of four heads over 100 epochs, in turn:

- ours: `AsyncTracker` around `MlflowTracker`, from the first `record` until all is written (a curve thinned to 25 points);
- `fluent`: as most people write it: a nested run, `log_params`, `log_metrics`, and `log_metrics` of all heads every epoch;
- `careful`: a careful user's best: `MlflowClient`, all 420 points in one `log_batch`.

Making the store is left out on all sides. Resident memory is read after a fifth of the trials and after all.

**Share.** The search of the shipped space (32 trials, 35 epochs, 2 folds; drawn at random, so that every time the same are
trained, by workers that have their programs compiled), by turns with this tracker and with one in memory: the median of the
paired differences as a share of the wall time until all is written; and the processor time of the thread that writes, as a
share of the wall time on all cores. (`--quick`: one pair, of fewer and wider trials over 6 epochs: a rough figure.)
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from branchsweep.config.addresses import Address
from branchsweep.tracking.mlflow.serialization.trials import trial_metrics

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from rich.console import Console

from branchsweep.config.experiment import Experiment
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.data import loading, splits
from branchsweep.data.training_rows import TrainingRows, training_rows
from branchsweep.reporting.terminal import Terminal
from branchsweep.search.drivers import open_driver
from branchsweep.tracking.async_tracker import AsyncTracker
from branchsweep.tracking.memory import MemoryTracker
from branchsweep.tracking.mlflow.tracker import MlflowTracker
from branchsweep.tracking.protocols import SweepRecord, TableRecord, Tracking
from branchsweep.training.local_workers import LocalWorkers, available_cores
from branchsweep.trial import HeadScore, Result, Score, Status, Trial
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.search_loop import run_search

EXPERIMENT = Path(__file__).parent.parent / "experiments" / "branched.yaml"
AT_RANDOM = ["search.driver=random", "search.algorithm=random", "search.trials=32"]
QUICK = [  # one program to compile instead of six, and a trial that costs about as much as one of the shipped sweep
    "search.trials=16",
    "search.batch=8",
    "search.initial_trials={}",
    "fit.epochs=6",
    *(f"space.dimensions.{part}.width.choices=[128]" for part in ("trunk", "branch")),
]
HEADS = ("a", "b", "c", "d")  # four metrics each, and four of the trial: 20 metrics
SCORE_METRICS = dict.fromkeys(HEADS, "r2")


class Clocked(MlflowTracker):
    """Knows how much processor time its recording took."""

    seconds = 0.0

    def record(self, results: Sequence[Result]) -> None:
        """Record, by the clock of the thread that does it."""
        began = time.thread_time()
        super().record(results)
        self.seconds += time.thread_time() - began


def trial(number: int) -> Result:
    """A finished trial: 12 params, 20 metrics, four curves of 100 epochs."""
    r2 = {head: 0.9 - 1 / (number + place + 2) for place, head in enumerate(HEADS)}
    score = Score(
        Status.COMPLETE,
        value=statistics.fmean(r2.values()),
        value_se=0.001,
        heads={
            head: HeadScore(value, 0.002, {"r2": value, "rmse": 4.0 - value, "mae": 3.0 - value}) for head, value in r2.items()
        },
        epochs=100.0,
        seconds=1.0,
        lanes=2,
        curves={head: tuple(value - 1 / epoch for epoch in range(1, 101)) for head, value in r2.items()},
        lane_scores={head: (value - 0.002, value + 0.002) for head, value in r2.items()},
    )
    return Result(Trial(number, {f"tunable_{place}": (number + 1) / (place + 3) for place in range(12)}), score)


def record_of(name: str) -> SweepRecord:
    """A sweep of four heads, on a table that every trial shows."""
    table = TableRecord("file", "plant.csv", "0" * 64, 9568, "plant.csv", [*"wxyz", *HEADS])
    return SweepRecord(
        name, name, "How long does it take?", f"name: {name}\n", dict.fromkeys(HEADS, ""), SCORE_METRICS, table=table
    )


def resident_megabytes() -> float:
    """The memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def ours(uri: str, trials: int) -> dict[str, float]:
    """Seconds for so many trials, and the memory on the way."""
    resident = 0.0
    inner = MlflowTracker.open(record_of("ours"), Address(uri))
    began = time.perf_counter()
    with AsyncTracker(inner) as tracker:
        for number in range(trials):
            tracker.record([trial(number)])
            if number == trials // 5:
                tracker.flush()
                resident = resident_megabytes()
    seconds = time.perf_counter() - began
    return {
        "recorded_trials": trials,
        "seconds": seconds,
        "ours_ms_per_trial": seconds / trials * 1e3,
        "resident_mb_after_a_fifth": resident,
        "resident_mb_after_all": resident_megabytes(),
    }


def fluent(uri: str, trials: int) -> float:
    """Milliseconds for a trial by MLflow's fluent API."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("fluent")
    with mlflow.start_run():
        return per_trial(trials, fluent_trial)


def fluent_trial(result: Result) -> None:
    """One nested run."""
    import mlflow

    with mlflow.start_run(nested=True):
        mlflow.log_params(dict(result.trial.params))
        mlflow.log_metrics(figures(result))
        for epoch in range(100):
            mlflow.log_metrics({f"curve_r2/{head}": curve[epoch] for head, curve in result.score.curves.items()}, epoch + 1)


def careful(uri: str, trials: int) -> float:
    """Milliseconds for a trial by MLflow's client, one batch each."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient(uri)
    experiment = client.create_experiment("careful")

    def one(result: Result) -> None:
        run = client.create_run(experiment).info.run_id
        points = [Metric(name, value, 0, 0) for name, value in figures(result).items()]
        for head, curve in result.score.curves.items():
            points += [Metric(f"curve_r2/{head}", value, 0, epoch) for epoch, value in enumerate(curve, 1)]
        client.log_batch(run, points, [Param(name, str(value)) for name, value in result.trial.params.items()])
        client.set_terminated(run)

    return per_trial(trials, one)


def figures(result: Result) -> dict[str, float]:
    """The 20 metrics."""
    return {point.name: point.value for point in trial_metrics(result.score, SCORE_METRICS) if point.step == 0}


def per_trial(trials: int, log: Callable[[Result], None]) -> float:
    """Milliseconds that logging takes, the median over some trials; the first one is not counted."""
    measured = []
    for number in range(trials + 1):
        result = trial(number)
        began = time.perf_counter()
        log(result)
        measured.append((time.perf_counter() - began) * 1e3)
    return statistics.median(measured[1:])


def recording(uri: str, trials: int, peers_trials: int) -> dict[str, float]:
    """The first measurement."""
    measurements = ours(uri, trials)
    measurements["fluent_ms_per_trial"] = fluent(uri, peers_trials)
    measurements["careful_ms_per_trial"] = careful(uri, peers_trials)
    measurements["ratio"] = measurements["fluent_ms_per_trial"] / measurements["ours_ms_per_trial"]
    measurements["ratio_to_careful"] = measurements["careful_ms_per_trial"] / measurements["ours_ms_per_trial"]
    return measurements


def searched(experiment: Experiment, rows: TrainingRows, trainer: LocalWorkers, tracking: Tracking) -> float:
    """Seconds that a search takes, until its tracker has written everything."""
    progress = Terminal(Console(quiet=True))
    began = time.perf_counter()
    with AsyncTracker(tracking.tracker) as tracker:
        run_search(experiment, open_driver(experiment), TrainingContext(trainer, rows, progress), tracker)
    return time.perf_counter() - began


def share(experiment: Experiment, rows: TrainingRows, trainer: LocalWorkers, uri: str, pairs: int) -> dict[str, float]:
    """The second measurement."""
    record = SweepRecord(
        "share",
        "key",
        "",
        "name: share\n",
        {name: head.unit for name, head in experiment.heads.items()},
        experiment.score_metrics,
    )
    one_epoch = experiment.model_copy(update={"fit": experiment.fit.model_copy(update={"epochs": 1})})
    searched(one_epoch, rows, trainer, MemoryTracker.open(record).tracking)  # compiles
    measured = list(_pairs(experiment, rows, trainer, record, uri, pairs))
    wall = statistics.median(in_memory for in_memory, _, _ in measured)
    shares = sorted((logged - in_memory) / wall for in_memory, logged, _ in measured)
    return {
        "searched_trials": experiment.search.trials,
        "search_seconds": wall,
        "share_of_wall_time": statistics.median(shares),
        "share_lowest": shares[0],
        "share_highest": shares[-1],
        "writing_cpu_seconds": statistics.median(writing for _, _, writing in measured),
        "writing_cpu_share": statistics.median(writing for _, _, writing in measured) / (wall * len(available_cores())),
        "pairs": pairs,
    }


def _pairs(
    experiment: Experiment, rows: TrainingRows, trainer: LocalWorkers, record: SweepRecord, uri: str, pairs: int
) -> Iterator[tuple[float, float, float]]:
    """(seconds with the tracker in memory, seconds with MLflow, processor seconds of writing); who is first alternates."""
    for pair in range(pairs):
        clocked = Clocked.open(record, Address(uri), fresh=True)
        stores = [MemoryTracker.open(record).tracking, clocked.tracking]
        turns = reversed(stores) if pair % 2 else stores
        seconds = {type(store.tracker): searched(experiment, rows, trainer, store) for store in turns}
        yield seconds[MemoryTracker], seconds[Clocked], clocked.seconds


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, help="the table; else as `branchsweep data` finds it")
    parser.add_argument("--quick", action="store_true", help="fewer trials and pairs: under 50 s")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, nothing else")
    options = parser.parse_args()
    trials, peers_trials, pairs = (150, 3, 1) if options.quick else (1000, 20, 3)
    experiment = load_experiment(EXPERIMENT, AT_RANDOM + (QUICK if options.quick else []))
    dataset = loading.load_dataset(experiment, options.data)
    rows = training_rows(dataset, splits.split_rows(experiment, dataset))
    with tempfile.TemporaryDirectory() as folder, LocalWorkers(rows) as trainer:
        uri = f"sqlite:///{folder}/mlflow.db"
        MlflowTracker.open(record_of("made"), Address(uri))  # while the workers import TensorFlow
        measurements = (
            share(experiment, rows, trainer, uri, pairs) | recording(uri, trials, peers_trials) | {"data": dataset.source}
        )
    if options.json:
        print(json.dumps(measurements))
    else:
        for name, figure in measurements.items():
            print(f"{name:28} {figure:.4g}" if isinstance(figure, float) else f"{name:28} {figure}")


if __name__ == "__main__":
    main()
