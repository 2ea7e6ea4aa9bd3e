"""A GPU against this machine's CPU and against Keras's `fit` on the GPU: equal scores, speed by the number of lanes, memory.

    python -m benchmarks.gpu [--lanes 64,512,2048,8192] [--data PATH] [--quick] [--json]
    python -m benchmarks.gpu --export FOLDER [--data PATH]

**It has not run on a GPU yet**, for lack of one; where TensorFlow sees none, a second set of CPU workers takes its place, and
the output says so (`device`). `--export` needs no GPU: it writes the compiled programs with their inputs, for `gpu_program.py`,
which compiles and runs them where JAX has a GPU and TensorFlow is missing, and for `gpu_compile.py`.

The same lanes train on the GPU and on all cores of the CPU, each device with populations as its workers would have them: of the
article's network, and of random networks of the shipped space. Compiling is left out, and measured. Compared with the CPU are
the scores after each of the first two epochs: they may differ by `TOLERANCE` in the median lane, for rounding alone. `fit`
trains the article's network on the GPU, and the one of the space with the median amount of arithmetic.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import _measure, _peers
from branchsweep.config.sections.workers import LocalWorkersConfig
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.search.drivers import random_trials
from branchsweep.training import gpus, packing
from branchsweep.training.lanes import Lane, LaneKey, LaneOutcome, search_lane, search_lanes
from branchsweep.training.local_workers import LocalWorkers
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.program import program_cache
from branchsweep.types import Floats

TOLERANCE = 1e-4
"""How far the score (R²) of the median lane may differ between CPU and GPU after the first epochs."""

COMPARED_EPOCHS = 2
"""Epochs after which scores are compared: rounding has not yet grown."""

SIZES, QUICK_SIZES = (64, 512, 2048, 8192), (8, 16)
"""Numbers of lanes."""

UNFOLDED = "--tf_xla_disable_constant_folding=true"
"""A flag for `TF_XLA_FLAGS`. Else TensorFlow, before it hands a program to XLA, would compute all its empty buffers to see
whether they are constants worth storing: gigabytes with thousands of lanes. XLA itself folds constants, so nothing changes."""

BASE = 64
"""Random networks of the space, among which the one for `fit` has the median amount of arithmetic."""


def lanes_of(name: str, setting: _measure.Setting, count: int) -> list[Lane]:
    """So many lanes: the article's network from different initial weights, or random networks of the space."""
    experiment = setting.experiment
    if name == "space":
        return [lane for trial in random_trials(experiment, count) for lane in search_lanes(trial, experiment)]
    (params,) = experiment.search.initial_trials.values()
    return [search_lane(number, recipe_for(experiment, params), experiment) for number in range(count)]


def train(
    trainer: LocalWorkers, setting: _measure.Setting, lanes: Sequence[Lane], epochs: int
) -> tuple[dict[str, Any], list[LaneOutcome]]:
    """Train lanes for some epochs: figures, and the outcomes in the order of the lanes."""
    stopped = [replace(lane, stop=epochs) for lane in lanes]
    populations = packing.pack(stopped, setting.experiment, trainer.resources)
    outcomes: dict[LaneKey, LaneOutcome] = {}
    began, compiling = time.perf_counter(), 0.0
    for position, outcome in trainer.train(PopulationQueue(populations)):
        compiling += outcome.compile_seconds
        outcomes |= dict(zip((lane.key for lane in populations[position].lanes), outcome.lanes, strict=True))
    seconds = time.perf_counter() - began
    figures = {"seconds": seconds, "compile_seconds_of_all_workers": compiling, "populations": len(populations)}
    return figures, [outcomes[lane.key] for lane in lanes]


def one_size(
    trainers: dict[str, LocalWorkers], setting: _measure.Setting, lanes: Sequence[Lane], epochs: int
) -> dict[str, Any]:
    """The same lanes on both devices: a first short training compiles and is compared, a longer one is timed."""
    curves: list[Floats] = []
    results: dict[str, Any] = {"lanes": len(lanes)}
    for device, trainer in trainers.items():
        first, outcomes = train(trainer, setting, lanes, COMPARED_EPOCHS)
        curves.append(np.array([outcome.curve[:COMPARED_EPOCHS] for outcome in outcomes]))
        timed, _ = train(trainer, setting, lanes, epochs)
        results |= {
            f"{device}_compile_seconds_of_all_workers": first["compile_seconds_of_all_workers"],
            f"{device}_populations": timed["populations"],
            f"{device}_lane_epochs_per_second": len(lanes) * epochs / timed["seconds"],
        }
    one, other = curves
    difference = np.abs(one - other).max(axis=(1, 2))
    median = float(np.median(difference[np.isfinite(difference)]))
    return results | {
        "ratio": results["gpu_lane_epochs_per_second"] / results["cpu_lane_epochs_per_second"],
        "score_difference_of_the_median_lane": median,
        "score_difference_of_the_worst_lane": float(np.nanmax(difference)),
        "equal_within_tolerance": median <= TOLERANCE,
        "gpu_memory_gb": memory_used(),
    }


