"""What a sweep of a hundred thousand trials asks of its driver process, by a simulation in which nothing is trained.

    python -m benchmarks.scale [--trials 100000] [--driver random/random|optuna/tpe|optuna/qmc|…] [--ledger memory|mlflow]
                               [--batch 32] [--ahead 0] [--cores 2] [--objective mean_r2|r2/PE,r2/V] [--data PATH]
                               [--quick] [--json]
    python -m benchmarks.scale --driver optuna/tpe --asks 500,2000,10000,100000

The whole loop (`sweep.search`) over the shipped experiment, three folds, 60 epochs and default pruning, with the real driver,
packing, rungs, grading, terminal and tracker (`AsyncTracker` around MLflow's on a new sqlite store, or around one in memory).
**The trainer is a fake**: it answers a population at once, with predictions of the real shape that a formula makes of the
recipe, and notes on a **simulated clock** what training would have taken by `costs.seconds` (fitted by `benchmarks.cost`).
Populations go to the first of `--cores` simulated workers that is idle, and what the driver does takes the clock on by as long
as it really took: who is idle waits for it. Not simulated are compilation, and handing weights and predictions from process to
process.

For every tenth of the trials: processor milliseconds of the main thread per trial, by what it did (ask, tell, pack, grade,
record: the queueing of a result), those of the thread that writes, wall time, resident memory, the store's bytes. Processor
time, for other work on the machine hardly moves it. At the end the store's rows by table.

`--asks` measures instead what a question costs after so many answers, and what it takes to come there in a fresh process.
"""

from __future__ import annotations

import heapq
import os
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks import _measure
from branchsweep.config.addresses import Address
from branchsweep.config.experiment import Experiment
from branchsweep.data.training_rows import TrainingRows
from branchsweep.models.recipe import Recipe
from branchsweep.reporting.terminal import Terminal
from branchsweep.search.drivers import open_driver, random_trials
from branchsweep.search.protocols import Driver
from branchsweep.tracking.async_tracker import AsyncTracker
from branchsweep.tracking.memory import MemoryTracker
from branchsweep.tracking.protocols import Tracker, Tracking
from branchsweep.training import cost_model
from branchsweep.training.lanes import LaneOutcome, LaneState
from branchsweep.training.population import Population, PopulationOutcome
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.resources import Resources
from branchsweep.trial import HeadScore, Result, Score, Status, Trial
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.records.sweep_record import new_sweep_record
from branchsweep.workflows.search_loop import run_search

TENTHS = 10

OURS = ("ask", "tell", "pack", "grade", "record", "progress", "else")
"""What the main thread does for a trial, the fake trainer apart."""

FAILING = 100
"""One trial of so many diverges."""


class Clock:
    """Whose turn it is: seconds of wall and of the main thread's processor time, by what was being done."""

    def __init__(self) -> None:
        self.wall: defaultdict[str, float] = defaultdict(float)
        self.processor: defaultdict[str, float] = defaultdict(float)
        self._doing = "begin"
        self._since = (time.perf_counter(), time.thread_time())

    def turn(self, doing: str) -> str:
        """From now on this is being done; returns what was done before."""
        now, before = (time.perf_counter(), time.thread_time()), self._doing
        self.wall[before] += now[0] - self._since[0]
        self.processor[before] += now[1] - self._since[1]
        self._doing, self._since = doing, now
        return before

    @contextmanager
    def within(self, doing: str) -> Iterator[None]:
        """What is done from here to the end of the block; afterwards it is what was done before."""
        before = self.turn(doing)
        try:
            yield
        finally:
            self.turn(before)


class ClockedDriver:
    """A `Driver` that calls another one and measures it. After an ask, and after a tell, the sweep's own time is counted."""

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self._driver, self._clock = driver, clock

    def ask(self, count: int) -> list[Trial]:
        """Asks; what comes next is packing."""
        with self._clock.within("ask"):
            trials = self._driver.ask(count)
        self._clock.turn("pack")
        return trials

    def tell(self, result: Result) -> None:
        """Tells."""
        self._clock.turn("tell")
        self._driver.tell(result)
        self._clock.turn("else")


class ClockedTracker(AsyncTracker):
    """Measures how long the main thread records."""

    def __init__(self, tracker: Tracker, clock: Clock) -> None:
        super().__init__(tracker)
        self._clock = clock

    def record(self, results: Sequence[Result]) -> None:
        """Have them written."""
        with self._clock.within("record"):
            super().record(results)


