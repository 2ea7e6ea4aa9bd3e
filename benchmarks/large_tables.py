"""Large tables: seconds and memory of reading, preparing and training, in this process and in its workers.

    python -m benchmarks.large_tables [--rows 1000000] [--columns 20] [--ending parquet|csv] [--folds 3] [--workers 2]
                                      [--epochs 2] [--trials 0] [--quick] [--json]

A table of normal random numbers in single precision (csv: with four decimals), with two targets, is written into a temporary
folder, unless it is there already (`--folder`). Then a fresh process reads it, divides its rows and trains one trial (a trunk
of two layers and a layer for each head, 64 units each) on all folds. Memory is the greatest resident size of each process;
pages that processes share, libraries and rows, count in each. `together` is the greatest sum over all processes at one
moment, in which such pages count once. Beside it stands what `training/memory.py` estimates.

With `--trials 16` that many random trials of a space with widths from 16 to 64 are answered on a hold-out, too, from a cold
start, compiling included, and side by side with Keras's `fit` on two of them. Memory in that part is more than a sweep takes,
because this process imports TensorFlow for Keras.

With `--sweep 16` the command `branchsweep run` sweeps over so many trials of that space, and confirms, refits and tests the
best; with `--written` over those of the experiment that `branchsweep init` writes for the table, without baselines. `together`
is then of that command with all processes that it starts, and of nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from benchmarks import _measure
from benchmarks.throughput import mixed_trials
from branchsweep.config.experiment import Experiment
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.data.loading import load_dataset
from branchsweep.data.splits import split_rows
from branchsweep.data.training_rows import training_rows
from branchsweep.runtime import cache_folder
from branchsweep.training.local_workers import LocalWorkers
from branchsweep.training.memory import WORKER_BYTES, training_need
from branchsweep.trial import Trial
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.progress import NoProgress
from branchsweep.workflows.trial_runner import TrialGroup, run_groups

POLL_SECONDS = 0.2
BLOCK = 100_000
BATCH = 1024


def main() -> None:
    """Measure one table, in a fresh process."""
    options = parsed()
    if options.measured:
        print(json.dumps(measured(options.measured, options)))
        return
    with tempfile.TemporaryDirectory(prefix="large-table-") as temporary:
        folder = options.folder or Path(temporary)
        table = folder / f"table_{options.rows}_{options.columns}.{options.ending}"
        if not table.exists():
            write(table, options.rows, options.columns)
        found = {"rows": options.rows, "columns": options.columns, "ending": options.ending}
        if not options.skip_trial:
            command = [sys.executable, "-m", "benchmarks.large_tables", *sys.argv[1:], "--measured", str(table)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603  # ours
            found |= json.loads(done.stdout)
        if options.trials:
            found["mixed_trials"] = against_fit(table, options)
        if options.sweep:
            found["sweep"] = swept(table, options)
    if options.json:
        print(json.dumps(found))
    else:
        print("\n".join(f"{name:<28} {figure}" for name, figure in found.items()))


def parsed() -> argparse.Namespace:
    """The options."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=20, help="input columns")
    parser.add_argument("--ending", choices=("parquet", "csv"), default="parquet")
    parser.add_argument("--folds", type=int, default=3, help="1: a hold-out")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--trials", type=int, default=0, help="of a space, side by side with Keras's fit; 0: none")
    parser.add_argument("--sweep", type=int, default=0, help="trials of a sweep by the command line; 0: none")
    parser.add_argument("--written", action="store_true", help="sweep as branchsweep init writes it")
    parser.add_argument("--skip-trial", action="store_true", help="leave out the one trial on all folds")
    parser.add_argument("--batch", type=int, help="rows of a step: 1024, or what branchsweep init writes")
    parser.add_argument("--folder", type=Path, help="where the table is kept")
    parser.add_argument("--measured", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.rows, options.epochs = 50_000, 1
    return options


def mixed_space(table: Path, options: argparse.Namespace, trials: int) -> list[str]:
    """The overrides by which `branched.yaml` searches its space, with three widths, on this table."""
    return [
        _measure.as_override("table", {"source": str(table), "inputs": [f"x{column}" for column in range(options.columns)]}),
        _measure.as_override("heads", {"PE": {"column": "first"}, "V": {"column": "second"}}),
        _measure.as_override("validation", {"method": "hold_out"}),
        _measure.as_override("fit.epochs", options.epochs),
        _measure.as_override("space.fixed.batch_size", options.batch or BATCH),
        *_measure.SPACE,
        *_measure.widths(16, 32, 64),
        f"search.trials={trials}",
        f"search.batch={trials}",
    ]


def against_fit(table: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Random trials of a space on this table, ours and Keras's; see `throughput.mixed_trials`."""
    setting = _measure.setting("branched", None, mixed_space(table, options, options.trials))
    memory = Memory()
    return {**mixed_trials(setting, options.trials, 2, 1, memory), **memory.peaks(options.workers)}


def swept(table: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The seconds and the memory of a sweep with this table, by the command line."""
    branchsweep = [sys.executable, "-m", "branchsweep"]
    with tempfile.TemporaryDirectory(prefix="large-sweep-") as folder:
        file = _measure.EXPERIMENTS / "branched.yaml"
        overrides = [*mixed_space(table.resolve(), options, options.sweep), "confirmation={trials: 2, folds: 2, seeds: 1}"]
        if options.written:
            file = Path(folder) / "large.yaml"
            initial = [*branchsweep, "init", str(table.resolve()), "--heads", "first,second", "-o", str(file)]
            subprocess.run(initial, check=True, capture_output=True)  # noqa: S603  # ours
            overrides = [f"search.trials={options.sweep}", f"fit.epochs={options.epochs}", "baselines=[]"]
            overrides += [f"search.batch={options.sweep}"] if options.sweep < load_experiment(file).search.batch else []
            overrides += [f"space.fixed.batch_size={options.batch}"] if options.batch else []
        command = [*branchsweep, "run", str(file), "--json", "--workers", str(options.workers)]
        command += ["--tracking-uri", f"sqlite:///{folder}/mlflow.db", *(part for one in overrides for part in ("--set", one))]
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, Memory(process.pid) as memory:  # noqa: S603
            printed, _ = process.communicate()
        assert process.returncode == 0, f"{command} failed"
        return {
            "seconds": round(time.perf_counter() - began, 1),
            "stages": {name: round(seconds, 1) for name, seconds in json.loads(printed)["stages"].items()},
            "batch": load_experiment(file, overrides).space.fixed["batch_size"],
            **memory.peaks(options.workers),
        }


def write(table: Path, rows: int, columns: int) -> None:
    """Write the table, some rows at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(0)
    names = [*(f"x{column}" for column in range(columns)), "first", "second"]
    writer: Any = None
    for start in range(0, rows, BLOCK):
        values = random.normal(size=(min(BLOCK, rows - start), columns)).astype(np.float32).round(4)
        targets = np.stack([values.sum(axis=1), values[:, 0] * values[:, -1]], axis=1)
        frame = pd.DataFrame(np.concatenate([values, targets], axis=1), columns=names)
        if table.suffix == ".csv":
            frame.to_csv(table, index=False, mode="a", header=start == 0)
            continue
        content = pa.Table.from_pandas(frame)
        writer = writer or pq.ParquetWriter(table, content.schema)
        writer.write_table(content)
    if writer:
        writer.close()


def measured(table: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What reading the table and training on it take."""
    experiment = Experiment.model_validate(
        {
            "name": "large",
            "table": {"source": str(table), "inputs": [f"x{column}" for column in range(options.columns)]},
            "heads": {"first": {}, "second": {}},
            "space": {
                "dimensions": {},
                "fixed": {
                    "trunk.depth": 2,
                    "trunk.width": 64,
                    "branch.depth": 1,
                    "branch.width": 64,
                    "batch_size": options.batch or BATCH,
                },
            },
            "fit": {"epochs": options.epochs},
            "pruning": {"rungs": []},
            "confirmation": {"folds": 2, "seeds": 1},  # for which nothing is trained here; the estimate counts it
            "validation": {"method": "hold_out"} if options.folds == 1 else {"method": "k_fold", "folds": options.folds},
        }
    )
    before = megabytes(os.getpid(), "VmRSS")
    began = time.perf_counter()
    dataset = load_dataset(experiment)
    read = time.perf_counter()
    reading_peak = megabytes(os.getpid(), "VmHWM")
    split = split_rows(experiment, dataset)
    rows = training_rows(dataset, split)
    prepared = time.perf_counter()
    need = training_need(rows, experiment)
    memory = Memory()
    with memory, LocalWorkers(rows, options.workers, cache_folder=cache_folder()) as workers:
        training = TrainingContext(workers, rows, NoProgress())
        list(run_groups([TrialGroup([Trial(0, {})], range(options.folds))], experiment, training))
    return {
        "table_mb": round((dataset.x.nbytes + dataset.y.nbytes) / 1e6),
        "read_seconds": round(read - began, 1),
        "divide_seconds": round(prepared - read, 1),
        "train_seconds": round(time.perf_counter() - prepared, 1),
        "before_mb": before,
        "reading_peak_mb": reading_peak,
        **memory.peaks(options.workers),
        "estimated_worker_mb": (need.worker + WORKER_BYTES) >> 20,
    }


class Memory:
    """A context that watches the memory of a process and of those that it starts, directly or not.

    Args:
        process: Which one; this one if None, without what it had started before.
    """

    def __init__(self, process: int | None = None) -> None:
        self._process, self._is_own = process or os.getpid(), process is None
        self._greatest: dict[int, int] = {}
        self._parent = 0
        self._together: list[int] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._before: set[int] = set()

    def __enter__(self) -> Self:
        self._before = set(descendants(self._process)) if self._is_own else set()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def peaks(self, workers: int) -> dict[str, Any]:
        """In MB: this process and its workers, each at its greatest; and all processes at the moment of their greatest sum.

        In that sum pages that several processes share count once.
        """
        return {
            "parent_peak_mb": self._parent,
            "worker_peak_mb": sorted(self._greatest.values(), reverse=True)[:workers],
            "together_peak_mb": sum(self._together),
            "of_each_mb": sorted(self._together, reverse=True),
        }

    def _watch(self) -> None:
        while not self._over.wait(POLL_SECONDS):
            started = [process for process in descendants(self._process) if process not in self._before]
            together = []
            for process in (self._process, *started):
                with suppress(OSError, StopIteration):  # it has ended
                    greatest = megabytes(process, "VmHWM")
                    together.append(megabytes(process, "Pss", "smaps_rollup"))
                    if process == self._process:
                        self._parent = greatest
                    else:
                        self._greatest[process] = greatest
            self._together = max(self._together, together, key=sum)


def descendants(process: int) -> list[int]:
    """The processes that a process has started, and those that these have (Linux)."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError):
                found += map(int, (task / "children").read_text(encoding="ascii").split())
    return [*found, *(further for child in found for further in descendants(child))]


def megabytes(process: int, kind: str, file: str = "status") -> int:
    """A process's size (Linux): `VmRSS` now, `VmHWM` at its greatest; `Pss` of smaps_rollup: shared pages by share."""
    lines = Path(f"/proc/{process}/{file}").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(f"{kind}:"))


if __name__ == "__main__":
    main()