def measure(table: Path | None, sizes: Sequence[int], quick: bool) -> dict[str, Any]:
    """Everything, for both kinds of networks."""
    wide = f"search.batch={max(sizes)}"  # a population of a GPU is as wide as a round
    overrides = [*_measure.SPACE, "fit.epochs=200", f"search.trials={max(sizes)}", wide]
    overrides += _measure.widths(16, 32) if quick else ()
    settings = {
        "article": _measure.setting("article", table, [f"search.trials={max(sizes)}", wide]),
        "space": _measure.setting("branched", table, overrides),
    }
    cards = gpus.choose_gpus(LocalWorkersConfig(kind="local", count=None, gpus=None), _measure.note)[:1]
    if cards:
        os.environ[gpus.VISIBLE] = cards[0].visible  # for `fit`: importing this module would hide it
    results: dict[str, Any] = {
        "device": str(cards[0].device) if cards else "no GPU: a CPU in its place",
        "tolerance": TOLERANCE,
    }
    for name, setting in settings.items():
        with LocalWorkers(setting.rows, cards=cards) as on_gpu, LocalWorkers(setting.rows) as on_cpu:
            for size in sizes:
                lanes = lanes_of(name, setting, size)
                trainers = {"gpu": on_gpu, "cpu": on_cpu}
                results[f"{name} {size}"] = one_size(trainers, setting, lanes, 4 if quick else 10)
                _measure.note(f"{name} {size}: {results[f'{name} {size}']}")
        results[f"{name} keras_fit_ms_per_epoch"] = fit_in_new_process(setting, lanes_of(name, setting, BASE), quick)
    return results


def fit_in_new_process(setting: _measure.Setting, lanes: Sequence[Lane], quick: bool) -> float:
    """Milliseconds of an epoch of Keras's `fit` on the GPU, for the network with the median amount of arithmetic."""
    inputs = setting.rows.x.shape[1]
    by_work = sorted((lane.recipe for lane in lanes), key=lambda one: _measure.multiplications(one.architecture, inputs))
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(fit, setting, by_work[len(by_work) // 2], 2 if quick else 5).result()


def fit(setting: _measure.Setting, recipe: Recipe, epochs: int) -> float:
    """In a process of its own: the median of three measurements."""
    _measure.import_tensorflow()
    timer = _peers.epoch_timer(_peers.Task(setting.experiment, setting.rows), recipe, epochs)
    return statistics.median(timer() for _ in range(3))


def memory_used() -> float | None:
    """Gigabytes of the GPU that are in use, by NVIDIA's tool; None where there is none."""
    tool = shutil.which("nvidia-smi")
    if not tool:
        return None
    asked = [tool, "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603  # NVIDIA's own
    return float(answer.stdout.splitlines()[0]) * 2**20 / 1e9


def main() -> None:
    """Measures and prints, or exports."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--lanes", default=None, help="comma between them: 64,512,2048,8192, or 8,16 with --quick")
    parser.add_argument("--export", type=Path, metavar="FOLDER", help="write what gpu_program.py needs, and measure nothing")
    options = parser.parse_args()
    sizes = [int(size) for size in options.lanes.split(",")] if options.lanes else list(QUICK_SIZES if options.quick else SIZES)
    if options.export:
        os.environ[program_cache.FLAGS] = f"{os.environ.get(program_cache.FLAGS, '')} {UNFOLDED}"
        _measure.import_tensorflow()
        from benchmarks._gpu_export import export

        results = export(options.export, options.data, sizes)
    else:
        if os.environ.get(gpus.VISIBLE) == gpus.HIDDEN:  # as in all other benchmarks
            del os.environ[gpus.VISIBLE]
        results = measure(options.data, sizes, options.quick)
    _measure.conclude(results, options.json)


if __name__ == "__main__":
    main()