class Writer:
    """A tracker that records through another one, and measures the processor time that this takes."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker, self.seconds = tracker, 0.0

    def record(self, results: Sequence[Result]) -> None:
        """Write."""
        began = time.thread_time()
        self._tracker.record(results)
        self.seconds += time.thread_time() - began

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tracker, name)


class FakeTrainer:
    """A `Trainer` that computes outcomes by a formula at once, and advances a simulated clock.

    A network misses the targets by a share of their spread that follows from its recipe, and by more as long as epochs are
    missing. What the clock says is an estimate (`costs.seconds`) of what training would have taken.

    Args:
        rows: What may be seen.
        folds: The folds of the search.
        workers: Simulated ones, one core each.
        clock: Is told whose turn it is.
    """

    def __init__(self, rows: TrainingRows, folds: int, workers: int, clock: Clock) -> None:
        self.resources, self._clock = Resources(workers), clock
        self.busy = self.elapsed = 0.0  # simulated: core-seconds of training, and what the clock says
        self.lanes = self.populations = 0
        self._actual = [rows.y[rows.fold_rows(fold)[1]] for fold in range(folds)]
        self._counts = [tuple(map(len, rows.fold_rows(fold))) for fold in range(folds)]
        rng = np.random.default_rng(1)
        self._noise = [rng.standard_normal(actual.shape) * actual.std(0) for actual in self._actual]

    def train(self, queue: PopulationQueue, keep_weights: bool = False) -> Iterator[tuple[int, PopulationOutcome]]:
        """Every population to its end, in the order in which the simulated workers would be done with them."""
        assert not keep_weights, "there are none"
        self._clock.turn("fake")
        training: list[tuple[float, int, float, Population]] = []  # end, position, seconds, population
        while queue or training:
            while queue and len(training) < self.resources.workers:
                position, members = queue.next[0]
                train, validation = self._counts[members.folds[0]]
                seconds = cost_model.estimated_seconds(queue.take(position), train, validation)
                heapq.heappush(training, (self.elapsed + seconds, position, seconds, members))
            end, position, seconds, members = heapq.heappop(training)
            self.elapsed = max(self.elapsed, end)
            self.busy += seconds
            self.lanes += len(members.lanes)
            self.populations += 1
            outcome = PopulationOutcome([*self._outcomes(members)], seconds, compile_seconds=0.0)
            self._clock.turn("grade")
            began = time.perf_counter()
            yield position, outcome
            self.elapsed += time.perf_counter() - began
            self._clock.turn("fake")

    def _outcomes(self, members: Population) -> Iterator[LaneOutcome]:
        for lane in members.lanes:
            number, recipe, fold = int(lane.key.candidate), lane.recipe, lane.key.fold
            epochs, stop = lane.epochs, lane.stop
            error = _error(recipe, number) * (1 + (epochs - stop) / epochs)
            predicted = self._actual[fold] + error * self._noise[fold]
            fails, heads = int(number % FAILING == FAILING - 1), predicted.shape[1]
            curve = np.repeat(1 - error**2 * (1 + 1 / np.arange(1, stop + 1))[:, None], heads, axis=1)
            goes_on = lane.pauses and stop < epochs and not fails
            state = LaneState(stop, (), (), (), (), 0.0, stop, 0, predicted[:0].astype(np.float32), curve)
            yield LaneOutcome(predicted, curve, stop, failed_at=fails, state=state if goes_on else None)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the fake trainer has no {name}: a search needs none")


def _error(recipe: Recipe, number: int) -> float:
    """The share of a target's spread that a network misses it by: least at a learning rate of 0.01, for four layers in all."""
    layers = len(recipe.architecture.trunk) + max(map(len, recipe.architecture.branches.values()))
    luck = np.random.default_rng(number).random()
    return float(0.2 + 0.1 * abs(np.log10(recipe.learning_rate) + 2) + 0.02 * abs(layers - 4) + 0.02 * luck)


