"""What the benchmarks share: their command-line options, an experiment with its rows, useful arithmetic, memory, and output."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from branchsweep.config.experiment import Experiment
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.data import loading, splits
from branchsweep.data.dataset import Dataset, Split
from branchsweep.data.training_rows import TrainingRows, training_rows
from branchsweep.models.architecture import Architecture
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.runtime import cache_folder, silence_stderr
from branchsweep.training.lanes import Stage, recipe_lanes
from branchsweep.training.population import PopulationOutcome
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.protocols import Trainer
from branchsweep.training.trainer import PopulationTrainer
from branchsweep.trial import Params, Result, Trial
from branchsweep.types import Floats
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.progress import NoProgress
from branchsweep.workflows.train_lanes import train_lanes
from branchsweep.workflows.trial_runner import TrialGroup, run_groups

EXPERIMENTS = Path(__file__).parent.parent / "experiments"

SPACE = (
    "search.driver=random",
    "search.algorithm=random",
    "search.initial_trials={}",
    "validation={method: hold_out, fraction: 0.2}",
    "pruning=none",
    "baselines=[]",
    "promotion=null",
)
"""Overrides by which `branched.yaml` keeps its space only: random trials of one network each, which peers can train, too."""

PRUNED = "pruning=null"
"""The override by which the better trials alone train to their end, with the rungs that an experiment has by default."""


RECIPE: Params = {
    "trunk.depth": 2,
    "trunk.width": 64,
    "branch.depth": 1,
    "branch.width": 32,
    "activation": "silu",
    "learning_rate": 3e-3,
    "learning_rate_schedule": "cosine",
    "batch_size": 64,
}
"""A network for benchmarks that compare ways to treat rows: it is tuned to none of their tables."""


def parser(description: str | None) -> argparse.ArgumentParser:
    """The parser of the options that every benchmark has."""
    made = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    made.add_argument("--data", type=Path, help="the table; else as `branchsweep data` finds it")
    made.add_argument("--quick", action="store_true", help="a scaled form: under 50 s")
    made.add_argument("--json", action="store_true", help="one JSON object on standard output, nothing else")
    return made


@dataclass(frozen=True)
class Setting:
    """An experiment, its table, and what a trainer may see of it."""

    experiment: Experiment
    dataset: Dataset
    split: Split

    @property
    def rows(self) -> TrainingRows:
        """The training rows, with the folds of the search alone: nothing is confirmed here."""
        everything = training_rows(self.dataset, self.split)
        return replace(everything, folds=everything.folds[: len(self.split.folds)])

    def training(self, trainer: Trainer) -> TrainingContext:
        """What it takes to train lanes on these rows, without a word."""
        return TrainingContext(trainer, self.rows, NoProgress())

    def of(self, experiment: Experiment) -> Setting:
        """Another experiment over the same table."""
        return Setting(experiment, self.dataset, splits.split_rows(experiment, self.dataset))


def setting(name: str, table: Path | None, overrides: Sequence[str] = ()) -> Setting:
    """One of the shipped experiments, over this table."""
    experiment = load_experiment(EXPERIMENTS / f"{name}.yaml", overrides)
    dataset = loading.load_dataset(experiment, table)
    return Setting(experiment, dataset, splits.split_rows(experiment, dataset))


def widths(*choices: int) -> tuple[str, ...]:
    """Overrides under which the shipped space has these widths alone, so that few programs are compiled."""
    return tuple(f"space.dimensions.{part}.width.choices={list(choices)}" for part in ("trunk", "branch"))


def as_override(key: str, value: object) -> str:
    """The override that puts a value at a key of an experiment."""
    return f"{key}={json.dumps(value)}"  # JSON is YAML, too


def with_epochs(experiment: Experiment, epochs: int) -> Experiment:
    """The same experiment with another number of epochs."""
    return experiment.model_copy(update={"fit": experiment.fit.model_copy(update={"epochs": epochs})})


@contextmanager
def cold_cache() -> Iterator[None]:
    """Within it, what is compiled is compiled anew: the cache is a folder that holds the user's tables and nothing else."""
    before, tables = os.environ.get("BRANCHSWEEP_CACHE"), cache_folder()
    with tempfile.TemporaryDirectory(prefix="benchmark-cache-") as folder:
        for table in tables.glob("*"):
            if table.is_file():
                shutil.copy2(table, folder)
        os.environ["BRANCHSWEEP_CACHE"] = folder
        try:
            yield
        finally:
            os.environ.pop("BRANCHSWEEP_CACHE")
            if before is not None:
                os.environ["BRANCHSWEEP_CACHE"] = before


def import_tensorflow(threads: int | None = None) -> float:
    """Imports TensorFlow and Keras without what they log meanwhile, and returns the seconds.

    Args:
        threads: Of TensorFlow, whose own choice (one per core) stands if None.
    """
    began = time.perf_counter()
    with silence_stderr():
        import keras
        import tensorflow as tf

        if threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        tf.get_logger().setLevel("ERROR")  # it warns of retracing, which a search over architectures is made of
        keras.ops.zeros([1])  # looks for devices, and talks about it
    return time.perf_counter() - began


