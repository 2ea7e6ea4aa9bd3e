"""Trains populations in this process: writes lanes into the arrays of a compiled program, calls it, and reads the outcomes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import ProgramCacheError
from branchsweep.models.estimator_files import write_estimators
from branchsweep.models.exported_model import ExportedModel
from branchsweep.models.heads.registry import kinds_of
from branchsweep.models.model_files import LoadedEstimators
from branchsweep.runtime import give_back_memory
from branchsweep.training.epoch_metric import EpochMetric
from branchsweep.training.lanes import LaneOutcome
from branchsweep.training.population import Population, PopulationOutcome, Program
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.program import program_cache
from branchsweep.training.program.batches import (
    BatchFeed,
    Floats32,
    Stream,
    StreamKey,
    make_stream,
    stream_keys,
)
from branchsweep.training.program.compiled_program import compiled
from branchsweep.training.program.lane_arrays import LaneResults, initial_state, lane_outcomes, make_plan
from branchsweep.training.program.layer_schedule import LayerSchedule, schedule_layers
from branchsweep.training.program.program_arrays import Plan, Rows, State
from branchsweep.training.program.shapes import MOST_STREAM_BYTES, ArrayShapes, array_shapes
from branchsweep.training.resources import CPU, Device, Resources
from branchsweep.types import Floats

if TYPE_CHECKING:
    from branchsweep.models.export import LoadedNetwork

Progress = Callable[[float], None]
"""Called with the number of lane-epochs (epochs summed over lanes) that were trained since the last call."""

REPACK_SHARE = 0.75
"""When at most this share of a population's lanes still trains, they are packed again, which takes less than an epoch."""