class Tenths:
    """A `ProgressCallback` that shows a terminal, and notes clock, memory and store after every tenth of the trials."""

    def __init__(self, trials: int, clock: Clock, trainer: FakeTrainer, writer: Writer, store: Path | None) -> None:
        self._terminal = Terminal(Console(quiet=True))
        self._trials, self._clock, self._trainer, self._writer, self._store = trials, clock, trainer, writer, store
        self._answered = 0
        self._last = self._sums()
        self.rows: list[dict[str, float]] = []

    def on_trial_end(self, result: Result) -> None:
        """A trial has its score."""
        with self._clock.within("progress"):
            self._terminal.on_trial_end(result)
        self._answered += 1
        if self._answered * TENTHS // self._trials > len(self.rows):
            with self._clock.within("fake"):
                self._note()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._terminal, name)

    def _note(self) -> None:
        now, before = self._sums(), self._last
        trials = now["trials"] - before["trials"]
        took = {name: (now[name] - before[name]) / trials for name in now if name.endswith("_ms")}
        began = time.thread_time()
        Console(quiet=True).print(self._terminal.panel())
        panel = (time.thread_time() - began) * 1e3
        self.rows.append({
            "trials": now["trials"],
            **took,
            "driver_ms": sum(took[name] for name in took if name != "wall_ms"),
            "panel_drawing_ms": panel,
            "resident_mb": _measure.resident_megabytes(os.getpid()),
            "store_mb": sum(file.stat().st_size for file in self._store.parent.glob(f"{self._store.name}*")) / 1e6
            if self._store
            else 0.0,
        })  # fmt: skip
        _measure.note("  ".join(f"{name} {figure:.4g}" for name, figure in self.rows[-1].items()))
        self._last = now

    def _sums(self) -> dict[str, float]:
        """Milliseconds so far."""
        return {
            "trials": self._answered,
            **{f"{name}_ms": self._clock.processor[name] * 1e3 for name in OURS},
            "write_ms": self._writer.seconds * 1e3,
            "wall_ms": sum(self._clock.wall[name] for name in OURS) * 1e3,
        }


def asks(experiment: Experiment, counts: Sequence[int]) -> dict[str, float]:
    """Processor milliseconds of a question in the round that follows so many answers, made up for trials drawn at random.

    The driver is fresh, as after a resume: what it takes to be told all that is given, too.
    """
    measurements: dict[str, float] = {}
    for count in counts:
        experiment = with_trials(experiment, count + experiment.batch)
        driver, results = open_driver(experiment), [_made_up(trial) for trial in random_trials(experiment, count)]
        began = time.thread_time()
        for result in results:
            driver.tell(result)
        first = driver.ask(1)  # winds the engine to where the sweep stands
        resumed = time.thread_time()
        asked = first + driver.ask(experiment.batch - 1)
        measurements[f"asking_ms_after_{count}"] = (time.thread_time() - resumed) * 1e3 / (len(asked) - 1)
        measurements[f"resuming_seconds_after_{count}"] = resumed - began
        _measure.note(f"{count}: {measurements[f'asking_ms_after_{count}']:.3g} ms, {resumed - began:.3g} s")
    return measurements


def with_trials(experiment: Experiment, trials: int) -> Experiment:
    """The same experiment with another number of trials."""
    return experiment.model_copy(update={"search": experiment.search.model_copy(update={"trials": trials})})


def _made_up(trial: Trial) -> Result:
    """An eighth are complete, the others pruned at one of three rungs."""
    value = float(np.random.default_rng(trial.number).random())
    status = Status.PRUNED if trial.number % 8 else Status.COMPLETE
    heads = {head: HeadScore(value, 0.01, {"r2": value, "rmse": 1.0, "mae": 1.0}) for head in ("PE", "V")}
    epochs = (60, 5, 5, 5, 5, 10, 10, 24)[trial.number % 8]
    return Result(trial, Score(status, value=value, heads=heads, epochs=epochs, rungs={5: (value, value)}))


def shipped(options: Any) -> list[str]:
    """The shipped experiment, with the driver, the size and the objective that are asked for."""
    driver, algorithm = options.driver.split("/")
    maximize = f"objective.maximize=[{options.objective}]"
    asked = [f"search.driver={driver}", f"search.algorithm={algorithm}", f"search.trials={options.trials}"]
    return [
        *asked,
        f"search.batch={options.batch}",
        f"search.pending_rounds={options.ahead}",
        maximize,
        "baselines=[]",
        "promotion=null",
    ]


