"""How many layers a core should compute at a time: the slots of a program (`packing.LANES_AND_SLOTS`) or half, by batch size.

    python -m benchmarks.slots [--batches 256,512,1024] [--widths 10,16,32,64] [--data PATH] [--quick] [--json]

Full populations of mixed depths and activations on one thread, pinned to one core: each is trained with the slots of small
batches and with half of them, in turn. The figures are the median seconds with all slots by those with half of them: above 1,
half the slots are faster. Down to two slots, results are the same to the last bit; that is checked.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks import _measure
from benchmarks.cost import mixed
from branchsweep.config.experiment import Experiment
from branchsweep.data.training_rows import TrainingRows
from branchsweep.training import packing
from branchsweep.training.local_workers import available_cores


def halved(experiment: Experiment, rows: TrainingRows, width: int, epochs: int, rounds: int) -> float:
    """By how much a population trains faster with half the slots of a small batch."""
    from branchsweep.training.trainer import PopulationTrainer

    trainer, population = PopulationTrainer(rows), mixed(experiment, width, width, epochs)
    _, slots = next(numbers for up_to, numbers in packing.LANES_AND_SLOTS.items() if width <= up_to)
    either = {
        name: replace(population, program=replace(population.program, slots=count))
        for name, count in (("all", slots), ("half", slots // 2))
    }
    outcomes = [trainer.train_one(one).lanes for one in either.values()]
    pairs = zip(*outcomes, strict=True)
    assert all(np.array_equal(one.predictions, other.predictions) for one, other in pairs) or slots == 2, "other bits"
    ways = {name: lambda one=one: trainer.train_one(one).seconds for name, one in either.items()}
    seconds = _measure.interleaved(ways, rounds)
    return seconds["all"] / seconds["half"]


def numbers(text: str) -> Sequence[int]:
    """Those between commas."""
    return [int(part) for part in text.split(",")]


def main() -> None:
    """Measures and prints."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--batches", type=numbers, help="128 to 2048, or 1024 with --quick")
    parser.add_argument("--widths", type=numbers, help="10 to 64, or 16 with --quick")
    options = parser.parse_args()
    if sys.platform == "linux":
        os.sched_setaffinity(0, {available_cores()[0]})
    _measure.import_tensorflow(threads=1)
    found = {}
    for batch in options.batches or ([1024] if options.quick else [128, 256, 512, 1024, 2048]):
        overrides = ["fit.epochs=200", f"space.fixed.batch_size={batch}"]
        setting = _measure.setting("branched", options.data, overrides)
        found[f"batches of {batch}"] = {
            f"{width} units": halved(
                setting.experiment, setting.rows, width, 4 if options.quick else 10, 3 if options.quick else 7
            )
            for width in options.widths or ([16] if options.quick else [10, 16, 32, 64])
        }
    _measure.conclude(found, options.json)


if __name__ == "__main__":
    main()
