"""Two workers of a Ray cluster against two worker processes of this machine, on the same populations.

    python -m benchmarks.cluster [--rounds 5] [--epochs 40] [--data PATH] [--quick] [--json]

A cluster of two nodes with one processor each is started on this machine, and ended. Both ways train the same lanes of the
shipped space, drawn at random, in turn; all workers have compiled their programs before. A round's ratio is of the time by
processes to that by Ray: 1 means that the way through Ray costs nothing, above 0.9 is what it must reach. Locally the processes
are pinned to a core each, those of Ray are not.

One population is trained on both ways beforehand and compared: bits must be equal.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import _measure
from branchsweep.config.sections.workers import RayWorkersConfig
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.runtime import cache_folder
from branchsweep.search.drivers import random_trials
from branchsweep.training import packing
from branchsweep.training.lanes import search_lanes
from branchsweep.training.local_workers import LocalWorkers
from branchsweep.training.population import Population, PopulationOutcome
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.protocols import Trainer, WorkerCallbacks
from branchsweep.training.resources import Resources


def seconds(trainer: Trainer, populations: Sequence[Population]) -> float:
    """That training them takes."""
    began = time.perf_counter()
    for _ in trainer.train(PopulationQueue(populations)):
        pass
    return time.perf_counter() - began


def equal(one: dict[int, PopulationOutcome], other: dict[int, PopulationOutcome]) -> bool:
    """Whether all curves are, to the last bit."""
    return all(
        np.array_equal(mine.curve, theirs.curve)
        for position, outcome in one.items()
        for mine, theirs in zip(outcome.lanes, other[position].lanes, strict=True)
    )


def main() -> None:
    """Measures and prints."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--rounds", type=int, help="of both ways: 5, or 3 with --quick")
    parser.add_argument("--epochs", type=int, help="of a lane: 40, or 20 with --quick")
    options = parser.parse_args()
    rounds, epochs = options.rounds or (3 if options.quick else 5), options.epochs or (20 if options.quick else 40)
    narrow = _measure.widths(16) if options.quick else _measure.widths(16, 64)
    overrides = [*_measure.SPACE, *narrow, f"fit.epochs={epochs}"]
    setting = _measure.setting("branched", options.data, overrides)
    experiment = load_experiment(_measure.EXPERIMENTS / "branched.yaml", overrides)
    lanes = [lane for trial in random_trials(experiment, 128) for lane in search_lanes(trial, experiment)]
    populations = packing.pack(lanes, experiment, Resources(2))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(packing.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])

    from ray.cluster_utils import Cluster as LocalCluster

    from branchsweep.training.ray.workers import RayWorkers

    nodes = LocalCluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    cluster, callbacks = RayWorkersConfig(kind="ray", address=nodes.address), WorkerCallbacks(on_message=_measure.note)
    try:
        with (
            RayWorkers(setting.rows, cluster, callbacks) as far,
            LocalWorkers(setting.rows, 2, cache_folder=cache_folder()) as near,
        ):
            same = equal(dict(far.train(PopulationQueue(populations))), dict(near.train(PopulationQueue(populations))))
            for trainer in (far, near):  # the second time, a worker may get what the other one compiled
                seconds(trainer, populations)
            taken = [(seconds(near, populations), seconds(far, populations)) for _ in range(rounds)]
    finally:
        nodes.shutdown()
    processes, by_ray = (statistics.median(each[way] for each in taken) for way in (0, 1))
    measurements = {
        "ratio": statistics.median(mine / theirs for mine, theirs in taken),
        "processes_seconds": processes,
        "ray_seconds": by_ray,
        "processes_lane_epochs_per_second": len(lanes) * epochs / processes,
        "ray_lane_epochs_per_second": len(lanes) * epochs / by_ray,
        "populations": len(populations),
        "rounds": rounds,
        "same_bits": same,
        "load": os.getloadavg()[0],
    }
    _measure.conclude(measurements, options.json)


if __name__ == "__main__":
    main()
