"""Seconds until a program can train: compiled, and loaded by a later process; the peer is a Keras model's first step.

    python -m benchmarks.programs [--data PATH] [--quick] [--json]

Programs of the shipped space, as random trials need them, in processes of one thread that are pinned to one core: one with an
empty cache, and then others with what that one left there. The figures are medians over the programs of seconds, from a
population to a program that is ready for it, without the start of the process. The peer builds and compiles the Keras model of
a network of each program and trains it; its figure is what that takes beyond the steps.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks import _measure, _peers
from branchsweep.data.training_rows import TrainingRows
from branchsweep.search.drivers import random_trials
from branchsweep.training import packing, worker_process
from branchsweep.training.lanes import search_lanes
from branchsweep.training.local_workers import available_cores
from branchsweep.training.population import Population, Program

DRAWN = 64
"""Trials whose programs are measured."""


def populations(setting: _measure.Setting) -> list[Population]:
    """One population of each program that the trials need."""
    found: dict[Program, Population] = {}
    trials = random_trials(setting.experiment, DRAWN)
    lanes = [lane for trial in trials for lane in search_lanes(trial, setting.experiment)]
    for population in packing.pack(lanes, setting.experiment):
        found.setdefault(population.program, population)
    return list(found.values())


def ready(folder: Path, rows: TrainingRows, needed: Sequence[Population]) -> list[float]:
    """In a process of its own: the seconds that each program takes, with this folder of compiled programs."""
    trainer = worker_process.start(lambda lane_epochs: None, folder)(rows)
    seconds = []
    for population in needed:
        began = time.perf_counter()
        trainer.prepare(population)
        seconds.append(time.perf_counter() - began)
    return seconds


def built(setting: _measure.Setting, needed: Sequence[Population]) -> list[float]:
    """In a process of its own: the seconds that Keras takes for a network of each program, beyond its steps."""
    _measure.import_tensorflow(threads=1)
    task = _peers.Task(setting.experiment, setting.rows)
    return [_peers.trial_cost(task, population.recipes[0], 1).build for population in needed]


def alone(measure: Callable[..., list[float]], *arguments: object) -> float:
    """The median of what is measured in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return statistics.median(pool.submit(measure, *arguments).result())


def main() -> None:
    """Measures and prints."""
    options = _measure.parser(__doc__).parse_args()
    if sys.platform == "linux":
        os.sched_setaffinity(0, {available_cores()[0]})
    setting = _measure.setting("branched", options.data, _measure.SPACE)
    needed = populations(setting)[: 3 if options.quick else None]
    with tempfile.TemporaryDirectory(prefix="benchmark-cache-") as name:
        compiled = alone(ready, Path(name), setting.rows, needed)
        loaded = statistics.median(alone(ready, Path(name), setting.rows, needed) for _ in range(1 if options.quick else 3))
    keras = alone(built, setting, needed)
    figures = {"programs": len(needed), "compiled_seconds": compiled, "loaded_seconds": loaded, "keras_seconds": keras}
    _measure.conclude({**figures, "ratio_loaded": keras / loaded, "ratio_compiled": keras / compiled}, options.json)


if __name__ == "__main__":
    main()
