"""How near to the machine's limit one core trains: FLOP/s by program against its matrix-product peak, ours and Keras's.

    python -m benchmarks.limit [--programs 16x16,128x64] [--data PATH] [--quick] [--json]

All on one thread, pinned to one core. The peak is that of the fastest large float32 matrix product. Ours trains, for each
program (trunk x branch width) that the shipped space needs, one population of networks drawn at random, as full as they come;
the peer is `model.fit` with validation after every epoch, on that network of the population which asks for a middling amount
of arithmetic.

An operation is a multiply or an add; a row to learn from takes three passes through a network, a row to validate on one. It is
**useful** if a layer of the network's own asks for it, and **padded** if it is counted as the program computes it.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks import _measure, _peers
from branchsweep.search.drivers import random_trials
from branchsweep.training import cost_model, packing
from branchsweep.training.lanes import search_lanes
from branchsweep.training.local_workers import available_cores
from branchsweep.training.population import Population

DRAWN = 2500
"""Trials drawn at random: among them, even the rarest program (the narrowest) finds about as many lanes as fill it."""

EPOCHS = 10
"""Of a measurement, the first of the 200 that the networks are laid out for."""


def full_populations(setting: _measure.Setting) -> Mapping[str, Population]:
    """By program, a population of networks of the space, as full as they come."""
    experiment = setting.experiment
    trials = random_trials(experiment, DRAWN)
    lanes = [replace(lane, stop=EPOCHS) for trial in trials for lane in search_lanes(trial, experiment)]
    populations = sorted(packing.pack(lanes, experiment), key=lambda one: len(one.lanes))
    return {f"{one.program.trunk_width}x{one.program.branch_width}": one for one in populations}


def one_program(task: _peers.Task, population: Population, rounds: int) -> dict[str, float]:
    """Thousand millions of operations a second: ours padded and useful, and Keras's for its middling network."""
    from branchsweep.training.trainer import PopulationTrainer

    rows, inputs = task.rows, task.rows.x.shape[1]
    by_work = sorted(population.recipes, key=lambda recipe: _measure.multiplications(recipe.architecture, inputs))
    middling = by_work[len(by_work) // 2]
    trainer = PopulationTrainer(rows)
    compiling = trainer.train_one(population).compile_seconds
    fit = _peers.epoch_timer(task, middling, 2)
    seconds = _measure.interleaved({"ours": lambda: trainer.train_one(population).seconds, "fit": lambda: fit() / 1e3}, rounds)
    useful = sum(_measure.useful_operations(recipe, rows, EPOCHS) for recipe in population.recipes)
    padded = cost_model.arithmetic_operations(population, *(len(part) for part in rows.fold_rows(0)))
    return {
        "lanes": len(population.lanes),
        "ours_padded_gflop_per_second": padded / seconds["ours"] / 1e9,
        "ours_useful_gflop_per_second": useful / seconds["ours"] / 1e9,
        "keras_fit_gflop_per_second": _measure.useful_operations(middling, rows, 1) / seconds["fit"] / 1e9,
        "compile_seconds": compiling,
    }


def main() -> None:
    """Measures and prints."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--programs", help="comma between them: all of the space, or 16x16,128x64 with --quick")
    options = parser.parse_args()
    if sys.platform == "linux":
        os.sched_setaffinity(0, {available_cores()[0]})
    _measure.import_tensorflow(threads=1)
    setting = _measure.setting("branched", options.data, [*_measure.SPACE, "fit.epochs=200"])
    task, populations = _peers.Task(setting.experiment, setting.rows), full_populations(setting)
    wanted = (
        options.programs.split(",")
        if options.programs
        else ["16x16", "128x64"]
        if options.quick
        else sorted(populations, key=_widths)
    )
    peak = _peers.matrix_product_peak() / 1e9
    by_program = {}
    for name in wanted:
        measurements = one_program(task, populations[name], rounds=2 if options.quick else 5)
        measurements |= {
            "ours_padded_share_of_peak": measurements["ours_padded_gflop_per_second"] / peak,
            "ours_useful_share_of_peak": measurements["ours_useful_gflop_per_second"] / peak,
            "keras_fit_share_of_peak": measurements["keras_fit_gflop_per_second"] / peak,
            "ratio": measurements["ours_useful_gflop_per_second"] / measurements["keras_fit_gflop_per_second"],
        }
        by_program[name] = measurements
    _measure.conclude({"matrix_product_peak_gflop_per_second": peak, **medians(by_program), **by_program}, options.json)


def _widths(program: str) -> tuple[int, ...]:
    return tuple(int(width) for width in program.split("x"))


def medians(by_program: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Over the programs."""
    names = ("ours_useful_gflop_per_second", "keras_fit_gflop_per_second", "ours_useful_share_of_peak", "ratio")
    return {name: statistics.median(measurements[name] for measurements in by_program.values()) for name in names}


if __name__ == "__main__":
    main()