@dataclass(slots=True)
class PopulationTrainer:
    """A `Trainer` that trains in this process, one population after the other.

    Args:
        rows: The training rows.
        progress: Called after every few epochs, see `Progress`.
        device: The device that TensorFlow uses in this process.
    """

    rows: TrainingRows
    progress: Progress = lambda lane_epochs: None
    device: Device = CPU
    _ready: set[tuple[Program, ArrayShapes]] = field(default_factory=set)
    _streams: dict[tuple[tuple[str, ...], tuple[str, ...], StreamKey], Stream] = field(default_factory=dict)
    _network: LoadedNetwork | None = None
    _estimators: LoadedEstimators | None = None

    @property
    def resources(self) -> Resources:
        """One population trains at a time."""
        return Resources(1, self.device)

    def use_rows(self, rows: TrainingRows) -> None:
        """Train on other rows of the same columns from now on."""
        self.rows = rows
        self._streams.clear()
        self._ready.clear()  # the arrays may have other shapes; a program that fits them is there already

    def train(self, queue: PopulationQueue, keep_weights: bool = False) -> Iterator[tuple[int, PopulationOutcome]]:
        """Train every population to its stops; yields (position, outcome) in the order of the queue."""
        while queue:
            position, population = queue.next[0]
            queue.take(position)
            yield position, self.train_one(population, keep_weights)

    def export(self, folder: Path, model: ExportedModel) -> None:
        """Write lanes that were trained on all rows as one model, with encoders fitted on all rows."""
        self.export_networks(folder, model)
        write_estimators(folder, model.estimators)

    def export_networks(self, folder: Path, model: ExportedModel) -> None:
        """Write all files of the model except those of its estimators."""
        from branchsweep.models import export  # noqa: PLC0415  # imports Keras, which training does not need

        export.export_networks(folder, model, self.rows.for_heads(list(model.units)))

    def predict(self, folder: Path, x: Floats) -> Floats:
        """Predictions of the exported model, which stays loaded until something is trained."""
        self._estimators = LoadedEstimators.of(folder, self._estimators)
        return self._estimators.predict(self.predict_networks(folder, x), x)

    def predict_networks(self, folder: Path, x: Floats) -> Floats:
        """Predictions of the exported model's networks alone."""
        from branchsweep.models import export  # noqa: PLC0415  # as above

        self._network = export.LoadedNetwork.of(folder, self._network)
        return self._network.predict(x)

    def measure_latency(self, folder: Path, x: Floats) -> float:
        """Seconds that the exported model takes to predict for these rows."""
        from branchsweep.models import export  # noqa: PLC0415  # as above

        return export.measure_latency(folder, x)

    def prepare(self, population: Population) -> None:
        """Compile or load the program of a population, which will be trained here."""
        if population.is_built:
            import branchsweep.training.keras_training  # noqa: F401, PLC0415  # imports Keras, as above

            return
        self._compile(self._with_weights(population))

    def train_one(self, population: Population, keep_weights: bool = False) -> PopulationOutcome:
        """Train all lanes of one population to their stops.

        When many lanes have ended, the others are packed again and continue without them.

        Args:
            population: The lanes with their program.
            keep_weights: Whether the outcomes contain the kept weights.
        """
        began = time.perf_counter()
        self._network = self._estimators = None  # which may take hundreds of megabytes
        if population.is_built:
            outcome = self._train_built(population, keep_weights)
            return PopulationOutcome([outcome], time.perf_counter() - began, 0.0)
        population = self._with_weights(population)
        compile_seconds = self._compile(population)
        outcomes: dict[int, LaneOutcome] = {}
        lanes, remaining = list(range(len(population.lanes))), population
        while lanes:
            reached = self._train_until_repacking(remaining, keep_weights)
            outcomes |= dict(zip(lanes, reached, strict=True))
            states = [(position, outcome.state) for position, outcome in enumerate(reached) if outcome.state]
            unfinished = [(position, state) for position, state in states if state.epoch < remaining.stops[position]]
            lanes = [lanes[position] for position, _ in unfinished]
            if lanes:
                remaining = remaining.only([position for position, _ in unfinished], [state for _, state in unfinished])
        # Epochs that were never trained, as a lane stopped early, count as done.
        self.progress(sum(population.stops[lane] - len(outcome.curve) for lane, outcome in outcomes.items()))
        seconds = time.perf_counter() - began - compile_seconds
        return PopulationOutcome([outcomes[lane] for lane in range(len(outcomes))], seconds, compile_seconds)

    def _train_built(self, population: Population, keep_weights: bool) -> LaneOutcome:
        """Train a network of a user's builder."""
        from branchsweep.training.keras_training import train_built  # noqa: PLC0415  # imports Keras, as above

        rows = self.rows.for_heads(population.heads)
        stream = self._stream(rows, population.program.losses, population.lanes[0].stream)
        self._forget_streams(1)
        return train_built(population, stream, EpochMetric.of(population, self.rows), keep_weights, self.progress)

    def _with_weights(self, population: Population) -> Population:
        """The population with a program that weighs targets, where these rows need one for its heads."""
        if self.rows.for_heads(population.heads).count_alike:
            return population
        return replace(population, program=replace(population.program, weighted=True))

    def _compile(self, population: Population) -> float:
        """Compile the population's program by a call with 0 epochs, and return the seconds that this took.

        So the wall time of training does not contain compilation.
        """
        shape = (population.program, self._shapes(population))
        if shape in self._ready:
            return 0.0
        began = time.perf_counter()
        feed, schedule = self._prepared(population)
        plan, state = make_plan(population, feed, schedule), initial_state(population, feed, schedule)
        arguments = (state, plan, feed.rows(), feed.epochs(0, 0))
        with program_cache.recorded_checksums():
            try:
                compiled(population.program).compile(*arguments)
            except tf.errors.OpError as error:
                if not program_cache.used_folder():
                    raise
                reason = str(error).splitlines()[0]
                message = f"compiled programs cannot be kept in {program_cache.used_folder()} ({reason})"
                raise ProgramCacheError(message, "cache") from error
        self._ready.add(shape)
        give_back_memory()
        return time.perf_counter() - began

    def _shapes(self, population: Population) -> ArrayShapes:
        """The sizes of the arrays of the population's program, which is compiled for each anew."""
        program = population.program
        columns = program.inputs + len(program.losses) * (2 if program.weighted else 1)
        table = max(self.rows.room, len(self.rows.x)), columns
        validation = max(len(self.rows.fold_rows(fold)[1]) for fold in set(population.folds))
        return array_shapes(table, program.batch_size, len(set(stream_keys(population))), validation)

    def _prepared(self, population: Population) -> tuple[BatchFeed, LayerSchedule]:
        schedule = schedule_layers(population.program, [recipe.architecture for recipe in population.recipes])
        rows = self.rows.for_heads(population.heads)
        feed = BatchFeed.of(population, partial(self._stream, rows, population.program.losses))
        if feed.shapes.is_of_large_table and feed.join():
            self._streams.clear()  # what they were parts of may be as large
            names = [(rows.heads, population.program.losses, key) for key in sorted(set(stream_keys(population)))]
            self._streams.update(zip(names, feed.streams, strict=True))
        self._forget_streams(len(feed.streams))
        return feed, schedule

    def _stream(self, rows: TrainingRows, losses: tuple[str, ...], key: StreamKey) -> Stream:
        """The stream of a key, made at the first call and then kept."""
        name = (rows.heads, losses, key)
        stream = self._streams.pop(name, None) or make_stream(rows, kinds_of(losses), key)
        self._streams[name] = stream  # the one that was used last is the last one
        return stream

    def _forget_streams(self, in_use: int) -> None:
        """Forget those that were used longest ago, but none of the last `in_use`, until the others are within their bound."""
        kept = sum(stream.table.nbytes for stream in self._streams.values())
        for name in list(self._streams)[: len(self._streams) - in_use]:
            if kept <= MOST_STREAM_BYTES:
                return
            kept -= self._streams.pop(name).table.nbytes

    def _train_until_repacking(self, population: Population, keep_weights: bool) -> list[LaneOutcome]:
        """Train until all lanes have stopped, or at most `REPACK_SHARE` of them still trains."""
        feed, schedule = self._prepared(population)
        plan, rows, state = make_plan(population, feed, schedule), feed.rows(), initial_state(population, feed, schedule)
        metric = EpochMetric.of(population, self.rows)
        curves: list[Floats32] = []
        last, lanes, epoch = max(population.stops), len(population.lanes), population.start
        trained, going = lanes * epoch, lanes
        while epoch < last and going > lanes * REPACK_SHARE:
            state, curve = _train_epochs(population, feed, (state, plan, rows), epoch, metric)
            curves.append(curve)
            epoch += len(curve)
            before, trained = trained, int(state.lanes.epoch.numpy()[:lanes].sum())
            self.progress(trained - before)
            going = int(state.lanes.going.numpy().sum())
        return lane_outcomes(population, feed, schedule, LaneResults(state, np.concatenate(curves), keep_weights))


def _train_epochs(
    population: Population, feed: BatchFeed, arrays: tuple[State, Plan, Rows], epoch: int, metric: EpochMetric | None
) -> tuple[State, Floats32]:
    """Train by one call of the compiled program.

    Args:
        population: The lanes.
        feed: Their batches.
        arrays: Their state, and what stays the same.
        epoch: The epochs that they have been trained for.
        metric: What chooses their epochs; None where the program does so itself, and goes on for several epochs.

    Returns:
        The state, and the scores after each epoch `(epochs, H*K)`.
    """
    program, (_, plan, rows) = compiled(population.program), arrays
    count = min(feed.shapes.epochs if metric is None else 1, max(population.stops) - epoch)
    state, curve, latest = program.train(*arrays, feed.epochs(epoch, count))
    scores = curve.numpy()[:count]
    if metric is None:
        return state, scores
    measured = metric.values(feed, latest.numpy(), scores[0], state.lanes.going.numpy())
    return program.choose(state, plan, rows, tf.constant(measured), latest), scores