def simulate(options: Any, setting: _measure.Setting, store: Path | None) -> dict[str, Any]:
    """One sweep, and what it took."""
    experiment, clock = setting.experiment, Clock()
    trainer = FakeTrainer(setting.rows, experiment.folds, options.cores, clock)
    writer = Writer(_tracking(setting, store).tracker)
    progress = Tenths(options.trials, clock, trainer, writer, store)
    began = time.perf_counter()
    with ClockedTracker(writer, clock) as tracker:
        driver = ClockedDriver(open_driver(experiment), clock)
        training = TrainingContext(trainer, setting.rows, progress)
        clock.turn("else")
        found = run_search(experiment, driver, training, tracker)
    wall = time.perf_counter() - began
    clock.turn("else")
    assert len(found.results) == options.trials, found.stop.because
    _measure.note(f"{wall:.0f} s")
    return {
        "trials": options.trials,
        "driver": options.driver,
        "ledger": options.ledger,
        "batch": experiment.batch,
        "ahead": experiment.pending_rounds,
        **_costs(progress.rows, clock, trainer, writer),
        "wall_seconds": wall,
        "tenths": {f"{place}": row for place, row in enumerate(progress.rows, 1)},
        **(_stored(store, options.trials) if store else {}),
    }


def _costs(tenths: Sequence[Mapping[str, float]], clock: Clock, trainer: FakeTrainer, writer: Writer) -> dict[str, float]:
    """The figures of the whole: the driver's, those of the simulated clock, and of the two together."""
    first, second, last = tenths[0], tenths[1], tenths[-1]
    trials = last["trials"]
    asking, writing = clock.processor["ask"] / trials, writer.seconds / trials
    ours = sum(clock.processor[name] for name in OURS) / trials + writing
    return {
        "driver_ms_per_trial": ours * 1e3,
        "asking_ms_per_trial": asking * 1e3,
        "writing_ms_per_trial": writing * 1e3,
        "last_tenth_against_first": last["driver_ms"] / first["driver_ms"],
        "last_tenth_against_second": last["driver_ms"] / second["driver_ms"],
        "kept_bytes_per_trial": (last["resident_mb"] - second["resident_mb"]) * 2**20 / (last["trials"] - second["trials"]),
        "resident_mb": last["resident_mb"],
        "training_core_seconds_per_trial": trainer.busy / trials,
        "cores_that_one_driver_feeds": trainer.busy / trials / ours,
        "simulated_cores": trainer.resources.workers,
        "lanes_per_population": trainer.lanes / max(1, trainer.populations),
        "simulated_hours": trainer.elapsed / 3600,
        "simulated_busy_share": trainer.busy / (trainer.resources.workers * max(trainer.elapsed, 1e-9)),
    }


def _tracking(setting: _measure.Setting, store: Path | None) -> Tracking:
    record = new_sweep_record(setting.experiment, setting.dataset, setting.split)
    if store is None:
        return MemoryTracker.open(record).tracking
    from branchsweep.tracking.mlflow.tracker import MlflowTracker

    return MlflowTracker.open(record, Address(f"sqlite:///{store}"), fresh=True).tracking


def _stored(store: Path, trials: int) -> dict[str, Any]:
    """Rows of the store by table, and its bytes when all is in one file."""
    connection = sqlite3.connect(store)
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        counts = {name: connection.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0] for name in tables}  # noqa: S608  # its own
    finally:
        connection.close()
    return {
        "rows": {name: count for name, count in counts.items() if count > trials / 2},
        "rows_per_trial": sum(counts.values()) / trials,
        "bytes_per_trial": store.stat().st_size / trials,
    }


def main() -> None:
    """Measures and prints."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--trials", type=int, help="of the sweep: 100000, or 1000 with --quick")
    parser.add_argument("--driver", default="random/random", help="driver/algorithm: random/random, whose cost is flat")
    parser.add_argument("--ledger", choices=("mlflow", "memory"), default="memory", help="where trials are recorded: memory")
    parser.add_argument("--batch", type=int, default=32, help="trials of a round: 32")
    parser.add_argument("--ahead", type=int, default=0, help="rounds that are asked ahead: 0")
    parser.add_argument("--cores", type=int, default=2, help="simulated: 2")
    parser.add_argument("--objective", default="mean_r2", help="one, or several with commas: mean_r2")
    parser.add_argument("--asks", help="only what a question costs after so many answers, comma between: 500,2000,100000")
    options = parser.parse_args()
    options.trials = options.trials or (1000 if options.quick else 100_000)
    if options.trials < 2 * TENTHS or options.driver.count("/") != 1:
        sys.exit(
            f"got --trials {options.trials} --driver {options.driver}, expected 20 trials or more and a driver like optuna/tpe"
        )
    setting = _measure.setting("branched", options.data, shipped(options))
    if options.asks:
        _measure.conclude(asks(setting.experiment, [int(count) for count in options.asks.split(",")]), options.json)
        return
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "mlflow.db" if options.ledger == "mlflow" else None
        measurements = simulate(options, setting, store)
    _measure.conclude(measurements, options.json)


if __name__ == "__main__":
    main()
