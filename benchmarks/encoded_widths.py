"""What it costs a search that its trials encode inputs differently, so that they train in several compiled programs.

    python -m benchmarks.encoded_widths [--trials 32] [--epochs 60] [--rounds 3] [--quick] [--json]

Random trials of the power-plant table, which differ in learning rate and encoding, are trained by one process, from an empty
cache of compiled programs: all with `standard`, all with `piecewise_linear` (48 bins), with one of both at random, and with
piecewise-linear encodings of 16, 32 or 48 bins at random. Trials of one encoded width share a program. If narrower encodings
were padded with columns of zeros to the widest one of the search, one program would train all, as if all were of that width:
that is the time of `piecewise_linear`.
"""

from __future__ import annotations

import statistics
import time
from argparse import Namespace

from benchmarks import _measure
from branchsweep.search.drivers import random_trials
from branchsweep.training.lanes import search_lanes
from branchsweep.training.packing import pack
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.program.compiled_program import compiled
from branchsweep.training.trainer import PopulationTrainer

MIXES: dict[str, dict[str, list[str | int]]] = {
    "standard": {"input_scaling": ["standard"]},
    "piecewise_linear": {"input_scaling": ["piecewise_linear"]},
    "standard or piecewise_linear": {"input_scaling": ["standard", "piecewise_linear"]},
    "16, 32 or 48 bins": {"input_scaling": ["piecewise_linear"], "bins": [16, 32, 48]},
}


def one_search(choices: dict[str, list[str | int]], options: Namespace) -> dict[str, float]:
    """Seconds to compile and to train, of the clock and of the processor, and how many programs there were."""
    dimensions = {
        "learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True},
        **{name: {"type": "choice", "choices": values} for name, values in choices.items() if len(values) > 1},
    }
    fixed = {"trunk.width": 64, "branch.width": 32, **{name: values[0] for name, values in choices.items() if len(values) == 1}}
    space = _measure.as_override("space", {"dimensions": dimensions, "fixed": fixed})
    overrides = (*_measure.SPACE, space, f"fit.epochs={options.epochs}", "fit.keep=last")
    setting = _measure.setting("branched", options.data, overrides)
    trials = random_trials(setting.experiment, options.trials)
    lanes = [lane for trial in trials for lane in search_lanes(trial, setting.experiment)]
    populations = pack(lanes, setting.experiment)
    watch = _measure.Stopwatch(PopulationTrainer(setting.rows))
    compiled.cache_clear()
    began = time.process_time()
    with _measure.cold_cache():
        for _ in watch.train(PopulationQueue(populations)):
            pass
    widths = {population.program.inputs for population in populations}
    return {
        "programs": len({population.program for population in populations}),
        "widest": max(widths),
        "compile_seconds": watch.compile_seconds,
        "train_seconds": watch.train_seconds,
        "processor_seconds": time.process_time() - began,
        "seconds": watch.compile_seconds + watch.train_seconds,
    }


def main() -> None:
    """Measures and prints."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--trials", type=int, default=32, help="of each search")
    parser.add_argument("--epochs", type=int, help="of a trial: 60, or 5 with --quick")
    parser.add_argument("--rounds", type=int, help="of all searches in turn, whose medians count: 3, or 1 with --quick")
    options = parser.parse_args()
    options.epochs = options.epochs or (5 if options.quick else 60)
    options.rounds = options.rounds or (1 if options.quick else 3)
    _measure.import_tensorflow()
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in MIXES}
    for _ in range(options.rounds):
        for name, choices in MIXES.items():
            measured[name].append(one_search(choices, options))
            _measure.note(f"{name}: {measured[name][-1]}")
    medians = {
        name: {figure: statistics.median(one[figure] for one in rounds) for figure in rounds[0]}
        for name, rounds in measured.items()
    }
    _measure.conclude(medians | {"trials": options.trials, "epochs": options.epochs}, options.json)


if __name__ == "__main__":
    main()