@dataclass
class Stopwatch:
    """Plays `Trainer` through another, and notes what the flows need not know.

    Args:
        trainer: Who does the work.
        started: When its workers were started, as `time.perf_counter` has it.
        import_seconds: From then until the first population to finish was begun: processes, imports, and handing it over.
        compile_seconds: The sum over all populations and workers.
        train_seconds: Likewise, without compiling.
    """

    trainer: Trainer
    started: float = field(default_factory=time.perf_counter)
    import_seconds: float | None = None
    compile_seconds: float = 0.0
    train_seconds: float = 0.0

    def train(self, queue: PopulationQueue, keep_weights: bool = False) -> Iterator[tuple[int, PopulationOutcome]]:
        """Train every population to its end; yields (position, outcome) as they finish."""
        for position, outcome in self.trainer.train(queue, keep_weights):
            if self.import_seconds is None:
                worked = outcome.seconds + outcome.compile_seconds
                self.import_seconds = max(0.0, time.perf_counter() - self.started - worked)
            self.compile_seconds += outcome.compile_seconds
            self.train_seconds += outcome.seconds
            yield position, outcome

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trainer, name)


@dataclass
class Clocked:
    """Plays `Trainer` through one of this process, and notes what training takes, without compiling.

    Args:
        trainer: Who does the work.
        seconds: Of a processor.
        epochs: Of all networks.
    """

    trainer: PopulationTrainer
    seconds: float = 0.0
    epochs: int = 0

    def train(self, queue: PopulationQueue, keep_weights: bool = False) -> Iterator[tuple[int, PopulationOutcome]]:
        """Train every population to its stops; yields (position, outcome) in the order of the queue."""
        while queue:
            position, population = queue.next[0]
            queue.take(position)
            self.trainer.prepare(population)
            began = time.process_time()
            outcome = self.trainer.train_one(population, keep_weights)
            self.seconds += time.process_time() - began
            self.epochs += sum(lane.stop - lane.start for lane in population.lanes)
            yield position, outcome

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trainer, name)


def multiplications(architecture: Architecture, inputs: int) -> int:
    """Multiply-adds of one row on its way through the network's own layers, without any padding."""
    return sum(layer.products for layer in architecture.layers(inputs))


def useful_operations(recipe: Recipe, rows: TrainingRows, epochs: int, fold: int = 0) -> float:
    """Multiplies and adds of a network's training: three passes for a row to learn from, one for a row to validate on."""
    train, validation = rows.fold_rows(fold)
    passes = 3 * len(train) + len(validation)
    return 2.0 * passes * epochs * multiplications(recipe.architecture, rows.x.shape[1])


def trained_predictions(
    recipes: Mapping[str, Params], rows: TrainingRows, experiment: Experiment, networks: int, trainer: Trainer | None = None
) -> dict[str, list[list[Floats]]]:
    """Trains networks of several recipes together; by recipe and fold, each network's predictions for the validation rows.

    Args:
        recipes: By name, the hyperparameters that differ from `RECIPE`.
        rows: Each fold's validation rows are what is predicted.
        experiment: The heads and the number of epochs.
        networks: Of a recipe and fold, each from other initial weights.
        trainer: Who trains; this process if None.
    """
    folds = range(len(rows.folds))
    own = list(itertools.product(folds, range(networks)))
    lanes = {
        name: recipe_lanes(Stage.COMPARISON, recipe_for(experiment, {**RECIPE, **params}), experiment, own)
        for name, params in recipes.items()
    }
    training = TrainingContext(trainer or PopulationTrainer(rows), rows, NoProgress())
    outcomes = train_lanes([lane for alike in lanes.values() for lane in alike], experiment, training)
    return {
        name: [[outcomes[lane.key].predictions for lane in alike if lane.key.fold == fold] for fold in folds]
        for name, alike in lanes.items()
    }


def paired_gain(values: Sequence[float], reference: Sequence[float]) -> dict[str, float | None]:
    """The mean of the paired differences, its standard error (None for one pair), and the smallest of them."""
    gained = [value - other for value, other in zip(values, reference, strict=True)]
    error = statistics.stdev(gained) / math.sqrt(len(gained)) if len(gained) > 1 else None
    return {"mean": statistics.fmean(gained), "standard_error": error, "smallest": min(gained)}


def resident_megabytes(process: int) -> float:
    """Memory that a process occupies at the moment (Linux)."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def proportional_megabytes(process: int) -> float:
    """The same, with pages that several processes share (libraries, mostly) divided among them: it can be added up (Linux)."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))


def interleaved(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Every way in turn, several times: the medians of what they return. What else the machine does slows all of them alike."""
    measured: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            measured[name].append(run())
    return {name: statistics.median(figures) for name, figures in measured.items()}


def run_trials(trials: Sequence[Trial], experiment: Experiment, training: TrainingContext) -> Iterator[Result]:
    """The trials of one round with their scores, each as soon as it has one."""
    return (result for _, result in run_groups([TrialGroup(trials, range(experiment.folds))], experiment, training))


def note(line: str) -> None:
    """Progress of a long measurement, on standard error."""
    print(line, file=sys.stderr, flush=True)


def conclude(measurements: Mapping[str, Any], as_json: bool) -> None:
    """Prints the figures of a benchmark: one JSON object, or a line for each."""
    print(json.dumps(measurements) if as_json else "\n".join(_lines(measurements)))


def _lines(measurements: Mapping[str, Any]) -> Iterator[str]:
    for name, figure in measurements.items():
        if isinstance(figure, Mapping):
            yield f"{name}:"
            yield from (f"  {line}" for line in _lines(figure))
        else:
            yield f"{name:48} {figure:.4g}" if isinstance(figure, float) else f"{name:48} {figure}"
